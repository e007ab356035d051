"""Sends lines to `POST /v1/batch` in full batches. Lines that refer to what is not known there yet are sent again after a pause.

A service says so itself of an id (`NOT_YET_KNOWN`), which holds the time at which it was made. Of the code of an area it cannot know whether the
registry's event is still on its way: it refuses the line, and the sender asks the registry before it believes that (`MAY_FOLLOW`).
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import msgspec

from deploy.local.loading.api import FIRST_PAUSE, IMPORT_HEADER, LONGEST_PAUSE, WAIT_TIMEOUT, Apis
from samples.notices import Notice, Notices
from shared.problems.errors import FieldError
from shared.problems.texts import code_form

MOST_LINES = 1000
MOST_BYTES = 4 * 2**20
SECOND_WAIT = 5.0
"""Seconds to wait for what is not known yet, after WAIT_TIMEOUT has passed once in vain."""
LATER = "NOT_YET_KNOWN"
REGISTRY = "registry"
MAY_FOLLOW = {"UNKNOWN_AREA": "/v1/areas", "UNKNOWN_ENTERPRISE": "/v1/enterprises"}
"""{code of a refusal: where the registry answers whether there is such a thing}"""


class LineAnswer(msgspec.Struct):
    """The answer to a line: the id and the events, or the problem."""

    line: int
    status: int
    id: str | None = None
    event_ids: list[str] = []
    problem: dict[str, Any] | None = None
    warnings: list[dict[str, str]] = []


class BatchLine(NamedTuple):
    """A line to send, `content` with its newline; `row` is the line of the file, `name` the key by which the file knows it."""

    op: str
    row: int | None
    content: bytes
    name: str | None = None


_answers = msgspec.json.Decoder(LineAnswer)
_encode = msgspec.json.Encoder().encode


def batch_line(op: str, key: str, body: dict[str, Any], row: int | None, name: str | None = None) -> BatchLine:
    """A command as a line."""
    return BatchLine(op, row, _encode({"op": op, "key": key, "body": body}) + b"\n", name)


@dataclass(slots=True)
class ImportResult:
    """The outcome of an import: accepted and refused lines per op (a repeat counts as accepted), and what there is to say about rows."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    notices: Notices = field(default_factory=Notices)

    def refuse(self, errors: Iterable[FieldError], op: str, count: int = 1) -> None:
        """Count `count` refused lines of `op`."""
        self.refused[op] += count
        self.notices.add(Notice.of(error, op) for error in errors)


def _ignore_progress(_op: str, _count: int, _refused: int) -> None:
    """No progress display."""


Made: TypeAlias = Callable[[str, BatchLine, LineAnswer], None]
OnProgress: TypeAlias = Callable[[str, int, int], None]
"""Gets (service, line, answer) of every line that was taken."""


class Sender:
    """Sends under one import id, at most `at_once` requests in flight.

    `on_progress` gets (op, number of lines, of them refused) that are settled, `on_made` what was taken; `notices` are those of the file itself.
    """

    def __init__(
        self,
        apis: Apis,
        import_id: str,
        *,
        at_once: int = 3,
        on_progress: OnProgress = _ignore_progress,
        on_made: Made | None = None,
        notices: Notices | None = None,
    ) -> None:
        self.result = ImportResult(notices=Notices() if notices is None else notices)
        self._apis = apis
        self._headers = {IMPORT_HEADER: import_id}
        self._slots = asyncio.Semaphore(at_once)
        self._on_progress = on_progress
        self._on_made = on_made
        self._registered: set[str] = set()
        self._patience = WAIT_TIMEOUT

    async def send(
        self, service: str, lines: Sequence[BatchLine], known: frozenset[str] = frozenset(), pass_on: frozenset[str] = frozenset()
    ) -> list[LineAnswer | None]:
        """Send lines in order; per line the answer, None if it was refused or exists already. Raises UserError.

        A line that refers to what the service does not learn in time is refused like any other. `known`: problem codes which mean that the
        entity exists already; they count as accepted. `pass_on`: codes of refusals that are answered to the caller, and not counted.
        """
        answers: list[LineAnswer | None] = []
        for start, end in _slices(lines):
            answers += await self._send_batch(service, lines[start:end], known, pass_on)
        return answers

    async def _send_batch(
        self, service: str, lines: Sequence[BatchLine], known: frozenset[str], pass_on: frozenset[str]
    ) -> list[LineAnswer | None]:
        answers: list[LineAnswer | None] = [None] * len(lines)
        open_lines = list(range(len(lines)))
        pause, deadline = FIRST_PAUSE, time.monotonic() + self._patience
        while True:
            async with self._slots:
                content = await self._apis.post_lines(service, b"".join([lines[n].content for n in open_lines]), self._headers)
            given = dict(zip(open_lines, _answers.decode_lines(content), strict=True))
            waiting = [n for n, answer in given.items() if answer.problem is not None and await self._may_follow(service, lines[n], answer)]
            settled = set(given) - set(waiting)
            if settled:
                pause, deadline = FIRST_PAUSE, time.monotonic() + self._patience
            elif time.monotonic() > deadline:
                # What comes after it has the same fate, or hardly any to wait for.
                self._patience = min(self._patience, SECOND_WAIT)
                settled, waiting = set(given), []
            passed = {n for n in settled if (problem := given[n].problem) is not None and problem["code"] in pass_on}
            before = Counter(self.result.refused)
            for n in sorted(settled):
                answers[n] = given[n] if n in passed else self._settle(service, lines[n], given[n], known)
            for op, count in Counter(lines[n].op for n in settled - passed).items():
                self._on_progress(op, count, self.result.refused[op] - before[op])
            if not waiting:
                return answers
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            open_lines = waiting

    def _settle(self, service: str, line: BatchLine, answer: LineAnswer, known: frozenset[str]) -> LineAnswer | None:
        """Count a line; its answer if it was taken now or before."""
        if answer.problem is None:
            self.result.accepted[line.op] += 1
            if answer.warnings:
                self.result.notices.add(_notice(line, warning, warning=True) for warning in answer.warnings)
            if self._on_made is not None:
                self._on_made(service, line, answer)
            return answer
        if answer.problem["code"] in known:
            self.result.accepted[line.op] += 1
            return None
        errors = answer.problem.get("errors") or [{}]
        self.result.refused[line.op] += 1
        self.result.notices.add(_notice(line, {"code": answer.problem["code"], **error}) for error in errors)
        return None

    async def _may_follow(self, service: str, line: BatchLine, answer: LineAnswer) -> bool:
        """Whether the line was refused only because the service has not read yet what the registry has recorded."""
        if answer.problem is None or service == REGISTRY:
            return False
        if answer.problem["code"] == LATER:
            return True
        route = MAY_FOLLOW.get(answer.problem["code"])
        name = (answer.problem.get("errors") or [{}])[0].get("field")
        if route is None or name is None:
            return False
        given = msgspec.json.decode(line.content)["body"].get(name)
        things = [code_form(thing) for thing in (given if isinstance(given, list) else [given]) if isinstance(thing, str)]
        return bool(things) and all([await self._is_registered(route, thing) for thing in things])

    async def _is_registered(self, route: str, thing: str) -> bool:
        path = f"{route}/{quote(thing, safe='')}"
        if path not in self._registered and await self._apis.exists(REGISTRY, path):
            self._registered.add(path)
        return path in self._registered

    def refuse(self, op: str, errors: Iterable[FieldError]) -> None:
        """A line is not sent because of its own errors."""
        self.result.refuse(errors, op)
        self._on_progress(op, 1, 1)

    def skip(self, op: str, row: int | None, count: int, what: str) -> None:
        """`count` lines are not sent because an entity (`what`) that they refer to was refused."""
        if count:
            self.result.refuse([FieldError("NOT_LOADED_BEFORE_IT", None, row, {"what": what})], op, count)
            self._on_progress(op, count, count)


def _slices(lines: Sequence[BatchLine]) -> Iterator[tuple[int, int]]:
    """(start, end) of slices of at most MOST_LINES lines and MOST_BYTES bytes."""
    start = size = 0
    for n, line in enumerate(lines):
        if n - start == MOST_LINES or (n > start and size + len(line.content) > MOST_BYTES):
            yield start, n
            start, size = n, 0
        size += len(line.content)
    if start < len(lines):
        yield start, len(lines)


def _notice(line: BatchLine, said: Mapping[str, Any], *, warning: bool = False) -> Notice:
    return Notice(line.row, line.op, said.get("field"), said["code"], said.get("message_zh", ""), said.get("message_en", ""), warning)
