"""What `sort_records` decides about a batch. The reader's transaction writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from shared.sequencing.records import Received, RecordKey, Stream
from shared.sequencing.streams import WithdrawnRange

LATE = "late"
PARKED_KINDS = frozenset(("unreadable", "refused", "fork", LATE))
"""Kinds of held events at which a stream stands; `early` ones wait behind a gap or behind one of these."""


class ParkedEvent(NamedTuple):
    """A row of `held`. `error`: a code and a detail (`parked_reasons`); None if the event is early."""

    record: Received
    kind: str
    error: str | None


@dataclass(slots=True)
class BatchPlan:
    """What becomes of the records of a batch.

    `apply`: in this order. `park` = rows of `held` to write, `released` = rows to delete. `changed` = streams whose head has moved.
    Per topic: `taken` = how many records of the log are dealt with, `next` = the offset after the last of them, `newest` = the greatest time
    among them. `blocking` = streams that are newly parked. `accepted` = {(stream, sequence): range} of withdrawals; `duplicates` and
    `withdrawn` = how many records were dropped as known, or as withdrawn.
    """

    apply: list[Received] = field(default_factory=list)
    park: dict[RecordKey, ParkedEvent] = field(default_factory=dict)
    released: list[RecordKey] = field(default_factory=list)
    changed: dict[Stream, None] = field(default_factory=dict)
    taken: dict[str, int] = field(default_factory=dict)
    next: dict[str, int] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    blocking: list[Stream] = field(default_factory=list)
    accepted: dict[tuple[Stream, int], WithdrawnRange] = field(default_factory=dict)
    duplicates: int = 0
    withdrawn: int = 0

    def take(self, records: Sequence[Received]) -> None:
        """Count records of the log as dealt with; those of a topic in their order."""
        for topic in {record.topic for record in records}:
            own = [record for record in records if record.topic == topic]
            self.taken[topic] = self.taken.get(topic, 0) + len(own)
            self.next[topic] = own[-1].offset + 1
            times = [record.time for record in own if record.time is not None]
            if times:
                newest = max(times)
                self.newest[topic] = max(newest, self.newest.get(topic, newest))

    def hold(self, record: Received, kind: str, error: str | None) -> None:
        """Write a record to `held`."""
        self.park[record.key] = ParkedEvent(record, kind, error)
