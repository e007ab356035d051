"""What this platform asks of a message broker, in a few words; `shared.broker.kafka` and `shared.broker.memory` speak them.

A topic is a set of partitions, a partition a log whose records have offsets from 0. Kafka's groups only divide partitions among readers;
where a reader stands is in the reader's own database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from struct import unpack_from
from typing import NamedTuple, Protocol, TypeAlias

Place: TypeAlias = tuple[str, int]
"""(topic, partition)"""

DAY = "day"
"""The kind of the streams `day/<partition>`, whose events go to the partition that they name (docs/design/ENGINE.md, Closing days)."""


class BrokerUnavailable(Exception):
    """The broker does not answer, or not as it should. It may later."""


class OffsetLost(Exception):
    """The offset to read next is not in the log: the log was cut at its beginning or lost its end."""


class PartitionsDiffer(Exception):
    """A topic does not have the number of partitions that this service was configured with. Set PARKUNION_PARTITIONS to it."""


class Message(NamedTuple):
    """What is published: the partition is the caller's choice (`partition_of`)."""

    partition: int
    key: bytes
    value: bytes


class Topic(NamedTuple):
    """`id` is another one after a topic of the same name was made anew."""

    id: str
    partitions: int


class Extent(NamedTuple):
    """A partition holds the offsets `begin` ≤ offset < `end`."""

    begin: int
    end: int


class Record(Protocol):
    """One message as it lies in the log."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> bytes | None: ...
    @property
    def value(self) -> bytes | None: ...


class Producer(Protocol):
    """Publishes durably (acks=all, idempotent) and in order."""

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises BrokerUnavailable, also if there is no such topic yet."""
        ...

    async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
        """Returns the last offset per partition when all are acknowledged; -1 where the broker does not say.

        Raises BrokerUnavailable: then any of them may have been written, each partition's in order. The next call starts afresh.
        """
        ...

    async def close(self) -> None: ...


Rebalanced: TypeAlias = Callable[[frozenset[Place]], Awaitable[None]]


class Consumer(Protocol):
    """A member of a group. `revoked` is awaited before places go to others, `assigned` is called with all that are ours now.

    Nothing is fetched from a place before `seek`.
    """

    async def start(self) -> None: ...

    async def fetch(self, wait: float) -> Sequence[Sequence[Record]]:
        """What has arrived, per place in order; waits at most `wait` seconds for something. Raises OffsetLost, BrokerUnavailable.

        OffsetLost also, within a few seconds, when a topic was made anew since `start`: its offsets are not those that we stand at.
        """
        ...

    def seek(self, place: Place, offset: int) -> None: ...

    def pause(self, places: Collection[Place]) -> None: ...

    def resume(self, places: Collection[Place]) -> None: ...

    def end(self, place: Place) -> int | None:
        """The end of the log as the last answer told it; None: no answer yet."""
        ...

    def answered(self, place: Place) -> float | None:
        """Seconds since the broker last answered about a place; None: not yet."""
        ...

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Tell the group's lag tools where we stand; nothing depends on it."""
        ...

    async def close(self) -> None: ...


class Broker(Protocol):
    """The way to one broker. Raises BrokerUnavailable wherever it cannot be reached."""

    def producer(self) -> Producer: ...

    def consumer(self, group: str, topics: Sequence[str], *, assigned: Rebalanced, revoked: Rebalanced) -> Consumer: ...

    async def describe(self, topics: Iterable[str]) -> dict[str, Topic]:
        """The topics that exist among these."""
        ...

    async def extents(self, topics: Iterable[str]) -> dict[Place, Extent]:
        """How far the logs of these topics reach. BrokerUnavailable if one of them is not there."""
        ...

    def read(self, spans: Mapping[Place, Extent]) -> AsyncGenerator[Sequence[Record], None]:
        """The records of these places from `begin` to before `end`, which lies in the log: per place in order, in pieces.

        In no group. Raises OffsetLost where the log does not hold `begin`, BrokerUnavailable also when nothing comes for long.
        """
        ...

    async def create_topic(self, topic: str, partitions: int) -> None:
        """A new topic that keeps everything for ever, replicated as the broker does by default. BrokerUnavailable if there is one."""
        ...

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic with all that is in it; returns when it is gone. Nothing if there is none."""
        ...

    async def close(self) -> None: ...


def partition_for(subject: str, key: str, partitions: int) -> int:
    """The partition of an event of the stream `subject`: where its key hashes to, but `day/<partition>` names its own."""
    kind, _, number = subject.partition("/")
    if kind == DAY and number.isascii() and number.isdigit() and int(number) < partitions:
        return int(number)
    return partition_of(key, partitions)


def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: Kafka's murmur2 of its UTF-8 bytes, positive, modulo the number of partitions.

    Computed here, and held by golden vectors, so that no client library's change can ever move an enterprise.
    """
    data = key.encode()
    length = len(data)
    h = 0x9747B28C ^ length
    words = length >> 2
    for k in unpack_from(f"<{words}I", data):
        k = k * 0x5BD1E995 & 0xFFFFFFFF
        k = (k ^ k >> 24) * 0x5BD1E995 & 0xFFFFFFFF
        h = (h * 0x5BD1E995 & 0xFFFFFFFF) ^ k
    if tail := data[words << 2 :]:
        h = (h ^ int.from_bytes(tail, "little")) * 0x5BD1E995 & 0xFFFFFFFF
    h = (h ^ h >> 13) * 0x5BD1E995 & 0xFFFFFFFF
    return ((h ^ h >> 15) & 0x7FFFFFFF) % partitions
