"""What the table `facts` keeps of an event, and the changes read back from it. Pure.

A withdrawal of applied events removes every fact that it names, on its own known day. It does not repeat those facts: they are read from
`facts`, which holds applied events alone. A withdrawal leaves corrections and withdrawals as they are (docs/adr/0013). Facts that are not
counted are kept here like all others; the changes that this module returns leave them out.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple, assert_never

from services.metrics.counted import (
    BY_KIND,
    FIELDS,
    Area,
    Attribute,
    Correction,
    DayClosing,
    Matter,
    Members,
    NotCounted,
    Withdrawal,
    kept_from,
    says_of,
)
from services.metrics.folding.changes import FactChange, StatedFact, change_of
from shared.contracts import Envelope

Stream = tuple[str, str]
"""(source, subject)"""


class RecordedFact(NamedTuple):
    """One row of `facts`, without its attributes of the envelope."""

    kind: str
    occurred_on: date
    says: dict[str, Any] | None


class Recorded(NamedTuple):
    """One event about an enterprise or a union: what `facts` keeps of it (None: its type says it all), and the facts that it changes.

    `facts` holds those that are not counted too, `changes` does not.
    """

    says: dict[str, Any] | None
    facts: tuple[StatedFact, ...]
    changes: tuple[FactChange, ...]


def recorded(event: Envelope, known: int) -> Recorded:
    """Read a fact or a correction. Raises RefusedFact."""
    change = change_of(event, known)
    changes = (change,) if change.counts else ()
    if change.removed is None and change.added is not None:
        return Recorded(says_of(change.added.kept) or None, (change.added,), changes)
    facts = tuple(fact for fact in (change.removed, change.added) if fact is not None)
    return Recorded({"withdrawn": _json_from(change.removed), "replacement": _json_from(change.added)}, facts, changes)


def withdrawn(named: Iterable[tuple[int, RecordedFact]], known: int) -> Recorded | None:
    """Read a withdrawal that names these applied events, by sequence. None: it names no fact."""
    facts = [(sequence, fact) for sequence, fact in named if not isinstance(BY_KIND.get(fact.kind), Correction | Withdrawal)]
    if not facts:
        return None
    says = {"withdrawn": [_json_of(fact.kind, fact.occurred_on, sequence, fact.says or {}) for sequence, fact in facts]}
    stated = tuple(
        StatedFact(fact.kind, fact.occurred_on.toordinal(), sequence, kept_from(fact.kind, fact.says))
        for sequence, fact in facts
        if fact.kind in FIELDS
    )
    return Recorded(says, stated, _counted(FactChange(known, fact, None) for fact in stated))


def changes_from(kind: str, occurred: int, sequence: int, known: int, says: dict[str, Any] | None) -> tuple[FactChange, ...]:
    """The changes of an event about an enterprise or a union, from its row of `facts`."""
    match BY_KIND.get(kind):
        case Correction():
            assert says is not None
            return _counted([FactChange(known, _fact_from(says["withdrawn"]), _fact_from(says["replacement"]))])
        case Withdrawal():
            assert says is not None
            return _counted(FactChange(known, _fact_from(one), None) for one in says["withdrawn"])
        case Attribute() | Members() | Matter():
            return (FactChange(known, None, StatedFact(kind, occurred, sequence, kept_from(kind, says))),)
        case NotCounted() | Area() | DayClosing() | None:
            return ()
        case row:
            assert_never(row)


def _counted(changes: Iterable[FactChange]) -> tuple[FactChange, ...]:
    return tuple(change for change in changes if change.counts)


def _json_from(fact: StatedFact | None) -> dict[str, Any] | None:
    return None if fact is None else _json_of(fact.kind, date.fromordinal(fact.occurred), fact.rank, says_of(fact.kept))


def _json_of(kind: str, occurred: date, rank: int, says: dict[str, Any]) -> dict[str, Any]:
    return {"fact": kind, "occurred_on": occurred.isoformat(), "rank": rank, "says": says}


def _fact_from(written: dict[str, Any] | None) -> StatedFact | None:
    if written is None:
        return None
    kind, on = written["fact"], date.fromisoformat(written["occurred_on"])
    return StatedFact(kind, on.toordinal(), written["rank"], kept_from(kind, written["says"]))


@dataclass(slots=True)
class _StreamFacts:
    sequences: array[int] = field(default_factory=lambda: array("q"))
    facts: list[RecordedFact] = field(default_factory=list)


@dataclass(slots=True)
class RecordedFacts:
    """The facts of a shard that is folded in memory. 18 bytes an event: equal facts without fields are one object."""

    _streams: defaultdict[Stream, _StreamFacts] = field(default_factory=lambda: defaultdict(_StreamFacts))
    _without_fields: dict[tuple[str, date], RecordedFact] = field(default_factory=dict)

    def keep(self, stream: Stream, sequence: int, fact: RecordedFact) -> None:
        """Add an event; those of a stream in its order."""
        own = self._streams[stream]
        own.sequences.append(sequence)
        own.facts.append(self._without_fields.setdefault((fact.kind, fact.occurred_on), fact) if fact.says is None else fact)

    def named(self, stream: Stream, first: int, last: int) -> list[tuple[int, RecordedFact]]:
        """The applied events `first` to `last` of a stream, by sequence."""
        own = self._streams.get(stream, _StreamFacts())
        part = slice(bisect_left(own.sequences, first), bisect_right(own.sequences, last))
        return list(zip(own.sequences[part], own.facts[part], strict=True))
