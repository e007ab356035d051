"""Recovery: after taking the lock and before publishing, the relay reads each partition from its mark to the end.

- An event that is still in the outbox is deleted there and not sent again.
- An event that the journal does not have, or a topic with another id, is a different history: the relay stops, and a person decides.
- A log that ends before the mark has lost its tail: the journal's events after the last one found are queued again, in the transaction that
  sets the mark back, so that a crash in between loses nothing.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Protocol, TypeVar

import structlog

from shared.broker.protocol import Broker, BrokerUnavailableError, Extent, PartitionCountError, Record, Topic
from shared.process import faults
from shared.process.db import Connection
from shared.relaying import store
from shared.relaying.log_entries import log_entry
from shared.relaying.store import KnownEvent, Mark, Marks

T = TypeVar("T")

TAIL = 2000
"""Records at the end of a log that lost its tail, among which the last event is searched."""

log = structlog.get_logger(__name__)


class RelayStoppedError(Exception):
    """Log and journal hold different histories: publishing would make it worse. Nothing is lost; a person has to look."""


class KeepAlive(Protocol):
    """Awaits something and meanwhile keeps the database session, and with it the lock, alive."""

    async def __call__(self, work: Awaitable[T]) -> T: ...


@dataclass(frozen=True, slots=True)
class Source:
    """What a service publishes: its CloudEvents source, its topic and the partitions that the topic must have."""

    name: str
    topic: str
    partitions: int


async def recover(conn: Connection, broker: Broker, source: Source, keep_alive: KeepAlive) -> tuple[str, Marks]:
    """Bring outbox and marks into line with the log, and return the topic's id and the marks.

    Raises RelayStoppedError, PartitionCountError, BrokerUnavailableError, OffsetLostError.
    """
    if (await store.state(conn)).republishing:
        raise RelayStoppedError(f"{source.topic} was not written to its end by a republish")
    topic = await _topic(broker, source, keep_alive)
    marks = await store.marks(conn)
    if any(mark.topic_id not in (None, topic.id) for mark in marks.values()):
        raise RelayStoppedError(f"the topic {source.topic} was made anew")
    extents = {partition: extent for (_, partition), extent in (await keep_alive(broker.extents([source.topic]))).items()}
    cut = {partition: extents[partition] for partition, mark in marks.items() if extents[partition].end <= mark.offset}
    if cut:
        await _queue_lost_tails(conn, broker, source, topic, cut, marks, keep_alive)
        marks = await store.marks(conn)
    spans = {
        partition: Extent(marks[partition].offset + 1 if partition in marks else 0, extent.end) for partition, extent in extents.items()
    }
    if gone := [partition for partition, span in spans.items() if span.begin < extents[partition].begin]:
        raise RelayStoppedError(
            f"{source.topic} begins after what was published last to partitions {gone}: events were deleted from the log"
        )
    await _read_on(conn, broker, source, topic, spans, keep_alive)
    return topic.id, await store.marks(conn)


async def _topic(broker: Broker, source: Source, keep_alive: KeepAlive) -> Topic:
    topic = (await keep_alive(broker.describe([source.topic]))).get(source.topic)
    if topic is None:
        raise BrokerUnavailableError(f"there is no topic {source.topic}")
    if topic.partitions != source.partitions:
        raise PartitionCountError(f"{source.topic} has {topic.partitions} partitions, {source.partitions} are configured")
    return topic


async def _read_on(
    conn: Connection, broker: Broker, source: Source, topic: Topic, spans: Mapping[int, Extent], keep_alive: KeepAlive
) -> None:
    async for records in _records(broker, source, spans, keep_alive):
        entries = [log_entry(record, source.name) for record in records]
        found = await store.find_known(conn, entries)
        good = found.index(None) if None in found else len(found)
        ids = [known.journal_id for known in found[:good] if known is not None]
        if ids:
            faults.reached("relay.recovering")
            await store.delete_sent(conn, ids, {entries[0].partition: Mark(entries[good - 1].offset, ids[-1], topic.id)})
            log.info("relay.found", topic=source.topic, partition=entries[0].partition, events=len(ids))
        if good < len(entries):
            raise RelayStoppedError(f"{source.topic} holds an event that the journal does not know: {entries[good]}")


async def _queue_lost_tails(
    conn: Connection, broker: Broker, source: Source, topic: Topic, cut: Mapping[int, Extent], marks: Marks, keep_alive: KeepAlive
) -> None:
    """Queue the lost events again, and set the marks of the partitions `cut` to the last event found."""
    if all(mark.topic_id is None for mark in marks.values()) and all(extent.begin == extent.end for extent in cut.values()):
        raise RelayStoppedError(f"the topic {source.topic} is empty")
    starts: dict[int, int] = {}
    last: Marks = {}
    there: set[int] = set()
    for partition, extent in cut.items():
        tail = Extent(max(extent.begin, extent.end - TAIL), extent.end)
        known = await _tail(conn, broker, source, partition, tail, keep_alive)
        there.update(found.journal_id for found in known)
        starts[partition] = await store.safe_start(conn, known[-1]) if known else 0
        last[partition] = Mark(extent.end - 1, known[-1].journal_id if known else 0, topic.id)
    async with conn.transaction():
        await conn.execute("SET LOCAL transaction_timeout = 0")  # a whole partition may be lost
        queued = await store.queue_again(conn, starts, source.partitions, there)
        faults.reached("relay.recovering")
        await store.set_marks(conn, last)
    lost = {partition: marks[partition].offset - extent.end + 1 for partition, extent in cut.items()}
    log.critical("relay.tail_lost", topic=source.topic, records_lost=lost, queued=queued, then="parkunion reconcile shows if all is there")


async def _tail(conn: Connection, broker: Broker, source: Source, partition: int, span: Extent, keep_alive: KeepAlive) -> list[KnownEvent]:
    found: list[KnownEvent] = []
    async for records in _records(broker, source, {partition: span}, keep_alive):
        entries = [log_entry(record, source.name) for record in records]
        for one, known in zip(entries, await store.find_known(conn, entries), strict=True):
            if known is None:
                raise RelayStoppedError(f"{source.topic} holds an event that the journal does not know: {one}")
            found.append(known)
    return found


async def _records(
    broker: Broker, source: Source, spans: Mapping[int, Extent], keep_alive: KeepAlive
) -> AsyncGenerator[Sequence[Record], None]:
    wanted = {(source.topic, partition): span for partition, span in spans.items() if span.begin < span.end}
    if wanted:
        async with aclosing(broker.read(wanted)) as reading:
            while (records := await keep_alive(anext(reading, None))) is not None:
                yield records
