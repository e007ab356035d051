"""A process that begins to read under a name takes the place in the group of the one that had it before."""

from __future__ import annotations

import asyncio

from aiokafka.client import AIOKafkaClient
from structlog.testing import capture_logs

from deploy.local.servers.kafka import KafkaServer
from shared.broker.kafka import KafkaBroker
from shared.broker.kafka_consumer import KafkaConsumer
from shared.broker.kafka_groups import remove_members
from shared.broker.protocol import Place
from shared.contracts.ids import uuid7
from tests.conftest import NewTopics
from tests.dummy_service.reading import until


class Member:
    """A consumer that only tells what it was given, and how often."""

    def __init__(self, bootstrap: str, group: str, topic: str, name: str) -> None:
        broker = KafkaBroker(bootstrap, name)
        self.consumer: KafkaConsumer = broker.consumer(group, [topic], assigned=self._assigned, revoked=self._revoked)
        self.places: frozenset[Place] = frozenset()
        self.given = 0

    async def _assigned(self, places: frozenset[Place]) -> None:
        self.places, self.given = places, self.given + 1

    async def _revoked(self, _places: frozenset[Place]) -> None:
        self.places = frozenset()


async def test_the_place_of_a_name_is_given_back_and_no_other(kafka_server: KafkaServer, new_topics: NewTopics) -> None:
    (topic,) = await new_topics("places", partitions=4)
    group = f"g{uuid7()}"
    first, second = (Member(kafka_server.bootstrap, group, topic, name) for name in ("first", "second"))
    client = AIOKafkaClient(bootstrap_servers=kafka_server.bootstrap)
    await client.bootstrap()
    try:
        await first.consumer.start()
        await second.consumer.start()

        async def divided() -> bool:
            return len(first.places) == len(second.places) == 2

        await until(divided)
        assert await remove_members(client, group, "nobody") == 0
        before = first.given, second.given
        assert await remove_members(client, group, "first") == 1

        async def joined_again() -> bool:
            return await divided() and first.given > before[0] and second.given > before[1]

        # It lives after all: its heartbeat tells it, and it joins again.
        await until(joined_again)
    finally:
        await client.close()
        await first.consumer.close()
        await second.consumer.close()


async def test_who_begins_under_a_name_has_all_that_the_one_before_had(kafka_server: KafkaServer, new_topics: NewTopics) -> None:
    (topic,) = await new_topics("places", partitions=4)
    group = f"g{uuid7()}"
    dead, successor = (Member(kafka_server.bootstrap, group, topic, "one") for _ in range(2))
    await dead.consumer.start()

    async def owned() -> bool:
        return len(dead.places) == 4

    await until(owned)
    # As if killed: it says nothing any more, and the group goes on counting it.
    coordinator = dead.consumer._consumer._coordinator
    coordinator._coordination_task.cancel()
    await asyncio.wait([coordinator._coordination_task])
    if (beating := coordinator._heartbeat_task) is not None:
        beating.cancel()
        await asyncio.wait([beating])
    try:
        with capture_logs() as said:
            await successor.consumer.start()

        async def taken() -> bool:
            return len(successor.places) == 4

        await until(taken)
        assert [(line["event"], line["places"]) for line in said if line["event"] == "consumer.freed"] == [("consumer.freed", 1)]
    finally:
        await successor.consumer.close()
