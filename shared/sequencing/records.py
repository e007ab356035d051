"""What arrives from the log, before and after it is read as an event."""

from __future__ import annotations

from collections.abc import Mapping
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


@dataclass(frozen=True, slots=True)
class ShardBatch:
    """What one transaction applies: the events of a shard in fold order.

    `version` is the shard's version after the commit, `next` = {topic: offset} where the shard then stands. `closed` = the shard's closed
    day before it: none of the events may be known on it or earlier.
    """

    generation: int
    shard: int
    version: int
    events: list[contracts.Envelope]
    next: Mapping[str, int]
    closed: date | None = None


@dataclass(slots=True)
class Received:
    """One record of the log. `event` is None if it cannot be read (`error` says why); then stream and sequence are what could be skimmed.

    `raw` is kept for parking; a record that names no stream has the stream ("", "") and stands for itself. `held` is the kind under which
    the record was kept, if it comes back from the table of held events.
    """

    topic: str
    partition: int
    offset: int
    raw: bytes
    event: contracts.Envelope | None
    error: str | None
    stream: Stream
    sequence: int
    event_id: UUID | None
    time: datetime | None
    held: str | None = None


NO_STREAM: Stream = ("", "")


class _Skimmed(msgspec.Struct):
    source: str
    subject: str
    sequence: str
    id: UUID | None = None
    time: datetime | None = None


_skim = msgspec.json.Decoder(_Skimmed)


def read(record: Record) -> Received:
    """Read one record. Never raises: what is no event says so in `error`."""
    return received(record.topic, record.partition, record.offset, record.value or b"")


def received(topic: str, partition: int, offset: int, raw: bytes, *, held: str | None = None) -> Received:
    """As `read`, for a record in parts."""
    try:
        event = contracts.decode(raw)
    except contracts.UnreadableEvent as error:
        stream, sequence, event_id, time = _skimmed(raw)
        return Received(topic, partition, offset, raw, None, coded("UNREADABLE", str(error)), stream, sequence, event_id, time, held)
    stream = (event.source, event.subject)
    return Received(topic, partition, offset, raw, event, None, stream, event.sequence, event.id, event.time, held)


def _skimmed(raw: bytes) -> tuple[Stream, int, UUID | None, datetime | None]:
    try:
        found = _skim.decode(raw)
        sequence = int(found.sequence) if found.sequence.isascii() and found.sequence.isdigit() else 0
    except (msgspec.DecodeError, UnicodeDecodeError):
        return NO_STREAM, 0, None, None
    if not 0 < sequence < 2**63 or "\x00" in found.source + found.subject:
        return NO_STREAM, 0, None, None
    time = found.time if found.time is not None and found.time.tzinfo is not None else None
    return (found.source, found.subject), sequence, found.id, time
