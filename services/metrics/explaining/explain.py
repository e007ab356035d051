"""What makes up a figure: the enterprises (or unions) that contribute to it, and the events behind each.

The contributions of all pages add up to the figure: both are C(F_k, t) of the same facts. The ledger sums its steps; this module computes
it again from the stored facts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import assert_never

from services.metrics.counted import (
    BY_KIND,
    Area,
    Aspect,
    Attribute,
    Correction,
    DayClosing,
    Members,
    NotCounted,
    Withdrawal,
    kind_of,
    kinds_of,
)
from services.metrics.explaining.contributors import Contribute, Contribution, contributor, contributors
from services.metrics.figures import sql
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.scope import Scope, contribution_on, parts
from services.metrics.folding.facts import FactSet
from shared.process.db import Record

FIRST = (datetime.min.replace(tzinfo=UTC), "", 0)

DEFAULT = (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.COVERAGE)
ASPECTS: dict[str, tuple[Aspect, ...]] = {
    "units": (Aspect.LIFE,),
    "units_headcount_known": (Aspect.LIFE, Aspect.HEADCOUNT),
    "units_headcount_stale": (Aspect.LIFE, Aspect.HEADCOUNT),
    "should_organise_all": (Aspect.LIFE, Aspect.HEADCOUNT),
    "should_organise_ge25": (Aspect.LIFE, Aspect.HEADCOUNT),
    "in_grace": (Aspect.LIFE, Aspect.HEADCOUNT),
    "workers": (Aspect.LIFE, Aspect.HEADCOUNT),
    "covered_units": (Aspect.LIFE, Aspect.COVERAGE),
    "second_covered": (Aspect.LIFE, Aspect.COVERAGE),
    "members": (Aspect.LIFE, Aspect.MEMBERS),
    "members_headcount_unknown": (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.MEMBERS),
    "members_unionised": (Aspect.LIFE, Aspect.COVERAGE, Aspect.MEMBERS),
    "unions": (Aspect.UNION,),
    "worker_joining_rate_all": (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.MEMBERS),
    "worker_joining_rate_unionised": (Aspect.LIFE, Aspect.HEADCOUNT, Aspect.COVERAGE, Aspect.MEMBERS),
}
"""{measure: the aspects of the facts that can change it}; every other measure has DEFAULT."""
BY_CLASS = frozenset(("industry", "size", "ownership"))


@dataclass(frozen=True, slots=True)
class Behind:
    """One event behind a contribution. `in_force` is False if, as known at that day, a later event replaced or withdrew it or it states no fact."""

    row: Record
    in_force: bool


def kinds_behind(measure: str, by: str | None) -> tuple[str, ...]:
    """The kinds of facts that can change a figure."""
    aspects = ASPECTS.get(measure, DEFAULT)
    if by in BY_CLASS and measure != "unions":
        aspects += (Aspect.CLASS, Aspect.HEADCOUNT) if by == "size" else (Aspect.CLASS,)
    return kinds_of(*aspects)


async def contributions(
    snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date, after: str, limit: int
) -> tuple[list[Contribution], bool]:
    """The next `limit` contributors after a subject, in order of subject, and whether there are more."""
    found = await sql.by_key(snapshot.conn, snapshot.generation, "park", as_of, known_at, scope.parks)
    # Where the figure is 0 nobody contributes.
    parks = [park for park, value in found.items() if park is not None and any(parts(value, measure)) and scope.may_hold(park)]
    return await contributors(snapshot, _contribute(scope, measure, as_of, known_at), known_at, parks, after, limit)


async def one(snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date, subject: str) -> Contribution | None:
    """The contribution of one enterprise or union, also if it is 0; None if it is not in the scope."""
    return next(iter(await contributor(snapshot, _contribute(scope, measure, as_of, known_at), known_at, subject)), None)


def _contribute(scope: Scope, measure: str, as_of: date, known_at: date) -> Contribute:
    def contribute(subject: str, facts: FactSet) -> Contribution | None:
        cell, value = contribution_on(facts, as_of, known_at)
        return Contribution(subject, cell, parts(value, measure)) if cell is not None and scope.holds(cell) else None

    return contribute


async def events(
    snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date, subject: str, after: tuple[datetime, str, int], limit: int
) -> tuple[list[Behind], bool]:
    """The next events behind a contribution in the order in which they were recorded, and whether there are more."""
    kinds = kinds_behind(measure, scope.by)
    conn, generation = snapshot.conn, snapshot.generation
    rows = await sql.facts_of(conn, generation, subject, as_of, known_at, kinds, after, limit + 1)
    corrected = await sql.corrections(conn, generation, subject, known_at)
    return [Behind(row, _in_force(row, corrected)) for row in rows[:limit]], len(rows) > limit


def _in_force(row: Record, corrected: dict[tuple[str, int], int]) -> bool:
    match BY_KIND[kind_of(row["type"])]:
        case Withdrawal():
            return False
        case Correction():
            rank = row["says"]["withdrawn"]["rank"]
            return corrected[row["source"], rank] == row["sequence"] and row["says"]["replacement"] is not None
        case Attribute() | Members() | NotCounted() | Area() | DayClosing():
            return (row["source"], row["sequence"]) not in corrected
        case other:
            assert_never(other)
