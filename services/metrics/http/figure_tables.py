"""Figures as tables for CSV: coverage by row, waits by row, the steps of a survival curve, and an area month by month."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from services.metrics.explaining.findings import Concerned
from services.metrics.explaining.waits import Waits
from services.metrics.figures.questions import Point, Row
from services.metrics.figures.stores.figure_store import TREND
from services.metrics.figures.survival import Step
from services.metrics.figures.tree import Tree
from services.metrics.http.tables import Row as Line
from services.metrics.http.tables import Table
from services.metrics.measures import PUBLISHED, RATES

OF_WAITS = ("founded", "waiting", "median", "median_lower", "median_upper", "reason")
OF_STEP = ("day", "at_risk", "founded", "censored", "survival", "survival_low", "survival_high")


def coverage_table(rows: Sequence[Row], basis: Mapping[str, Any]) -> Table:
    """The rows of a coverage answer, the total among them."""
    return Table(("area", "name", *PUBLISHED, *RATES), map(_coverage, rows), flat(basis), frozenset(RATES))


def _coverage(row: Row) -> Line:
    counts = row.measures
    return {"area": row.code, "name": row.name, **{name: counts[name] for name in PUBLISHED}, **row.rates}


def findings_table(found: Sequence[Concerned], tree: Tree, basis: Mapping[str, Any]) -> Table:
    """The enterprises with a finding."""
    rows = (
        {
            "id": None if one.hidden else one.subject.partition("/")[2],
            "name": one.name,
            "credit_code": one.credit_code,
            "park": one.cell[0],
            "park_name": tree.display_name(one.cell[0]) if one.cell[0] else None,
            "members": one.members,
            "workers": one.workers,
        }
        for one in found
    )
    return Table(("id", "name", "credit_code", "park", "park_name", "members", "workers"), rows, flat(basis))


def durations_table(rows: Sequence[Waits], basis: Mapping[str, Any]) -> Table:
    """The rows of an answer about the time to found."""
    return Table(("area", "name", *OF_WAITS), map(_waits, rows), flat(basis))


def _waits(row: Waits) -> Line:
    founded, waiting = row.numbers
    median, reason = row.median()
    days = (median.days, median.lower, median.upper)
    return {"area": row.code, "name": row.name or row.code, **dict(zip(OF_WAITS, (founded, waiting, *days, reason), strict=True))}


def curve_table(steps: Sequence[Step], basis: Mapping[str, Any]) -> Table:
    """Every step of a survival curve; shares to six decimals."""
    return Table(OF_STEP, map(_step, steps), flat(basis))


def _step(step: Step) -> Line:
    shares = (f"{share:.6f}" for share in (step.survival, step.low, step.high))
    return dict(zip(OF_STEP, (*step[:4], *shares), strict=True))


def trend_table(points: Sequence[Point], basis: Mapping[str, Any]) -> Table:
    """An area month by month."""
    return Table(("month_end", *TREND, *RATES), map(_point, points), flat(basis), frozenset(RATES))


def _point(point: Point) -> Line:
    return {"month_end": point.day, **{name: point.measures[name] for name in TREND}, **{name: point.rate(name) for name in RATES}}


def flat(basis: Mapping[str, Any]) -> dict[str, Any]:
    """The basis of an answer as columns."""
    return {**basis, "provisional": " ".join(basis["provisional"])}
