"""Events on a real Kafka come out as figures, also when the projector is stopped and another goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from deploy.local.servers.kafka import KafkaServer
from services.metrics import app
from services.metrics.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Message, partition_of
from shared.contracts import Envelope, encode, membership
from shared.reading.lag import lag
from tests import oracle
from tests.conftest import Database, NewTopics
from tests.histories import history, interleaved
from tests.integration.client import settings_of
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401
from tests.patience import PATIENCE

PARTITIONS = 4
DEADLINE = PATIENCE


async def publish(kafka: KafkaBroker, prefix: str, events: Iterable[Envelope]) -> None:
    producer = kafka.producer()
    for event in events:
        topic = f"{prefix}{'membership' if event.source == membership.SOURCE else 'registry'}.v1"
        key = event.partitionkey.encode()
        await producer.publish(topic, [Message(partition_of(event.partitionkey, PARTITIONS), key, encode(event))])
    await producer.close()


@pytest.mark.invariant("I1")
async def test_a_projector_that_is_stopped_is_followed_by_one_that_goes_on(
    kafka: KafkaBroker, kafka_server: KafkaServer, metrics_database: Database, metrics: Metrics, new_topics: NewTopics, topic_prefix: str
) -> None:
    await new_topics("registry.v1", "membership.v1", "cases.v1", partitions=PARTITIONS)
    settings = settings_of(
        Settings, metrics_database, kafka=kafka_server.bootstrap, partitions=PARTITIONS, topic_prefix=topic_prefix, fold_batch=17
    )
    events = interleaved(history(7, enterprises=20, length=20), 7)
    half = len(events) // 2
    for part in (events[:half], events[half:]):
        await publish(kafka, topic_prefix, part)
        stop = asyncio.Event()
        projector = asyncio.ensure_future(app.roles(settings)["projector"](stop))
        async with asyncio.timeout(DEADLINE):
            while (await lag(metrics.pool, kafka, 1, settings.topics)).events or not await metrics.pool.fetchval(
                "SELECT count(*) FROM shards"
            ):
                await asyncio.sleep(0.05)
        stop.set()
        await projector
    assert await metrics.ledger() == oracle.ledger(events)
    assert await metrics.folded() == len(events)
    async with metrics.snapshot() as snapshot:
        assert set(snapshot.versions) == set(range(PARTITIONS))
