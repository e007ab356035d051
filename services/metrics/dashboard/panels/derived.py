"""Figures derived from the published ones, which pages show beside them: units without a union, completeness of headcounts, the two lags.

Each has a definition and a list of enterprises whose amounts add up to it, as published figures have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from uuid import UUID

from services.metrics.explaining.explain import CHUNK, Contribution, id_of
from services.metrics.explaining.fact_sets import sets_known, sets_of
from services.metrics.figures import sql
from services.metrics.figures.definitions import PAGE
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.scope import Scope, counts_of, standing
from services.metrics.folding.coverage import Cell
from services.metrics.folding.facts import FactSet

Amounts = tuple[int, ...]
Counts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Derived:
    """`of` computes one count, or the numerator and denominator of a share, from the counts of an enterprise or a group. `columns` name these
    amounts: keys of definitions or of the catalogue. `over_a_year`: the amounts of the day less those of twelve months before."""

    of: Callable[[Counts], Amounts]
    columns: tuple[str, ...]
    formula: str
    over_a_year: bool = False
    source: str = PAGE


DERIVED: Mapping[str, Derived] = {
    "units_without_union_all": Derived(
        lambda c: (c["should_organise_all"] - c["covered_all"],), ("explain.counts",), "should_organise_all - covered_all"
    ),
    "units_without_union_ge25": Derived(
        lambda c: (c["should_organise_ge25"] - c["covered_ge25"],), ("explain.counts",), "should_organise_ge25 - covered_ge25"
    ),
    "units_headcount_unknown": Derived(
        lambda c: (c["units"] - c["units_headcount_known"],), ("explain.counts",), "units - units_headcount_known"
    ),
    "headcount_completeness": Derived(
        lambda c: (c["units_headcount_known"] - c["units_headcount_stale"], c["units"]),
        ("derived.headcount_current", "units"),
        "(units_headcount_known - units_headcount_stale) / units",
    ),
    "founding_lag": Derived(
        lambda c: (c["covered_all"], c["units"]), ("covered_all", "units"), "growth(covered_all) - growth(units)", over_a_year=True
    ),
    "joining_lag": Derived(
        lambda c: (c["members"], c["workers"]), ("members", "workers"), "growth(members) - growth(workers)", over_a_year=True
    ),
}


@dataclass(frozen=True, slots=True)
class DerivedQuery:
    """A derived figure in a scope on a day; `before`: twelve months earlier, only for figures over a year."""

    derived: Derived
    scope: Scope
    as_of: date
    known_at: date
    before: date | None = None

    def of(self, subject: str, facts: FactSet) -> Contribution | None:
        """The contribution of one set of facts; None if it lies outside the scope on the day, and before. Its cell is the later of the two."""
        cell, amounts = self._on(facts, self.as_of)
        if self.before is not None:
            cell_before, amounts_before = self._on(facts, self.before)
            cell = cell or cell_before
            amounts = tuple(now - then for now, then in zip(amounts, amounts_before, strict=True))
        return Contribution(subject, None, None, cell, amounts) if cell else None

    def _on(self, facts: FactSet, day: date) -> tuple[Cell | None, Amounts]:
        cell, value = standing(facts, day, self.known_at)
        if cell is None or not self.scope.holds(cell):
            return None, self.derived.of(counts_of(0))
        return cell, self.derived.of(counts_of(value))


async def contributions(
    snapshot: Snapshot, query: DerivedQuery, after: str, limit: int, enterprise: UUID | None = None
) -> tuple[list[Contribution], bool]:
    """The next `limit` contributors after a subject, in order of subject, and whether there are more; or the one `enterprise`."""
    conn, generation, parks = snapshot.conn, snapshot.generation, await _parks(snapshot, query)
    if enterprise is not None:
        subject = f"enterprise/{enterprise}"
        sets = await sets_known(snapshot, await sql.states_of(conn, generation, [subject]), query.known_at)
        one = query.of(subject, sets[subject]) if subject in sets else None
        return await _named(snapshot, [one] if one else []), False
    found: list[Contribution] = []
    while len(found) <= limit:
        rows = await sql.states(conn, generation, after, CHUNK, parks)
        made = (query.of(subject, facts) for subject, facts in (await sets_of(snapshot, rows, query.known_at)).items())
        found += [one for one in made if one is not None and any(one.value)]
        if len(rows) < CHUNK:
            break
        after = rows[-1]["subject"]
    return await _named(snapshot, found[:limit]), len(found) > limit


async def _named(snapshot: Snapshot, page: Sequence[Contribution]) -> list[Contribution]:
    names = await sql.names(snapshot.conn, snapshot.generation, [id_of(one.subject) for one in page])
    return [
        replace(one, name=names[key]["name"], credit_code=names[key]["credit_code"]) if (key := id_of(one.subject)) in names else one
        for one in page
    ]


async def _parks(snapshot: Snapshot, query: DerivedQuery) -> list[str] | None:
    """The parks that can have contributors. Over a year the changes in a park may cancel out, so all of the scope."""
    scope = query.scope
    if query.before is not None:
        return None if scope.parks is None else list(scope.parks)
    found = await sql.by_key(snapshot.conn, snapshot.generation, "park", query.as_of, query.known_at, scope.parks)
    return [
        park
        for park, value in found.items()
        if park is not None
        and any(query.derived.of(counts_of(value)))
        and (scope.by not in ("district", "park") or scope.holds((park, None, None, None)))
    ]
