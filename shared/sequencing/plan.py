"""What `sort_records` decides about a batch. The reader's transaction writes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from shared.sequencing.columnar.columns import Columns
from shared.sequencing.columnar.heads import AppliedBound, NewHeads
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

    `runs`: the records to apply, in this order; `columns`: events to apply as columns, by stream; `applied` counts both. `park` = rows of `held` to write, `released` = rows to delete. `changed` = streams whose head has moved, `heads` those of columns with their new heads.
    Per topic: `taken` = how many records of the log are dealt with, `next` = the offset after the last of them, `newest` = the greatest time
    among them. `blocking` = streams that are newly parked. `accepted` = {(stream, sequence): range} of withdrawals; `duplicates` and
    `withdrawn` = how many records were dropped as known, or as withdrawn. `before`: of which subjects events may have been applied before; None: of any.
    """

    runs: list[list[Received]] = field(default_factory=list)
    columns: list[Columns] = field(default_factory=list)
    heads: list[NewHeads] = field(default_factory=list)
    applied: int = 0
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
    before: AppliedBound | None = None

    @property
    def apply(self) -> list[Received]:
        """The records to apply."""
        return [record for run in self.runs for record in run]

    def apply_one(self, record: Received) -> None:
        """Apply a record after those before it."""
        if self.runs and self.runs[-1][-1].stream == record.stream:
            self.runs[-1].append(record)
        else:
            self.runs.append([record])
        self.applied += 1

    def apply_run(self, records: list[Received]) -> None:
        """Apply records of one stream after those before them. The list belongs to the plan from then on."""
        self.runs.append(records)
        self.applied += len(records)

    def take(self, records: Sequence[Received]) -> None:
        """Count records of the log as dealt with; those of a topic in their order."""
        topics = {record.topic for record in records}
        for topic in topics:
            own = records if len(topics) == 1 else [record for record in records if record.topic == topic]
            self.taken[topic] = self.taken.get(topic, 0) + len(own)
            self.next[topic] = own[-1].offset + 1
            times = [record.time for record in own if record.time is not None]
            if times:
                newest = max(times)
                self.newest[topic] = max(newest, self.newest.get(topic, newest))

    def hold(self, record: Received, kind: str, error: str | None) -> None:
        """Write a record to `held`."""
        self.park[record.key] = ParkedEvent(record, kind, error)
