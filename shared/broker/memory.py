"""An in-memory broker for tests; a seed chooses interleavings and batch sizes.

It passes the same contract tests as `shared.broker.kafka` (tests/contract/test_broker_suite.py).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncGenerator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from shared.broker.protocol import BrokerUnavailableError, Extent, Headers, Message, OffsetLostError, Place, Rebalanced, Record, Topic
from shared.contracts.ids import uuid7


@dataclass(frozen=True, slots=True)
class MemoryRecord:
    """A record of the log."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers = ()


@dataclass(slots=True)
class _Log:
    id: str
    partitions: list[list[MemoryRecord]]


@dataclass(slots=True)
class _Group:
    members: list[MemoryConsumer] = field(default_factory=list)
    committed: dict[Place, int] = field(default_factory=dict)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class MemoryBroker:
    """`largest` = records that one fetch returns per partition at most; `available` = False is an outage."""

    def __init__(self, seed: int = 0, largest: int = 50) -> None:
        self.random = random.Random(seed)  # noqa: S311 - a chosen order, no secret
        self.largest = largest
        self.available = True
        self.logs: dict[str, _Log] = {}
        self.groups: dict[str, _Group] = {}
        self.grown = asyncio.Event()

    def create(self, topic: str, partitions: int) -> None:
        """Create a topic, or replace one of that name."""
        self.logs[topic] = _Log(str(uuid7()), [[] for _ in range(partitions)])

    def write(self, topic: str, messages: Iterable[Message]) -> dict[int, int]:
        """Append; returns {partition: offset of the last record}."""
        last: dict[int, int] = {}
        for message in messages:
            log = self.logs[topic].partitions[message.partition]
            log.append(MemoryRecord(topic, message.partition, len(log), message.key, message.value, message.headers))
            last[message.partition] = len(log) - 1
        self.grown.set()
        return last

    def require(self) -> None:
        if not self.available:
            raise BrokerUnavailableError("the memory broker is switched off")

    def producer(self) -> MemoryProducer:
        return MemoryProducer(self)

    def consumer(self, group: str, topics: Sequence[str], *, assigned: Rebalanced, revoked: Rebalanced) -> MemoryConsumer:
        return MemoryConsumer(self, self.groups.setdefault(group, _Group()), topics, assigned, revoked)

    async def describe(self, topics: Iterable[str]) -> dict[str, Topic]:
        self.require()
        return {topic: Topic(self.logs[topic].id, len(self.logs[topic].partitions)) for topic in topics if topic in self.logs}

    async def extents(self, topics: Iterable[str]) -> dict[Place, Extent]:
        self.require()
        try:
            return {(topic, n): Extent(0, len(log)) for topic in topics for n, log in enumerate(self.logs[topic].partitions)}
        except KeyError as error:
            raise BrokerUnavailableError(f"no topic {error}") from error

    async def read(self, spans: Mapping[Place, Extent]) -> AsyncGenerator[Sequence[Record], None]:
        for place, span in spans.items():
            at = span.begin
            while at < span.end:
                self.require()
                log = self.logs[place[0]].partitions[place[1]] if place[0] in self.logs else []
                if at >= len(log):
                    raise OffsetLostError(f"{place}: {at} is not before the end {len(log)}")
                records = log[at : min(span.end, at + self.random.randint(1, self.largest))]
                at += len(records)
                yield records

    async def create_topic(self, topic: str, partitions: int) -> None:
        self.require()
        if topic in self.logs:
            raise BrokerUnavailableError(f"there is a topic {topic}")
        self.create(topic, partitions)

    async def delete_topic(self, topic: str) -> None:
        self.require()
        self.logs.pop(topic, None)

    async def close(self) -> None:
        """Nothing is open."""


class MemoryProducer:
    """Publishes at once."""

    def __init__(self, broker: MemoryBroker) -> None:
        self._broker = broker

    async def partitions(self, topic: str) -> int:
        self._broker.require()
        if topic not in self._broker.logs:
            raise BrokerUnavailableError(f"no topic {topic}")
        return len(self._broker.logs[topic].partitions)

    async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
        self._broker.require()
        log = self._broker.logs.get(topic)
        if log is None or any(message.partition >= len(log.partitions) for message in messages):
            raise BrokerUnavailableError(f"no such partition in {topic}")
        return self._broker.write(topic, messages)

    async def close(self) -> None:
        """Nothing is open."""


class MemoryConsumer:
    """A member of a group. Partitions are divided as by Kafka's RangePartitionAssignor."""

    def __init__(self, broker: MemoryBroker, group: _Group, topics: Sequence[str], assigned: Rebalanced, revoked: Rebalanced) -> None:
        self._broker = broker
        self._group = group
        self.topics = topics
        self._on_assigned = assigned
        self._on_revoked = revoked
        self._places: frozenset[Place] = frozenset()
        self._positions: dict[Place, int] = {}
        self._paused: set[Place] = set()
        self._ends: dict[Place, int] = {}
        self._answered_at: float | None = None
        self._ids: dict[str, str] = {}

    async def start(self) -> None:
        self._broker.require()
        if unknown := [topic for topic in self.topics if topic not in self._broker.logs]:
            raise BrokerUnavailableError(f"no topics {unknown}")
        self._ids = {topic: self._broker.logs[topic].id for topic in self.topics}
        async with self._group.turn:
            await _rebalance(self._broker, self._group, [*self._group.members, self])

    async def fetch(self, wait: float) -> Sequence[Sequence[Record]]:
        deadline = time.monotonic() + wait
        while True:
            if found := self._take():
                return found
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            self._broker.grown.clear()
            try:
                async with asyncio.timeout(min(left, 0.05)):
                    await self._broker.grown.wait()
            except TimeoutError:
                continue

    def _take(self) -> list[Sequence[Record]]:
        if not self._broker.available:
            return []
        for topic, known in self._ids.items():
            log_of_topic = self._broker.logs.get(topic)
            if log_of_topic is None:
                return []
            if log_of_topic.id != known:
                raise OffsetLostError(f"the topic {topic} was made anew")
        self._answered_at = time.monotonic()
        found: list[Sequence[Record]] = []
        chance = self._broker.random
        places = sorted(self._places - self._paused)
        for place in places:
            self._ends[place] = len(self._log(place))
        for place in chance.sample(places, len(places)):
            position = self._positions.get(place)
            log = self._log(place)
            if position is None:
                continue
            if position > len(log):
                raise OffsetLostError(f"{place}: {position} is after the end {len(log)}")
            if position < len(log) and (not found or chance.random() < 0.5):
                records = log[position : position + chance.randint(1, self._broker.largest)]
                self._positions[place] = position + len(records)
                found.append(records)
        return found

    def _log(self, place: Place) -> list[MemoryRecord]:
        return self._broker.logs[place[0]].partitions[place[1]]

    def seek(self, place: Place, offset: int) -> None:
        if place in self._places:
            self._positions[place] = offset

    def pause(self, places: Collection[Place]) -> None:
        self._paused.update(places)

    def resume(self, places: Collection[Place]) -> None:
        self._paused.difference_update(places)

    def end(self, place: Place) -> int | None:
        return self._ends.get(place)

    def answered(self, place: Place) -> float | None:
        return None if self._answered_at is None or place not in self._places else time.monotonic() - self._answered_at

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        self._group.committed.update(offsets)

    async def close(self) -> None:
        async with self._group.turn:
            if self in self._group.members:
                await self.revoke()
                await _rebalance(self._broker, self._group, [member for member in self._group.members if member is not self])

    async def revoke(self) -> None:
        """Revoke all places of the member."""
        await self._on_revoked(self._places)
        self._places = frozenset()
        self._positions.clear()
        self._paused.clear()
        self._ends.clear()

    async def assign(self, places: frozenset[Place]) -> None:
        self._places = places
        await self._on_assigned(places)


async def _rebalance(broker: MemoryBroker, group: _Group, members: list[MemoryConsumer]) -> None:
    """Revoke everything, then assign each member a contiguous range of each topic's partitions."""
    for member in group.members:
        if member in members:
            await member.revoke()
    group.members = members
    for number, member in enumerate(members):
        mine: set[Place] = set()
        for topic in member.topics:
            count = len(broker.logs[topic].partitions) if topic in broker.logs else 0
            each, extra = divmod(count, len(members))
            start = each * number + min(number, extra)
            mine.update((topic, partition) for partition in range(start, start + each + (number < extra)))
        await member.assign(frozenset(mine))
