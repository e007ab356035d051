"""How long the broker is asked to wait for a record: long where nothing comes, short where a place that is paused may go on any moment."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.client import AIOKafkaClient
from aiokafka.protocol.fetch import FetchRequest

from deploy.local.servers.kafka import KafkaServer
from shared.broker.kafka_consumer import FETCH_WAIT_MS, PAUSED_WAIT_MS
from shared.contracts.ids import uuid7
from tests.conftest import NewTopics
from tests.dummy_service.reading import until
from tests.integration.shared.broker.test_kafka_groups import Member


async def test_while_a_place_is_paused_the_broker_is_asked_often(
    kafka_server: KafkaServer, new_topics: NewTopics, monkeypatch: pytest.MonkeyPatch
) -> None:
    (topic,) = await new_topics("places", partitions=2)
    asked: list[int] = []
    send = AIOKafkaClient.send

    async def listen(client: AIOKafkaClient, node: Any, request: Any, **options: Any) -> Any:
        if isinstance(request, FetchRequest):
            asked.append(request._max_wait_ms)
        return await send(client, node, request, **options)

    monkeypatch.setattr(AIOKafkaClient, "send", listen)
    member = Member(kafka_server.bootstrap, f"g{uuid7()}", topic, "one")
    consumer = member.consumer
    await consumer.start()
    try:

        async def assigned() -> bool:
            return len(member.places) == 2

        async def asks(wait: int) -> bool:
            await consumer.fetch(0.05)
            return asked[-1:] == [wait]

        await until(assigned)
        for place in member.places:
            consumer.seek(place, 0)
        await until(lambda: asks(FETCH_WAIT_MS))
        consumer.pause([(topic, 0)])
        await until(lambda: asks(PAUSED_WAIT_MS))
        consumer.resume([(topic, 0)])
        await until(lambda: asks(FETCH_WAIT_MS))
    finally:
        await consumer.close()
