"""Sends lines to `POST /v1/batch` in full batches. Lines that refer to an id not known there yet are sent again after a pause."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from deploy.local.errors import UserError
from deploy.local.loading.api import FIRST_PAUSE, IMPORT_HEADER, LONGEST_PAUSE, WAIT_TIMEOUT, Apis
from shared.problems.errors import FieldError

MOST_LINES = 1000
MOST_BYTES = 4 * 2**20
MOST_KEPT = 1000
"""Refusals that are kept; further ones are only counted."""
LATER = "NOT_YET_KNOWN"


class LineAnswer(msgspec.Struct):
    """The answer to a line: the id and the events, or the problem."""

    line: int
    status: int
    id: str | None = None
    event_ids: list[str] = []
    problem: dict[str, Any] | None = None


class BatchLine(NamedTuple):
    """A line to send, `content` with its newline; `row` is the line of the file."""

    op: str
    row: int | None
    content: bytes


_answers = msgspec.json.Decoder(LineAnswer)
_encode = msgspec.json.Encoder().encode


def batch_line(op: str, key: str, body: dict[str, Any], row: int | None) -> BatchLine:
    """A command as a line."""
    return BatchLine(op, row, _encode({"op": op, "key": key, "body": body}) + b"\n")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row was refused; `row` is the line of the file."""

    row: int | None
    op: str
    field: str | None
    code: str
    zh: str
    en: str

    @classmethod
    def of(cls, error: FieldError, op: str) -> Refusal:
        """From an error of a row's form."""
        messages = error.as_dict()
        return cls(error.row, op, error.field, error.code, messages["message_zh"], messages["message_en"])


@dataclass(slots=True)
class ImportResult:
    """The outcome of an import: accepted and refused lines per op (a repeat counts as accepted), and the refusals."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, refusals: Sequence[Refusal], op: str, count: int = 1) -> None:
        """Count `count` refused lines of `op`."""
        self.refused[op] += count
        self.refusals += refusals[: max(0, MOST_KEPT - len(self.refusals))]


def _ignore_progress(_op: str, _count: int) -> None:
    """No progress display."""


class Sender:
    """Sends under one import id, at most `at_once` requests in flight. `on_progress` gets (op, number of lines) that are settled."""

    def __init__(self, apis: Apis, import_id: str, *, at_once: int = 3, on_progress: Callable[[str, int], None] = _ignore_progress) -> None:
        self.result = ImportResult()
        self._apis = apis
        self._headers = {IMPORT_HEADER: import_id}
        self._slots = asyncio.Semaphore(at_once)
        self._on_progress = on_progress

    async def send(self, service: str, lines: Sequence[BatchLine], known: frozenset[str] = frozenset()) -> list[LineAnswer | None]:
        """Send lines in order; per line the answer, None if it was refused or exists already. Raises UserError.

        `known`: problem codes which mean that the entity exists already; they count as accepted.
        """
        answers: list[LineAnswer | None] = []
        for start, end in _slices(lines):
            answers += await self._send_batch(service, lines[start:end], known)
        return answers

    async def _send_batch(self, service: str, lines: Sequence[BatchLine], known: frozenset[str]) -> list[LineAnswer | None]:
        answers: list[LineAnswer | None] = [None] * len(lines)
        open_lines = list(range(len(lines)))
        pause, deadline = FIRST_PAUSE, time.monotonic() + WAIT_TIMEOUT
        while True:
            async with self._slots:
                content = await self._apis.post_lines(service, b"".join([lines[n].content for n in open_lines]), self._headers)
            waiting: list[int] = []
            settled: Counter[str] = Counter()
            for n, answer in zip(open_lines, _answers.decode_lines(content), strict=True):
                if answer.problem is not None and answer.problem["code"] == LATER:
                    waiting.append(n)
                    continue
                op = lines[n].op
                settled[op] += 1
                if answer.problem is None:
                    answers[n] = answer
                elif answer.problem["code"] not in known:
                    self.result.refuse(_refusals(answer.problem, op, lines[n].row), op)
                    continue
                self.result.accepted[op] += 1
            for op, count in settled.items():
                self._on_progress(op, count)
            if not waiting:
                return answers
            if len(waiting) < len(open_lines):
                pause, deadline = FIRST_PAUSE, time.monotonic() + WAIT_TIMEOUT
            if time.monotonic() > deadline:
                raise UserError(
                    f"{service} 在 {WAIT_TIMEOUT:.0f} 秒内仍未获知所引用的登记;请看 ./parkunion status,之后重新执行即可继续",
                    f"{service} did not learn of what is referred to for {WAIT_TIMEOUT:.0f} s; see ./parkunion status, then run this again",
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            open_lines = waiting

    def refuse(self, op: str, refusals: Sequence[Refusal]) -> None:
        """A line is not sent because of its own errors."""
        self.result.refuse(refusals, op)
        self._on_progress(op, 1)

    def skip(self, op: str, row: int | None, count: int, what: str) -> None:
        """`count` lines are not sent because an entity (`what`) that they refer to was refused."""
        if count:
            self.result.refuse([Refusal.of(FieldError("NOT_LOADED_BEFORE_IT", None, row, {"what": what}), op)], op, count)
            self._on_progress(op, count)


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


def _refusals(problem: dict[str, Any], op: str, row: int | None) -> list[Refusal]:
    errors = problem.get("errors") or [{}]
    return [
        Refusal(row, op, error.get("field"), error.get("code", problem["code"]), error.get("message_zh", ""), error.get("message_en", ""))
        for error in errors
    ]
