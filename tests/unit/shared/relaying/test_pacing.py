"""When the relay looks into the outbox next, by a clock that the test turns."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

from shared.relaying import pacing
from shared.relaying.pacing import GOING_ON, LONGEST_REST, MANY, MANY_FULL, OLD, QUIET, REST, SEVERAL, Pacing

IDLE, ASLEEP = 0.025, 0.25


class Session:
    """Stands for the relay's connection: whether something is being appended, who holds the lock of its sleep, and the backlog."""

    def __init__(self) -> None:
        self.appending = False
        self.locked = False
        self.newest: int | None = 1_000_000
        self.old = True

    async def fetchrow(self, statement: str, last: int, age: timedelta) -> dict[str, Any]:
        assert (statement, age) == (pacing.BACKLOG, OLD)
        return {"newest": self.newest, "old": self.old}

    async def fetchval(self, statement: str) -> bool:
        assert statement == pacing.FALL_ASLEEP
        self.locked = not self.appending
        return self.locked

    async def execute(self, statement: str) -> None:
        assert statement == pacing.WAKE_UP
        self.locked = False

    async def add_listener(self, channel: str, callback: Any) -> None:
        self.callback = callback


class Looks:
    """Takes looks that find so many events, each when it is due, and notes the seconds between them."""

    def __init__(self) -> None:
        self.session, self.at, self.waits = Session(), 0.0, list[float]()
        self.pacing = Pacing(self.session, IDLE, asleep=ASLEEP, clock=lambda: self.at)  # type: ignore[arg-type]

    async def find(self, *events: int, full: bool = False) -> list[float]:
        """Returns how long the look after each waits."""
        self.waits.clear()
        for count in events:
            await self.pacing.saw(count, full=full)
            self.waits.append(round(max(0.0, self.pacing._next - self.at), 6))
            self.at += self.waits[-1]
            self.pacing._began = self.at
        return list(self.waits)

    async def work(self, seconds: float, *, events: int = MANY_FULL, full: bool = True, new: int = 0) -> float:
        """A batch that took so many seconds, while so many new events were queued; returns how long the look after it waits."""
        self.pacing._began = self.at
        self.at += seconds
        self.session.newest = (self.session.newest or 0) + new
        await self.pacing.saw(events, full=full)
        wait = round(max(0.0, self.pacing._next - self.at), 6)
        self.at += wait
        return wait


async def test_single_events_are_looked_for_at_once_and_several_travel_with_what_comes_behind_them() -> None:
    looks = Looks()
    assert await looks.find(1, SEVERAL - 1, SEVERAL, MANY - 1, 1, 0) == [IDLE, IDLE, 2 * IDLE, 2 * IDLE, IDLE, IDLE]
    assert await looks.find(MANY, 500) == [IDLE, IDLE]


async def test_a_full_batch_is_followed_by_the_next_one_at_once() -> None:
    assert await Looks().find(1000, full=True) == [0.0]


async def test_a_relay_far_behind_rests_in_proportion_to_its_work_while_commands_go_on() -> None:
    looks = Looks()
    assert await looks.work(0.2) == 0.0  # it does not know yet what the newest event was
    assert [await looks.work(seconds, new=1) for seconds in (0.2, 0.1, 0.3)] == [round(REST * seconds, 6) for seconds in (0.2, 0.1, 0.3)]


async def test_a_relay_far_behind_does_not_rest_when_no_commands_come() -> None:
    looks = Looks()
    assert {await looks.work(0.2) for _ in range(5)} == {0.0}
    last = looks.at + 0.2
    assert await looks.work(0.2, new=1) > 0
    while await looks.work(0.1):
        assert looks.at - last < 2 * GOING_ON
    assert looks.at - last >= GOING_ON
    assert {await looks.work(0.2) for _ in range(5)} == {0.0}


async def test_commands_that_come_more_seldom_than_batches_go_on_as_well() -> None:
    looks = Looks()
    await looks.work(0.01)
    assert await looks.work(0.01, new=1) > 0
    assert await looks.work(0.01) > 0


async def test_an_import_that_fills_batches_is_no_backlog() -> None:
    looks = Looks()
    looks.session.old = False
    assert {await looks.work(0.2, new=5_000) for _ in range(9)} == {0.0}
    assert not looks.pacing.sharing


async def test_a_few_full_batches_are_no_backlog_however_old_their_events_are() -> None:
    looks = Looks()
    few = MANY_FULL // 4
    for _ in range(5):
        assert {await looks.work(0.1, events=few, new=few) for _ in range(3)} == {0.0}
        await looks.work(0.1, events=few - 1, full=False)


async def test_a_rest_after_a_batch_that_waited_for_the_broker_is_no_longer_than_others() -> None:
    looks = Looks()
    await looks.work(0.1)
    assert await looks.work(25.0, new=100) == LONGEST_REST


async def test_a_relay_that_has_caught_up_rests_no_more() -> None:
    looks = Looks()
    await looks.work(0.1)
    assert await looks.work(0.1, new=5) > 0
    assert looks.pacing.sharing
    assert await looks.work(0.1, events=10, full=False, new=5) == 0.0
    assert not looks.pacing.sharing
    assert await looks.work(0.01, events=1, full=False, new=5) == round(IDLE - 0.01, 6)


async def test_a_relay_sleeps_when_nothing_has_come_for_a_while_and_looks_once_more_after_it_has_the_lock() -> None:
    looks = Looks()
    await looks.find(1)
    quiet = await looks.find(*[0] * 6)
    assert quiet == [IDLE] * 3 + [0.0] + [ASLEEP] * 2
    assert looks.session.locked
    assert sum(quiet[:4]) + IDLE >= QUIET
    assert await looks.find(1, 0) == [IDLE, IDLE]
    assert not looks.session.locked
    assert not looks.pacing.asleep


async def test_a_relay_stays_awake_while_something_is_being_appended() -> None:
    looks = Looks()
    looks.session.appending = True
    assert set(await looks.find(*[0] * 20)) == {IDLE}
    looks.session.appending = False
    assert await looks.find(0, 0) == [0.0, ASLEEP]


async def test_a_notification_ends_the_wait_of_a_relay_that_sleeps() -> None:
    looks = Looks()
    await looks.pacing.listen()
    await looks.find(*[0] * 9)
    assert looks.pacing.asleep
    looks.at = 0.0  # the next look is seconds away
    waiting = asyncio.ensure_future(looks.pacing.wait(asyncio.Event()))
    await asyncio.sleep(0)
    assert not waiting.done()
    looks.session.callback()
    await asyncio.wait_for(waiting, 60)


async def test_a_stop_ends_the_wait_of_a_relay_that_sleeps() -> None:
    looks, stop = Looks(), asyncio.Event()
    await looks.find(*[0] * 9)
    looks.at = 0.0
    stop.set()
    await asyncio.wait_for(looks.pacing.wait(stop), 60)
