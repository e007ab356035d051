"""What makes up a figure: the enterprises (or unions) that contribute to it, and the events behind each.

The contributions of all pages add up to the figure, because both are C(F_k, t) of the same facts: the ledger sums its steps, here it is
computed again from the stored facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from services.metrics.explaining.history import sets_known, sets_of
from services.metrics.figures import sql as figures
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.scope import Scope, parts, standing
from services.metrics.folding.coverage import Cell
from services.metrics.folding.facts import CORRECTED, WITHDRAWN, kind_of
from shared.process.db import Record

CHUNK = 400
FIRST = (datetime.min.replace(tzinfo=UTC), "", 0)

LIFE = ("enterprise-registered", "enterprise-moved", "enterprise-closed")
HEADCOUNT = ("headcount-reported",)
COVERAGE = ("coverage-started", "coverage-ended")
MEMBERS = ("member-joined", "member-left")
CLASSES = ("enterprise-reclassified",)
KINDS: dict[str, tuple[str, ...]] = {
    "units": LIFE,
    "units_headcount_known": LIFE + HEADCOUNT,
    "units_headcount_stale": LIFE + HEADCOUNT,
    "should_organise_all": LIFE + HEADCOUNT,
    "should_organise_ge25": LIFE + HEADCOUNT,
    "in_grace": LIFE + HEADCOUNT,
    "workers": LIFE + HEADCOUNT,
    "covered_units": LIFE + COVERAGE,
    "second_covered": LIFE + COVERAGE,
    "members": LIFE + MEMBERS,
    "members_headcount_unknown": LIFE + HEADCOUNT + MEMBERS,
    "members_unionised": LIFE + COVERAGE + MEMBERS,
    "unions": ("union-founded", "union-dissolved"),
    "worker_joining_rate_all": LIFE + HEADCOUNT + MEMBERS,
    "worker_joining_rate_unionised": LIFE + HEADCOUNT + COVERAGE + MEMBERS,
}
"""{measure: the facts that can change it}; the others are of headcount and coverage."""
BY_CLASS = frozenset(("industry", "size", "ownership"))


@dataclass(frozen=True, slots=True)
class Contribution:
    """One enterprise or union: where it stands and what it adds, one count, or numerator and denominator of a rate."""

    subject: str
    name: str | None
    credit_code: str | None
    cell: Cell
    value: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Behind:
    """One event behind a contribution. `in_force` is False if a later event corrected or withdrew it, as known at that day, or if it left nothing."""

    row: Record
    in_force: bool


def kinds_of(measure: str, by: str | None) -> tuple[str, ...]:
    """The facts that can change a figure."""
    kinds = KINDS.get(measure, LIFE + HEADCOUNT + COVERAGE)
    if by not in BY_CLASS or measure == "unions":
        return kinds
    return tuple(dict.fromkeys(kinds + CLASSES + (HEADCOUNT if by == "size" else ())))


async def contributions(
    snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date, after: str, limit: int
) -> tuple[list[Contribution], bool]:
    """The next `limit` contributors in order of subject after `after`, and whether there are more."""
    parks = await _parks(snapshot, scope, measure, as_of, known_at)
    found: list[tuple[str, Cell, tuple[int, ...]]] = []
    while len(found) <= limit:
        rows = await figures.states(snapshot.conn, snapshot.generation, after, CHUNK, parks)
        for subject, facts in (await sets_of(snapshot, rows, known_at)).items():
            cell, value = standing(facts, as_of, known_at)
            if cell is not None and scope.holds(cell) and any(amount := parts(value, measure)):
                found.append((subject, cell, amount))
        if len(rows) < CHUNK:
            break
        after = rows[-1]["subject"]
    page = found[:limit]
    return await _named(snapshot, page), len(found) > limit


async def _parks(snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date) -> list[str]:
    """The parks in which the figure is not made of nothing: only who was ever there can contribute."""
    found = await figures.by_key(snapshot.conn, snapshot.generation, "park", as_of, known_at, scope.parks)
    by_place = scope.by in ("district", "park")
    return [
        park
        for park, value in found.items()
        if park is not None and any(parts(value, measure)) and (not by_place or scope.holds((park, None, None, None)))
    ]


async def _named(snapshot: Snapshot, page: Sequence[tuple[str, Cell, tuple[int, ...]]]) -> list[Contribution]:
    names = await figures.names(snapshot.conn, snapshot.generation, [id_of(subject) for subject, _, _ in page])
    found = []
    for subject, cell, value in page:
        row = names.get(id_of(subject))
        found.append(Contribution(subject, row["name"] if row else None, row["credit_code"] if row else None, cell, value))
    return found


def id_of(subject: str) -> UUID:
    """The enterprise's or union's id."""
    return UUID(subject.partition("/")[2])


async def one(snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date, subject: str) -> Contribution | None:
    """The contribution of one enterprise or union, zeros too; None if it does not stand in the scope."""
    stored = await figures.states_of(snapshot.conn, snapshot.generation, [subject])
    if subject not in stored:
        return None
    cell, value = standing((await sets_known(snapshot, stored, known_at))[subject], as_of, known_at)
    if cell is None or not scope.holds(cell):
        return None
    return (await _named(snapshot, [(subject, cell, parts(value, measure))]))[0]


async def events(
    snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date, subject: str, after: tuple[datetime, str, int], limit: int
) -> tuple[list[Behind], bool]:
    """The next events behind a contribution in the order in which they were recorded, and whether there are more."""
    kinds = kinds_of(measure, scope.by)
    conn, generation = snapshot.conn, snapshot.generation
    rows = await figures.facts_of(conn, generation, subject, as_of, known_at, kinds, after, limit + 1)
    corrected = await figures.corrections(conn, generation, subject, known_at)
    return [Behind(row, _in_force(row, corrected)) for row in rows[:limit]], len(rows) > limit


def _in_force(row: Record, corrected: dict[tuple[str, int], int]) -> bool:
    rank: Any = row["sequence"]
    if kind_of(row["type"]) == WITHDRAWN:
        return False
    if kind_of(row["type"]) == CORRECTED:
        rank = row["says"]["withdrawn"]["rank"]
        return corrected[row["source"], rank] == row["sequence"] and row["says"]["replacement"] is not None
    return (row["source"], rank) not in corrected
