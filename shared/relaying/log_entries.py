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


class _Attributes(msgspec.Struct):
    id: UUID
    source: str
    subject: str
    sequence: str


_attributes = msgspec.json.Decoder(_Attributes)


def log_entry(record: Record, source: str) -> LogEntry:
    """The entry of a record in the topic of `source`. Never raises."""
    nothing = LogEntry(record.partition, record.offset, None, None, None)
    try:
        found = _attributes.decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError):
        return nothing
    if found.source != source or "\x00" in found.subject or not (found.sequence.isascii() and found.sequence.isdigit()):
        return nothing
    sequence = int(found.sequence)
    return LogEntry(record.partition, record.offset, found.subject, sequence, found.id) if 0 < sequence < LARGEST else nothing
