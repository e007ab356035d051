"""Members' events that come as columns (`shared.sequencing.columnar`): what they change, and their rows of `fact_runs`.

The same as `BatchEffects.add_members` and `fact_runs.copied` do for events that come as objects, for whole batches at once.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

import numpy as np

from services.metrics.folding.changes import RefusedFact
from services.metrics.folding.events.member_events import AREA, MEMBER_TYPES, storable
from services.metrics.tables.fact_runs import FactRun, RunWriter, heads_of_arrays
from services.metrics.tables.row_bytes import DAY_0
from shared.contracts import says_ids_alone
from shared.sequencing.columnar.columns import EPOCH_DAY, Columns, known_days, time_of
from shared.sequencing.columnar.layouts import Longs

TYPES_AS_COLUMNS = tuple(name for name in MEMBER_TYPES if says_ids_alone(name))
"""Types of events that change members alone and give no reason."""
MIXED = -1
"""In the place of a known day: several of them."""
POSTGRES_EPOCH = (DAY_0 - EPOCH_DAY) * 86_400_000_000
_SIZED_LONG = np.dtype([("size", ">i4"), ("value", ">i8")])
_SIZED_INT = np.dtype([("size", ">i4"), ("value", ">i4")])
_SIZED_ID = np.dtype([("size", ">i4"), ("value", "u1", 16)])
_HEADS = ("sequences", "event_ids", "days", "instants")
_HEAD = f"V{len(heads_of_arrays(1)[0])}"
_RUN_OF_ONE = np.dtype([
    ("first", _SIZED_LONG), ("newest", _SIZED_LONG), ("sequences", _HEAD), ("sequence", _SIZED_LONG), ("event_ids", _HEAD), ("event_id", _SIZED_ID),
    ("days", _HEAD), ("occurred", _SIZED_INT), ("instants", _HEAD), ("recorded", _SIZED_LONG),
])  # fmt: skip
"""What a row of `fact_runs` with one event has after the fields that runs share: the bounds, and each array's head and element."""
_BOUNDS = 2 * _SIZED_LONG.itemsize


class Group(NamedTuple):
    """The rows `begin` to before `end`: events of one subject, type, actor and known day (an ordinal)."""

    begin: int
    end: int
    subject: str
    type: str
    actor: str
    known: int


class MemberColumns:
    """Columns of members' events of one source by stream, in groups of what a run of facts shares. Raises RefusedFact for an odd subject."""

    def __init__(self, shard: int, columns: Columns, known_of: Callable[[datetime], date]) -> None:
        self._shard, self._columns = shard, columns
        known = known_days(columns.recorded, known_of)
        texts, actors, types = columns.subjects.texts, columns.actors.texts, columns.types
        keys = np.stack((columns.subject, columns.type, columns.actor, known))
        begins = np.flatnonzero(np.concatenate(([True], (keys[:, 1:] != keys[:, :-1]).any(axis=0))))
        ends = [*begins[1:].tolist(), len(columns)]
        self.groups = [
            Group(begin, end, texts[subject], types[type_], actors[actor], day)
            for begin, end, subject, type_, actor, day in zip(begins.tolist(), ends, *keys[:, begins].tolist(), strict=True)
        ]
        if "\x00" in columns.source or any(group.subject.startswith(AREA) for group in self.groups):
            raise RefusedFact("NO_FACT")
        self._days = (columns.occurred + EPOCH_DAY).tolist()

    def counts(self, but: Container[str] = ()) -> Iterator[tuple[str, int, dict[int, int]]]:
        """(subject, known day, {occurred day: net}) of each group, of all subjects `but` some. Days are ordinals."""
        days = self._days
        for begin, end, subject, type_, _, known in self.groups:
            if subject in but:
                continue
            counts: dict[int, int] = {}
            each = MEMBER_TYPES[type_]
            for day in days[begin:end]:
                counts[day] = counts.get(day, 0) + each
            yield subject, known, counts

    def known_days(self) -> Iterator[tuple[str, int]]:
        """(subject, known day) of each group."""
        for group in self.groups:
            yield group.subject, group.known

    def members_of(self, sets: Mapping[str, int]) -> Longs:
        """What the events change of some sets, {subject: number}: number, occurred day, net; one column an event."""
        columns = self._columns
        used, places = np.unique(columns.subject, return_inverse=True)
        texts = columns.subjects.texts
        number = np.array([sets.get(texts[one], -1) for one in used.tolist()], np.int64)[places]
        each = np.array([MEMBER_TYPES[name] for name in columns.types], np.int64)
        kept = number >= 0
        return np.stack((number[kept], columns.occurred[kept] + EPOCH_DAY, each[columns.type[kept]]))

    def _runs(self, groups: Sequence[Group]) -> Iterator[FactRun]:
        columns = self._columns
        for begin, end, subject, type_, actor, known in groups:
            ids = columns.event_id[begin:end].tobytes()
            yield FactRun(
                self._shard, subject, columns.source, type_, date.fromordinal(known), storable(actor), None,
                columns.sequence[begin:end].tolist(), [UUID(bytes=ids[at : at + 16]) for at in range(0, len(ids), 16)], self._days[begin:end],
                [time_of(at) for at in columns.recorded[begin:end].tolist()],
            )  # fmt: skip

    def of_stream(self, source: str, subject: str) -> Iterator[FactRun]:
        """The runs of one stream."""
        if source == self._columns.source:
            yield from self._runs([group for group in self.groups if group.subject == subject])

    def all_runs(self) -> Iterator[FactRun]:
        """Every group as a run of facts."""
        return self._runs(self.groups)

    def copied(self) -> Iterator[bytes]:
        """The runs as COPY reads them, as `fact_runs.copied` writes them, without header and trailer."""
        columns, count, writer = self._columns, len(self._columns), RunWriter()
        begins = np.array([group.begin for group in self.groups], np.int64)
        rows, recorded = np.empty(count, _RUN_OF_ONE), columns.recorded - POSTGRES_EPOCH
        for name, head in zip(_HEADS, heads_of_arrays(1), strict=True):
            rows[name] = np.void(head)
        for field, size, value in (
            ("first", 8, columns.sequence), ("newest", 8, recorded), ("sequence", 8, columns.sequence), ("event_id", 16, columns.event_id),
            ("occurred", 4, columns.occurred + (EPOCH_DAY - DAY_0)), ("recorded", 8, recorded),
        ):  # fmt: skip
            rows[field]["size"], rows[field]["value"] = size, value
        rows["newest"]["value"][begins] = np.maximum.reduceat(recorded, begins)
        ones, length = rows.tobytes(), _RUN_OF_ONE.itemsize
        elements = [rows[name].tobytes() for name in ("sequence", "event_id", "occurred", "recorded")]
        sizes = [len(one) // count for one in elements]
        for begin, end, subject, type_, actor, known in self.groups:
            shared, row = (
                (columns.source, type_, date.fromordinal(known), storable(actor), None),
                ones[begin * length : (begin + 1) * length],
            )
            if end - begin == 1:
                yield writer.begun(self._shard, subject, shared) + row
                continue
            own = [one[size * begin : size * end] for one, size in zip(elements, sizes, strict=True)]
            yield writer.row(self._shard, subject, shared, row[:_BOUNDS], end - begin, own)
