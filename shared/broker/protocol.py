"""The interface of a message broker; implemented by `shared.broker.kafka` and `shared.broker.memory`.

A topic is a set of partitions, a partition a log whose records have offsets from 0. Groups only divide partitions among readers: a reader
keeps its position in its own database.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from struct import unpack_from
from typing import NamedTuple, Protocol, TypeAlias

import msgspec

Place: TypeAlias = tuple[str, int]
"""(topic, partition)"""

DAY = "day"
"""Kind of the streams `day/<partition>`, whose events go to that partition (docs/design/ENGINE.md, Closing days)."""


class BrokerUnavailableError(Exception):
    """The broker does not answer, or answers with an error. Try again later."""


class OffsetLostError(Exception):
    """The offset to read next is not in the log: the log was truncated at its beginning, or has lost its tail."""


class PartitionCountError(Exception):
    """A topic does not have the number of partitions that this service was configured with. Set PARKUNION_PARTITIONS to it."""


Headers: TypeAlias = Sequence[tuple[str, bytes]]

STRUCTURED: Headers = (("content-type", b"application/cloudevents+json"),)
"""The headers of an event: CloudEvents in structured mode (Kafka protocol binding 1.0.2, section 3.3). Readers here need none of them, since
releases up to 0.2 wrote none; the CloudEvents libraries of other languages recognise no event without."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A record to publish. The caller chooses the partition (`partition_for`)."""

    partition: int
    key: bytes
    value: bytes
    headers: Headers = STRUCTURED


class Topic(NamedTuple):
    """`id` changes when a topic is deleted and created again under the same name."""

    id: str
    partitions: int


class Extent(NamedTuple):
    """The offsets `begin` ≤ offset < `end` of a partition. `end` is the offset of the *next* record to be written: 42 if the last one is 41."""

    begin: int
    end: int


class Record(Protocol):
    """A record of the log."""

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
    @property
    def headers(self) -> Headers: ...


class Producer(Protocol):
    """Publishes durably (acks=all, idempotent) and in order."""

    async def partitions(self, topic: str) -> int:
        """How many partitions a topic has. Raises BrokerUnavailableError, also if the topic does not exist."""
        ...

    async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
        """Returns {partition: offset of the last record written} when all are acknowledged; -1 where the broker returns no offset.

        Raises BrokerUnavailableError: then a part may have been written, each partition's records in order. The next call is independent.
        """
        ...

    async def close(self) -> None: ...


Rebalanced: TypeAlias = Callable[[frozenset[Place]], Awaitable[None]]


class Consumer(Protocol):
    """A member of a group. `revoked` is awaited before places are assigned to others; `assigned` gets all places that are ours now.

    Nothing is fetched from a place before `seek(place, offset)`, `offset` being that of the *next* record to fetch.
    """

    async def start(self) -> None: ...

    async def fetch(self, wait: float) -> Sequence[Sequence[Record]]:
        """The records that have arrived, per place in order; waits at most `wait` seconds for the first one.

        Raises BrokerUnavailableError, and OffsetLostError, also within a few seconds after a topic was deleted and created again.
        """
        ...

    def seek(self, place: Place, offset: int) -> None: ...

    def pause(self, places: Collection[Place]) -> None: ...

    def resume(self, places: Collection[Place]) -> None: ...

    def end(self, place: Place) -> int | None:
        """The end of the log (the offset of the *next* record to be written) in the broker's last answer; None: no answer yet."""
        ...

    def answered(self, place: Place) -> float | None:
        """Seconds since the broker's last answer about a place; None: no answer yet."""
        ...

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Publish our positions to the group's lag tools; nothing depends on it. `offsets` are those of the *next* records to read."""
        ...

    async def close(self) -> None: ...


class Broker(Protocol):
    """One broker. Every method raises BrokerUnavailableError if the broker cannot be reached."""

    def producer(self) -> Producer: ...

    def consumer(self, group: str, topics: Sequence[str], *, assigned: Rebalanced, revoked: Rebalanced) -> Consumer: ...

    async def describe(self, topics: Iterable[str]) -> dict[str, Topic]:
        """{name: topic} of those that exist."""
        ...

    async def extents(self, topics: Iterable[str]) -> dict[Place, Extent]:
        """The extent of every partition of these topics. BrokerUnavailableError if one does not exist."""
        ...

    def read(self, spans: Mapping[Place, Extent]) -> AsyncGenerator[Sequence[Record], None]:
        """The records of these places from `begin` to before `end`, in batches, per place in order. Without a group.

        The log must hold them. Raises OffsetLostError if it does not hold `begin`, BrokerUnavailableError also if no record arrives for long.
        """
        ...

    async def create_topic(self, topic: str, partitions: int) -> None:
        """Create a topic without retention limit, with the broker's default replication. BrokerUnavailableError if it exists."""
        ...

    async def delete_topic(self, topic: str) -> None:
        """Delete a topic with its records; returns when it is gone. Nothing happens if there is none."""
        ...

    async def close(self) -> None: ...


def partition_for(subject: str, key: str, partitions: int) -> int:
    """The partition of an event of the stream `subject`: the one that its key hashes to; of `day/<partition>` that partition."""
    kind, _, number = subject.partition("/")
    if kind == DAY and number.isascii() and number.isdigit() and int(number) < partitions:
        return int(number)
    return partition_of(key, partitions)


@lru_cache(maxsize=100_000)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key: Kafka's murmur2 of its UTF-8 bytes, positive, modulo the number of partitions.

    Computed here and tested by golden vectors, so that no change of a client library can move an enterprise. Remembered, since keys come again.
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
