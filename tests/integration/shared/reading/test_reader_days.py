"""A shard's closed day: said by all topics, kept back by what is held, told in the transaction in which it rises."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from shared import contracts
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message
from shared.contracts.ids import uuid7
from shared.contracts.streams import DayClosed, EventWithdrawn
from shared.process.clock import Clock
from shared.process.db import Connection, Pool
from shared.reading.reader import Reader
from tests.dummy_service.reading import POISON, SOURCE, START, drained, effects, fact, message, messages, new_reader, running, until

A, B = "topic.a", "topic.b"
CLOCK = Clock(ZoneInfo("Asia/Shanghai"))
FIRST = date(2026, 1, 1)
A_DAY = 86400.0


def day_closed(day: date, sequence: int, source: str = SOURCE, partition: int = 0) -> contracts.Envelope:
    """Said at the beginning of the day after."""
    return contracts.Envelope(
        id=uuid7(),
        source=source,
        subject=f"day/{partition}",
        partitionkey=str(partition),
        sequence=sequence,
        type="parkunion.day-closed.v1",
        time=START.replace(day=day.day, hour=17),
        occurredon=day,
        actor="closing",
        origin="api",
        data=DayClosed(day=day),
    )


def said(event: contracts.Envelope, partition: int = 0) -> Message:
    return Message(partition, event.partitionkey.encode(), contracts.encode(event))


def reader(pool: Pool, broker: MemoryBroker, told: list[tuple[int, date]], partitions: int = 1, **options: object) -> Reader:
    async def on_closed(conn: Connection, shard: int, day: date) -> None:
        assert conn.is_in_transaction()
        told.append((shard, day))

    return new_reader(pool, broker, [A, B], partitions, clock=CLOCK, on_closed=on_closed, **options)


async def closed(pool: Pool) -> dict[int, date | None]:
    return {row["shard"]: row["closed"] for row in await pool.fetch("SELECT shard, closed FROM shards ORDER BY shard")}


def broker_of(partitions: int) -> MemoryBroker:
    broker = MemoryBroker(3, 5)
    broker.create(A, partitions)
    broker.create(B, partitions)
    return broker


@pytest.mark.invariant("I4")
async def test_a_day_closes_in_a_shard_when_every_topic_has_closed_it(pool: Pool) -> None:
    broker, told = broker_of(2), list[tuple[int, date]]()
    broker.write(A, [message(fact("enterprise/e", 1), 2), *(said(day_closed(FIRST, 1, partition=p), p) for p in (0, 1))])
    async with running(reader(pool, broker, told, 2)):
        await until(lambda: pool.fetchval("SELECT bool_and(closings ? $1) FROM shards", A))
        assert await closed(pool) == {0: None, 1: None}
        broker.write(B, [said(day_closed(FIRST, 1, "/services/other", 1), 1)])
        await until(lambda: pool.fetchval("SELECT closed = $1 FROM shards WHERE shard = 1", FIRST))
        assert await closed(pool) == {0: None, 1: FIRST}
        # Said twice, as a relay does that was killed between acknowledgement and deletion.
        again = said(day_closed(FIRST, 1, "/services/other", 0))
        broker.write(B, [again, again])
        await until(lambda: pool.fetchval("SELECT closed = $1 FROM shards WHERE shard = 0", FIRST))
    assert sorted(told) == [(0, FIRST), (1, FIRST)]


@pytest.mark.invariant("I4")
async def test_a_held_event_keeps_its_day_open_until_it_is_released(pool: Pool) -> None:
    broker, told = broker_of(1), list[tuple[int, date]]()
    first, second, third = (fact("enterprise/e", n, at=A_DAY * 2 + n) for n in (1, 2, 3))
    broker.write(A, messages([first, third], 1))
    closings = [day_closed(date(2026, 1, day), day) for day in (1, 2, 3, 4)]
    broker.write(A, [said(event) for event in closings])
    broker.write(B, [said(day_closed(date(2026, 1, day), day, "/services/other")) for day in (1, 2, 3, 4)])
    async with running(reader(pool, broker, told)):
        await until(lambda: pool.fetchval("SELECT closings = $1 FROM shards", {A: "2026-01-04", B: "2026-01-04"}))
        assert await closed(pool) == {0: date(2026, 1, 2)}
        assert await pool.fetchval("SELECT known_day FROM held") == date(2026, 1, 3)
        broker.write(A, messages([second], 1))
        await until(lambda: pool.fetchval("SELECT closed = $1 FROM shards", date(2026, 1, 4)))
    assert (await effects(pool))[SOURCE, "enterprise/e"] == [1, 2, 3]
    assert told[-1] == (0, date(2026, 1, 4))
    assert [day for _, day in told] == sorted(day for _, day in told)


async def test_what_does_not_tell_its_day_keeps_every_day_open(pool: Pool) -> None:
    broker, told = broker_of(1), list[tuple[int, date]]()
    broker.write(A, [Message(0, b"x", b"\x00garbage"), said(day_closed(FIRST, 1))])
    broker.write(B, [said(day_closed(FIRST, 1, "/services/other"))])
    async with running(reader(pool, broker, told)):
        await until(lambda: pool.fetchval("SELECT closings ?& ARRAY[$1, $2] FROM shards", A, B))
        assert await closed(pool) == {0: None}
    assert not told


async def test_a_refused_event_keeps_its_day_open_until_a_newer_release_takes_it(pool: Pool) -> None:
    broker, told = broker_of(1), list[tuple[int, date]]()
    broker.write(A, [*messages([fact("enterprise/e", 1, workers=POISON)], 1), said(day_closed(FIRST, 1))])
    broker.write(B, [said(day_closed(FIRST, 1, "/services/other"))])
    async with running(reader(pool, broker, told)):
        await until(lambda: pool.fetchval("SELECT closings ?& ARRAY[$1, $2] FROM shards", A, B))
        assert await closed(pool) == {0: date(2025, 12, 31)}

    async def allow_all(conn: Connection, batch: object) -> None:
        pass

    async with running(reader(pool, broker, told, apply=allow_all)):
        await until(lambda: pool.fetchval("SELECT closed = $1 FROM shards", FIRST))


async def test_the_closed_day_is_kept_over_a_restart(pool: Pool) -> None:
    broker, told, batches = broker_of(1), list[tuple[int, date]](), list[date | None]()

    async def note(conn: Connection, batch: object) -> None:
        batches.append(batch.closed)  # type: ignore[attr-defined]

    for topic, source in ((A, SOURCE), (B, "/services/other")):
        broker.write(topic, [said(day_closed(FIRST, 1, source))])
    async with running(reader(pool, broker, told)):
        await until(lambda: pool.fetchval("SELECT closed = $1 FROM shards", FIRST))
    broker.write(A, messages([fact("enterprise/e", 1, at=A_DAY)], 1))
    async with running(reader(pool, broker, told, apply=note)):
        await until(lambda: _some(batches))
    assert batches == [FIRST]
    assert told == [(0, FIRST)]


async def _some(found: list[date | None]) -> bool:
    return bool(found)


@pytest.mark.invariant("I4")
async def test_what_comes_after_its_day_was_closed_is_kept_as_late_and_the_day_stays_closed(pool: Pool) -> None:
    broker, told = broker_of(1), list[tuple[int, date]]()
    for topic, source in ((A, SOURCE), (B, "/services/other")):
        broker.write(topic, [said(fact("enterprise/e", 1, source=source)), said(day_closed(FIRST, 1, source))])
    late, next_day = fact("enterprise/e", 2), fact("enterprise/e", 3, at=A_DAY)
    async with running(reader(pool, broker, told)):
        await until(lambda: pool.fetchval("SELECT closed = $1 FROM shards", FIRST))
        broker.write(A, [said(late), said(next_day)])
        await until(lambda: pool.fetchval("SELECT count(*) = 2 FROM held"))
    kinds = {row["sequence"]: row["kind"] for row in await pool.fetch("SELECT sequence, kind FROM held")}
    assert kinds == {2: "late", 3: "early"}
    async with running(reader(pool, broker, told)):
        # What is tried again after a start is late for ever; its source may withdraw it.
        data = EventWithdrawn(first=2, last=2, reason="late")
        taken_back = structs.replace(fact("enterprise/e", 4, at=A_DAY + 60), type=contracts.type_of(data), data=data)
        broker.write(A, [said(taken_back)])
        await until(lambda: pool.fetchval("SELECT count(*) = 0 FROM held"))
    assert (await effects(pool))[SOURCE, "enterprise/e"] == [1, 3]
    assert await closed(pool) == {0: FIRST}


async def test_who_has_no_closed_figures_holds_nothing_as_late(pool: Pool) -> None:
    broker = broker_of(1)
    broker.write(A, [said(fact("enterprise/e", 1)), said(day_closed(FIRST, 1)), said(fact("enterprise/e", 2))])
    async with running(new_reader(pool, broker, [A, B], 1, clock=CLOCK)):
        await until(lambda: drained(pool, broker, [A, B]))
    assert (await effects(pool))[SOURCE, "enterprise/e"] == [1, 2]
