"""What the routes take and answer. Answers are written from plain values (`bodies`); these models document them (OpenAPI)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, TypeAlias

from fastapi import Query
from pydantic import BaseModel

from shared.http.forms import AreaCode, Day

By: TypeAlias = Literal["district", "park", "industry", "size", "ownership"]
Area = Annotated[AreaCode | None, Query(description="A division or park; left out: everything, which a limited token may not ask.")]
AsOf = Annotated[Day | None, Query(description="The business day; today by default.")]
KnownAt = Annotated[Day | None, Query(description="As known at the end of this day; today by default.")]
Limit = Annotated[int, Query(ge=1, le=500)]
After = Annotated[str | None, Query(description="The `next` of the page before.")]


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
