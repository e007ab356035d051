"""Members' facts of a shard that came as columns, kept as arrays: 25 bytes an event."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from services.metrics.counted import kind_of
from services.metrics.folding.changes import RefusedFact
from services.metrics.folding.events.member_events import AREA, MEMBER_TYPES
from services.metrics.folding.events.recorded import RecordedFact, Stream
from services.metrics.folding.facts import FactSet
from services.metrics.folding.plain.sums import summed
from shared.sequencing.columnar.columns import EPOCH_DAY, Columns, Names
from shared.sequencing.columnar.layouts import Longs


class Counts(NamedTuple):
    """Net numbers of members, one row each: `subject` (a number of `subjects`), `known` and `occurred` day (ordinals), `net`. Sorted in that order."""

    subjects: Sequence[str]
    subject: Longs
    known: Longs
    occurred: Longs
    net: Longs


class _Part(NamedTuple):
    """Events of one source, by the number of their subject."""

    source: str
    names: Names
    types: Sequence[str]
    subject: Longs
    sequence: Longs
    known: Longs
    occurred: Longs
    type: Longs


def require_storable(columns: Columns) -> None:
    """Raises RefusedFact for a subject that members cannot be of, as `folding.events.member_events.of_members` and the projector's tables do."""
    texts = columns.subjects.texts
    if "\x00" in columns.source or any(texts[number].startswith(AREA) for number in np.unique(columns.subject).tolist()):
        raise RefusedFact("NO_FACT")


class MemberFacts:
    """All that came as columns, in the order in which it was added."""

    def __init__(self) -> None:
        self._parts = list[_Part]()
        self._counted = list[_Part]()

    def add(self, columns: Columns, known: Longs) -> None:
        """Add events by subject, in the order of their streams (`BatchPlan.columns`); `known` = their known days as ordinals."""
        self._parts.append(_part(columns, known))

    def count(self, columns: Columns, known: Longs) -> None:
        """Add events that are counted here and named elsewhere (`PlainFacts`)."""
        self._counted.append(_part(columns, known))

    def named(self, stream: Stream, first: int, last: int) -> list[tuple[int, RecordedFact]]:
        """The events `first` to `last` of a stream, by sequence."""
        source, subject = stream
        found = []
        for part in self._parts:
            if part.source != source:
                continue
            number = part.names.number(subject)
            begin, end = np.searchsorted(part.subject, [number, number + 1])
            for row in range(begin, end):
                if first <= part.sequence[row] <= last:
                    kind = kind_of(part.types[part.type[row]])
                    found.append((int(part.sequence[row]), RecordedFact(kind, date.fromordinal(int(part.occurred[row])), None)))
        return sorted(found, key=lambda one: one[0])

    def counts(self, further: Mapping[str, FactSet] = MappingProxyType({})) -> Counts:
        """The net numbers of all, with the members that the sets `further` count. A day on which they come to 0 is a row too: on it the set changed."""
        numbers = dict[str, int]()

        def number(subject: str) -> int:
            return numbers.setdefault(subject, len(numbers))

        rows = [
            (number(subject), known, day, net)
            for subject, facts in further.items()
            for known, own in facts.members.items()
            for day, net in own.items()
        ]
        arrays = [np.array(rows, np.int64).reshape(-1, 4).T]
        for part in (*self._parts, *self._counted):
            used = np.unique(part.subject)
            places = np.zeros(int(used[-1]) + 1, np.int64)
            places[used] = [number(part.names.texts[one]) for one in used.tolist()]
            each = np.array([MEMBER_TYPES[name] for name in part.types], np.int64)
            arrays.append(np.stack((places[part.subject], part.known, part.occurred, each[part.type])))
        keys, (net,) = summed(np.concatenate(arrays, axis=1), 3)
        subject, known, occurred = keys
        return Counts(list(numbers), subject, known, occurred, net)


def _part(columns: Columns, known: Longs) -> _Part:
    return _Part(
        columns.source,
        columns.subjects,
        columns.types,
        columns.subject.astype(np.int32),
        columns.sequence,
        known.astype(np.int32),
        (columns.occurred + EPOCH_DAY).astype(np.int32),
        columns.type.astype(np.int8),
    )


def count_into(sets: Callable[[str], FactSet], counts: Counts) -> None:
    """Add net numbers to the sets of facts, `sets(subject)`."""
    if not len(counts.subject):
        return
    turns = (counts.subject[1:] != counts.subject[:-1]) | (counts.known[1:] != counts.known[:-1])
    starts = [0, *(np.flatnonzero(turns) + 1).tolist(), len(counts.subject)]
    days, net = counts.occurred.tolist(), counts.net.tolist()
    groups: Iterable[tuple[int, int]] = zip(counts.subject[starts[:-1]].tolist(), counts.known[starts[:-1]].tolist(), strict=True)
    for (subject, known), begin, end in zip(groups, starts, starts[1:], strict=False):
        facts, added = sets(counts.subjects[subject]), dict(zip(days[begin:end], net[begin:end], strict=True))
        if facts.members:
            facts.count(known, added)
            continue
        # As `FactSet.count` does, for a set without members.
        own = facts.members[known] = added if all(added.values()) else {day: one for day, one in added.items() if one}
        facts.totals, facts.newest = own.copy(), max(facts.newest, known)
        facts.joined += sum([one for one in own.values() if one > 0])
