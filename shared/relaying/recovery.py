"""Recovery: what a relay does when it takes the lock, before it publishes. It reads each partition from its mark to the end.

An event that is still in the outbox is taken out of it, not sent again. An event that the journal does not know, or a topic that was made
anew, is another history: the relay stops, and a person decides. A log that ends before the mark has lost its tail: what the journal holds
after the last event found is queued again, in the same transaction that sets the mark back, so that a crash in between costs nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from shared.broker.protocol import Broker, BrokerUnavailable, Extent, PartitionsDiffer, Record, Topic, partition_for
from shared.process import faults
from shared.process.db import Connection
from shared.relaying import store
from shared.relaying.entries import entry
from shared.relaying.store import Known, Mark, Marks

T = TypeVar("T")

TAIL = 2000
"""Records at the end of a log that lost its tail, among which the last event is looked for."""

log = structlog.get_logger(__name__)


class Stopped(Exception):
    """The log and the journal tell different histories: publishing would make it worse. Nothing is lost; a person has to look."""


class Pinging(Protocol):
    """Awaits something and keeps the database session, and with it the lock, alive meanwhile."""

    async def __call__(self, work: Awaitable[T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Source:
    """Whose events go where: the CloudEvents source, its topic and the partitions that it must have."""

    name: str
    topic: str
    partitions: int

    def place(self, subject: str, key: str) -> int:
        """The partition of an event."""
        return partition_for(subject, key, self.partitions)


async def recover(conn: Connection, broker: Broker, source: Source, pinging: Pinging) -> tuple[str, Marks]:
    """Bring outbox and marks to what the log says, and return the topic's id and the marks.

    Raises Stopped, PartitionsDiffer, BrokerUnavailable, OffsetLost.
    """
    if (await store.state(conn)).republishing:
        raise Stopped(f"{source.topic} was not written to its end by a republish")
    topic = await _topic(broker, source, pinging)
    marks = await store.marks(conn)
    if any(mark.topic_id not in (None, topic.id) for mark in marks.values()):
        raise Stopped(f"the topic {source.topic} was made anew")
    extents = {partition: extent for (_, partition), extent in (await pinging(broker.extents([source.topic]))).items()}
    cut = {partition: extents[partition] for partition, mark in marks.items() if extents[partition].end <= mark.offset}
    if cut:
        await _queue_lost_tails(conn, broker, source, topic, cut, marks, pinging)
        marks = await store.marks(conn)
    spans = {
        partition: Extent(marks[partition].offset + 1 if partition in marks else 0, extent.end) for partition, extent in extents.items()
    }
    if gone := [partition for partition, span in spans.items() if span.begin < extents[partition].begin]:
        raise Stopped(f"{source.topic} begins after what was published last to partitions {gone}: events were deleted from the log")
    await _read_on(conn, broker, source, topic, spans, pinging)
    return topic.id, await store.marks(conn)


async def _topic(broker: Broker, source: Source, pinging: Pinging) -> Topic:
    topic = (await pinging(broker.describe([source.topic]))).get(source.topic)
    if topic is None:
        raise BrokerUnavailable(f"there is no topic {source.topic}")
    if topic.partitions != source.partitions:
        raise PartitionsDiffer(f"{source.topic} has {topic.partitions} partitions, {source.partitions} are configured")
    return topic


async def _read_on(conn: Connection, broker: Broker, source: Source, topic: Topic, spans: Mapping[int, Extent], pinging: Pinging) -> None:
    async for records in _pieces(broker, source, spans, pinging):
        entries = [entry(record, source.name) for record in records]
        found = await store.known(conn, entries)
        good = found.index(None) if None in found else len(found)
        ids = [known.journal_id for known in found[:good] if known is not None]
        if ids:
            faults.reached("relay.recovering")
            await store.sent(conn, ids, {entries[0].partition: Mark(entries[good - 1].offset, ids[-1], topic.id)})
            log.info("relay.found", topic=source.topic, partition=entries[0].partition, events=len(ids))
        if good < len(entries):
            raise Stopped(f"{source.topic} holds an event that the journal does not know: {entries[good]}")


async def _queue_lost_tails(
    conn: Connection, broker: Broker, source: Source, topic: Topic, cut: Mapping[int, Extent], marks: Marks, pinging: Pinging
) -> None:
    """Queue what was lost, and set the marks of these partitions to the last event found."""
    if all(mark.topic_id is None for mark in marks.values()) and all(extent.begin == extent.end for extent in cut.values()):
        raise Stopped(f"the topic {source.topic} is empty")
    starts: dict[int, int] = {}
    last: Marks = {}
    there: set[int] = set()
    for partition, extent in cut.items():
        tail = Extent(max(extent.begin, extent.end - TAIL), extent.end)
        known = await _tail(conn, broker, source, partition, tail, pinging)
        there.update(found.journal_id for found in known)
        starts[partition] = await store.reach_back(conn, known[-1]) if known else 0
        last[partition] = Mark(extent.end - 1, known[-1].journal_id if known else 0, topic.id)
    async with conn.transaction():
        await conn.execute("SET LOCAL transaction_timeout = 0")  # all of a partition may be lost
        queued = await store.queue_again(conn, starts, source.partitions, there)
        faults.reached("relay.recovering")
        await store.mark(conn, last)
    lost = {partition: marks[partition].offset - extent.end + 1 for partition, extent in cut.items()}
    log.critical("relay.tail_lost", topic=source.topic, records_lost=lost, queued=queued, then="parkunion reconcile shows if all is there")


async def _tail(conn: Connection, broker: Broker, source: Source, partition: int, span: Extent, pinging: Pinging) -> list[Known]:
    found: list[Known] = []
    async for records in _pieces(broker, source, {partition: span}, pinging):
        entries = [entry(record, source.name) for record in records]
        for one, known in zip(entries, await store.known(conn, entries), strict=True):
            if known is None:
                raise Stopped(f"{source.topic} holds an event that the journal does not know: {one}")
            found.append(known)
    return found


async def _pieces(broker: Broker, source: Source, spans: Mapping[int, Extent], pinging: Pinging) -> AsyncGenerator[Sequence[Record], None]:
    wanted = {(source.topic, partition): span for partition, span in spans.items() if span.begin < span.end}
    if wanted:
        async with aclosing(broker.read(wanted)) as reading:
            while (records := await pinging(anext(reading, None))) is not None:
                yield records
