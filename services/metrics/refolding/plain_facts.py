"""Facts other than members, and members who give a reason, that came as columns (`shared.sequencing.frames`): read, and taken into the sets of facts, many at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from itertools import repeat
from operator import attrgetter
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import numpy as np

from services.metrics.attributes import Founding, InPark
from services.metrics.counted import BY_KIND, Attribute, Matter, Members, NotCounted, kind_of, says_of
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from services.metrics.folding.coverage import FOREVER, AttributeFact
from services.metrics.folding.events.member_events import reason_of, storable
from services.metrics.folding.events.recorded import RecordedFact, Stream
from services.metrics.folding.facts import FactSet
from services.metrics.folding.tallying.tally import MatterFact
from services.metrics.refolding.digests import written
from services.metrics.tables.store import FactRow
from shared import contracts
from shared.contracts import Event
from shared.contracts.membership import UnionFounded
from shared.contracts.registry import EnterpriseRegistered
from shared.sequencing.columnar.columns import EPOCH_DAY, Columns, Names, time_of
from shared.sequencing.columnar.layouts import Longs

PLAIN = frozenset((str, int, bool, NoneType))
"""The types of values that are kept as they are."""


class _Type(NamedTuple):
    """One type of fact: its kind, what is kept of it, whether it gives a reason."""

    kind: str
    row: Attribute | Matter | NotCounted | Members
    fields: Sequence[Callable[[Any], Any]]
    reasons: bool


def _type(name: str, struct: type[Event], row: Attribute | Matter | NotCounted | Members) -> _Type:
    getters = [] if isinstance(row, Members) else [attrgetter(one) for one in row.content.__struct_fields__]
    return _Type(kind_of(name), row, getters, "reason" in struct.__struct_fields__)


_TYPES: Mapping[str, _Type] = {
    name: _type(name, struct, row)
    for name, struct in contracts.TYPES.items()
    if isinstance(row := BY_KIND.get(kind_of(name)), Attribute | Matter | NotCounted | Members) and name not in TYPES_AS_COLUMNS
}
FRAMED = tuple(_TYPES)
"""The types that are read here."""


def _contents(type_: _Type, events: Sequence[Event]) -> list[Any]:
    """What is kept of events of one type, as `counted.kept_of` does."""
    if isinstance(type_.row, Members):
        return [type_.row] * len(events)
    content: Callable[..., Any] = type_.row.content
    if not type_.fields:
        return [content()] * len(events)
    return list(map(content, *(_plain(list(map(get, events))) for get in type_.fields)))


def _plain(values: list[Any]) -> list[Any]:
    types = set(map(type, values))
    if types <= PLAIN:
        return values
    if types == {UUID}:
        return list(map(str, values))
    return [one if type(one) in PLAIN else msgspec.to_builtins(one) for one in values]


class FactGroup(NamedTuple):
    """Facts of one type and source, by stream: `known` = their known days as ordinals, `contents` what is kept of each, `says` the same as JSON
    (None without fields), `reasons` the codes that were given for them."""

    columns: Columns
    type: str
    known: Longs
    contents: Sequence[Any]
    says: Sequence[bytes | None]
    reasons: Sequence[str | None]

    def rows(self, shard: int) -> list[FactRow]:
        """The same as rows of `facts`."""
        columns, ids = self.columns, self.columns.event_id.tobytes()
        texts, actors = columns.subjects.texts, columns.actors.texts
        return [
            FactRow(
                shard, texts[subject], columns.source, sequence, UUID(bytes=ids[16 * at : 16 * at + 16]), self.type, date.fromordinal(occurred),
                date.fromordinal(known), time_of(recorded), says_of(content) or None, storable(actors[actor]), reason,
            )
            for at, (subject, sequence, occurred, known, recorded, content, actor, reason) in enumerate(
                zip(
                    columns.subject.tolist(), columns.sequence.tolist(), (columns.occurred + EPOCH_DAY).tolist(), self.known.tolist(),
                    columns.recorded.tolist(), self.contents, columns.actor.tolist(), self.reasons, strict=True,
                )
            )
        ]  # fmt: skip


class _Part(NamedTuple):
    """What a withdrawal may name: facts of one source and kind, by stream."""

    source: str
    names: Names
    kind: str
    subject: Longs
    sequence: Longs
    occurred: Longs
    contents: Sequence[Any]


@dataclass(slots=True)
class PlainFacts:
    """Takes facts into the sets `sets(subject)`, but members to `count_members` (`MemberFacts.count`). `placements` = (place, subject) that they name; `moved`: whose park they may change; `registrations`,
    `foundings` = {subject: (sequence, the event)} of the last that names it."""

    sets: Callable[[str], FactSet]
    count_members: Callable[[Columns, Longs], None]
    placements: set[tuple[str, str]] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    registrations: dict[str, tuple[int, EnterpriseRegistered]] = field(default_factory=dict)
    foundings: dict[str, tuple[int, UnionFounded]] = field(default_factory=dict)
    _parts: list[_Part] = field(default_factory=list)

    def add(self, columns: Columns, known: Longs) -> list[FactGroup]:
        """Take facts by stream; `known` = their known days as ordinals."""
        found = list[FactGroup]()
        for number in np.unique(columns.type).tolist():
            rows = np.flatnonzero(columns.type == number)
            found.append(self._add(columns.types[number], columns.take(rows), known[rows]))
        return found

    def _add(self, name: str, columns: Columns, known: Longs) -> FactGroup:
        assert columns.data is not None, "rows of framed types have data"
        type_, events = _TYPES[name], columns.data.tolist()
        contents, occurred = _contents(type_, events), columns.occurred + EPOCH_DAY
        texts = columns.subjects.texts
        subjects = [texts[number] for number in columns.subject.tolist()]
        if isinstance(type_.row, Members):
            self.count_members(replace(columns, types=(name,), type=np.zeros(len(columns), np.int64)), known)
        elif not isinstance(type_.row, NotCounted):
            self._count(type_, subjects, (occurred.tolist(), columns.sequence.tolist(), known.tolist()), contents)
        self._place(type_, subjects, columns.sequence.tolist(), contents, events)
        self._parts.append(
            _Part(
                source=columns.source,
                names=columns.subjects,
                kind=type_.kind,
                subject=columns.subject.astype(np.int32),
                sequence=columns.sequence,
                occurred=occurred.astype(np.int32),
                contents=contents,
            )
        )
        says: Sequence[bytes | None] = list(map(written, contents)) if type_.fields else [None] * len(events)
        says = [None if one == b"{}" else one for one in says]
        reasons = [reason_of(event) for event in events] if type_.reasons else [None] * len(events)
        return FactGroup(columns, name, known, contents, says, reasons)

    def _count(
        self, type_: _Type, subjects: Sequence[str], numbers: tuple[list[int], list[int], list[int]], contents: Sequence[Any]
    ) -> None:
        sets, kinds, until = self.sets, repeat(type_.kind), repeat(FOREVER)
        if isinstance(type_.row, Attribute):
            for subject, fact in zip(subjects, map(AttributeFact, kinds, *numbers, until, contents), strict=True):
                own = sets(subject)
                own.attributes.append(fact)
                own.newest_attribute = max(own.newest_attribute, fact.known)
                own.newest = max(own.newest, fact.known)
        else:
            for subject, matter in zip(subjects, map(MatterFact, kinds, *numbers, until, contents), strict=True):
                own = sets(subject)
                own.matters.append(matter)
                own.newest_matter = max(own.newest_matter, matter.known)
                own.newest = max(own.newest, matter.known)

    def _place(
        self, type_: _Type, subjects: Sequence[str], sequences: Sequence[int], contents: Sequence[Any], events: Sequence[Any]
    ) -> None:
        """Note where facts say that their subjects are, and their names."""
        if isinstance(type_.row, Members):
            return
        content = type_.row.content
        if issubclass(content, InPark):
            self.placements.update((one.park, subject) for one, subject in zip(contents, subjects, strict=True) if one.park)
            self.moved.update(subjects)
        elif content is Founding:
            self.placements.update((one.seat_area, subject) for one, subject in zip(contents, subjects, strict=True) if one.seat_area)
        if isinstance(events[0], EnterpriseRegistered):
            for subject, sequence, event in zip(subjects, sequences, events, strict=True):
                self.name(subject, sequence, event, None)
        elif isinstance(events[0], UnionFounded):
            for subject, sequence, event in zip(subjects, sequences, events, strict=True):
                self.name(subject, sequence, None, event)

    def name(self, subject: str, sequence: int, registration: EnterpriseRegistered | None, founding: UnionFounded | None) -> None:
        """Note what names a subject, unless a later event of its stream was noted before."""
        if registration is not None and sequence >= self.registrations.get(subject, (0,))[0]:
            self.registrations[subject] = sequence, registration
        if founding is not None and sequence >= self.foundings.get(subject, (0,))[0]:
            self.foundings[subject] = sequence, founding

    def named(self, stream: Stream, first: int, last: int) -> list[tuple[int, RecordedFact]]:
        """The facts `first` to `last` of a stream."""
        source, subject = stream
        found = []
        for part in self._parts:
            if part.source != source:
                continue
            number = part.names.number(subject)
            begin, end = np.searchsorted(part.subject, [number, number + 1])
            for row in range(begin, end):
                if first <= part.sequence[row] <= last:
                    says = says_of(part.contents[row]) or None
                    found.append((int(part.sequence[row]), RecordedFact(part.kind, date.fromordinal(int(part.occurred[row])), says)))
        return found
