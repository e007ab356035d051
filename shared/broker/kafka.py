"""The broker interface on Kafka, over aiokafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, TopicPartition

from shared.broker import kafka_topics
from shared.broker.kafka_consumer import KafkaConsumer
from shared.broker.kafka_producer import KafkaProducer
from shared.broker.kafka_topics import ANSWER_TIMEOUT, CLOSE_TIMEOUT, OUTAGES, close_client, wait_for_metadata
from shared.broker.protocol import BrokerUnavailableError, Extent, Place, Rebalanced, Record, Topic


class KafkaBroker:
    """Kafka at `bootstrap` (host:port, comma-separated).

    `name` identifies this process among all readers: a consumer that starts under it removes its predecessor from the group at once.
    """

    def __init__(self, bootstrap: str, name: str | None = None) -> None:
        self.bootstrap = bootstrap
        self.name = name
        self._observer: AIOKafkaConsumer | None = None
        self._lock = asyncio.Lock()

    def producer(self) -> KafkaProducer:
        return KafkaProducer(self.bootstrap)

    def consumer(self, group: str, topics: Sequence[str], *, assigned: Rebalanced, revoked: Rebalanced) -> KafkaConsumer:
        return KafkaConsumer(self.bootstrap, group, topics, assigned=assigned, revoked=revoked, name=self.name)

    async def describe(self, topics: Iterable[str]) -> dict[str, Topic]:
        return await kafka_topics.describe(self.bootstrap, topics)

    async def extents(self, topics: Iterable[str]) -> dict[Place, Extent]:
        wanted = list(topics)
        try:
            async with self._lock, asyncio.timeout(ANSWER_TIMEOUT):
                observer = self._observer or await self._observing()
                await wait_for_metadata(observer._client, wanted)
                places = [TopicPartition(topic, number) for topic in wanted for number in observer.partitions_for_topic(topic) or ()]
                begins = await observer.beginning_offsets(places)
                ends = await observer.end_offsets(places)
        except OUTAGES as error:
            await self.close()
            raise BrokerUnavailableError(f"offsets: {error!r}") from error
        return {(tp.topic, tp.partition): Extent(begins[tp], ends[tp]) for tp in places}

    def read(self, spans: Mapping[Place, Extent]) -> AsyncGenerator[Sequence[Record], None]:
        return kafka_topics.read(self.bootstrap, spans)

    async def create_topic(self, topic: str, partitions: int) -> None:
        await kafka_topics.create_topic(self.bootstrap, topic, partitions)

    async def delete_topic(self, topic: str) -> None:
        await kafka_topics.delete_topic(self.bootstrap, topic)
        await self.close()  # its metadata is cached in the observer

    async def _observing(self) -> AIOKafkaConsumer:
        self._observer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False, request_timeout_ms=10_000)
        await self._observer.start()
        return self._observer

    async def close(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            await close_client(observer, CLOSE_TIMEOUT)
