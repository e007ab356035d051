"""The relay between a real database and a real Kafka: nothing lost, nothing out of order, whatever is killed or away (I1, I2)."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import asyncpg
import pytest

from deploy.local.servers.kafka import KafkaServer
from shared.broker.kafka import KafkaBroker
from shared.broker.memory import MemoryBroker, MemoryProducer
from shared.broker.protocol import BrokerUnavailableError, Message, PartitionCountError, partition_of
from shared.contracts import decode
from shared.contracts.registry import HeadcountReported
from shared.journal import journal
from shared.process.db import Pool, transaction
from shared.relaying.relay import Relay
from tests.conftest import Database, NewTopics
from tests.dummy_service.reading import SOURCE, drained, effects, held_kinds, new_reader, running, until
from tests.patience import PATIENCE

ACTOR = journal.Actor("tester", "api")
PARTITIONS = 4


async def append(pool: Pool, *subjects: str) -> None:
    """One command that says one thing about each stream."""
    async with transaction(pool) as conn:
        await journal.lock(conn, subjects)
        await journal.append(conn, [journal.Draft(subject, HeadcountReported(workers=1), date(2026, 1, 1)) for subject in subjects], ACTOR)


async def empty(pool: Pool) -> bool:
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")


def sequences(broker: MemoryBroker, topic: str) -> dict[str, list[int]]:
    """{subject: sequences as they lie in the log}"""
    found: dict[str, list[int]] = defaultdict(list)
    for number, log in enumerate(broker.logs[topic].partitions):
        for record in log:
            event = decode(record.value)
            assert number == partition_of(event.partitionkey, PARTITIONS)
            assert record.key == event.partitionkey.encode()
            found[event.subject].append(event.sequence)
    return found


@pytest.mark.invariant("I2")
async def test_commands_at_the_same_time_reach_the_log_in_sequence(dummy: Database, pool: Pool) -> None:
    broker = MemoryBroker()
    broker.create("t", PARTITIONS)
    subjects = [f"enterprise/{n}" for n in range(6)] + [f"union/{n}" for n in range(3)]

    async def membership(seed: int) -> None:
        chance = random.Random(seed)
        for _ in range(30):
            await append(pool, *chance.sample(subjects, chance.randint(1, 5)))

    async with running(Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS, batch=7)):
        await asyncio.gather(*(membership(seed) for seed in range(8)))
        await until(lambda: empty(pool))
    written = sequences(broker, "t")
    assert sum(map(len, written.values())) == await pool.fetchval("SELECT count(*) FROM journal")
    assert all(found == list(range(1, len(found) + 1)) for found in written.values())
    marks = {row["partition"]: row["offset"] for row in await pool.fetch("SELECT * FROM relay_marks")}
    assert marks == {n: len(log) - 1 for n, log in enumerate(broker.logs["t"].partitions) if log}


async def test_a_given_partition_goes_before_the_hash(dummy: Database, pool: Pool) -> None:
    broker = MemoryBroker()
    broker.create("t", PARTITIONS)
    await append(pool, "enterprise/e")
    elsewhere = (partition_of("e", PARTITIONS) + 1) % PARTITIONS
    owner = await asyncpg.connect(dummy.owner_dsn)
    await owner.execute("UPDATE outbox SET partition = $1", elsewhere)
    await owner.close()
    async with running(Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS)):
        await until(lambda: empty(pool))
    assert len(broker.logs["t"].partitions[elsewhere]) == 1


async def test_a_topic_with_another_number_of_partitions_is_refused(dummy: Database) -> None:
    broker = MemoryBroker()
    broker.create("t", PARTITIONS + 1)
    with pytest.raises(PartitionCountError):
        await asyncio.wait_for(Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS).run(asyncio.Event()), PATIENCE)


async def test_only_one_relays_and_another_takes_over(dummy: Database, pool: Pool) -> None:
    broker = MemoryBroker()
    broker.create("t", PARTITIONS)
    first, second = (Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS) for _ in range(2))

    async def leads(relay: Relay) -> bool:
        return relay.leading

    async with running(second):
        await until(lambda: leads(second))
        async with running(first):
            await append(pool, "enterprise/e")
            await until(lambda: empty(pool))
            assert not first.leading
            # The database ends the leader's session: the lock is free, the leader finds out at its next look.
            await pool.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'relay t' AND pid IN "
                "(SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted)"
            )
            await append(pool, "enterprise/e")
            await until(lambda: empty(pool))
    assert set(sequences(broker, "t")["enterprise/e"]) == {1, 2}


class Failing(MemoryProducer):
    """Writes only the first half of each partition's messages, then fails, so many times."""

    def __init__(self, broker: MemoryBroker, times: int) -> None:
        super().__init__(broker)
        self.times = times

    async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
        if self.times:
            self.times -= 1
            by_partition: dict[int, list[Message]] = defaultdict(list)
            for message in messages:
                by_partition[message.partition].append(message)
            await super().publish(topic, [m for found in by_partition.values() for m in found[: len(found) // 2]])
            raise BrokerUnavailableError("half of it")
        return await super().publish(topic, messages)


class Counting(MemoryProducer):
    """Notes how many messages each batch has."""

    def __init__(self, broker: MemoryBroker) -> None:
        super().__init__(broker)
        self.sizes: list[int] = []

    async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
        self.sizes.append(len(messages))
        return await super().publish(topic, messages)


async def test_batches_grow_while_the_outbox_is_long_and_are_small_again_after(
    dummy: Database, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    broker = MemoryBroker()
    broker.create("t", PARTITIONS)
    for _ in range(20):
        await append(pool, *(f"enterprise/{n}" for n in range(5)))
    monkeypatch.setattr("shared.relaying.relay.LARGEST_BATCH", 32)
    producer = Counting(broker)
    async with running(Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS, batch=4, producer=producer)):
        await until(lambda: empty(pool))
        assert producer.sizes == [4, 8, 16, 32, 32, 8]
        for _ in range(2):
            await append(pool, *(f"enterprise/{n}" for n in range(5)))
        await until(lambda: empty(pool))
    assert producer.sizes[6] == 4
    assert all(found == list(range(1, len(found) + 1)) for found in sequences(broker, "t").values())


@pytest.mark.invariant("I2")
async def test_a_batch_that_half_arrived_is_sent_again_and_read_once(dummy: Database, pool: Pool) -> None:
    broker = MemoryBroker()
    broker.create("t", PARTITIONS)
    for _ in range(20):
        await append(pool, *(f"enterprise/{n}" for n in range(5)))
    async with running(
        Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS, producer=Failing(broker, 3)), new_reader(pool, broker, ["t"], PARTITIONS)
    ):
        await until(lambda: empty(pool))
        await until(lambda: drained(pool, broker, ["t"]))
    assert await effects(pool) == {(SOURCE, f"enterprise/{n}"): list(range(1, 21)) for n in range(5)}
    assert await held_kinds(pool) == {}


@pytest.mark.invariant("I1")
async def test_killed_between_acknowledgement_and_deletion_nothing_is_lost_or_sent_twice(
    dummy: Database, pool: Pool, kafka: KafkaBroker, new_topics: NewTopics, tmp_path: Path
) -> None:
    """A real process, a real SIGKILL, right after Kafka acknowledged; three times."""
    (topic,) = await new_topics("dummy", partitions=PARTITIONS)
    for _ in range(10):
        await append(pool, *(f"enterprise/{n}" for n in range(5)))
    for n in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.dummy_service.killed_relay", dummy.app_dsn, kafka.bootstrap, topic, str(PARTITIONS), str(n + 1)
        )
        assert await asyncio.wait_for(process.wait(), 60) == -signal.SIGKILL
    assert await pool.fetchval("SELECT count(*) FROM outbox") > 0
    reader = new_reader(pool, kafka, [topic], PARTITIONS)
    async with running(Relay(dummy.app_dsn, kafka, SOURCE, topic, PARTITIONS), reader):
        await until(lambda: empty(pool), 40)
        await until(lambda: drained(pool, kafka, [topic]), 40)
    assert await effects(pool) == {(SOURCE, f"enterprise/{n}"): list(range(1, 11)) for n in range(5)}
    assert await held_kinds(pool) == {}
    assert reader.counts["duplicates"] == 0
    assert sum(extent.end for extent in (await kafka.extents([topic])).values()) == 50


@pytest.mark.slow
async def test_a_frozen_broker_delays_and_loses_nothing(
    dummy: Database, pool: Pool, kafka: KafkaBroker, kafka_server: KafkaServer, new_topics: NewTopics
) -> None:
    (topic,) = await new_topics("dummy", partitions=PARTITIONS)
    relay = Relay(dummy.app_dsn, kafka, SOURCE, topic, PARTITIONS)
    reader = new_reader(pool, kafka, [topic], PARTITIONS)
    assert kafka_server.pid is not None
    async with running(relay, reader):
        await append(pool, "enterprise/e")
        await until(lambda: empty(pool))
        os.kill(kafka_server.pid, signal.SIGSTOP)
        try:
            for _ in range(20):
                await append(pool, "enterprise/e")
            await asyncio.sleep(12)  # longer than a session of the group, and than the relay's idle session
            assert not await empty(pool)
        finally:
            os.kill(kafka_server.pid, signal.SIGCONT)
        await until(lambda: empty(pool), 60)
        await until(lambda: drained(pool, kafka, [topic]), 60)
    assert await effects(pool) == {(SOURCE, "enterprise/e"): list(range(1, 22))}


@pytest.mark.slow
async def test_after_a_killed_broker_restarted_both_go_on(
    dummy: Database, pool: Pool, kafka: KafkaBroker, kafka_server: KafkaServer, new_topics: NewTopics
) -> None:
    (topic,) = await new_topics("dummy", partitions=PARTITIONS)
    relay = Relay(dummy.app_dsn, kafka, SOURCE, topic, PARTITIONS)
    reader = new_reader(pool, kafka, [topic], PARTITIONS)
    async with running(relay, reader):
        for round_number in range(2):
            for _ in range(5):
                await append(pool, *(f"enterprise/{n}" for n in range(5)))
            if round_number == 0:
                await until(lambda: drained(pool, kafka, [topic]))
                assert kafka_server.pid is not None
                os.kill(kafka_server.pid, signal.SIGKILL)
                await asyncio.to_thread(kafka_server.stop)
        await asyncio.sleep(2)
        kafka_server.start()  # in this thread: the server dies with the thread that started it
        await until(lambda: empty(pool), 60)

        async def caught_up() -> bool:
            try:
                return await drained(pool, kafka, [topic])
            except BrokerUnavailableError:
                return False

        await until(caught_up, 60)
    assert await effects(pool) == {(SOURCE, f"enterprise/{n}"): list(range(1, 11)) for n in range(5)}
