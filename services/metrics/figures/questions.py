"""Coverage as of a business day and as known at a day, read in one snapshot."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np

from services.metrics.figures.labels import label
from services.metrics.figures.rolled import rollups
from services.metrics.figures.rolled.rollups import Increments
from services.metrics.figures.scope import counts_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import figure_store
from services.metrics.figures.tree import UNKNOWN, Tree
from services.metrics.measures import INDEX, PUBLISHED, RATES, Vector, unpacked

ALL = "all"
BY = ("district", "park", "industry", "size", "ownership")


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate as numerator and denominator; `rate` is unrounded, None with the reason NO_BASE when `d` is 0."""

    n: int
    d: int

    @property
    def rate(self) -> float | None:
        return self.n / self.d if self.d else None

    @property
    def reason(self) -> str | None:
        return None if self.d else "NO_BASE"


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one group; `code` is `all` for the total."""

    code: str
    name: str
    figures: Vector

    @property
    def measures(self) -> dict[str, int]:
        """{measure: count}."""
        return counts_of(self.figures)

    @property
    def rates(self) -> dict[str, Rate]:
        """{name: rate} of all RATES."""
        counts = unpacked(self.figures)
        return {name: Rate(counts[INDEX[n]], counts[INDEX[d]]) for name, (n, d) in RATES.items()}


@dataclass(frozen=True, slots=True)
class CoverageResult:
    """`rows` by code without empty ones, none without `by`; `total` of the area."""

    as_of: date
    known_at: date
    area: str | None
    by: str | None
    rows: Sequence[Row]
    total: Row

    def figures(self, group: str | None) -> Vector:
        """The figures of one group; None: the total."""
        if self.by is None or group is None:
            return self.total.figures
        return sum(row.figures for row in self.rows if row.code == group)


async def coverage(
    snapshot: Snapshot, *, area: str | None = None, by: str | None = None, as_of: date, known_at: date, language: str = "zh"
) -> CoverageResult:
    """The figures of an area (None: of everything), grouped by one of BY. The caller's grant must have been checked."""
    tree = snapshot.areas.at(as_of, known_at)
    parks = None if area is None else tree.under(area)
    found = await rollups.by_key(snapshot.ledger, key_of(by), as_of, known_at, parks)
    sums: defaultdict[str, Vector] = defaultdict(int)
    for key, value in found.items():
        sums[tree.district(key) if by == "district" else key or UNKNOWN] += value
    rows = [Row(code, name_of(by, code, tree, language), value) for code, value in sorted(sums.items()) if not empty(value)] if by else []
    total = Row(ALL, tree.display_name(area) if area else label(ALL, ALL, language), sum(found.values()))
    return CoverageResult(as_of, known_at, area, by, rows, total)


def empty(value: Vector) -> bool:
    """Whether every published count is 0."""
    return not value or not any(unpacked(value)[: len(PUBLISHED)])


def name_of(by: str | None, code: str, tree: Tree, language: str) -> str:
    """The displayed name of a group."""
    if code == UNKNOWN:
        return label(UNKNOWN, UNKNOWN, language)
    return tree.display_name(code) if by in ("district", "park") else label(by or ALL, code, language)


def key_of(by: str | None) -> str:
    """The key of `figure_store.KEYS` whose figures the groups of one of BY sum."""
    return "park" if by is None or by == "district" else by


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a trend: {measure: count} of `figure_store.TREND` as of `day`."""

    day: date
    measures: Mapping[str, int]

    def rate(self, name: str) -> Rate:
        """One of RATES."""
        n, d = RATES[name]
        return Rate(self.measures[n], self.measures[d])


async def series(snapshot: Snapshot, *, parks: Collection[str], days: Sequence[date], known_at: date) -> dict[str, list[Point]]:
    """{park: its points as of each of `days` (ascending)} as known at one day, in one statement; parks without facts are left out."""
    found = await rollups.series(snapshot.ledger, days, known_at, parks)
    increments = sorted((park, steps) for park, steps in found.items() if park is not None and steps.any())
    return {park: _points(days, steps) for park, steps in increments}


def _points(days: Sequence[date], steps: Increments) -> list[Point]:
    sums = np.cumsum(steps, axis=0).tolist()
    return [Point(day, dict(zip(figure_store.TREND, row, strict=True))) for day, row in zip(days, sums, strict=True)]


def month_ends(until: date, months: int) -> list[date]:
    """The ends of the `months` - 1 months before that of `until`, and `until` itself, ascending."""
    first = until.replace(day=1)
    ends = [until]
    for _ in range(months - 1):
        last = first - timedelta(days=1)
        ends.append(last)
        first = last.replace(day=1)
    return ends[::-1]
