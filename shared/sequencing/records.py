"""Records of the log as a reader takes them, decoded as events where that is possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TypeAlias
from uuid import UUID

import msgspec

from shared import contracts
from shared.broker.protocol import Record
from shared.sequencing.parked_reasons import coded

Stream: TypeAlias = tuple[str, str]
"""(source, subject)"""
RecordKey: TypeAlias = tuple[str, int]
"""(topic, offset): identifies a record within its shard."""

SPECIAL = frozenset(("parkunion.event-withdrawn.v1", "parkunion.day-closed.v1"))
"""Types of events that change how other events are applied."""

NO_STREAM: Stream = ("", "")
"""The stream of a record that names none."""


class Received(msgspec.Struct, gc=False):
    """One record of the log.

    `wire`: the event, None if it cannot be decoded; then `error` says why, and stream, sequence, id and time are what the envelope shows
    (NO_STREAM, 0 and None if not even that can be read). `ordinary`: it can be decoded and is about nothing but its subject, so that it can be
    applied without looking at other events. `raw` is kept for the table `held`. `held` is the kind under which the record was kept, if it comes
    from that table.
    """

    topic: str
    partition: int
    offset: int
    raw: bytes
    wire: contracts.WireEvent | None
    error: str | None
    stream: Stream
    sequence: int
    event_id: UUID | None
    time: datetime | None
    ordinary: bool = False
    held: str | None = None
    opened: contracts.Envelope | None = None

    @property
    def key(self) -> RecordKey:
        """(topic, offset)"""
        return self.topic, self.offset

    @property
    def type(self) -> str | None:
        """The type of the event."""
        return None if self.wire is None else self.wire.type

    @property
    def traceparent(self) -> str | None:
        """The span of the command behind the event."""
        return None if self.wire is None else self.wire.traceparent

    @property
    def event(self) -> contracts.Envelope | None:
        """The event with its data; None if it cannot be decoded."""
        if self.opened is None and self.wire is not None:
            self.opened = contracts.opened(self.wire)
        return self.opened


@dataclass(frozen=True, slots=True)
class ShardBatch:
    """What one transaction applies: the events of a shard in fold order.

    `version` is the shard's version after the commit. `next` = {topic: the offset of the *next* record to read after the commit}; example: with
    records 0 to 41 dealt with it is 42. `closed` = the shard's closed day before the batch: no event of it is known on that day or earlier.
    """

    generation: int
    shard: int
    version: int
    records: Sequence[Received]
    next: Mapping[str, int]
    closed: date | None = None

    @property
    def events(self) -> list[contracts.Envelope]:
        """The events with their data."""
        return [event for record in self.records if (event := record.event) is not None]


class _EnvelopeStart(msgspec.Struct):
    source: str
    subject: str
    sequence: str
    id: UUID | None = None
    time: datetime | None = None


_decode_start = msgspec.json.Decoder(_EnvelopeStart).decode


def decode_record(record: Record) -> Received:
    """Decode one record. Never raises."""
    return decode(record.topic, record.partition, record.offset, record.value or b"")


def decode(topic: str, partition: int, offset: int, raw: bytes, *, held: str | None = None) -> Received:
    """As `decode_record`, for a record in parts."""
    try:
        wire = contracts.read(raw)
        event = None if contracts.certain(wire) else contracts.opened(wire)
    except contracts.UnreadableEvent as error:
        stream, sequence, event_id, time = _place_of(raw)
        reason = coded("UNREADABLE", str(error))
        return Received(topic, partition, offset, raw, None, reason, stream, sequence, event_id, time, held=held)
    stream, ordinary = (wire.source, wire.subject), wire.type not in SPECIAL
    return Received(topic, partition, offset, raw, wire, None, stream, int(wire.sequence), wire.id, wire.time, ordinary, held, event)


def received(event: contracts.Envelope, topic: str = "", partition: int = 0, offset: int = 0) -> Received:
    """An event as if it had been read from the log."""
    return decode(topic, partition, offset, contracts.encode(event))


def _place_of(raw: bytes) -> tuple[Stream, int, UUID | None, datetime | None]:
    """Stream, sequence, id and time of an event whose type or data cannot be decoded."""
    try:
        found = _decode_start(raw)
        sequence = int(found.sequence) if found.sequence.isascii() and found.sequence.isdigit() else 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NO_STREAM, 0, None, None
    if not 0 < sequence < 2**63 or "\x00" in found.source + found.subject:
        return NO_STREAM, 0, None, None
    time = found.time if found.time is not None and found.time.tzinfo is not None else None
    return (found.source, found.subject), sequence, found.id, time
