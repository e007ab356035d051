"""What the routes take and answer. Answers are written from plain values (`bodies`); these models document them (OpenAPI)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from services.metrics.folding.measures import MEASURES, RATES
from shared.http.forms import AreaCode, Day

By: TypeAlias = Literal["district", "park", "industry", "size", "ownership"]
Area = Annotated[AreaCode | None, Query(description="A division or park; left out: everything, which a limited token may not ask.")]
AsOf = Annotated[Day | None, Query(description="The business day; today by default.")]
KnownAt = Annotated[Day | None, Query(description="As known at the end of this day; today by default.")]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(description="The `next` of the page before.")]
Measure = Annotated[str, Query(json_schema_extra={"enum": [*MEASURES, *RATES]}, description="A count or a rate.")]


class RateAnswer(BaseModel):
    """A rate; null with the reason NO_BASE when `denominator` is 0."""

    numerator: int
    denominator: int
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

    numerator: int
    denominator: int


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
    """An event behind a contribution; `in_force` is false if a later one corrected or withdrew it, and of a withdrawal. `says`: what of it counts."""

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
