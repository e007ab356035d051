"""The registry's relay refuses a topic that does not fit its settings."""

from __future__ import annotations

import asyncio

import pytest

from deploy.local.servers.kafka import KafkaServer
from services.registry.app import roles
from services.registry.settings import Settings
from shared.broker.protocol import PartitionCountError
from tests.conftest import Database, NewDatabase, NewTopics
from tests.integration.client import settings_of
from tests.patience import PATIENCE

PARTITIONS = 4


def relay_settings(made: Database, kafka_server: KafkaServer, prefix: str, partitions: int = PARTITIONS) -> Settings:
    return settings_of(Settings, made, kafka=kafka_server.bootstrap, partitions=partitions, topic_prefix=prefix)


async def test_a_topic_with_other_partitions_is_refused(
    database: NewDatabase, kafka_server: KafkaServer, topic_prefix: str, new_topics: NewTopics
) -> None:
    await new_topics("registry.v1", partitions=2)
    made = await database("registry")
    with pytest.raises(PartitionCountError):
        await asyncio.wait_for(roles(relay_settings(made, kafka_server, topic_prefix))["relay"](asyncio.Event()), PATIENCE)
