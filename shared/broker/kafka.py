"""Kafka, as `shared.broker.protocol` wants it, over aiokafka."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import structlog
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRebalanceListener, TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.errors import KafkaError, NoOffsetForPartitionError, OffsetOutOfRangeError

from shared.broker import kafka_topics
from shared.broker.kafka_groups import free_places
from shared.broker.protocol import BrokerUnavailable, Extent, Message, OffsetLost, Place, Rebalanced, Record, Topic
from shared.process.clock import utc_now

T = TypeVar("T")

log = structlog.get_logger(__name__)

ANSWER_TIMEOUT = 5.0
PUBLISH_TIMEOUT = 30.0
CLOSE_TIMEOUT = 3.0
BATCH_BYTES = 800_000
FETCH_WAIT_MS = 100
HEARTBEAT_MS = 500
"""A member learns so late that the group is divided anew: all wait for the last one."""
METADATA_POLL = 0.05
IDENTITY_POLL = 2.0
"""Seconds between two looks whether a topic is still the one that we read."""
OUTAGES = (KafkaError, OSError, TimeoutError, asyncio.TimeoutError)


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
            # An idempotent producer whose batch failed has a hole in its numbers, and aiokafka retries without end.
            await self.close()
            if isinstance(error, OUTAGES):
                raise BrokerUnavailable(f"{what}: {error!r}") from error
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
            await _close(producer)


async def _partitions(producer: AIOKafkaProducer, topic: str) -> int:
    return len(await producer.partitions_for(topic))


async def _publish(producer: AIOKafkaProducer, topic: str, messages: Sequence[Message]) -> dict[int, int]:
    by_partition: dict[int, list[Message]] = {}
    for message in messages:
        by_partition.setdefault(message.partition, []).append(message)
    if unknown := by_partition.keys() - await producer.partitions_for(topic):
        raise BrokerUnavailable(f"{topic} has no partitions {sorted(unknown)}")

    async def send(partition: int, waiting: list[Message]) -> int:
        """Batches of one partition go one after the other."""
        last = -1
        start = 0
        while start < len(waiting):
            batch = producer.create_batch()
            end = start
            while end < len(waiting) and batch.append(key=waiting[end].key, value=waiting[end].value, timestamp=None) is not None:
                end += 1
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


async def _close(client: Any) -> None:
    """aiokafka waits without end for what a lost broker does not acknowledge; what is left then is cancelled with the task."""
    with contextlib.suppress(*OUTAGES):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await client.stop()


async def _learn(client: AIOKafkaClient, topics: Sequence[str]) -> None:
    """Wait until the client knows topics (a new one takes a moment). No public call names topics without subscribing to them."""
    await client.set_topics(topics)
    while not all(client.cluster.partitions_for_topic(topic) for topic in topics):
        await asyncio.sleep(METADATA_POLL)
        await client.force_metadata_update()


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]
    def __init__(self, assigned: Rebalanced, revoked: Rebalanced) -> None:
        self._assigned = assigned
        self._revoked = revoked

    async def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        await self._assigned(frozenset((tp.topic, tp.partition) for tp in assigned))

    async def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        await self._revoked(frozenset((tp.topic, tp.partition) for tp in revoked))


class KafkaConsumer:
    """A member of a group. Partitions are divided by range: round-robin and sticky split one partition number over instances."""

    def __init__(
        self, bootstrap: str, group: str, topics: Sequence[str], *, assigned: Rebalanced, revoked: Rebalanced, name: str | None = None
    ) -> None:
        self._group = group
        self._name = name
        self._topics = topics
        self._listener = _Listener(assigned, revoked)
        self._anew: str | None = None
        self._identity: asyncio.Task[None] | None = None
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            client_id=name or "parkunion",
            group_id=group,
            partition_assignment_strategy=(RangePartitionAssignor,),
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=524_288,
            session_timeout_ms=6_000,
            heartbeat_interval_ms=HEARTBEAT_MS,
            rebalance_timeout_ms=15_000,
            request_timeout_ms=20_000,
            retry_backoff_ms=100,
        )

    async def start(self) -> None:
        try:
            async with asyncio.timeout(ANSWER_TIMEOUT):
                await self._consumer.start()
                # A leader that does not know a topic yet gives its partitions to nobody.
                await _learn(self._consumer._client, self._topics)
                known = await kafka_topics.describe_by(self._consumer._client, self._topics)
                if self._name is not None and (freed := await free_places(self._consumer._client, self._group, self._name)):
                    log.info("consumer.freed", group=self._group, name=self._name, places=freed)
            self._identity = asyncio.create_task(self._watch_identity(known))
            # After the start, which else waits for the first assignment: as long as a killed member is still counted in the group.
            self._consumer.subscribe(list(self._topics), listener=self._listener)
        except OUTAGES as error:
            raise BrokerUnavailable(f"consumer: {error!r}") from error

    async def _watch_identity(self, known: Mapping[str, Topic]) -> None:
        """Look whether the topics are still those of the start: the protocol that aiokafka speaks knows a topic by its name alone, and
        would go on in another one as soon as it is long enough."""
        while True:
            await asyncio.sleep(IDENTITY_POLL)
            with contextlib.suppress(*OUTAGES, BrokerUnavailable):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    found = await kafka_topics.describe_by(self._consumer._client, self._topics)
                self._anew = next((name for name, topic in found.items() if name in known and known[name].id != topic.id), self._anew)

    async def fetch(self, wait: float) -> Sequence[Sequence[Record]]:
        if self._anew is not None:
            raise OffsetLost(f"the topic {self._anew} was made anew")
        try:
            fetched: dict[TopicPartition, list[Record]] = await self._consumer.getmany(timeout_ms=int(wait * 1000))
        except NoOffsetForPartitionError:
            return []  # it looked for a position in the group before our seek
        except OffsetOutOfRangeError as error:
            raise OffsetLost(str(error)) from error
        except OUTAGES as error:
            raise BrokerUnavailable(f"fetch: {error!r}") from error
        return list(fetched.values())

    def seek(self, place: Place, offset: int) -> None:
        if (tp := TopicPartition(*place)) in self._consumer.assignment():
            self._consumer.seek(tp, offset)

    def pause(self, places: Collection[Place]) -> None:
        self._consumer.pause(*self._ours(places))

    def resume(self, places: Collection[Place]) -> None:
        self._consumer.resume(*self._ours(places))

    def end(self, place: Place) -> int | None:
        ours = self._ours([place])
        return self._consumer.highwater(ours[0]) if ours else None

    def answered(self, place: Place) -> float | None:
        ours = self._ours([place])
        at = self._consumer.last_poll_timestamp(ours[0]) if ours else None
        return None if at is None else max(0.0, utc_now().timestamp() - at / 1000)

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        wanted = {tp: offsets[tp.topic, tp.partition] for tp in self._ours(offsets)}
        if wanted:
            with contextlib.suppress(*OUTAGES):
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    await self._consumer.commit(wanted)

    async def close(self) -> None:
        if self._identity is not None:
            self._identity.cancel()
        await _close(self._consumer)

    def _ours(self, places: Iterable[Place]) -> list[TopicPartition]:
        assignment = self._consumer.assignment()
        return [tp for tp in (TopicPartition(*place) for place in places) if tp in assignment]


class KafkaBroker:
    """Kafka at `bootstrap` (host:port, more behind commas).

    `name` is that of this process among all that read: who begins to read under it takes the place of its predecessor at once.
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
                await _learn(observer._client, wanted)
                places = [TopicPartition(topic, number) for topic in wanted for number in observer.partitions_for_topic(topic) or ()]
                begins = await observer.beginning_offsets(places)
                ends = await observer.end_offsets(places)
        except OUTAGES as error:
            await self.close()
            raise BrokerUnavailable(f"offsets: {error!r}") from error
        return {(tp.topic, tp.partition): Extent(begins[tp], ends[tp]) for tp in places}

    def read(self, spans: Mapping[Place, Extent]) -> AsyncGenerator[Sequence[Record], None]:
        return kafka_topics.read(self.bootstrap, spans)

    async def create_topic(self, topic: str, partitions: int) -> None:
        await kafka_topics.create_topic(self.bootstrap, topic, partitions)

    async def delete_topic(self, topic: str) -> None:
        await kafka_topics.delete_topic(self.bootstrap, topic)
        await self.close()  # what was learnt of the topic goes with it

    async def _observing(self) -> AIOKafkaConsumer:
        self._observer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False, request_timeout_ms=10_000)
        await self._observer.start()
        return self._observer

    async def close(self) -> None:
        observer, self._observer = self._observer, None
        if observer is not None:
            await _close(observer)
