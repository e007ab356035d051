"""What every broker promises (`shared.broker.protocol`): one suite, on the twin in memory and on real Kafka."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

import pytest

from deploy.local.servers.kafka import KafkaServer
from shared.broker.fetched import FetchedRecord
from shared.broker.kafka import KafkaBroker
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import STRUCTURED, Broker, BrokerUnavailableError, Consumer, Extent, Message, OffsetLostError, Place, Record
from shared.contracts.ids import uuid7
from tests.dummy_service.reading import until

PARTITIONS = 4
Setup = tuple[Broker, Callable[[int], Awaitable[str]]]


@pytest.fixture(params=["memory", "kafka"])
async def setup(request: pytest.FixtureRequest) -> AsyncIterator[Setup]:
    """A broker, and how to make a topic with so many partitions."""
    if request.param == "memory":
        twin = MemoryBroker(seed=3)

        async def create_in_memory(partitions: int) -> str:
            topic = f"suite-{uuid7()}"
            twin.create(topic, partitions)
            return topic

        yield twin, create_in_memory
        return
    server: KafkaServer = request.getfixturevalue("kafka_server")
    broker = KafkaBroker(server.bootstrap)

    async def create(partitions: int) -> str:
        topic = f"suite-{uuid7()}"
        await broker.create_topic(topic, partitions)
        return topic

    yield broker, create
    await broker.close()


class Member:
    """A consumer that reads its places from the beginning and keeps what it got."""

    def __init__(self, broker: Broker, group: str, topics: Sequence[str], start: int = 0) -> None:
        self.consumer: Consumer = broker.consumer(group, topics, assigned=self._assigned, revoked=self._revoked)
        self.places: frozenset[Place] = frozenset()
        self.calls: list[str] = []
        self.got: dict[Place, list[Record]] = {}
        self.start = start

    async def _assigned(self, places: frozenset[Place]) -> None:
        self.calls.append("assigned")
        self.places = places
        for place in places:
            self.consumer.seek(place, self.start)

    async def _revoked(self, _places: frozenset[Place]) -> None:
        self.calls.append("revoked")
        self.places = frozenset()
        self.got.clear()

    async def take(self) -> int:
        for records in await self.consumer.fetch(0.1):
            place = (records[0].topic, records[0].partition)
            self.got.setdefault(place, []).extend(records)
        return sum(map(len, self.got.values()))


def numbered(count: int) -> list[Message]:
    return [Message(n % PARTITIONS, b"key", b"%d" % n) for n in range(count)]


async def test_what_is_published_is_read_in_order(setup: Setup) -> None:
    broker, create = setup
    topic = await create(PARTITIONS)
    producer = broker.producer()
    assert await producer.publish(topic, numbered(9)) == {0: 2, 1: 1, 2: 1, 3: 1}
    assert await producer.publish(topic, numbered(4)) == {0: 3, 1: 2, 2: 2, 3: 2}
    member = Member(broker, f"g{uuid7()}", [topic])
    await member.consumer.start()

    async def all_read() -> bool:
        return await member.take() == 13

    await until(all_read)
    assert [record.value for record in member.got[topic, 0]] == [b"0", b"4", b"8", b"0"]
    assert [record.offset for record in member.got[topic, 1]] == [0, 1, 2]
    assert member.got[topic, 1][0].key == b"key"
    # Without this header the CloudEvents libraries of other languages see no event.
    records = [record for records in member.got.values() for record in records]
    assert {tuple(record.headers) for record in records} == {(("content-type", b"application/cloudevents+json"),)}
    assert member.consumer.end((topic, 0)) == 4
    assert member.consumer.answered((topic, 0)) is not None
    assert await broker.extents([topic]) == {(topic, n): Extent(0, 4 if n == 0 else 3) for n in range(PARTITIONS)}
    await member.consumer.commit({(topic, 0): 4})
    await member.consumer.close()
    await producer.close()


async def test_a_part_of_a_log_is_read_without_a_group(setup: Setup) -> None:
    broker, create = setup
    topic = await create(PARTITIONS)
    producer = broker.producer()
    await producer.publish(topic, [Message(1, b"key", str(number).encode()) for number in range(200)])
    await producer.close()

    async def values(begin: int, end: int) -> list[bytes | None]:
        return [record.value async for records in broker.read({(topic, 1): Extent(begin, end)}) for record in records]

    assert await values(0, 200) == [str(number).encode() for number in range(200)]
    assert await values(3, 5) == [b"3", b"4"]
    assert await values(7, 7) == []


async def test_topics_are_described_by_id_and_partitions(setup: Setup) -> None:
    broker, create = setup
    first, second = await create(3), await create(5)
    found = await broker.describe([first, second, "none-such"])
    assert {name: topic.partitions for name, topic in found.items()} == {first: 3, second: 5}
    assert found[first].id != found[second].id
    assert found == await broker.describe([first, second])


@pytest.mark.parametrize("members", [2, 3, 5])
async def test_the_same_partition_numbers_go_to_the_same_member(setup: Setup, members: int) -> None:
    """Facts of one enterprise from two topics must meet in one instance; equal partition counts and range assignment see to it."""
    broker, create = setup
    topics = [await create(PARTITIONS + 3), await create(PARTITIONS + 3)]
    group = f"g{uuid7()}"
    first, *others = all_members = [Member(broker, group, topics) for _ in range(members)]
    everything = 2 * (PARTITIONS + 3)

    async def alone() -> bool:
        return len(first.places) == everything

    async def divided() -> bool:
        return all(member.places for member in all_members) and sum(len(member.places) for member in all_members) == everything

    await first.consumer.start()
    await until(alone, 40)
    for member in others:
        await member.consumer.start()
    await until(divided, 40)
    for member in all_members:
        assert {n for topic, n in member.places if topic == topics[0]} == {n for topic, n in member.places if topic == topics[1]}
    assert "assigned revoked assigned" in " ".join(first.calls)
    for member in all_members:
        await member.consumer.close()


async def test_a_seek_decides_where_reading_goes_on(setup: Setup) -> None:
    broker, create = setup
    topic = await create(1)
    producer = broker.producer()
    await producer.publish(topic, [Message(0, b"k", b"%d" % n) for n in range(10)])
    member = Member(broker, f"g{uuid7()}", [topic], start=7)
    await member.consumer.start()

    async def read() -> bool:
        return await member.take() >= 3

    await until(read)
    assert [record.offset for record in member.got[topic, 0]] == [7, 8, 9]
    member.got.clear()
    member.consumer.seek((topic, 0), 8)
    member.consumer.pause([(topic, 0)])
    assert await member.consumer.fetch(0.3) == []
    member.consumer.resume([(topic, 0)])

    async def read_again() -> bool:
        return await member.take() >= 2

    await until(read_again)
    assert [record.offset for record in member.got[topic, 0]] == [8, 9]
    await member.consumer.close()
    await producer.close()


async def test_an_offset_beyond_the_log_is_told(setup: Setup) -> None:
    broker, create = setup
    topic = await create(1)
    member = Member(broker, f"g{uuid7()}", [topic], start=5)
    await member.consumer.start()

    async def fails() -> bool:
        try:
            await member.consumer.fetch(0.2)
        except OffsetLostError:
            return True
        return False

    await until(fails)
    await member.consumer.close()


async def test_without_a_topic_publishing_fails_clearly_and_goes_on_afterwards(setup: Setup) -> None:
    broker, create = setup
    producer = broker.producer()
    with pytest.raises(BrokerUnavailableError):
        await asyncio.wait_for(producer.publish(f"none-{uuid7()}", [Message(0, b"k", b"v")]), 60)
    topic = await create(1)
    assert await producer.publish(topic, [Message(0, b"k", b"v")]) == {0: 0}
    await producer.close()


async def everything(broker: Broker, spans: dict[Place, Extent]) -> dict[Place, list[tuple[int, bytes | None]]]:
    """{place: (offset, value) as they came}"""
    found: dict[Place, list[tuple[int, bytes | None]]] = {place: [] for place in spans}
    async for piece in broker.read(spans):
        found[piece[0].topic, piece[0].partition].extend((record.offset, record.value) for record in piece)
    return found


async def test_a_log_is_read_from_an_offset_without_a_group(setup: Setup) -> None:
    broker, create = setup
    topic = await create(PARTITIONS)
    producer = broker.producer()
    await producer.publish(topic, numbered(4 * 500))
    spans = {(topic, 0): Extent(0, 500), (topic, 1): Extent(499, 500), (topic, 2): Extent(3, 7), (topic, 3): Extent(500, 500)}
    found = await everything(broker, spans)
    assert found[topic, 0] == [(n, b"%d" % (4 * n)) for n in range(500)]
    assert found[topic, 1] == [(499, b"1997")]
    assert [offset for offset, _ in found[topic, 2]] == [3, 4, 5, 6]
    assert found[topic, 3] == []
    with pytest.raises(OffsetLostError):
        await everything(broker, {(topic, 3): Extent(501, 510)})
    await producer.close()


async def test_a_topic_is_deleted_and_made_anew_under_another_id(setup: Setup) -> None:
    broker, create = setup
    topic = await create(2)
    producer = broker.producer()
    await producer.publish(topic, [Message(0, b"k", b"old")])
    first = await broker.describe([topic])
    assert await broker.extents([topic]) == {(topic, 0): Extent(0, 1), (topic, 1): Extent(0, 0)}
    await broker.delete_topic(topic)
    assert await broker.describe([topic]) == {}
    await broker.create_topic(topic, 3)
    again = await broker.describe([topic])
    assert again[topic].partitions == 3
    assert again[topic].id != first[topic].id

    async def published() -> bool:
        try:
            return await producer.publish(topic, [Message(2, b"k", b"new")]) == {2: 0}
        except BrokerUnavailableError:
            return False  # what the client knew of the old topic is given up with this

    await until(published)
    assert await broker.extents([topic]) == {(topic, 0): Extent(0, 0), (topic, 1): Extent(0, 0), (topic, 2): Extent(0, 1)}
    with pytest.raises(BrokerUnavailableError):
        await broker.create_topic(topic, 3)
    await broker.delete_topic(topic)
    await broker.delete_topic(topic)
    await producer.close()


async def test_a_reader_is_told_that_its_topic_was_made_anew(setup: Setup) -> None:
    """Also where the new one is longer than where the reader stands: else it would go on in the middle of another log."""
    broker, create = setup
    topic = await create(1)
    await broker.producer().publish(topic, [Message(0, b"k", b"old")])
    member = Member(broker, f"g{uuid7()}", [topic])
    await member.consumer.start()

    async def read() -> bool:
        return await member.take() == 1

    await until(read)
    await broker.delete_topic(topic)
    await broker.create_topic(topic, 1)
    producer = broker.producer()
    await producer.publish(topic, [Message(0, b"k", b"%d" % n) for n in range(20)])

    async def told() -> bool:
        try:
            await member.consumer.fetch(0.2)
        except OffsetLostError:
            return True
        except BrokerUnavailableError:
            return False
        return False

    await until(told)
    await member.consumer.close()
    await producer.close()


async def test_a_record_has_the_fields_of_the_protocol_and_no_more(setup: Setup) -> None:
    broker, create = setup
    topic = await create(1)
    producer = broker.producer()
    await producer.publish(topic, [Message(0, b"key", b"value")])
    found = [record async for batch in broker.read({(topic, 0): Extent(0, 1)}) for record in batch]
    assert [(one.topic, one.partition, one.offset, one.key, one.value, tuple(one.headers)) for one in found] == [
        (topic, 0, 0, b"key", b"value", STRUCTURED)
    ]
    if isinstance(broker, KafkaBroker):
        assert [type(one) for one in found] == [FetchedRecord], "aiokafka's own record object costs as much as decoding one"
    await producer.close()
