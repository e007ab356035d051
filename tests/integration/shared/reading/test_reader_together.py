"""The few events of several shards in one transaction: each counts once, and none waits for what is wrong with another."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from shared import contracts
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import partition_of
from shared.contracts.ids import uuid7
from shared.process.clock import utc_now
from shared.process.db import Connection, Pool
from shared.reading.batches import moving
from shared.reading.batches.applying import FEW, BatchApplier
from shared.reading.config import ReaderConfig
from shared.reading.heads import applied_bound, head_columns
from shared.reading.heads import heads as heads_of
from shared.sequencing.columnar.heads import AppliedBound
from shared.sequencing.records import ShardBatch, received
from shared.sequencing.shard import Shard
from shared.sequencing.streams import Head
from tests.dummy_service.reading import (
    POISON,
    SOURCE,
    drained,
    effects,
    fact,
    held_kinds,
    messages,
    new_reader,
    running,
    until,
    write_effects,
)

TOPIC = "topic.a"
TRANSACTIONS = "SELECT array_agg(DISTINCT xmin::text) FROM effects"


class Together:
    """Three shards of a database, in memory as their reader has them, and its applier. `resets`: shards whose caches were dropped."""

    def __init__(self, pool: Pool, conn: Connection) -> None:
        self.pool, self.conn = pool, conn
        self.committed: list[int] = []
        self.resets: list[int] = []
        self.may_join: Callable[[], bool] = lambda: True
        self.applier = BatchApplier(
            ReaderConfig(
                owner="tests",
                span="tests",
                group="tests",
                topics=[TOPIC],
                partitions=3,
                generation=1,
                batch=5000,
                apply=self.apply,
                on_reset=self.resets.append,
                after_commit=lambda batch: self.committed.append(batch.shard),
                joins=lambda _: self.may_join(),
            )
        )
        self.shards = [Shard(n, 0, {TOPIC: 0}, {}, {TOPIC: 0}, 5000, {TOPIC: deque()}) for n in range(3)]
        self.apply_one: Callable[[Connection, ShardBatch], Awaitable[None]] = write_effects

    async def apply(self, conn: Connection, batch: ShardBatch) -> None:
        await self.apply_one(conn, batch)

    def come(self, number: int, *events: contracts.Envelope) -> None:
        """Events have arrived for a shard."""
        shard = self.shards[number]
        for event in events:
            record = received(event)
            record.topic, record.partition, record.offset = TOPIC, number, shard.arrived(TOPIC)
            shard.pending[TOPIC].append(record)

    async def together(self) -> bool:
        return await self.applier.apply_together(self.conn, [(shard, set()) for shard in self.shards if self.applier.may_join(shard)])

    async def alone(self, number: int) -> bool:
        return await self.applier.apply_next(self.conn, self.shards[number], set())


@pytest.fixture
async def three(pool: Pool) -> AsyncIterator[Together]:
    async with pool.acquire() as conn:
        await conn.execute("INSERT INTO shards (generation, shard) SELECT 1, generate_series(0, 2)")
        yield Together(pool, conn)


@pytest.mark.invariant("I2")
async def test_few_events_of_several_shards_are_one_transaction(three: Together) -> None:
    for n in range(3):
        three.come(n, first := fact(f"enterprise/{n}", 1), first, fact(f"enterprise/{n}", 2))
    assert await three.together()
    assert await effects(three.pool) == {(SOURCE, f"enterprise/{n}"): [1, 2] for n in range(3)}
    assert len(await three.pool.fetchval(TRANSACTIONS)) == 1
    rows = await three.pool.fetch("SELECT shard, next, version FROM shards ORDER BY shard")
    assert [(row["next"], row["version"]) for row in rows] == [({TOPIC: 3}, 1)] * 3
    assert [(shard.next, shard.version, shard.count()) for shard in three.shards] == [({TOPIC: 3}, 1, 0)] * 3
    assert three.committed == [0, 1, 2]
    assert not await three.together()


@pytest.mark.invariant("I2")
async def test_if_one_is_refused_nothing_is_applied_together_and_each_is_due_alone(three: Together) -> None:
    three.come(0, fact("enterprise/a", 1))
    three.come(1, fact("enterprise/b", 1), fact("enterprise/b", 2, workers=POISON), fact("enterprise/b", 3))
    three.come(2, fact("enterprise/c", 1))
    assert not await three.together()
    assert await effects(three.pool) == {}
    assert sorted(three.resets) == [0, 1, 2]
    assert three.committed == []
    assert not any(three.applier.may_join(shard) for shard in three.shards)
    for n in range(3):
        while await three.alone(n):
            pass
    assert await effects(three.pool) == {(SOURCE, f"enterprise/{name}"): [1] for name in "abc"}
    assert await held_kinds(three.pool) == {("enterprise/b", 2): "refused", ("enterprise/b", 3): "early"}
    three.come(0, fact("enterprise/a", 2))
    three.come(2, fact("enterprise/c", 2))
    assert await three.together()
    assert len(await three.pool.fetchval(TRANSACTIONS)) == 4


@pytest.mark.invariant("I2")
async def test_a_shard_that_another_has_moved_stops_the_others_of_its_transaction_but_not_for_long(three: Together) -> None:
    for n in range(3):
        three.come(n, fact(f"enterprise/{n}", 1))
    await three.conn.execute("UPDATE shards SET version = version + 1 WHERE shard = 1")
    assert not await three.together()
    assert await effects(three.pool) == {}
    assert await three.pool.fetchval("SELECT count(*) FROM seen") == 0
    assert await three.alone(0)
    assert await three.alone(2)
    assert await effects(three.pool) == {(SOURCE, "enterprise/0"): [1], (SOURCE, "enterprise/2"): [1]}


@pytest.mark.invariant("I2")
async def test_all_shards_are_locked_before_anything_is_applied(three: Together) -> None:
    """What `apply` locks comes after the shards, in every transaction: else two could wait for each other."""
    locked: list[int] = []

    async def look(conn: Connection, batch: ShardBatch) -> None:
        async with three.pool.acquire() as other:
            free = await other.fetch("SELECT shard FROM shards FOR UPDATE SKIP LOCKED")
        locked.append(3 - len(free))
        await write_effects(conn, batch)

    three.apply_one = look
    for n in range(3):
        three.come(n, fact(f"enterprise/{n}", 1))
    assert await three.together()
    assert locked == [3, 3, 3]


async def test_who_may_not_join(three: Together) -> None:
    first, second, third = three.shards
    assert not three.applier.may_join(first)  # nothing has come
    three.come(0, *(fact("enterprise/e", n) for n in range(1, FEW + 1)))
    assert three.applier.may_join(first)
    three.come(0, fact("enterprise/e", FEW + 1))
    assert not three.applier.may_join(first)
    three.come(1, fact("enterprise/f", 1))
    assert three.applier.may_join(second)
    three.may_join = lambda: False
    assert not three.applier.may_join(second)
    three.may_join = lambda: True
    second.pending[TOPIC][0].ordinary = False
    assert not three.applier.may_join(second)
    three.come(2, fact("enterprise/g", 1))
    third.refused[TOPIC, 0] = "refused"
    assert not three.applier.may_join(third)


@pytest.mark.invariant("I2")
async def test_the_position_and_what_was_seen_of_the_streams_are_one_statement(three: Together) -> None:
    heads = {(SOURCE, "enterprise/e"): Head(2, uuid7(), utc_now())}
    first, second, third = three.shards
    second.version = 7
    moves = [moving.Move(first, {TOPIC: 9}, {}, heads), moving.Move(second, {TOPIC: 9}, {}, heads), moving.Move(third, {TOPIC: 9}, {}, {})]
    assert await moving.move(three.conn, 1, moves) == {0, 2}
    rows = await three.pool.fetch("SELECT shard, next, version FROM shards ORDER BY shard")
    assert [(row["next"], row["version"]) for row in rows] == [({TOPIC: 9}, 1), ({}, 0), ({TOPIC: 9}, 1)]
    assert [(row["shard"], row["sequence"]) for row in await three.pool.fetch("SELECT shard, sequence FROM seen")] == [(0, 2)]


@pytest.mark.invariant("I2")
async def test_streams_that_are_new_and_others_are_seen_alike(three: Together) -> None:
    first, second, third = three.shards
    third.version = 7
    early = {(SOURCE, f"enterprise/{n}"): Head(1, uuid7(), utc_now()) for n in range(moving.LEAST_FIRST)}
    late = {(SOURCE, f"enterprise/{n}"): Head(2, uuid7(), utc_now()) for n in range(moving.LEAST_FIRST // 2, 2 * moving.LEAST_FIRST)}
    few = {(SOURCE, "enterprise/0"): Head(3, uuid7(), utc_now())}
    async with three.conn.transaction():
        assert await moving.move(three.conn, 1, [moving.Move(first, {}, {}, early, early.keys())]) == {0}
    first.version = 1
    moves = [
        moving.Move(first, {}, {}, late, late.keys() - early.keys()), moving.Move(second, {}, {}, few, few.keys()),
        moving.Move(third, {}, {}, late, late.keys()),
    ]  # fmt: skip
    async with three.conn.transaction():
        assert await moving.move(three.conn, 1, moves) == {0, 1}
    rows = await three.pool.fetch("SELECT shard, source, subject, sequence, event_id, time FROM seen")
    expected = {(0, *stream): head for stream, head in (early | late).items()} | {(1, *stream): head for stream, head in few.items()}
    assert {tuple(row)[:3]: Head(*tuple(row)[3:]) for row in rows} == expected


@pytest.mark.invariant("I2")
async def test_a_large_batch_of_new_and_known_streams_leaves_the_last_event_of_each(three: Together) -> None:
    subjects = [f"enterprise/{n}" for n in range(3 * moving.LEAST_FIRST)]
    known, waiting = subjects[: moving.LEAST_FIRST], subjects[-2:]
    three.come(0, *(fact(subject, 1) for subject in known), *(fact(subject, 2) for subject in waiting))
    assert await three.alone(0)
    three.come(0, *(fact(subject, 2) for subject in known), *(fact(subject, 1) for subject in subjects[moving.LEAST_FIRST :]))
    assert await three.alone(0)
    rows = await three.pool.fetch("SELECT subject, sequence FROM seen")
    assert len(rows) == len(subjects)
    assert dict(map(tuple, rows)) == {subject: 2 if subject in {*known, *waiting} else 1 for subject in subjects}


@pytest.mark.invariant("I2")
async def test_another_owner_that_saw_new_streams_meanwhile_has_moved_the_shard(three: Together) -> None:
    """Found to be new, then written by another instance: the shard is no longer at its version, and nothing is written twice."""
    subjects = [f"enterprise/{n}" for n in range(2 * moving.LEAST_FIRST)]
    heads = {(SOURCE, subject): Head(1, uuid7(), utc_now()) for subject in subjects}
    shard = three.shards[0]
    async with three.conn.transaction():
        found = await heads_of(three.conn, 1, 0, heads.keys())
        async with three.pool.acquire() as other, other.transaction():
            assert await moving.move(other, 1, [moving.Move(shard, {TOPIC: 5}, {}, heads, heads.keys())]) == {0}
        first = {stream for stream, head in found.items() if head is None}
        assert len(first) == len(subjects)
        assert await moving.move(three.conn, 1, [moving.Move(shard, {TOPIC: 9}, {}, heads, first)]) == set()
    assert await three.pool.fetchval("SELECT count(*) FROM seen") == len(subjects)


@pytest.mark.invariant("I2")
async def test_a_reader_whose_shards_join_applies_what_each_would_apply_alone(pool: Pool) -> None:
    broker = MemoryBroker(seed=3, largest=3)
    broker.create(TOPIC, 6)
    reader = new_reader(pool, broker, [TOPIC], 6)
    subjects = [f"enterprise/{n}" for n in range(40)]
    assert len({partition_of(subject.partition("/")[2], 6) for subject in subjects}) == 6
    async with running(reader):
        for sequence in range(1, 6):
            broker.write(TOPIC, messages([fact(subject, sequence) for subject in subjects], 6))
            await asyncio.sleep(0)
        await until(lambda: drained(pool, broker, [TOPIC]))
    assert await effects(pool) == {(SOURCE, subject): [1, 2, 3, 4, 5] for subject in subjects}
    of_one = await pool.fetchval("SELECT max(shards) FROM (SELECT count(DISTINCT shard) AS shards FROM effects GROUP BY xmin::text) AS t")
    assert of_one > 1


async def test_the_greatest_subject_of_each_kind_bounds_what_is_looked_up(three: Together) -> None:
    """Over all sources of one shard; heads behind the bound are not looked for."""
    rows = [
        (1, 0, "/a", "enterprise/B"), (1, 0, "/b", "enterprise/a"), (1, 0, "/a", "union/z"), (1, 0, "/a", "enterprise/A"), (1, 0, "/a", "enterprises/c"),
        (1, 1, "/a", "enterprise/x"), (2, 0, "/a", "enterprise/y"), (1, 0, "/a", "enterprise0"),
    ]  # fmt: skip
    insert = "INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time) VALUES ($1, $2, $3, $4, 5, $5, $6)"
    for row in rows:
        await three.conn.execute(insert, *row, uuid7(), utc_now())
    subjects = ["enterprise/A", "enterprise/B", "enterprise/a", "enterprise/b", "union/z", "union/z0", "area/R", "enterprises/c"]
    found = await applied_bound(three.conn, 1, 0, ["enterprise", "union", "area"])
    assert [subjects[place] for place in found.among(subjects)] == ["enterprise/A", "enterprise/B", "enterprise/a", "union/z"]
    assert (await applied_bound(three.conn, 1, 2, ["enterprise"])).among(subjects) == []
    for bound, wanted in (
        (found, [5, 5, 0, 0, 5, 0, 0, 0]),
        (AppliedBound({"enterprise": "enterprise/A"}), [5, 0, 0, 0, 0, 0, 0, 0]),
        (AppliedBound({}), [0] * 8),
    ):
        heads = await head_columns(three.conn, 1, 0, "/a", subjects, bound)
        assert heads.sequence.tolist() == wanted
        stored = await heads_of(three.conn, 1, 0, [("/a", subject) for subject in subjects])
        assert all(heads.head(row) in (None, stored["/a", subject]) for row, subject in enumerate(subjects))
