"""What the routes take and answer. Answers are written from plain values; these models document them (OpenAPI)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.metrics.changes import Change
from services.metrics.coverage import RULE_VERSION
from services.metrics.explain import Behind, Contribution
from services.metrics.measures import INDEX, MEASURES, PUBLISHED, RATES, Vector, unpacked
from services.metrics.questions import Answer, Rate, Row, Snapshot
from services.metrics.scope import parts
from services.metrics.survival import Step
from services.metrics.tree import Area as AreaOfTree
from services.metrics.tree import Tree
from services.metrics.waits import Waits
from shared.db import Record
from shared.forms import AreaCode, Day

By: TypeAlias = Literal["district", "park", "industry", "size", "ownership"]
Area = Annotated[AreaCode | None, Query(description="A division or park; left out: everything, which a limited token may not ask.")]
AsOf = Annotated[Day | None, Query(description="The business day; today by default.")]
KnownAt = Annotated[Day | None, Query(description="As known at the end of this day; today by default.")]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(description="The `next` of the page before.")]
Measure = Annotated[str, Query(json_schema_extra={"enum": [*MEASURES, *RATES]}, description="A count or a rate.")]


class RateAnswer(BaseModel):
    """A rate; null with the reason NO_BASE when `d` is 0."""

    n: int
    d: int
    rate: float | None
    reason: Literal["NO_BASE"] | None


class RowAnswer(BaseModel):
    """The figures of one group; `area` is its code, `all` in the last row."""

    area: str
    name: str
    units: int
    units_headcount_known: int
    units_headcount_stale: int
    should_organise_all: int
    covered_all: int
    should_organise_ge25: int
    covered_ge25: int
    covered_units: int
    workers: int
    members: int
    members_headcount_unknown: int
    workers_unionised: int
    members_unionised: int
    unit_founding_rate_all: RateAnswer
    unit_founding_rate_ge25: RateAnswer
    worker_joining_rate_all: RateAnswer
    worker_joining_rate_unionised: RateAnswer


class Basis(BaseModel):
    """What every answer rests on. `provisional` lists why the figures may still change; empty: they are final, since they are known at
    `closed_day` or before (null: no day is closed yet)."""

    as_of: date
    known_at: date
    provisional: list[str]
    closed_day: date | None
    rule_version: str
    fold_version: int


class CoverageAnswer(Basis):
    """Rows by code, empty ones left out, the total last."""

    rows: list[RowAnswer]


class WaitsAnswer(BaseModel):
    """The waits of one group; `area` is its code, `all` in the last row. Days are calendar days; `median_lower` and `median_upper` are the
    interval of 95 %. A median that is null is not reached (NOT_REACHED: more than half are waiting still), or there is nobody (NO_BASE)."""

    area: str
    name: str
    founded: int
    waiting: int
    median: int | None
    median_lower: int | None
    median_upper: int | None
    reason: Literal["NO_BASE", "NOT_REACHED"] | None


class DurationsAnswer(Basis):
    """Rows by code, empty ones left out, the total last."""

    rows: list[WaitsAnswer]


class StepAnswer(BaseModel):
    """One day of the curve: of `at_risk`, `founded` on it, and `censored` known to wait no further than it; `survival` after it."""

    day: int
    at_risk: int
    founded: int
    censored: int
    survival: float


class CurveAnswer(Basis):
    """One row and its curve by day, one step for each day on which somebody leaves."""

    area: str | None
    by: By | None
    group: str | None
    row: WaitsAnswer
    steps: list[StepAnswer]


class NumeratorAndDenominator(BaseModel):
    """What one enterprise adds to a rate."""

    n: int
    d: int


class EventAnswer(BaseModel):
    """One event as its source published it, without its personal side."""

    id: UUID
    type: str
    source: str
    subject: str
    sequence: int
    occurred_on: date
    recorded_at: datetime


class BehindAnswer(EventAnswer):
    """An event behind a contribution; `in_force` is false if a later one corrected it. `says`: what of it counts."""

    in_force: bool
    says: dict[str, Any] | None


class ContributionAnswer(BaseModel):
    """One enterprise (or union); the contributions of all pages add up to the figure."""

    id: UUID
    subject: str
    name: str | None
    credit_code: str | None
    park: str | None
    industry: str | None
    size: str | None
    ownership: str | None
    contribution: int | NumeratorAndDenominator


class ExplainAnswer(Basis):
    """What makes a figure up; `events` only with `enterprise=`."""

    area: str | None
    by: By | None
    group: str | None
    measure: str
    figure: int | RateAnswer
    items: list[ContributionAnswer]
    events: list[BehindAnswer] | None = None
    next: str | None


class ShareAnswer(BaseModel):
    """One event's share of a change: per measure the enterprise's contribution before and after it."""

    kind: Literal["new", "late", "correction", "move", "area"]
    subject: str
    name: str | None
    event: EventAnswer | None
    measures: dict[str, dict[str, int]]


class ChangesAnswer(BaseModel):
    """Why figures changed between two days of knowledge; the deltas of all pages add up to `delta`."""

    as_of: date
    known_from: date
    known_to: date
    provisional: list[str]
    closed_day: date | None
    rule_version: str
    fold_version: int
    area: str | None
    measure: str | None
    before: dict[str, int]
    after: dict[str, int]
    delta: dict[str, int]
    items: list[ShareAnswer]
    next: str | None


class AreaAnswer(BaseModel):
    """One area of today's tree. `name` is what pages show: the parent's where the area is only a level."""

    code: str
    name: str
    kind: Literal["division", "park"]
    parent: str | None
    level: bool
    children: int


class AreasAnswer(BaseModel):
    """The areas directly in one, by code; `path` leads to it from the root."""

    path: list[AreaAnswer]
    items: list[AreaAnswer]


class DefinitionAnswer(BaseModel):
    """What a figure means."""

    measure: str
    name_zh: str
    name_en: str
    text_zh: str
    text_en: str
    formula: str
    source: str
    rate: bool


class DefinitionsAnswer(BaseModel):
    """All of them, under one version of the rules."""

    rule_version: str
    fold_version: int
    items: list[DefinitionAnswer]


def basis(snapshot: Snapshot, **days: date) -> dict[str, Any]:
    """The fields of `Basis`, with the days of the question: figures are as final as the latest day at which they are known."""
    known = max(day for name, day in days.items() if name.startswith("known"))
    finality = snapshot.finality
    return {
        **days,
        "provisional": finality.provisional(known),
        "closed_day": finality.closed_day,
        "rule_version": RULE_VERSION,
        "fold_version": snapshot.fold_version,
    }


def coverage_body(snapshot: Snapshot, answer: Answer) -> dict[str, Any]:
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
    return {"n": rate.n, "d": rate.d, "rate": rate.rate, "reason": rate.reason}


def figure_body(value: Vector, measure: str) -> Any:
    """A count, or a rate."""
    amount = parts(value, measure)
    return rate_body(Rate(*amount)) if measure in RATES else amount[0]


def contribution_body(found: Contribution) -> dict[str, Any]:
    """The fields of `ContributionAnswer`."""
    park, industry, size, ownership = found.cell
    value = found.value
    return {
        "id": found.subject.partition("/")[2],
        "subject": found.subject,
        "name": found.name,
        "credit_code": found.credit_code,
        "park": park,
        "industry": industry,
        "size": size,
        "ownership": ownership,
        "contribution": value[0] if len(value) == 1 else {"n": value[0], "d": value[1]},
    }


def event_body(row: Record) -> dict[str, Any]:
    """The fields of `EventAnswer`, of a row of `facts`."""
    return {
        "id": row["event_id"],
        "type": row["type"],
        "source": row["source"],
        "subject": row["subject"],
        "sequence": row["sequence"],
        "occurred_on": row["occurred_on"],
        "recorded_at": row["recorded_at"],
    }


def behind_body(behind: Behind) -> dict[str, Any]:
    """The fields of `BehindAnswer`."""
    return {**event_body(behind.row), "in_force": behind.in_force, "says": behind.row["says"]}


def share_body(change: Change, measure: str | None) -> dict[str, Any]:
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
    """{measure: count}: all of them, or those that one measure or rate is made of."""
    names = MEASURES if measure is None else RATES.get(measure, (measure,))
    counts = unpacked(value)
    return {name: counts[INDEX[name]] for name in names}


def area_body(tree: Tree, area: AreaOfTree) -> dict[str, Any]:
    """The fields of `AreaAnswer`."""
    return {
        "code": area.code,
        "name": tree.shown(area.code),
        "kind": area.kind,
        "parent": area.parent,
        "level": area.level,
        "children": len(tree.children(area.code)),
    }


def waits_body(row: Waits) -> dict[str, Any]:
    """The fields of `WaitsAnswer`."""
    founded, waiting = row.numbers
    found, reason = row.median()
    return {
        "area": row.code,
        "name": row.name or row.code,
        "founded": founded,
        "waiting": waiting,
        "median": found.days,
        "median_lower": found.lower,
        "median_upper": found.upper,
        "reason": reason,
    }


def step_body(step: Step) -> dict[str, Any]:
    """The fields of `StepAnswer`."""
    survival = round(step.survival, 6)
    return {"day": step.day, "at_risk": step.at_risk, "founded": step.founded, "censored": step.censored, "survival": survival}
