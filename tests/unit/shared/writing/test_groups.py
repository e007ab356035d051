"""Single commands of one caller that come at the same time share a transaction, and none suffers by another."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import asyncpg
import pytest

from shared.journal.idempotency import Result
from shared.problems.errors import Conflict, Problem
from shared.process.db import OutcomeUnknownError
from shared.writing.single.groups import MOST, PACE, SEVERAL, Groups, pace_after


def result(line: str) -> Result:
    return Result(line, f"enterprise/{line}", 1, [])


class Transactions:
    """Stands for the database: notes which lines were carried out together, and waits as long as it is told to."""

    def __init__(self) -> None:
        self.done: list[list[str]] = []
        self.began: list[float] = []
        self.at_once = self.most_at_once = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.failure: Exception | None = None

    @asynccontextmanager
    async def transaction(self, lines: Sequence[str]) -> AsyncIterator[None]:
        self.done.append(list(lines))
        self.began.append(asyncio.get_running_loop().time())
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_end.wait()
        yield
        self.at_once -= 1

    async def alone(self, line: str) -> Result:
        async with self.transaction([line]):
            if line.startswith("refused"):
                raise Conflict("ALREADY_MEMBER")
            return result(line)

    async def together(self, lines: list[str]) -> list[Result | Problem]:
        async with self.transaction(lines):
            if self.failure is not None:
                self.at_once -= 1
                raise self.failure
            return [Conflict("ALREADY_MEMBER") if line.startswith("refused") else result(line) for line in lines]


class Doors:
    """Commands on their way to one process."""

    def __init__(self) -> None:
        self.transactions = Transactions()
        self.groups: Groups[str] = Groups()

    def send(self, line: str, caller: str = "office") -> asyncio.Task[Result]:
        return asyncio.create_task(self.groups.one(caller, line, self.transactions.alone, self.transactions.together))

    async def send_behind_one(self, *lines: str) -> tuple[asyncio.Task[Result], list[asyncio.Task[Result]]]:
        """The first is at work, the others come meanwhile."""
        self.transactions.may_end.clear()
        first = self.send("first")
        await asyncio.sleep(0)
        tasks = [self.send(line) for line in lines]
        await asyncio.sleep(0)
        self.transactions.may_end.set()
        return first, tasks


async def test_a_command_that_comes_alone_is_carried_out_at_once_and_alone() -> None:
    doors = Doors()
    for line in ("a", "b", "c"):
        assert await doors.send(line) == result(line)
    assert doors.transactions.done == [["a"], ["b"], ["c"]]


async def test_commands_that_come_while_one_is_at_work_share_a_transaction() -> None:
    doors = Doors()
    first, others = await doors.send_behind_one("a", "b", "c")
    assert [task.id for task in await asyncio.gather(first, *others)] == ["first", "a", "b", "c"]
    assert doors.transactions.done == [["first"], ["a", "b", "c"]]
    assert doors.transactions.most_at_once == 1


async def test_a_refused_command_is_refused_alone() -> None:
    doors = Doors()
    first, others = await doors.send_behind_one("a", "refused", "b")
    answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert isinstance(answers[2], Conflict)
    assert [answers[0], answers[1], answers[3]] == [result("first"), result("a"), result("b")]
    assert len(doors.transactions.done) == 2


async def test_what_fails_together_is_carried_out_one_by_one() -> None:
    doors = Doors()
    doors.transactions.failure = ValueError("one of the lines cannot be written")
    first, others = await doors.send_behind_one("a", "refused", "b")
    answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert isinstance(answers[2], Conflict)
    assert [answers[1], answers[3]] == [result("a"), result("b")]
    assert doors.transactions.done == [["first"], ["a", "refused", "b"], ["a"], ["refused"], ["b"]]


async def test_a_deadlock_of_the_group_is_no_answer_to_its_commands() -> None:
    doors = Doors()
    doors.transactions.failure = asyncpg.DeadlockDetectedError("deadlock detected")
    first, others = await doors.send_behind_one("a", "b")
    assert await asyncio.gather(first, *others) == [result("first"), result("a"), result("b")]


@pytest.mark.parametrize("failure", [OutcomeUnknownError("lost"), asyncpg.ConnectionDoesNotExistError("gone")])
async def test_nothing_is_done_again_when_the_commit_is_unknown_or_the_database_away(failure: Exception) -> None:
    doors = Doors()
    doors.transactions.failure = failure
    first, others = await doors.send_behind_one("a", "b")
    answers = await asyncio.gather(first, *others, return_exceptions=True)
    assert answers[1:] == [failure, failure]
    assert doors.transactions.done == [["first"], ["a", "b"]]


async def test_callers_do_not_wait_for_each_other_and_share_nothing() -> None:
    doors = Doors()
    doors.transactions.may_end.clear()
    tasks = [doors.send("a", "one"), doors.send("b", "another")]
    await asyncio.sleep(0)
    assert doors.transactions.done == [["a"], ["b"]]
    doors.transactions.may_end.set()
    assert await asyncio.gather(*tasks) == [result("a"), result("b")]


async def test_a_long_command_does_not_hold_up_the_others() -> None:
    doors = Doors()
    doors.transactions.may_end.clear()
    doors.send("long")
    await asyncio.sleep(0)
    others = [doors.send("a"), doors.send("b")]
    while len(doors.transactions.done) < 2:
        await asyncio.sleep(0.01)
    assert doors.transactions.done == [["long"], ["a", "b"]]
    doors.transactions.may_end.set()
    assert await asyncio.gather(*others) == [result("a"), result("b")]


async def test_a_group_has_a_limit_and_the_rest_comes_next() -> None:
    doors = Doors()
    lines = [f"line {number}" for number in range(MOST + 2)]
    first, others = await doors.send_behind_one(*lines)
    assert [task.id for task in await asyncio.gather(first, *others)] == ["first", *lines]
    assert doors.transactions.done == [["first"], lines[:MOST], lines[MOST:]]


async def test_who_has_gone_stops_nobody() -> None:
    doors = Doors()
    first, (gone, other) = await doors.send_behind_one("a", "b")
    gone.cancel()
    assert await first == result("first")
    assert await other == result("b")
    assert gone.cancelled()


async def test_nothing_is_kept_of_a_caller_who_is_done() -> None:
    doors = Doors()
    first, others = await doors.send_behind_one("a", "b")
    await asyncio.gather(first, *others)
    while doors.groups._callers:
        await asyncio.sleep(0.005)
    assert await doors.send("later") == result("later")
    assert not doors.groups._callers


async def test_while_many_come_groups_are_twice_as_far_apart() -> None:
    assert [pace_after(lines) for lines in (1, SEVERAL - 1, SEVERAL, MOST)] == [PACE, PACE, 2 * PACE, 2 * PACE]
    doors = Doors()
    first, others = await doors.send_behind_one(*"abcdef")
    await asyncio.gather(first, *others)
    assert await doors.send("g") == result("g")
    assert doors.transactions.done == [["first"], [*"abcdef"], ["g"]]
    apart = [later - sooner for sooner, later in zip(doors.transactions.began, doors.transactions.began[1:], strict=False)]
    assert apart[0] >= PACE * 0.99
    assert apart[1] >= 2 * PACE * 0.99
