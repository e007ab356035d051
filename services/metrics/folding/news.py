"""What events say to the figures and to the directory: read one by one, gathered by batch. Pure; the projector and the refold share it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

from services.metrics.folding.facts import Change, FactSet, RefusedFact, change, kind_of
from services.metrics.folding.retelling import Said, summary, taken_back
from services.metrics.folding.store import AreaRow, FactRow, NameRow
from shared import contracts
from shared.contracts import Envelope, UnreadableEvent
from shared.contracts.registry import AreaRegistered, EnterpriseRegistered
from shared.contracts.streams import DayClosed, EventWithdrawn, FactCorrected, Placed

AREA = "area/"


class Heard(NamedTuple):
    """What one event says, before anything is changed by it.

    Of an enterprise or a union: its `changes`, the parks that it names (`places`), whether one of them is where the enterprise stands
    (`moved`), and its registration (`named`). Of an area: the ranks of the facts whose versions it `ends`, and the version that it tells (`area`).
    """

    fact: FactRow
    changes: tuple[Change, ...] = ()
    places: tuple[str, ...] = ()
    moved: bool = False
    named: EnterpriseRegistered | None = None
    area: AreaRow | None = None
    ends: tuple[int, ...] = ()


@dataclass(slots=True)
class News:
    """What a batch says, sorted out: changes by subject, rows of `facts`, versions of areas, names by enterprise."""

    changes: defaultdict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    facts: list[FactRow] = field(default_factory=list)
    areas: list[AreaRow] = field(default_factory=list)
    ended: list[tuple[str, int, date]] = field(default_factory=list)
    names: dict[str, EnterpriseRegistered] = field(default_factory=dict)
    placements: set[tuple[str, str]] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)

    def take(self, heard: Heard) -> None:
        """Add what one event says; events of a subject in the order of their stream."""
        self.facts.append(heard.fact)
        subject = heard.fact.subject
        if heard.changes:
            self.changes[subject] += heard.changes
        if heard.places:
            self.placements.update((place, subject) for place in heard.places)
        if heard.moved:
            self.moved.add(subject)
        if heard.named is not None:
            self.names[subject] = heard.named
        for rank in heard.ends:
            self._end(subject.removeprefix(AREA), rank, heard.fact.known_day)
        if heard.area is not None:
            self.areas.append(heard.area)

    def named(self, event: Envelope, said: EventWithdrawn) -> list[tuple[int, Said]]:
        """What a withdrawal names of this batch."""
        return [
            (row.sequence, Said(kind_of(row.type), row.occurred_on, row.says))
            for row in self.facts
            if (row.source, row.subject) == (event.source, event.subject) and said.first <= row.sequence <= said.last
        ]

    def _end(self, code: str, rank: int, known: date) -> None:
        told = [row for row in self.areas if row.code == code and row.rank == rank and row.known_until is None]
        for row in told:
            row.known_until = known
        if not told:
            self.ended.append((code, rank, known))


def hear(event: Envelope, shard: int, known: date) -> Heard | None:
    """Read an event of an enterprise, a union or an area that became known on a day; None: it says nothing to the figures.

    A withdrawal says nothing by itself: what it takes back is known when its turn comes (`take_back`). Raises RefusedFact: it cannot be counted.
    """
    if isinstance(event.data, DayClosed | EventWithdrawn):
        return None
    heard = _of_area(event, shard, known) if event.subject.startswith(AREA) else _of_subject(event, shard, known)
    _require_storable(heard)
    return heard


def take_back(event: Envelope, shard: int, known: date, named: Iterable[tuple[int, Said]]) -> Heard | None:
    """What a withdrawal says whose turn has come, `named` being what it names and what counted; None: nothing, so it explains no figure."""
    told = taken_back(named, known.toordinal())
    if told is None:
        return None
    says, changes = told
    fact = _fact_row(shard, event, known, says)
    if event.subject.startswith(AREA):
        return Heard(fact, ends=tuple(one.withdrawn.rank for one in changes if one.withdrawn))
    return Heard(fact, changes, moved=any("park" in one.withdrawn.says for one in changes if one.withdrawn))


def _require_storable(heard: Heard) -> None:
    """PostgreSQL holds no text with U+0000: refused here, so that a fold in memory refuses what the projector's tables do."""
    named, area = heard.named, heard.area
    texts: list[Any] = [heard.fact.subject, heard.fact.source, *heard.places]
    if named is not None:
        texts += [named.name, named.credit_code]
    if area is not None:
        texts += [area.code, area.name, area.parent]
    if any(text is not None and "\x00" in text for text in texts) or (heard.fact.says and _holds_nul(heard.fact.says)):
        raise RefusedFact("NUL_CHARACTER")


def _holds_nul(says: Any) -> bool:
    if isinstance(says, dict):
        return any(map(_holds_nul, says.values()))
    return isinstance(says, str) and "\x00" in says


def _of_subject(event: Envelope, shard: int, known: date) -> Heard:
    told = change(event, known.toordinal())
    says = summary(told, kind_of(event.type))
    fact = _fact_row(shard, event, known, says)
    if says is None:
        return Heard(fact, (told,))
    spoken = [placed.says for placed in (told.withdrawn, told.placed) if placed is not None]
    places = tuple(place for said in spoken if (place := said.get("park") or said.get("seat_area")))
    moved = any("park" in said for said in spoken)
    data = event.data
    if isinstance(data, FactCorrected) and data.replacement is not None:
        data = contracts.fact(data.fact, data.replacement.data)
    return Heard(fact, (told,), places, moved, data if isinstance(data, EnterpriseRegistered) else None)


def _of_area(event: Envelope, shard: int, known: date) -> Heard:
    """A version of a division or park, kept beside the figures and never folded into them."""
    fact = _fact_row(shard, event, known, contracts.plain(event.data))
    data, rank, on = event.data, event.sequence, event.occurredon
    ends: tuple[int, ...] = ()
    if isinstance(data, FactCorrected):
        rank, ends = data.rank, (data.rank,)
        if data.replacement is None:
            return Heard(fact, ends=ends)
        on, data = data.replacement.occurred_on, _corrected_area(data.fact, data.replacement)
    if not isinstance(data, AreaRegistered):
        raise RefusedFact("NO_FACT", kind_of(event.type))
    row = AreaRow(shard, data.code, rank, event.id, on, known, None, event.time, data.name, str(data.kind), data.parent, data.level)
    return Heard(fact, area=row, ends=ends)


def _fact_row(shard: int, event: Envelope, known: date, says: dict[str, Any] | None) -> FactRow:
    return FactRow(shard, event.subject, event.source, event.sequence, event.id, event.type, event.occurredon, known, event.time, says)


def _corrected_area(fact: str, replacement: Placed) -> contracts.Event:
    try:
        return contracts.fact(fact, replacement.data)
    except UnreadableEvent as error:
        raise RefusedFact("BAD_FACT", str(error)) from error


def name_row(subject: str, named: EnterpriseRegistered | None, facts: FactSet) -> NameRow:
    """The directory's row. The park is that of the last fact that names one, whatever the day."""
    placed = [fact for fact in facts.in_force() if "park" in fact.says]
    park = max(placed, key=lambda fact: (fact.occurred, fact.rank)).says["park"] if placed else None
    return NameRow(UUID(subject.partition("/")[2]), named.name if named else None, named.credit_code if named else None, park)
