"""Kafka topics: describe, create, delete, and read without a group."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import KafkaError, OffsetOutOfRangeError, for_code

from shared.broker.kafka_metadata import UNKNOWN_TOPIC, TopicsRequest, topics_in
from shared.broker.protocol import BrokerUnavailableError, Extent, OffsetLostError, Place, Record, Topic

ANSWER_TIMEOUT = 5.0
CLOSE_TIMEOUT = 3.0
ADMIN_TIMEOUT = 30.0
READ_PATIENCE = 10.0
"""Seconds without a record after which reading fails."""
POLL = 0.05
METADATA_POLL = 0.05
LARGEST_FETCH = 1_048_576
OUTAGES = (KafkaError, OSError, TimeoutError, asyncio.TimeoutError)
KEEP = {"cleanup.policy": "delete", "retention.ms": "-1"}
BROKERS_DEFAULT = -1


async def describe(bootstrap: str, topics: Iterable[str]) -> dict[str, Topic]:
    """As Broker.describe."""
    wanted = list(topics)
    client = AIOKafkaClient(bootstrap_servers=bootstrap, request_timeout_ms=int(ANSWER_TIMEOUT * 1000))
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await client.bootstrap()
            return await describe_by(client, wanted)
    except OUTAGES as error:
        raise BrokerUnavailableError(f"describe: {error!r}") from error
    finally:
        await client.close()


async def describe_by(client: AIOKafkaClient, topics: Sequence[str]) -> dict[str, Topic]:
    """As `describe`, over an open connection. Raises aiokafka's errors and BrokerUnavailableError."""
    return topics_in(await client.send(client.get_random_node(), TopicsRequest(topics)))


@asynccontextmanager
async def _admin_client(bootstrap: str, what: str) -> AsyncIterator[AIOKafkaAdminClient]:
    client = AIOKafkaAdminClient(bootstrap_servers=bootstrap, request_timeout_ms=int(ADMIN_TIMEOUT * 1000))
    try:
        async with asyncio.timeout(ADMIN_TIMEOUT):
            await client.start()
            yield client
    except OUTAGES as error:
        raise BrokerUnavailableError(f"{what}: {error!r}") from error
    finally:
        await client.close()


async def create_topic(bootstrap: str, topic: str, partitions: int) -> None:
    """As Broker.create_topic; returns when every partition can be written and read."""
    async with _admin_client(bootstrap, f"create {topic}") as admin:
        # An empty assignment makes the replication the broker's default.
        answer = await admin.create_topics([NewTopic(topic, partitions, BROKERS_DEFAULT, {}, KEEP)])
        for _, code, *message in answer.topic_errors:
            if code:
                raise BrokerUnavailableError(f"create {topic}: {for_code(code).__name__} {' '.join(filter(None, message))}")
        while topic not in await describe(bootstrap, [topic]):
            await asyncio.sleep(POLL)


async def delete_topic(bootstrap: str, topic: str) -> None:
    """As Broker.delete_topic."""
    async with _admin_client(bootstrap, f"delete {topic}") as admin:
        answer = await admin.delete_topics([topic])
        for _, code, *_rest in answer.topic_error_codes:
            if code not in (0, UNKNOWN_TOPIC):
                raise BrokerUnavailableError(f"delete {topic}: {for_code(code).__name__}")
        while topic in await describe(bootstrap, [topic]):
            await asyncio.sleep(POLL)


async def read(bootstrap: str, spans: Mapping[Place, Extent]) -> AsyncGenerator[Sequence[Record], None]:
    """As Broker.read."""
    left = {TopicPartition(*place): span.end for place, span in spans.items() if span.begin < span.end}
    if not left:
        return
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap,
        enable_auto_commit=False,
        auto_offset_reset="none",
        max_partition_fetch_bytes=LARGEST_FETCH,
        request_timeout_ms=int(READ_PATIENCE * 1000),
    )
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await consumer.start()
        consumer.assign(list(left))
        for tp in left:
            consumer.seek(tp, spans[tp.topic, tp.partition].begin)
        while left:
            for batch in await _next(consumer, left):
                # The client asks the broker for more, and takes what has come, while the caller works on this.
                await asyncio.sleep(0)
                yield batch
    except OffsetOutOfRangeError as error:
        raise OffsetLostError(str(error)) from error
    except OUTAGES as error:
        raise BrokerUnavailableError(f"read: {error!r}") from error
    finally:
        await close_client(consumer, ANSWER_TIMEOUT)


async def _next(consumer: AIOKafkaConsumer, left: dict[TopicPartition, int]) -> list[Sequence[Record]]:
    """The next records of the places `left`, of which those read to their end are removed."""
    fetched: dict[TopicPartition, list[Any]] = await consumer.getmany(*left, timeout_ms=int(READ_PATIENCE * 1000))
    if not fetched:
        raise BrokerUnavailableError(f"nothing came of {sorted(left)} for {READ_PATIENCE:.0f} s")
    batches: list[Sequence[Record]] = []
    for tp, records in fetched.items():
        end = left.get(tp)
        if end is None:
            continue
        if records and records[-1].offset >= end:
            records = [record for record in records if record.offset < end]
        if records:
            batches.append(records)
        if await consumer.position(tp) >= end:
            del left[tp]
            consumer.pause(tp)
    return batches


async def close_client(client: Any, within: float) -> None:
    """Stop a client, giving up after `within` seconds: aiokafka waits without end for acknowledgements of a broker that is gone.

    A heartbeat that aiokafka cancels before its first step makes `stop` raise CancelledError, although nobody cancelled the caller.
    """
    task = asyncio.current_task()
    try:
        async with asyncio.timeout(within):
            await client.stop()
    except OUTAGES:
        return
    except asyncio.CancelledError:
        if task is not None and task.cancelling():
            raise


async def wait_for_metadata(client: AIOKafkaClient, topics: Sequence[str]) -> None:
    """Wait until the client has metadata of topics, also new ones. aiokafka has no public call for this without subscribing."""
    await client.set_topics(topics)
    while not all(client.cluster.partitions_for_topic(topic) for topic in topics):
        await asyncio.sleep(METADATA_POLL)
        await client.force_metadata_update()
