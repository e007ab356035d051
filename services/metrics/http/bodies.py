"""Builds the bodies of answers as plain values; the models of `schemas` document them."""

from __future__ import annotations

from datetime import date
from typing import Any

from starlette.responses import Response

from services.metrics.explaining.changes import Share
from services.metrics.explaining.contributors import Contribution
from services.metrics.explaining.explain import Behind
from services.metrics.explaining.waits import Waits
from services.metrics.figures.questions import CoverageResult, Rate, Row, Snapshot
from services.metrics.figures.scope import parts
from services.metrics.figures.survival import Step
from services.metrics.figures.tree import Area, Tree
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.folding.measures import INDEX, MEASURES, PUBLISHED, RATES, Vector, unpacked
from shared.http.answers import json_response
from shared.process.db import Record

VERSION_HEADER = "X-Parkunion-Version"


def basis(snapshot: Snapshot, **days: date) -> dict[str, Any]:
    """The fields of `Basis`, with the days of the question; finality is that of the latest known day."""
    known = max(day for name, day in days.items() if name.startswith("known"))
    finality = snapshot.finality
    return {
        **days,
        "provisional": finality.provisional(known),
        "closed_day": finality.closed_day,
        "rule_version": RULE_VERSION,
        "fold_version": snapshot.fold_version,
    }


def page(snapshot: Snapshot, body: dict[str, Any]) -> Response:
    """An answer with the snapshot's version vector in its header."""
    return json_response(body, headers={VERSION_HEADER: snapshot.version, "Vary": "Accept-Language"})


def coverage_body(snapshot: Snapshot, answer: CoverageResult) -> dict[str, Any]:
    """The fields of `CoverageAnswer`."""
    rows = [row_body(row) for row in (*answer.rows, answer.total)]
    return {**basis(snapshot, as_of=answer.as_of, known_at=answer.known_at), "rows": rows}


def row_body(row: Row) -> dict[str, Any]:
    """The fields of `RowAnswer`."""
    counts = unpacked(row.figures)
    return {
        "area": row.code,
        "name": row.name,
        **{name: counts[INDEX[name]] for name in PUBLISHED},
        **{name: rate_body(rate) for name, rate in row.rates.items()},
    }


def rate_body(rate: Rate) -> dict[str, Any]:
    """The fields of `RateAnswer`."""
    return {**_fraction(rate.n, rate.d), "rate": rate.rate, "reason": rate.reason}


def _fraction(numerator: int, denominator: int) -> dict[str, int]:
    return {"numerator": numerator, "denominator": denominator}


def figure_body(value: Vector, measure: str) -> Any:
    """A count, or a rate."""
    amount = parts(value, measure)
    return rate_body(Rate(*amount)) if measure in RATES else amount[0]


def contribution_body(contribution: Contribution) -> dict[str, Any]:
    """The fields of `ContributionAnswer`."""
    value = contribution.value
    return {
        "id": contribution.subject.partition("/")[2],
        "subject": contribution.subject,
        "name": contribution.name,
        "credit_code": contribution.credit_code,
        **dict(zip(("park", "industry", "size", "ownership"), contribution.cell, strict=True)),
        "contribution": value[0] if len(value) == 1 else _fraction(*value),
    }


def event_body(row: Record) -> dict[str, Any]:
    """The fields of `EventAnswer` from a row of `facts`."""
    columns = ("type", "source", "subject", "sequence", "occurred_on", "recorded_at")
    return {"id": row["event_id"], **{name: row[name] for name in columns}}


def behind_body(behind: Behind) -> dict[str, Any]:
    """The fields of `BehindAnswer`."""
    return {**event_body(behind.row), "in_force": behind.in_force, "says": behind.row["says"]}


def share_body(change: Share, measure: str | None) -> dict[str, Any]:
    """The fields of `ShareAnswer`."""
    event = event_body(change.event) if change.event is not None else None
    before, after = counts_of(change.before, measure), counts_of(change.after, measure)
    measures = {
        name: {"before": value, "after": after[name], "delta": after[name] - value}
        for name, value in before.items()
        if value != after[name]
    }
    return {"kind": change.kind, "subject": change.subject, "name": change.name, "event": event, "measures": measures}


def counts_of(value: Vector, measure: str | None) -> dict[str, int]:
    """{measure: count} of all measures, or of those that make up one measure or rate."""
    names = MEASURES if measure is None else RATES.get(measure, (measure,))
    counts = unpacked(value)
    return {name: counts[INDEX[name]] for name in names}


def area_body(tree: Tree, area: Area) -> dict[str, Any]:
    """The fields of `AreaAnswer`."""
    return {
        "code": area.code,
        "name": tree.display_name(area.code),
        "kind": area.kind,
        "parent": area.parent,
        "level": area.level,
        "children": len(tree.children(area.code)),
    }


def waits_body(row: Waits) -> dict[str, Any]:
    """The fields of `WaitsAnswer`."""
    founded, waiting = row.numbers
    median, reason = row.median()
    return {
        "area": row.code,
        "name": row.name or row.code,
        "founded": founded,
        "waiting": waiting,
        "median": median.days,
        "median_lower": median.lower,
        "median_upper": median.upper,
        "reason": reason,
    }


def step_body(step: Step) -> dict[str, Any]:
    """The fields of `StepAnswer`."""
    survival = round(step.survival, 6)
    return {"day": step.day, "at_risk": step.at_risk, "founded": step.founded, "censored": step.censored, "survival": survival}
