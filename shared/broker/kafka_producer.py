"""Kafka's producer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from shared.broker.kafka_topics import ANSWER_TIMEOUT, CLOSE_TIMEOUT, OUTAGES, close_client
from shared.broker.protocol import STRUCTURED, BrokerUnavailableError, Message

T = TypeVar("T")

PUBLISH_TIMEOUT = 30.0
BATCH_BYTES = 800_000
_STRUCTURED = list(STRUCTURED)


class KafkaProducer:
    """Publishes whole batches: one record batch and one acknowledgement per partition."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None

    async def partitions(self, topic: str) -> int:
        return await self._trying(lambda producer: _partitions(producer, topic), f"partitions of {topic}")

    async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
        return await self._trying(lambda producer: _publish(producer, topic, messages), f"publish to {topic}")

    async def _trying(self, work: Callable[[AIOKafkaProducer], Awaitable[T]], what: str) -> T:
        try:
            producer = self._producer or await self._connected()
            async with asyncio.timeout(PUBLISH_TIMEOUT):
                return await work(producer)
        except BaseException as error:
            # After a failed batch an idempotent producer has a gap in its sequence numbers, and aiokafka retries without end.
            await self.close()
            if isinstance(error, OUTAGES):
                raise BrokerUnavailableError(f"{what}: {error!r}") from error
            raise

    async def _connected(self) -> AIOKafkaProducer:
        producer = AIOKafkaProducer(
            bootstrap_servers=self._bootstrap, acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES, request_timeout_ms=10_000
        )
        self._producer = producer
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await producer.start()
        return producer

    async def close(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            await close_client(producer, CLOSE_TIMEOUT)


async def _partitions(producer: AIOKafkaProducer, topic: str) -> int:
    return len(await producer.partitions_for(topic))


def _fill(batch: BatchBuilder, waiting: Sequence[Message], start: int) -> int:
    """Append messages from `start` on; returns the number of the first one for which there is no room."""
    append = batch.append
    for number in range(start, len(waiting)):
        message = waiting[number]
        headers = _STRUCTURED if message.headers is STRUCTURED else list(message.headers)
        if append(timestamp=None, key=message.key, value=message.value, headers=headers) is None:
            return number
    return len(waiting)


async def _publish(producer: AIOKafkaProducer, topic: str, messages: Sequence[Message]) -> dict[int, int]:
    by_partition: dict[int, list[Message]] = {}
    for message in messages:
        by_partition.setdefault(message.partition, []).append(message)
    if unknown := by_partition.keys() - await producer.partitions_for(topic):
        raise BrokerUnavailableError(f"{topic} has no partitions {sorted(unknown)}")

    async def send(partition: int, waiting: list[Message]) -> int:
        """Send the batches of one partition one after the other; returns the last offset."""
        last = -1
        start = 0
        while start < len(waiting):
            batch = producer.create_batch()
            end = _fill(batch, waiting, start)
            batch.close()
            base = (await (await producer.send_batch(batch, topic, partition=partition))).offset
            last = base + end - start - 1 if base >= 0 else -1
            start = end
        return last

    sends = [asyncio.ensure_future(send(partition, waiting)) for partition, waiting in by_partition.items()]
    try:
        return dict(zip(by_partition, await asyncio.gather(*sends), strict=True))
    finally:
        for task in sends:
            task.cancel()
