"""Single commands of one caller that come at the same time are carried out in one transaction, as the lines of a batch are.

A transaction costs nine round trips and a commit whether it carries out one command or ten (docs/adr/0029). A command that comes alone is
carried out at once, alone. Those that come while one of the same caller is at work make a group, which begins when that has ended, and no
sooner than `pace_after` its beginning. Each line is decided by itself on what those before it made: a refused one changes nothing and stops no
other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from dataclasses import dataclass, field
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

import asyncpg

from shared.journal.idempotency import Result
from shared.problems.errors import Problem
from shared.process.db import OUTAGES

L = TypeVar("L")

Alone: TypeAlias = Callable[[L], Awaitable[Result]]
"""Carries out one line in a transaction of its own. Raises the problem for which it is refused."""
Together: TypeAlias = Callable[[list[L]], Awaitable[list[Result | Problem]]]
"""Carries out lines in one transaction; one outcome per line."""

PACE = 0.015
"""Seconds between the beginnings of a caller's groups while few commands come at the same time."""
SEVERAL = 6
"""Lines of a group by which more are on their way."""
LONGEST_WAIT = 0.1
"""Seconds for which a group waits for the one before it."""
MOST = 50
"""Commands of one group."""
OF_THE_GROUP = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError, asyncpg.LockNotAvailableError)
"""Errors of the database that a line may not meet alone."""


def pace_after(lines: int) -> float:
    """Seconds from the beginning of a group of so many lines to that of the next: after several it is to be twice as large."""
    return 2 * PACE if lines >= SEVERAL else PACE


class _Waiting(NamedTuple, Generic[L]):
    line: L
    answer: asyncio.Future[Result]


@dataclass(slots=True)
class _Caller(Generic[L]):
    """The lines of one caller that wait, and how many groups are at work."""

    waiting: list[_Waiting[L]] = field(default_factory=list)
    at_work: int = 0
    began: float = float("-inf")
    """When the last group began, by the loop's clock."""
    last: int = 0
    """Lines of the last group."""
    gathering: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    """Set whenever a group has ended."""


class Groups(Generic[L]):
    """The single commands that a process is carrying out."""

    def __init__(self) -> None:
        self._callers: dict[Hashable, _Caller[L]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def one(self, caller: Hashable, line: L, alone: Alone[L], together: Together[L]) -> Result:
        """Carry out one line, by `alone`, or by `together` with others for which an equal `caller` was given.

        The functions of any of them may be used. Raises what `alone` raises. If `together` fails, each line of the group is carried out alone,
        so that none suffers by another, unless the database is away or the answer to COMMIT was lost.
        """
        found = self._callers.setdefault(caller, _Caller())
        if not found.at_work and not found.waiting and (not found.gathering or found.last == 1):
            self._begins(found, 1)
            try:
                return await alone(line)
            finally:
                self._ends(caller, found)
        own = _Waiting(line, asyncio.get_running_loop().create_future())
        found.waiting.append(own)
        if not found.gathering:
            found.gathering = True
            self._start(self._gather(caller, found, alone, together))
        return await own.answer

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @staticmethod
    def _begins(found: _Caller[L], lines: int) -> None:
        found.at_work += 1
        found.began, found.last = asyncio.get_running_loop().time(), lines

    def _ends(self, caller: Hashable, found: _Caller[L]) -> None:
        found.at_work -= 1
        found.ended.set()
        self._forget(caller, found)

    def _forget(self, caller: Hashable, found: _Caller[L]) -> None:
        if not found.at_work and not found.gathering:
            del self._callers[caller]

    async def _gather(self, caller: Hashable, found: _Caller[L], alone: Alone[L], together: Together[L]) -> None:
        """Begin group after group, until none has come meanwhile."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(found.began + pace_after(found.last) - loop.time())
            if not found.waiting:
                break
            await self._wait_for_the_last(found)
            group = found.waiting[:MOST]
            del found.waiting[:MOST]
            self._begins(found, len(group))
            self._start(self._carry_out(caller, found, group, alone, together))
        found.gathering = False
        self._forget(caller, found)

    @staticmethod
    async def _wait_for_the_last(found: _Caller[L]) -> None:
        loop = asyncio.get_running_loop()
        while found.at_work and (left := found.began + LONGEST_WAIT - loop.time()) > 0:
            found.ended.clear()
            try:
                async with asyncio.timeout(left):
                    await found.ended.wait()
            except TimeoutError:
                return

    async def _carry_out(
        self, caller: Hashable, found: _Caller[L], group: list[_Waiting[L]], alone: Alone[L], together: Together[L]
    ) -> None:
        try:
            outcomes = await _outcomes([one.line for one in group], alone, together)
            for one, outcome in zip(group, outcomes, strict=True):
                if one.answer.done():
                    continue  # nobody waits for it any more
                if isinstance(outcome, BaseException):
                    one.answer.set_exception(outcome)
                else:
                    one.answer.set_result(outcome)
        finally:
            for one in group:
                one.answer.cancel()
            self._ends(caller, found)


async def _outcomes(lines: list[L], alone: Alone[L], together: Together[L]) -> list[Result | BaseException]:
    """The answer to each line, or what it raises."""
    if len(lines) > 1:
        try:
            return list(await together(lines))
        except OF_THE_GROUP:
            pass
        except OUTAGES as error:
            # OutcomeUnknownError among them.
            return [error] * len(lines)
        except Exception:  # noqa: S110 - each meets its own error alone
            pass
    return await asyncio.gather(*(alone(line) for line in lines), return_exceptions=True)
