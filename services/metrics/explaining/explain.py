"""What makes up a figure: the enterprises (or unions) that contribute to it, and the events behind each.

The contributions of all pages add up to the figure: both are C(F_k, t) of the same facts. The ledger sums its steps; this module computes
it again from the stored facts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID

from services.metrics.counted import BY_KIND, Aspect, Correction, Withdrawal, kind_of, kinds_of
from services.metrics.explaining.fact_sets import sets_known, sets_of
from services.metrics.figures import sql
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.scope import Scope, parts, standing
from services.metrics.folding.coverage import Cell
from shared.process.db import Record

CHUNK = 400
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
class Contribution:
    """One enterprise or union: its cell and what it adds: one count, or numerator and denominator of a rate."""

    subject: str
    name: str | None
    credit_code: str | None
    cell: Cell
    value: tuple[int, ...]


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
    """The next `limit` contributors in order of subject after `after`, and whether there are more."""
    parks = await _parks(snapshot, scope, measure, as_of, known_at)
    found: list[tuple[str, Cell, tuple[int, ...]]] = []
    while len(found) <= limit:
        rows = await sql.states(snapshot.conn, snapshot.generation, after, CHUNK, parks)
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
    """The parks in which the figure is not 0: only enterprises that were ever there can contribute."""
    found = await sql.by_key(snapshot.conn, snapshot.generation, "park", as_of, known_at, scope.parks)
    by_place = scope.by in ("district", "park")
    return [
        park
        for park, value in found.items()
        if park is not None and any(parts(value, measure)) and (not by_place or scope.holds((park, None, None, None)))
    ]


async def _named(snapshot: Snapshot, page: Sequence[tuple[str, Cell, tuple[int, ...]]]) -> list[Contribution]:
    names = await sql.names(snapshot.conn, snapshot.generation, [id_of(subject) for subject, _, _ in page])
    found = []
    for subject, cell, value in page:
        row = names.get(id_of(subject))
        found.append(Contribution(subject, row["name"] if row else None, row["credit_code"] if row else None, cell, value))
    return found


def id_of(subject: str) -> UUID:
    """The enterprise's or union's id."""
    return UUID(subject.partition("/")[2])


async def one(snapshot: Snapshot, scope: Scope, measure: str, as_of: date, known_at: date, subject: str) -> Contribution | None:
    """The contribution of one enterprise or union, also if it is 0; None if it is not in the scope."""
    stored = await sql.states_of(snapshot.conn, snapshot.generation, [subject])
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
        case _:
            return (row["source"], row["sequence"]) not in corrected
