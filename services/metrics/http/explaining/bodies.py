"""Builds the bodies of explanations, changes and enterprises; the models of `schemas` document them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, assert_never
from uuid import UUID

from services.metrics.explaining.changes import Share
from services.metrics.explaining.contributors import Contribution
from services.metrics.explaining.explain import Behind, Figure, Lag
from services.metrics.explaining.measures import TIME_TO_FOUND, measure_of
from services.metrics.explaining.timeline import Enterprise
from services.metrics.explaining.unions import union_names
from services.metrics.explaining.waits import Waits
from services.metrics.figures.labels import reason_text
from services.metrics.figures.questions import Rate
from services.metrics.figures.scope import counts_of
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.visibility import Row
from services.metrics.http.bodies import rate_body, waits_body
from services.metrics.measures import Vector

CELL = ("park", "industry", "size", "ownership")
WAITED = ("founded", "waiting", "days")
EVENT_COLUMNS = ("type", "source", "subject", "sequence", "occurred_on", "recorded_at", "actor", "reason")


def figure_body(figure: Figure) -> Any:
    """A count, a rate, or waits."""
    match figure:
        case int():
            return figure
        case Rate():
            return rate_body(figure)
        case Lag():
            return rate_body(figure.rate)
        case Waits():
            return waits_body(figure)
        case other:
            assert_never(other)


def columns_of(measure: str) -> tuple[str, ...]:
    """The names of a contribution's amounts."""
    return WAITED if measure == TIME_TO_FOUND else measure_of(measure).columns


def contribution_body(one: Contribution, measure: str) -> dict[str, Any]:
    """The fields of `ContributionAnswer`."""
    form = None if measure == TIME_TO_FOUND else measure_of(measure).form
    parts = dict(zip(("numerator", "denominator"), one.amounts, strict=False))
    return {
        "id": None if one.hidden else one.subject.partition("/")[2],
        "subject": None if one.hidden else one.subject,
        "name": one.name,
        "credit_code": one.credit_code,
        **dict(zip(CELL, one.cell, strict=True)),
        "workers": one.workers,
        "days_waited": one.days,
        "contribution": one.amounts[0] if form == "count" else parts if form == "rate" else None,
        "amounts": dict(zip(columns_of(measure), one.amounts, strict=True)),
    }


def event_body(row: Row, language: str) -> dict[str, Any]:
    """The fields of `EventAnswer` from a row of `facts`."""
    text = reason_text(row["type"], row["reason"], language)
    return {"id": row["event_id"], **{name: row[name] for name in EVENT_COLUMNS}, "reason_text": text}


async def behind_bodies(snapshot: Snapshot, found: Sequence[Behind], language: str) -> list[dict[str, Any]]:
    """The fields of `BehindAnswer` of several events."""
    unions = {id(one): union for one in found if (union := union_of(one.row["says"])) is not None}
    names = await union_names(snapshot, unions.values())
    return [
        {
            **event_body(one.row, language),
            "in_force": one.in_force,
            "says": one.row["says"],
            "union_name": names.get(unions[id(one)]) if id(one) in unions else None,
        }
        for one in found
    ]


def union_of(says: Mapping[str, Any] | None) -> UUID | None:
    """The union that a fact names; of a correction, the one that now holds."""
    if says and isinstance(says.get("replacement"), Mapping):
        says = says["replacement"].get("says")
    union = (says or {}).get("union_id")
    return UUID(union) if union else None


def enterprise_body(found: Enterprise) -> dict[str, Any]:
    """The fields of `EnterpriseAnswer` but for its basis."""
    return {
        "id": found.id,
        "name": found.name,
        "credit_code": found.credit_code,
        "park": found.park,
        "unions": [
            {"id": one.covering.union, "name": one.name, "kind": one.covering.kind, "since": one.covering.since} for one in found.unions
        ],
        "left_out": 0,
        "without_union_since": found.waiting_since,
        "days_waited": found.days_waited,
        "counts": found.counts,
    }


def share_body(share: Share, measure: str | None, language: str) -> dict[str, Any]:
    """The fields of `ShareAnswer`."""
    event = event_body(share.event, language) if share.event is not None else None
    if event is not None and share.hidden:
        event["subject"] = None
    before, after = counts_compared(share.before, measure), counts_compared(share.after, measure)
    measures = {
        name: {"before": value, "after": after[name], "delta": after[name] - value}
        for name, value in before.items()
        if value != after[name]
    }
    names = {"subject": None if share.hidden else share.subject, "name": share.name, "credit_code": share.credit_code}
    return {"kind": share.kind, **names, "event": event, "measures": measures}


def counts_compared(value: Vector, measure: str | None) -> dict[str, int]:
    """{name: count} of all counts, or of those that make up one figure."""
    counts = counts_of(value)
    return counts if measure is None else dict(zip(measure_of(measure).columns, measure_of(measure).of(counts), strict=True))
