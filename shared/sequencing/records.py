"""Records of the log as a reader takes them, decoded as events where that is possible."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

import msgspec

from shared import contracts
from shared.broker.fetched import FetchedRecords
from shared.broker.protocol import Record
from shared.sequencing.parked_reasons import coded

if TYPE_CHECKING:
    from shared.sequencing.columnar.columns import Columns
    from shared.sequencing.columnar.heads import AppliedBound

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

    `error`: why it cannot be decoded; then stream, sequence, id and time are what the envelope shows (NO_STREAM, 0 and None if not even that
    can be read), and what follows is None. `type`, `occurred`, `actor`, `traceparent`: as in the envelope. `ordinary`: it can be decoded and is
    about nothing but its subject, so that it can be applied without looking at other events. `raw` is kept for the table `held`. `held` is the
    kind under which the record was kept, if it comes from that table. `opened`: the event with its data, once somebody has asked for it.
    """

    topic: str
    partition: int
    offset: int
    raw: bytes
    error: str | None
    stream: Stream
    sequence: int
    event_id: UUID | None
    time: datetime | None
    type: str | None = None
    occurred: date | None = None
    actor: str | None = None
    traceparent: str | None = None
    ordinary: bool = False
    held: str | None = None
    opened: contracts.Envelope | None = None

    @property
    def key(self) -> RecordKey:
        """(topic, offset)"""
        return self.topic, self.offset

    @property
    def may_hold_nul(self) -> bool:
        """Whether a text of the event can hold U+0000: JSON has to escape it."""
        return b"\\u0000" in self.raw

    @property
    def event(self) -> contracts.Envelope | None:
        """The event with its data; None if it cannot be decoded."""
        if self.opened is None and self.error is None:
            self.opened = contracts.decode(self.raw)
        return self.opened


Run: TypeAlias = Sequence[Received]
"""Records of one stream that follow on each other; never empty."""


@dataclass(frozen=True, slots=True)
class ShardBatch:
    """What one transaction applies: the events of a shard in fold order, those of one stream that stand together as a run.

    `columns`: further events, of the types that the reader takes as columns, by stream; they may be applied before `runs`. `version` is the shard's version after the commit. `next` = {topic: the offset of the *next* record to read after the commit}; example: with
    records 0 to 41 dealt with it is 42. `closed` = the shard's closed day before the batch: no event of it is known on that day or earlier.
    `before`: of which subjects events may have been applied before it; None: of any.
    """

    generation: int
    shard: int
    version: int
    runs: Sequence[Run]
    next: Mapping[str, int]
    closed: date | None = None
    columns: Sequence[Columns] = ()
    before: AppliedBound | None = None

    def __len__(self) -> int:
        return sum(map(len, self.runs)) + sum(map(len, self.columns))

    def may_be_stored(self, subjects: Sequence[str]) -> Sequence[str]:
        """Those of `subjects` of which an event may have been applied before this batch."""
        return subjects if self.before is None else [subjects[place] for place in self.before.among(subjects)]

    def traceparents(self) -> Iterator[str]:
        """The `traceparent`s of the commands behind the events: of columns the first ones, of runs all."""
        for columns in self.columns:
            yield from columns.traces
        for run in self.runs:
            yield from (record.traceparent for record in run if record.traceparent)

    @property
    def records(self) -> list[Received]:
        """The records of all runs, without columns."""
        return [record for run in self.runs for record in run]

    @property
    def events(self) -> list[contracts.Envelope]:
        """The events of all runs with their data."""
        return [event for record in self.records if (event := record.event) is not None]


def in_runs(records: Iterable[Received]) -> list[Run]:
    """Records in their order, those of one stream that stand together as a run."""
    return [list(same) for _, same in groupby(records, key=attrgetter("stream"))]


class _EnvelopeStart(msgspec.Struct):
    source: str
    subject: str
    sequence: str
    id: UUID | None = None
    time: datetime | None = None


_decode_start = msgspec.json.Decoder(_EnvelopeStart).decode


def decode_records(records: Sequence[Record]) -> list[Received]:
    """As `decode` for records of one place; costs half as much if all can be decoded, which is usual. Never raises."""
    if not records:
        return []
    if isinstance(records, FetchedRecords):
        values, offsets, topic, partition = records.values(), records.offsets.tolist(), records.topic, records.partition
    else:
        values, offsets = [record.value or b"" for record in records], [record.offset for record in records]
        topic, partition = records[0].topic, records[0].partition
    try:
        wires = contracts.read_all(values)
    except contracts.UnreadableEvent:
        return [decode(topic, partition, offset, value) for offset, value in zip(offsets, values, strict=True)]
    certain, shared = contracts.certain_types(wires), dict[str, str]()
    found = []
    for offset, value, wire in zip(offsets, values, wires, strict=True):
        # Thousands of records have the same few sources: keep one text of each.
        stream = shared.setdefault(wire.source, wire.source), wire.subject
        one = _received(topic, partition, offset, value, wire, stream)
        if wire.type not in certain:
            try:
                one.opened = None if contracts.certain(wire) else contracts.opened(wire)
            except contracts.UnreadableEvent:
                one = decode(topic, partition, offset, value)
        found.append(one)
    return found


def decode(topic: str, partition: int, offset: int, raw: bytes, *, held: str | None = None) -> Received:
    """Decode one record. Never raises."""
    try:
        wire = contracts.read(raw)
        event = None if contracts.certain(wire) else contracts.opened(wire)
    except contracts.UnreadableEvent as error:
        stream, sequence, event_id, time = _place_of(raw)
        return Received(topic, partition, offset, raw, coded("UNREADABLE", str(error)), stream, sequence, event_id, time, held=held)
    found = _received(topic, partition, offset, raw, wire, (wire.source, wire.subject))
    found.held, found.opened = held, event
    return found


def _received(topic: str, partition: int, offset: int, raw: bytes, wire: contracts.WireEvent, stream: Stream) -> Received:
    type_ = wire.type
    return Received(
        topic, partition, offset, raw, None, stream, int(wire.sequence), wire.id, wire.time, type_, wire.occurredon, wire.actor,
        wire.traceparent, type_ not in SPECIAL,
    )  # fmt: skip


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
