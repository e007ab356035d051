"""Figures derived from the published ones, which pages show beside them: units without a union, completeness of headcounts, the two lags.

Each has a definition and a list of enterprises whose amounts add up to it, as published figures have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.metrics.explaining.contributors import Contribution, contributor, contributors
from services.metrics.figures import sql
from services.metrics.figures.definitions import PAGE
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.scope import Scope, contribution_on, counts_of
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
        return Contribution(subject, cell, amounts) if cell else None

    def _on(self, facts: FactSet, day: date) -> tuple[Cell | None, Amounts]:
        cell, value = contribution_on(facts, day, self.known_at)
        if cell is None or not self.scope.holds(cell):
            return None, self.derived.of(counts_of(0))
        return cell, self.derived.of(counts_of(value))


async def contributions(
    snapshot: Snapshot, query: DerivedQuery, after: str, limit: int, enterprise: UUID | None = None
) -> tuple[list[Contribution], bool]:
    """The next `limit` contributors after a subject, in order of subject, and whether there are more; or the one `enterprise`."""
    if enterprise is not None:
        return await contributor(snapshot, query.of, query.known_at, f"enterprise/{enterprise}"), False
    return await contributors(snapshot, query.of, query.known_at, await _parks(snapshot, query), after, limit)


async def _parks(snapshot: Snapshot, query: DerivedQuery) -> list[str] | None:
    """The parks that can have contributors. Over a year the changes in a park may cancel out, so all of the scope."""
    scope = query.scope
    if query.before is not None:
        return None if scope.parks is None else list(scope.parks)
    found = await sql.by_key(snapshot.conn, snapshot.generation, "park", query.as_of, query.known_at, scope.parks)
    return [park for park, value in found.items() if park is not None and any(query.derived.of(counts_of(value))) and scope.may_hold(park)]
