"""Questions about the time to found: how many waited how long, by group, and the enterprises behind it.

Read in one snapshot with the figures (questions.py). The ledger stores integers alone; curve and median are computed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Literal
from uuid import UUID

from services.metrics.explaining.explain import CHUNK, Contribution, id_of
from services.metrics.figures import sql
from services.metrics.figures.labels import label
from services.metrics.figures.questions import ALL, Snapshot, key_of, name_of
from services.metrics.figures.scope import Scope, waited
from services.metrics.figures.survival import Median, Step, curve, median
from services.metrics.figures.tree import UNKNOWN
from services.metrics.folding.durations import EPOCH, FOUNDED, Kind
from services.metrics.folding.facts import FactSet
from shared.problems.errors import Unavailable

FIRST_FOLD_VERSION = 2
"""A generation folded by less has no durations."""

NoMedian = Literal["NO_BASE", "NOT_REACHED"]


@dataclass(frozen=True, slots=True)
class Waits:
    """One group: {days: how many} of those that were founded and of those that are waiting; built by `add`."""

    code: str
    name: str = ""
    founded: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)

    def add(self, kind: Kind, days: int, count: int) -> None:
        """So many more of one kind with so many days."""
        counts = self.founded if kind == FOUNDED else self.waiting
        counts[days] = counts.get(days, 0) + count

    @property
    def numbers(self) -> tuple[int, int]:
        """How many are founded, and how many waiting."""
        return sum(self.founded.values()), sum(self.waiting.values())

    def curve(self) -> list[Step]:
        """The Kaplan–Meier curve."""
        return curve(self.founded, self.waiting)

    def median(self) -> tuple[Median, NoMedian | None]:
        """The median and its interval, and the code of the reason if there is no median."""
        found = median(self.curve())
        if found.days is not None:
            return found, None
        return found, "NOT_REACHED" if any(self.numbers) else "NO_BASE"


@dataclass(frozen=True, slots=True)
class Answer:
    """`rows` by code (none without `by`); `total` of the scope."""

    rows: Sequence[Waits]
    total: Waits


def require_durations(snapshot: Snapshot) -> None:
    """Raises REBUILD_NEEDED (503) for a generation that was folded before there were durations."""
    if snapshot.fold_version < FIRST_FOLD_VERSION:
        raise Unavailable("REBUILD_NEEDED", params={"fold_version": snapshot.fold_version})


async def durations(
    snapshot: Snapshot, *, area: str | None = None, by: str | None = None, as_of: date, known_at: date, language: str = "zh"
) -> Answer:
    """The waits of an area (None: of everything), grouped by one of BY. The area must be one that the caller may ask about."""
    tree = snapshot.areas.at(as_of, known_at)
    parks = None if area is None else tree.under(area)
    found = await sql.durations_by_key(snapshot.conn, snapshot.generation, key_of(by), as_of, known_at, parks)
    total = Waits(ALL, tree.shown(area) if area else label(ALL, ALL, language))
    groups: defaultdict[str, list[tuple[Kind, int, int]]] = defaultdict(list)
    for key, kind, value, count in found:
        days = _days(kind, value, as_of)
        total.add(kind, days, count)
        groups[tree.district(key) if by == "district" else key or UNKNOWN].append((kind, days, count))
    return Answer([_group(code, name_of(by, code, tree, language), groups[code]) for code in sorted(groups)] if by else [], total)


def _days(kind: Kind, value: int, as_of: date) -> int:
    return value if kind == FOUNDED else as_of.toordinal() - EPOCH - value


def _group(code: str, name: str, counts: Sequence[tuple[Kind, int, int]]) -> Waits:
    group = Waits(code, name)
    for kind, days, count in counts:
        group.add(kind, days, count)
    return group


async def contributions(
    snapshot: Snapshot, scope: Scope, as_of: date, known_at: date, after: str, limit: int, enterprise: UUID | None = None
) -> tuple[list[Contribution], bool]:
    """The next `limit` enterprises in order of subject after `after`, and whether there are more; or one. Values: (founded, waiting, days)."""
    conn, generation = snapshot.conn, snapshot.generation
    if enterprise is not None:
        subject = f"enterprise/{enterprise}"
        stored = await sql.states_of(conn, generation, [subject])
        one = _contribution(subject, stored[subject], scope, as_of, known_at) if subject in stored else None
        return await _named(snapshot, [one] if one else []), False
    rows = await sql.durations_by_key(conn, generation, "park", as_of, known_at, scope.parks)
    by_place = scope.by in ("district", "park")
    parks = sorted({row["key"] for row in rows if row["key"] and (not by_place or scope.holds((row["key"], None, None, None)))})
    found: list[Contribution] = []
    while len(found) <= limit:
        states = await sql.states(conn, generation, after, CHUNK, parks)
        made = (_contribution(row["subject"], row["state"], scope, as_of, known_at) for row in states)
        found += [one for one in made if one is not None]
        if len(states) < CHUNK:
            break
        after = states[-1]["subject"]
    return await _named(snapshot, found[:limit]), len(found) > limit


def _contribution(subject: str, state: bytes, scope: Scope, as_of: date, known_at: date) -> Contribution | None:
    found = waited(FactSet.load(state), as_of, known_at)
    if found is None or not scope.holds(found.cell):
        return None
    founded = found.kind == FOUNDED
    return Contribution(subject, None, None, found.cell, (int(founded), int(not founded), _days(found.kind, found.value, as_of)))


async def _named(snapshot: Snapshot, page: Sequence[Contribution]) -> list[Contribution]:
    names = await sql.names(snapshot.conn, snapshot.generation, [id_of(one.subject) for one in page])
    return [
        replace(one, name=names[key]["name"], credit_code=names[key]["credit_code"]) if (key := id_of(one.subject)) in names else one
        for one in page
    ]
