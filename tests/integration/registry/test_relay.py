"""What the registry says reaches its topic on a real Kafka: by its own relay, as it stands in the journal."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from deploy.local.servers.kafka import KafkaServer
from services.registry.app import roles
from services.registry.settings import Settings
from shared.broker.protocol import PartitionCountError, partition_for
from shared.contracts import decode
from shared.process import db
from tests.conftest import Database, NewDatabase, NewTopics
from tests.integration.client import settings_of
from tests.integration.registry.service import at_work, settling

PARTITIONS = 4


def relay_settings(made: Database, kafka_server: KafkaServer, prefix: str, partitions: int = PARTITIONS) -> Settings:
    return settings_of(Settings, made, kafka=kafka_server.bootstrap, partitions=partitions, topic_prefix=prefix)


@pytest.mark.invariant("I2")
async def test_every_event_reaches_its_partition_in_sequence(
    database: NewDatabase, kafka_server: KafkaServer, topic_prefix: str, new_topics: NewTopics
) -> None:
    (topic,) = await new_topics("registry.v1", partitions=PARTITIONS)
    made = await database("registry")
    pool = await db.create_pool(made.app_dsn, application_name="registry.tests")
    stop = asyncio.Event()
    relay = asyncio.ensure_future(roles(relay_settings(made, kafka_server, topic_prefix))["relay"](stop))
    async with at_work(pool) as registry:
        await registry.areas()
        for n in range(3):
            enterprise = await registry.made("/v1/enterprises", settling(name=f"公司{n}"))
            for workers in (30, 40):
                await registry.made(f"/v1/enterprises/{enterprise['id']}/headcounts", {"on": "2021-01-01", "workers": workers})
    # Yesterday is closed beside the relay, in every partition.
    async with asyncio.timeout(30):
        while await pool.fetchval("SELECT count(*) FROM journal WHERE type = 'parkunion.day-closed.v1'") < PARTITIONS:
            await asyncio.sleep(0.02)
    total = await pool.fetchval("SELECT count(*) FROM journal")
    consumer = AIOKafkaConsumer(bootstrap_servers=kafka_server.bootstrap, auto_offset_reset="earliest")
    await consumer.start()
    consumer.assign([TopicPartition(topic, partition) for partition in range(PARTITIONS)])
    seen: dict[str, list[int]] = {}
    async with asyncio.timeout(30):
        while sum(map(len, seen.values())) < total:
            record = await consumer.getone()
            event = decode(record.value)
            place = partition_for(event.subject, event.partitionkey, PARTITIONS)
            assert (record.key.decode(), record.partition) == (event.partitionkey, place)
            seen.setdefault(event.subject, []).append(event.sequence)
        while await pool.fetchval("SELECT count(*) FROM outbox"):
            await asyncio.sleep(0.02)
    assert {subject for subject in seen if subject.startswith("day/")} == {f"day/{partition}" for partition in range(PARTITIONS)}
    assert all(sequences == list(range(1, len(sequences) + 1)) for sequences in seen.values())
    stop.set()
    await asyncio.wait_for(relay, 10)
    await consumer.stop()
    pool.terminate()


async def test_a_topic_with_other_partitions_is_refused(
    database: NewDatabase, kafka_server: KafkaServer, topic_prefix: str, new_topics: NewTopics
) -> None:
    await new_topics("registry.v1", partitions=2)
    made = await database("registry")
    with pytest.raises(PartitionCountError):
        await asyncio.wait_for(roles(relay_settings(made, kafka_server, topic_prefix))["relay"](asyncio.Event()), 20)
