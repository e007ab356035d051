"""Facts other than members that come as columns (`shared.sequencing.frames`): what they state, and their rows of `fact_rows`.

The same as `BatchEffects.add_fact` and `fact_runs.copied_rows` do for events that come as objects, for whole batches at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Container, Iterator, Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec
import numpy as np

from services.metrics.attributes import AttributeContent, Founding, Headcount, Move, Registration
from services.metrics.counted import BY_KIND, Attribute, kept_of_texts, kind_of, place_of, says_of
from services.metrics.folding.changes import MOST_WORKERS, RefusedFact, StatedFact
from services.metrics.folding.columns.members import POSTGRES_EPOCH
from services.metrics.folding.coverage import FOREVER, AttributeFact
from services.metrics.folding.events.member_events import AREA, reason_of, storable
from services.metrics.tables.fact_runs import RowWriter
from services.metrics.tables.row_bytes import DAY_0
from services.metrics.tables.store import FactRow
from shared import contracts
from shared.contracts import Event
from shared.sequencing.columnar.columns import EPOCH_DAY, Columns, known_days, time_of
from shared.sequencing.frames import Framed
from shared.sequencing.records import Stream

ATTRIBUTES = tuple(name for name in contracts.TYPES if isinstance(BY_KIND.get(kind_of(name)), Attribute))
"""Types of events that state one fact which shapes the step function of its subject, and nothing else."""
SAYING_MORE = frozenset(
    name for name in ATTRIBUTES if "reason" in contracts.TYPES[name].__struct_fields__ or "name" in contracts.TYPES[name].__struct_fields__
)
"""Those of which a reason or a name is kept beside what counts."""
PLACING = frozenset((Registration, Move, Founding))
"""What is kept of facts that say a place."""
NUL, NOTHING = b"\\u0000", b"{}"

_json = msgspec.json.Encoder().encode
_IDS = np.dtype([("eight", ">i4"), ("sequence", ">i8"), ("sixteen", ">i4"), ("event_id", "u1", 16)])
_DAYS = np.dtype([("four", ">i4"), ("occurred", ">i4"), ("also_four", ">i4"), ("known", ">i4"), ("eight", ">i4"), ("recorded", ">i8")])
"""As `fact_runs.ROW_IDS` with the event's id, and `fact_runs.ROW_DAYS`."""


def readable(name: str, texts: Sequence[bytes]) -> Sequence[bytes | None]:
    """What events of a type say, as it is written; None for those that are read as objects. An object of each, of a whole batch, would take several
    times the memory: `FactColumns` makes those of a part."""
    return [text if one is not None else None for text, one in zip(texts, read_data(name, texts), strict=True)]


def read_data(name: str, texts: Sequence[bytes]) -> Sequence[Event | None]:
    """What events of a type say; None for those that are read as objects: unreadable, not storable, or refused."""
    found = contracts.data_of(name, texts)
    if any(NUL in text for text in texts):
        found = [None if NUL in text else one for text, one in zip(texts, found, strict=True)]
    row = BY_KIND[kind_of(name)]
    if isinstance(row, Attribute) and row.content is Headcount:
        return [one if one is not None and 0 <= getattr(one, "workers", -1) <= MOST_WORKERS else None for one in found]
    return found


FRAMED = Framed(ATTRIBUTES, readable, (AREA.rstrip("/"),))


class FactColumns:
    """Columns of facts of one source, by stream. `kept`: what is kept of each; `known`, `occurred`: ordinals.

    Raises RefusedFact for a source that cannot be stored.
    """

    def __init__(self, shard: int, columns: Columns, known_of: Callable[[datetime], date]) -> None:
        if "\x00" in columns.source:
            raise RefusedFact("NUL_CHARACTER")
        self._shard, self._columns = shard, columns
        self.source = columns.source
        texts, kinds = columns.subjects.texts, [kind_of(name) for name in columns.types]
        self.subjects = [texts[number] for number in columns.subject.tolist()]
        self.kinds = [kinds[number] for number in columns.type.tolist()]
        self.known = known_days(columns.recorded, known_of).tolist()
        self.occurred = (columns.occurred + EPOCH_DAY).tolist()
        self.sequences = columns.sequence.tolist()
        self.kept: list[AttributeContent]
        self.data: list[Event | None]
        self.kept, self.data = _read(columns)
        self._by_subject = sorted(range(len(self)), key=self.subjects.__getitem__)

    def __len__(self) -> int:
        return len(self.subjects)

    def stated(self, at: int) -> StatedFact:
        """What one of them states."""
        return StatedFact(self.kinds[at], self.occurred[at], self.sequences[at], self.kept[at])

    def attribute(self, at: int) -> AttributeFact:
        """The same as a fact in a set."""
        return AttributeFact(self.kinds[at], self.occurred[at], self.sequences[at], self.known[at], FOREVER, self.kept[at])

    def among(self, streams: Collection[Stream]) -> tuple[list[int], list[int]]:
        """(the rows of other streams, the rows of these streams)"""
        own = {subject for source, subject in streams if source == self.source}
        if not own:
            return list(range(len(self))), []
        inside = [subject in own for subject in self.subjects]
        return [at for at, one in enumerate(inside) if not one], [at for at, one in enumerate(inside) if one]

    def _reason(self, at: int) -> str | None:
        data = self.data[at]
        return None if data is None else reason_of(data)

    def rows(self) -> Iterator[FactRow]:
        """The facts as rows."""
        columns = self._columns
        numbers = zip(columns.type.tolist(), columns.actor.tolist(), columns.recorded.tolist(), strict=True)
        for at, (type_, actor, recorded) in enumerate(numbers):
            yield FactRow(
                self._shard, self.subjects[at], self.source, self.sequences[at], UUID(bytes=columns.event_id[at].tobytes()), columns.types[type_],
                date.fromordinal(self.occurred[at]), date.fromordinal(self.known[at]), time_of(recorded), says_of(self.kept[at]) or None,
                storable(columns.actors.texts[actor]), self._reason(at),
            )  # fmt: skip

    def placing(self) -> Iterator[tuple[str, str | None]]:
        """(subject, place) of each fact that says where an enterprise or a union is."""
        for subject, kept in zip(self.subjects, self.kept, strict=True):
            if type(kept) in PLACING:
                yield subject, place_of(kept)

    def for_trigger(self, stays: Container[str]) -> set[int]:
        """Which rows of `copied` say a place of another subject than those in `stays`."""
        subjects, kept = self.subjects, self.kept
        return {number for number, at in enumerate(self._by_subject) if type(kept[at]) in PLACING and subjects[at] not in stays}

    def copied(self) -> Iterator[bytes]:
        """The rows as COPY reads them, by subject: then neighbours in an index are written one after the other."""
        columns, writer = self._columns, RowWriter()
        ids, days = np.empty(len(self), _IDS), np.empty(len(self), _DAYS)
        ids["eight"], ids["sequence"], ids["sixteen"], ids["event_id"] = 8, columns.sequence, 16, columns.event_id
        days["four"] = days["also_four"] = 4
        days["eight"], days["recorded"] = 8, columns.recorded - POSTGRES_EPOCH
        days["occurred"], days["known"] = columns.occurred + (EPOCH_DAY - DAY_0), np.array(self.known, np.int64) - DAY_0
        all_ids, all_days, size, length = ids.tobytes(), days.tobytes(), _IDS.itemsize, _DAYS.itemsize
        types, actors, names = columns.type.tolist(), columns.actor.tolist(), columns.types
        actor_of = [storable(one) for one in columns.actors.texts]
        for at in self._by_subject:
            shared = self.source, names[types[at]], actor_of[actors[at]], self._reason(at)
            own_ids, own_days = all_ids[at * size : (at + 1) * size], all_days[at * length : (at + 1) * length]
            says = _json(self.kept[at])
            yield writer.row(self._shard, self.subjects[at], shared, own_ids, own_days, None if says == NOTHING else says)


def _read(columns: Columns) -> tuple[list[AttributeContent], list[Event | None]]:
    """(what is kept of each event; of those of which more is used than that, what they say)"""
    assert columns.data is not None, "rows of framed types have data"
    kept, data = np.empty(len(columns), np.object_), np.full(len(columns), None, np.object_)
    for number in np.unique(columns.type).tolist():
        name, rows = columns.types[number], np.flatnonzero(columns.type == number)
        texts = columns.data[rows].tolist()
        kept[rows] = kept_of_texts(kind_of(name), texts)
        if name in SAYING_MORE:
            data[rows] = contracts.data_of(name, texts)
    return kept.tolist(), data.tolist()
