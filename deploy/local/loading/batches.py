"""Sends lines to `POST /v1/batch`, as many at a time as fit; lines that speak of a thing not known there yet are sent again after a moment."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from deploy.local.loading.api import FIRST_PAUSE, IMPORT_HEADER, LONGEST_PAUSE, PATIENCE, Apis
from deploy.local.trouble import Trouble
from shared.problems.errors import FieldError

MOST_LINES = 1000
MOST_BYTES = 4 * 2**20
MOST_KEPT = 1000
"""Refusals that are kept with all they say; further ones are only counted."""
LATER = "NOT_YET_KNOWN"


class Answered(msgspec.Struct):
    """What a line was answered: the id and the events, or the problem."""

    line: int
    status: int
    id: str | None = None
    event_ids: list[str] = []
    problem: dict[str, Any] | None = None


_answers = msgspec.json.Decoder(Answered)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why one row's fact was not taken: `row` is the line of the file."""

    row: int | None
    op: str
    field: str | None
    code: str
    zh: str
    en: str

    @classmethod
    def of(cls, error: FieldError, op: str) -> Refusal:
        """From what is wrong with a row's form."""
        said = error.as_dict()
        return cls(error.row, op, error.field, error.code, said["message_zh"], said["message_en"])


@dataclass(slots=True)
class Fate:
    """What became of the lines: accepted and refused per op (a repeat counts as accepted), and the refusals."""

    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(self, refusals: Sequence[Refusal], op: str, count: int = 1) -> None:
        """`count` lines of `op` were refused."""
        self.refused[op] += count
        self.refusals += refusals[: max(0, MOST_KEPT - len(self.refusals))]


def _tell_nobody(_op: str, _count: int) -> None:
    """Progress that nobody watches."""


class Sender:
    """Sends under one import id, at most `at_once` requests in flight. `told` hears (op, number of lines) of what is settled."""

    def __init__(self, apis: Apis, import_id: str, *, at_once: int = 3, told: Callable[[str, int], None] = _tell_nobody) -> None:
        self.fate = Fate()
        self._apis = apis
        self._headers = {IMPORT_HEADER: import_id}
        self._room = asyncio.Semaphore(at_once)
        self._told = told

    async def send(
        self, service: str, op: str, lines: Sequence[bytes], rows: Sequence[int | None], known: frozenset[str] = frozenset()
    ) -> list[str | None]:
        """Send lines of one op (each with its newline), in order; per line the id, None if it was refused. Raises Trouble.

        `known`: codes of problems that only say that the thing is there already, which is as good as accepted.
        """
        answers = await self.send_mixed(service, [op] * len(lines), lines, rows, known)
        return [answer.id if answer else None for answer in answers]

    async def send_mixed(
        self, service: str, ops: Sequence[str], lines: Sequence[bytes], rows: Sequence[int | None], known: frozenset[str] = frozenset()
    ) -> list[Answered | None]:
        """As `send`, but each line has its own op; per line the whole answer, None if it was refused (or was there already)."""
        answers: list[Answered | None] = []
        for start, end in _slices(lines):
            answers += await self._batch(service, ops[start:end], lines[start:end], rows[start:end], known)
        return answers

    async def _batch(
        self, service: str, ops: Sequence[str], lines: Sequence[bytes], rows: Sequence[int | None], known: frozenset[str]
    ) -> list[Answered | None]:
        answers: list[Answered | None] = [None] * len(lines)
        open_lines = list(range(len(lines)))
        pause, deadline = FIRST_PAUSE, time.monotonic() + PATIENCE
        while True:
            async with self._room:
                content = await self._apis.post_lines(service, b"".join([lines[n] for n in open_lines]), self._headers)
            waiting: list[int] = []
            settled: Counter[str] = Counter()
            for n, answer in zip(open_lines, _answers.decode_lines(content), strict=True):
                if answer.problem is not None and answer.problem["code"] == LATER:
                    waiting.append(n)
                    continue
                settled[ops[n]] += 1
                if answer.problem is None:
                    answers[n] = answer
                elif answer.problem["code"] not in known:
                    self.fate.refuse(_refusals(answer.problem, ops[n], rows[n]), ops[n])
                    continue
                self.fate.accepted[ops[n]] += 1
            for op, count in settled.items():
                self._told(op, count)
            if not waiting:
                return answers
            if len(waiting) < len(open_lines):
                pause, deadline = FIRST_PAUSE, time.monotonic() + PATIENCE
            if time.monotonic() > deadline:
                raise Trouble(
                    f"{service} 在 {PATIENCE:.0f} 秒内仍未获知所引用的登记;请看 ./parkunion status,之后重新执行即可继续",
                    f"{service} did not learn of what is referred to for {PATIENCE:.0f} s; see ./parkunion status, then run this again",
                )
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
            open_lines = waiting

    def refuse(self, op: str, refusals: Sequence[Refusal]) -> None:
        """One line is not sent because of what is wrong with it."""
        self.fate.refuse(refusals, op)
        self._told(op, 1)

    def skip(self, op: str, row: int | None, count: int, what: str) -> None:
        """`count` lines are not sent because what they refer to was refused."""
        if count:
            self.fate.refuse([Refusal.of(FieldError("NOT_LOADED_BEFORE_IT", None, row, {"what": what}), op)], op, count)
            self._told(op, count)


def _slices(lines: Sequence[bytes]) -> Iterator[tuple[int, int]]:
    """Pieces of at most MOST_LINES lines and MOST_BYTES bytes."""
    start = size = 0
    for n, line in enumerate(lines):
        if n - start == MOST_LINES or (n > start and size + len(line) > MOST_BYTES):
            yield start, n
            start, size = n, 0
        size += len(line)
    if start < len(lines):
        yield start, len(lines)


def _refusals(problem: dict[str, Any], op: str, row: int | None) -> list[Refusal]:
    errors = problem.get("errors") or [{}]
    return [
        Refusal(row, op, error.get("field"), error.get("code", problem["code"]), error.get("message_zh", ""), error.get("message_en", ""))
        for error in errors
    ]
