"""The reader on real Kafka: divided, killed, frozen, fenced, and cut off from its servers."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from asyncio.subprocess import Process
from collections import Counter

import asyncpg
import psutil
import pytest

from deploy.local.servers.postgres import PostgresServer
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import PartitionCountError
from shared.contracts import Envelope
from shared.process.db import Connection, Pool
from shared.reading.lag import lag
from shared.reading.parked import held_counts
from shared.reading.reader import Reader
from shared.sequencing.records import ShardBatch
from tests.conftest import Database, NewTopics
from tests.dummy_service.reading import (
    SOURCE,
    START,
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
from tests.patience import PATIENCE, at_best

PARTITIONS = 6
STREAMS = 12
SUCCEEDED_WITHIN = 15.0
"""Seconds from when a reader begins until it has read what a frozen owner of the shards held."""


def history(last: int, first: int = 1) -> list[Envelope]:
    return [fact(f"enterprise/{e}", n) for n in range(first, last + 1) for e in range(STREAMS)]


async def publish(kafka: KafkaBroker, topic: str, last: int, first: int = 1) -> None:
    producer = kafka.producer()
    await producer.publish(topic, messages(history(last, first), PARTITIONS))
    await producer.close()


def whole(last: int) -> dict[tuple[str, str], list[int]]:
    return {(SOURCE, f"enterprise/{e}"): list(range(1, last + 1)) for e in range(STREAMS)}


def owned(reader: Reader) -> set[int]:
    return set(reader.session.shards) if reader.session else set()


async def in_a_process(dummy: Database, kafka: KafkaBroker, topic: str, batches: int, end: str) -> Process:
    arguments = [dummy.app_dsn, kafka.bootstrap, topic, str(PARTITIONS), str(batches), end]
    return await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.dummy_service.slow_reader", *arguments)


async def test_two_readers_divide_the_shards_and_the_rest_takes_over(pool: Pool, kafka: KafkaBroker, new_topics: NewTopics) -> None:
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    first, second = (new_reader(pool, kafka, [topic], PARTITIONS) for _ in range(2))

    async def divided() -> bool:
        return len(owned(first)) == len(owned(second)) == PARTITIONS // 2 and not owned(first) & owned(second)

    async def alone() -> bool:
        return len(owned(first)) == PARTITIONS

    async def nothing_is_missing() -> bool:
        return await lag(pool, kafka, 1, [topic]) == (0, 0.0)

    async with running(first):
        await publish(kafka, topic, 5)
        async with running(second):
            await until(divided)
            await publish(kafka, topic, 12, 6)
            await until(lambda: drained(pool, kafka, [topic]))
            assert first.counts["applied"] + second.counts["applied"] == 12 * STREAMS
            assert second.counts["applied"] > 0
        await until(alone)
        await publish(kafka, topic, 15, 13)
        await until(lambda: drained(pool, kafka, [topic]))
        await until(nothing_is_missing)
    assert await effects(pool) == whole(15)
    assert await held_counts(pool, 1) == {}  # type: ignore[arg-type]
    shard = (await pool.fetchval("SELECT shard FROM effects WHERE subject = 'enterprise/3'")) or 0
    newest = await pool.fetchval("SELECT (newest->>$1)::timestamptz FROM shards WHERE generation = 1 AND shard = $2", topic, shard)
    assert newest == START.replace(second=15)


@pytest.mark.invariant("I1")
async def test_killed_inside_its_transactions_it_applies_everything_once(
    dummy: Database, pool: Pool, kafka: KafkaBroker, new_topics: NewTopics
) -> None:
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    await publish(kafka, topic, 10)
    for batches in (1, 4):
        process = await in_a_process(dummy, kafka, topic, batches, "SIGKILL")
        assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    async with running(new_reader(pool, kafka, [topic], PARTITIONS)):
        await until(lambda: drained(pool, kafka, [topic]))
    assert await effects(pool) == whole(10)


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_a_frozen_owner_is_succeeded_within_fifteen_seconds_and_does_no_harm_when_it_wakes(
    dummy: Database, pool: Pool, kafka: KafkaBroker, new_topics: NewTopics
) -> None:
    """It holds the shard's row locked in an open transaction; its successor ends its session."""
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    told = 0

    async def succeeding() -> float:
        nonlocal told
        await publish(kafka, topic, told + 10, told + 1)
        process = await in_a_process(dummy, kafka, topic, 3, "SIGSTOP")
        try:

            async def frozen() -> bool:
                return psutil.Process(process.pid).status() == psutil.STATUS_STOPPED

            await until(frozen)
            began = time.monotonic()
            async with running(new_reader(pool, kafka, [topic], PARTITIONS)):
                await until(lambda: drained(pool, kafka, [topic]))
                took = time.monotonic() - began
                os.kill(process.pid, signal.SIGCONT)
                await publish(kafka, topic, told + 20, told + 11)
                await until(lambda: drained(pool, kafka, [topic]))
        finally:
            process.kill()
            await process.wait()
        told += 20
        return took

    await at_best(succeeding, SUCCEEDED_WITHIN)
    assert await effects(pool) == whole(told)
    assert await held_kinds(pool) == {}


@pytest.mark.invariant("I1")
async def test_two_that_both_believe_to_own_a_shard_apply_once(pool: Pool, kafka: KafkaBroker, new_topics: NewTopics) -> None:
    """Other groups, so Kafka gives all to both: only the version in the database decides."""
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    readers = [
        Reader(pool, kafka, name=name, topics=[topic], partitions=PARTITIONS, apply=write_effects, batch=3) for name in ("one", "two")
    ]
    async with running(*readers):
        for last in range(2, 13, 2):
            await publish(kafka, topic, last, last - 1)
        await until(lambda: drained(pool, kafka, [topic]), 40)
    assert await effects(pool) == whole(12)
    assert await held_kinds(pool) == {}


async def test_a_cut_session_costs_no_event_and_caches_are_dropped(pool: Pool, kafka: KafkaBroker, new_topics: NewTopics) -> None:
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    cached: dict[int, Counter[str]] = {}
    staged: dict[int, Counter[str]] = {}
    resets: list[int] = []

    async def apply(conn: Connection, batch: ShardBatch) -> None:
        staged[batch.shard] = Counter(event.subject for event in batch.events)
        await write_effects(conn, batch)

    def after_commit(batch: ShardBatch) -> None:
        cached.setdefault(batch.shard, Counter()).update(staged.pop(batch.shard))

    def on_reset(shard: int) -> None:
        resets.append(shard)

    reader = new_reader(pool, kafka, [topic], PARTITIONS, apply=apply, after_commit=after_commit, on_reset=on_reset, batch=5)
    async with running(reader):
        for last in range(1, 9):
            await publish(kafka, topic, last, last)
            if last in (3, 6):
                await pool.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'dummy %'")
        await until(lambda: drained(pool, kafka, [topic]), 40)
    assert await effects(pool) == whole(8)
    assert sum(cached.values(), Counter()) == Counter({f"enterprise/{e}": 8 for e in range(STREAMS)})
    assert len(resets) > PARTITIONS


async def test_an_outage_inside_apply_parks_nothing(pool: Pool, kafka: KafkaBroker, new_topics: NewTopics) -> None:
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    troubles: list[Exception] = [ConnectionResetError(), asyncpg.DeadlockDetectedError(), TimeoutError()]

    async def apply(conn: Connection, batch: ShardBatch) -> None:
        await write_effects(conn, batch)
        if troubles:
            raise troubles.pop()

    await publish(kafka, topic, 4)
    async with running(new_reader(pool, kafka, [topic], PARTITIONS, apply=apply)):
        await until(lambda: drained(pool, kafka, [topic]), 40)
    assert await effects(pool) == whole(4)
    assert await held_kinds(pool) == {}


async def test_a_reader_refuses_topics_with_other_partition_counts(pool: Pool, kafka: KafkaBroker, new_topics: NewTopics) -> None:
    (equal,) = await new_topics("a", partitions=PARTITIONS)
    (other,) = await new_topics("b", partitions=PARTITIONS + 1)
    with pytest.raises(PartitionCountError):
        await asyncio.wait_for(new_reader(pool, kafka, [equal, other], PARTITIONS).run(asyncio.Event()), PATIENCE)


@pytest.mark.invariant("I2")
async def test_a_topic_made_anew_is_read_from_its_beginning_and_known_events_are_dropped(
    pool: Pool, kafka: KafkaBroker, new_topics: NewTopics
) -> None:
    """While the reader runs: it finds out by itself, also where the new log is longer than where it stood in the old one."""
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    told = history(3)
    producer = kafka.producer()
    early = fact("enterprise/late", 2)
    await producer.publish(topic, messages([*told, early], PARTITIONS))
    reader = new_reader(pool, kafka, [topic], PARTITIONS)
    async with running(reader):
        await until(lambda: drained(pool, kafka, [topic]))
        assert await held_kinds(pool) == {("enterprise/late", 2): "early"}
        await kafka.delete_topic(topic)
        await kafka.create_topic(topic, PARTITIONS)
        again = kafka.producer()
        # In another order than before, with an event that came while nobody looked, and another history of one stream at its end.
        fork = fact("enterprise/0", 3, at=99)
        await again.publish(topic, messages([fact("enterprise/late", 1), early, *reversed(told), fork, *history(6, 4)], PARTITIONS))

        async def all_there() -> bool:
            found = await effects(pool)
            return found.get((SOURCE, "enterprise/late")) == [1, 2] and len(found[SOURCE, "enterprise/1"]) == 6

        await until(all_there, 40)
        await until(lambda: drained(pool, kafka, [topic]))
        await again.close()
    assert {stream: len(found) for stream, found in (await effects(pool)).items()} == {
        **dict.fromkeys(whole(6), 6),
        (SOURCE, "enterprise/late"): 2,
        (SOURCE, "enterprise/0"): 3,
    }
    assert all(found == list(range(1, len(found) + 1)) for found in (await effects(pool)).values())
    assert (await held_kinds(pool))["enterprise/0", 3] == "fork"
    ids = {row["topic_ids"][topic] for row in await pool.fetch("SELECT topic_ids FROM shards")}
    assert ids == {(await kafka.describe([topic]))[topic].id}
    await producer.close()


@pytest.mark.slow
async def test_it_goes_on_after_the_database_restarted(
    dummy: Database, pool: Pool, kafka: KafkaBroker, new_topics: NewTopics, postgres_server: PostgresServer
) -> None:
    (topic,) = await new_topics("t", partitions=PARTITIONS)
    async with running(new_reader(pool, kafka, [topic], PARTITIONS)):
        await publish(kafka, topic, 3)
        await until(lambda: drained(pool, kafka, [topic]))
        await asyncio.to_thread(postgres_server.stop)
        await publish(kafka, topic, 6, 4)
        postgres_server.start()  # in this thread: the server dies with the thread that started it

        async def caught_up() -> bool:
            try:
                return await drained(pool, kafka, [topic])
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                return False

        await until(caught_up, 40)
    assert await effects(pool) == whole(6)
