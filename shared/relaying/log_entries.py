"""Where a record lies in the log and which event it is. Its data is not decoded."""

from __future__ import annotations

from typing import NamedTuple
from uuid import UUID

import msgspec

from shared.broker.protocol import Record

LARGEST = 2**63


class LogEntry(NamedTuple):
    """One record. `subject`, `sequence` and `event_id` are None if it is no event of its topic's source."""

    partition: int
    offset: int
    subject: str | None
    sequence: int | None
    event_id: UUID | None

    def __str__(self) -> str:
        what = "a record that is no event of this source" if self.subject is None else f"{self.subject} {self.sequence} ({self.event_id})"
        return f"{what} at {self.partition}/{self.offset}"


class Attributes(msgspec.Struct, gc=False):
    """The attributes of a record that name its event, as they stand there."""

    id: str
    source: str
    subject: str
    sequence: str


_attributes = msgspec.json.Decoder(Attributes)


def attributes_of(value: bytes | None) -> Attributes | None:
    """None if the bytes are no event."""
    try:
        return _attributes.decode(value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def log_entry(record: Record, source: str) -> LogEntry:
    """The entry of a record in the topic of `source`. Never raises."""
    found = attributes_of(record.value)
    if found is None or found.source != source:
        return LogEntry(record.partition, record.offset, None, None, None)
    return entry_of(record.partition, record.offset, found.id, found.subject, found.sequence)


def entry_of(partition: int, offset: int, event_id: str, subject: str, sequence: str) -> LogEntry:
    """The entry of a record with these attributes. Never raises."""
    nothing = LogEntry(partition, offset, None, None, None)
    if "\x00" in subject or not (sequence.isascii() and sequence.isdigit()) or not 0 < int(sequence) < LARGEST:
        return nothing
    try:
        return LogEntry(partition, offset, subject, int(sequence), msgspec.convert(event_id, UUID))
    except msgspec.ValidationError:
        return nothing
