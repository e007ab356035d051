"""A source closes its days: nothing is recorded on a closed day whatever the clock does, and every partition is told once, behind its facts."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import asyncpg
import pytest

from shared.contracts.registry import HeadcountReported
from shared.journal import journal
from shared.journal.day_closing import DayCloser, due
from shared.journal.journal import Actor, ClockAheadError, Draft
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool, transaction
from tests.conftest import Database
from tests.dummy_service.reading import running, until

CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
ACTOR = Actor("tester", "api")
PARTITIONS = 3
MIDNIGHT = datetime(2026, 3, 9, 16, tzinfo=UTC)
"""Of 10 March in Shanghai."""
DAY = date(2026, 3, 9)


class TestClock:
    """`set(instant)` turns the database's clock to about that instant."""

    __test__ = False

    def __init__(self, owner: asyncpg.Connection[asyncpg.Record]) -> None:
        self._owner = owner

    async def set(self, instant: datetime) -> None:
        await self._owner.execute("UPDATE clock_shift SET shift = $1::timestamptz - clock_timestamp()", instant)


@pytest.fixture
async def turned(dummy: Database) -> AsyncIterator[TestClock]:
    owner = await asyncpg.connect(dummy.owner_dsn)
    yield TestClock(owner)
    await owner.close()


@asynccontextmanager
async def closing(dummy: Database) -> AsyncIterator[Callable[[], Coroutine[None, None, date | None]]]:
    """`await look()` is one look of a closer."""
    conn = await db.connect(dummy.app_dsn, application_name="closing")
    closer = DayCloser(dummy.app_dsn, CLOCK, PARTITIONS)
    yield lambda: closer.close_due(conn, asyncio.Event())
    await conn.close()


async def say(pool: Pool, subject: str = "enterprise/a") -> datetime:
    async with transaction(pool) as conn:
        await journal.lock(conn, [subject])
        (row,) = await journal.append(conn, [Draft(subject, HeadcountReported(workers=1), DAY)], ACTOR)
    return row.recorded_at


async def said(pool: Pool) -> list[tuple[int, date]]:
    """(partition, day) of what was said, in order."""
    rows = await pool.fetch("SELECT partition_key, occurred_on FROM journal WHERE type = 'parkunion.day-closed.v1' ORDER BY id")
    return [(int(row["partition_key"]), row["occurred_on"]) for row in rows]


def test_yesterday_is_due_from_five_past_midnight_on() -> None:
    assert due(MIDNIGHT + timedelta(minutes=4, seconds=59), CLOCK) == date(2026, 3, 8)
    assert due(MIDNIGHT + timedelta(minutes=5), CLOCK) == DAY


def test_a_day_opens_where_the_one_before_ends_in_zones_that_skip_midnight_too() -> None:
    assert CLOCK.opens_after(DAY) == MIDNIGHT
    beirut = Clock(ZoneInfo("Asia/Beirut"))
    opens = beirut.opens_after(date(2026, 3, 28))
    assert beirut.day_of(opens) == date(2026, 3, 29)
    assert beirut.day_of(opens - timedelta(microseconds=1)) == date(2026, 3, 28)


async def test_every_partition_is_told_once_and_where_it_belongs(dummy: Database, pool: Pool, turned: TestClock) -> None:
    await turned.set(MIDNIGHT + timedelta(hours=9))
    async with closing(dummy) as look:
        assert await look() == DAY
        assert await look() is None
    assert await said(pool) == [(partition, DAY) for partition in range(PARTITIONS)]
    rows = await pool.fetch("SELECT subject, o.partition FROM outbox o JOIN journal USING (id) ORDER BY o.id")
    assert [tuple(row) for row in rows] == [(f"day/{partition}", partition) for partition in range(PARTITIONS)]


async def test_after_days_of_standing_still_only_the_latest_is_said(dummy: Database, pool: Pool, turned: TestClock) -> None:
    async with closing(dummy) as look:
        await turned.set(MIDNIGHT - timedelta(days=9, hours=-1))
        await look()
        await pool.execute("DELETE FROM outbox")
        await turned.set(MIDNIGHT + timedelta(hours=1))
        assert await look() == DAY
    assert [day for _, day in await said(pool)] == [date(2026, 2, 28)] * PARTITIONS + [DAY] * PARTITIONS


async def test_a_day_waits_until_what_was_recorded_on_it_is_sent(dummy: Database, pool: Pool, turned: TestClock) -> None:
    await turned.set(MIDNIGHT - timedelta(minutes=1))
    await say(pool)
    await turned.set(MIDNIGHT + timedelta(minutes=6))
    async with closing(dummy) as look:
        looking = asyncio.create_task(look())
        await until(lambda: pool.fetchval("SELECT day IS NOT NULL FROM days_closed"))
        await say(pool, "enterprise/later")
        assert await said(pool) == []
        await pool.execute("DELETE FROM outbox WHERE id = (SELECT min(id) FROM outbox)")
        assert await looking == DAY


async def test_a_command_that_began_before_midnight_is_waited_for(dummy: Database, pool: Pool, turned: TestClock) -> None:
    await turned.set(MIDNIGHT - timedelta(minutes=1))
    async with closing(dummy) as look:
        async with transaction(pool) as conn:
            await journal.lock(conn, ["enterprise/a"])
            await turned.set(MIDNIGHT + timedelta(minutes=6))
            looking = asyncio.create_task(look())
            await until(lambda: pool.fetchval("SELECT day IS NOT NULL FROM days_closed"))
            await turned.set(MIDNIGHT - timedelta(minutes=1))
            draft = Draft("enterprise/a", HeadcountReported(workers=1), DAY)
            with contextlib.suppress(ClockAheadError):
                await journal.append(conn, [draft], ACTOR)
            assert not (await asyncio.wait([looking], timeout=0.3))[0]
            assert await said(pool) == []
        await pool.execute("DELETE FROM outbox")
        await turned.set(MIDNIGHT + timedelta(minutes=6))
        assert await looking == DAY


async def test_a_clock_set_back_records_nothing_on_a_closed_day(dummy: Database, pool: Pool, turned: TestClock) -> None:
    await turned.set(MIDNIGHT + timedelta(minutes=6))
    async with closing(dummy) as look:
        assert await look() == DAY
        await turned.set(MIDNIGHT - timedelta(seconds=20))
        assert await say(pool) == MIDNIGHT
        await turned.set(MIDNIGHT - timedelta(minutes=30))
        with pytest.raises(ClockAheadError):
            await say(pool)
        assert await look() is None


async def test_a_closer_that_died_after_the_fence_is_followed_by_the_next(dummy: Database, pool: Pool, turned: TestClock) -> None:
    await turned.set(MIDNIGHT + timedelta(minutes=6))
    await pool.execute("UPDATE days_closed SET day = $1, opens = $2", DAY, MIDNIGHT)
    async with closing(dummy) as look:
        assert await look() == DAY
    assert [day for _, day in await said(pool)] == [DAY] * PARTITIONS


@pytest.mark.invariant("I4")
async def test_nothing_is_ever_recorded_on_a_closed_day(dummy: Database, pool: Pool, turned: TestClock) -> None:
    """Offices append while the clock is turned to and fro across midnights and two closers close whatever is due."""
    chance = random.Random(7)
    recorded = 0
    busy = True

    async def membership(seed: int) -> None:
        nonlocal recorded
        random_ = random.Random(seed)
        while busy:
            try:
                async with transaction(pool) as conn:
                    subject = f"enterprise/{random_.randint(1, 6)}"
                    await journal.lock(conn, [subject])
                    await asyncio.sleep(random_.choice((0, 0, 0.002, 0.02)))
                    await journal.append(conn, [Draft(subject, HeadcountReported(workers=1), DAY)], ACTOR)
                    await asyncio.sleep(random_.choice((0, 0, 0.002, 0.02)))
                recorded += 1
            except ClockAheadError:
                await asyncio.sleep(0.002)

    async def relay() -> None:
        while busy:
            await pool.execute("DELETE FROM outbox WHERE id IN (SELECT id FROM outbox ORDER BY id LIMIT 20)")
            await asyncio.sleep(0.002)

    async def closer() -> None:
        async with closing(dummy) as look:
            while busy:
                with contextlib.suppress(ClockAheadError):
                    await look()
                await asyncio.sleep(0.01)

    offices = [asyncio.create_task(work) for work in (*(membership(seed) for seed in range(5)), relay(), closer(), closer())]
    for day in range(12):
        midnight = MIDNIGHT + timedelta(days=day)
        for _ in range(4):
            await turned.set(midnight + timedelta(seconds=chance.choice((-90, -30, 0, 30, 280, 301, 400))))
            await asyncio.sleep(0.05)
        await turned.set(midnight + timedelta(minutes=10))
        await until(lambda day=day: pool.fetchval("SELECT said >= $1 FROM days_closed", DAY + timedelta(days=day)))  # type: ignore[misc]
    busy = False
    await asyncio.gather(*offices)
    closed: date | None = None
    for row in await pool.fetch("SELECT type, recorded_at, occurred_on FROM journal ORDER BY id"):
        if row["type"] == "parkunion.day-closed.v1":
            closed = row["occurred_on"]
        assert closed is None or CLOCK.day_of(row["recorded_at"]) > closed
    days = [day for _, day in await said(pool)]
    assert days == sorted(days)
    assert len(days) == PARTITIONS * len(set(days)) >= PARTITIONS * 12
    assert recorded > 100


async def test_it_works_beside_the_relay_until_it_is_stopped(dummy: Database, pool: Pool, turned: TestClock) -> None:
    await turned.set(MIDNIGHT + timedelta(hours=1))
    async with running(DayCloser(dummy.app_dsn, CLOCK, PARTITIONS)):
        await until(lambda: said(pool))
        await pool.execute("DELETE FROM outbox")
        await turned.set(MIDNIGHT + timedelta(days=1, hours=1))
        await until(lambda: pool.fetchval("SELECT said = $1 FROM days_closed", DAY + timedelta(days=1)))
