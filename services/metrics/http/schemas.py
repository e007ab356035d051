"""What the routes take and answer. Answers are written from plain values (`bodies`); these models document them (OpenAPI)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal, TypeAlias
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field

from services.metrics.figures.definitions import DEFINITIONS
from services.metrics.figures.findings import Finding
from services.metrics.folding.coverage import RULE_VERSION
from services.metrics.folding.measures import MEASURES, RATES
from shared.http.forms import AreaCode, Day, Id
from shared.http.openapi import adding
from shared.http.pages import AFTER, LIMIT

By: TypeAlias = Literal["district", "park", "industry", "size", "ownership"]
AREA = "A division or park; left out: everything, which a limited token may not ask."
GROUPS = "What the rows are groups by; left out: the total alone."
Area = Annotated[AreaCode | None, Query(description=AREA, examples=["330200"], json_schema_extra=adding(UNKNOWN_AREA=404))]
Grouping = Annotated[By | None, Query(description=GROUPS, examples=["park"])]
Group = Annotated[str | None, Query(max_length=64, description="With `by`: the row's `area`.", examples=["330200-P001"])]
AsOf = Annotated[Day | None, Query(description="The business day; today by default.", examples=["2026-06-30"])]
KnownAt = Annotated[Day | None, Query(description="As known at the end of this day; today by default.", examples=["2026-06-30"])]
Limit = Annotated[int, Query(ge=1, le=500, description=LIMIT, examples=[100])]
After = Annotated[str | None, Query(description=AFTER, examples=[None])]
OneEnterprise = Annotated[
    Id | None,
    Query(
        description="Only this one (for `unions`: this union), and the events behind it.",
        examples=["01938c5e-7f00-7000-8000-0000000000e1"],
        json_schema_extra=adding(UNKNOWN_ENTERPRISE=404),
    ),
]
AN_AREA = "The code of the area asked about; null: everything."
EVERY_ROW = "Its code: of a division, park, industry, size or ownership; empty: unknown; `all`: the total, which is the last row."


def by_definition(schema: dict[str, Any]) -> None:
    """Describe the fields that are figures by their definitions, with their unit."""
    for name, field in schema["properties"].items():
        if name in DEFINITIONS:
            unit = "" if name in RATES else " In persons." if name.startswith(("workers", "members")) else " In enterprises."
            field.setdefault("description", f"{DEFINITIONS[name].text_en}{unit}")
            if name in MEASURES:
                field.setdefault("examples", [12])


class RateAnswer(BaseModel):
    """A rate: never without what it is made of."""

    numerator: int = Field(description="Enterprises, or in a rate of joining persons, that have it.", examples=[12])
    denominator: int = Field(description="Those that could have it.", examples=[30])
    rate: float | None = Field(description="The numerator over the denominator, not rounded; null where that is 0.", examples=[0.4])
    reason: Literal["NO_BASE"] | None = Field(description="Why there is no rate: the denominator is 0; else null.", examples=[None])


class RowFinding(BaseModel):
    """Something odd about the data of one row."""

    code: Finding = Field(description="What it is.", examples=["MEMBERS_OVER_WORKERS"])
    count: int = Field(description="How many enterprises of the row have it.", examples=[1])


class RowAnswer(BaseModel):
    """The figures of one group."""

    model_config = ConfigDict(json_schema_extra=by_definition)

    area: str = Field(description=EVERY_ROW, examples=["330200-P001"])
    name: str = Field(description="Its name, in the language of Accept-Language where it has two.", examples=["示例产业园"])
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
    findings: list[RowFinding] = Field(description="What is odd about the data of the row.")


class Basis(BaseModel):
    """What every answer rests on."""

    as_of: date = Field(description="The business day of the figures.", examples=["2026-06-30"])
    known_at: date = Field(description="They are as known at the end of this day.", examples=["2026-06-30"])
    provisional: list[str] = Field(
        description="Why the figures may still change, as codes (docs/ledger.md); empty: they are final. FUTURE: an outlook.",
        examples=[["DAY_NOT_CLOSED"]],
    )
    closed_day: date | None = Field(
        description="Figures known at this day or before never change again; null: no day is closed yet.", examples=["2026-06-29"]
    )
    rule_version: str = Field(description="The version of the definitions.", examples=[RULE_VERSION])
    fold_version: int = Field(description="The version of the program that counts.", examples=[2])


class FindingAnswer(BaseModel):
    """Something odd about the data behind the total. It changes no figure."""

    code: Finding = Field(description="What it is.", examples=["MEMBERS_OVER_WORKERS"])
    count: int = Field(description="How many enterprises have it.", examples=[1])
    members: int = Field(description="Their members, in persons; 0 where the figures do not say.", examples=[5])
    workers: int = Field(description="Their workers, in persons; 0 where the figures do not say.", examples=[2])
    name: str = Field(description="Its name, in the language of Accept-Language.", examples=["会员多于职工"])
    text: str = Field(
        description="A sentence with the numbers, in the language of Accept-Language.",
        examples=["1 家单位会员多于职工（会员 5 人，职工 2 人）"],
    )
    list: str = Field(
        description="The address of the enterprises, relative to this service.",
        examples=["/v1/coverage/findings/MEMBERS_OVER_WORKERS?area=330200&as_of=2026-06-30&known_at=2026-06-30"],
    )


class CoverageAnswer(Basis):
    """Figures of an area, by group and in total."""

    rows: list[RowAnswer] = Field(description="By code, empty ones left out; the total is the last one.")
    left_out: int = Field(description="Rows that are left out: none, the answer is complete.", examples=[0])
    findings: list[FindingAnswer] = Field(description="What is odd about the data behind the total.")


class ConcernedAnswer(BaseModel):
    """One enterprise with a finding."""

    id: UUID | None = Field(description="The enterprise; null: hidden.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    subject: str | None = Field(description="Its stream; null: hidden.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
    name: str | None = Field(description="Its name; null where the caller may not know it.", examples=["示例精密机械有限公司"])
    credit_code: str | None = Field(description="Its unified social credit code, if it has one.", examples=[None])
    hidden: bool = Field(
        description="By now it is known to have been outside the caller's areas that day: it counts and is not named.", examples=[False]
    )
    park: str | None = Field(description="The park in which it counts.", examples=["330200-P001"])
    industry: str | None = Field(description="Its industry (GB/T 4754-2017); null: unknown.", examples=["C35"])
    size: str | None = Field(description="Its size class; null: unknown.", examples=["small"])
    ownership: str | None = Field(description="Its ownership; null: unknown.", examples=["170"])
    members: int = Field(description="Its members, in persons.", examples=[5])
    workers: int | None = Field(description="Its workers by the last headcount, in persons; null: never reported.", examples=[2])


class ConcernedListAnswer(Basis):
    """The enterprises with one finding: the most members over workers first, then the largest."""

    area: str | None = Field(description="The area asked about; null: everything.", examples=["330200"])
    by: By | None = Field(description="What `group` is a group of.", examples=["park"])
    group: str | None = Field(description="The group asked about.", examples=["330200-P001"])
    code: Finding = Field(description="The finding.", examples=["MEMBERS_OVER_WORKERS"])
    name: str = Field(description="Its name, in the language of Accept-Language.", examples=["会员多于职工"])
    what_to_do: str = Field(description="What to do about it, in the language of Accept-Language.", examples=["请核对职工人数是否过期。"])
    count: int = Field(description="How many enterprises have it, on all pages.", examples=[1])
    items: list[ConcernedAnswer] = Field(description="The enterprises of this page.")
    next: str | None = Field(description="`after` of the next page; null: this is the last.", examples=[None])


class WaitsAnswer(BaseModel):
    """How long the enterprises of one group waited for their first union (Kaplan–Meier)."""

    area: str = Field(description=EVERY_ROW, examples=["330200-P001"])
    name: str = Field(description="Its name, in the language of Accept-Language where it has two.", examples=["示例产业园"])
    founded: int = Field(description="Enterprises that have or had a union.", examples=[12])
    waiting: int = Field(description="Enterprises that wait still.", examples=[18])
    median: int | None = Field(
        description="The day on which half have a union, in calendar days from the start of the wait.", examples=[210]
    )
    median_lower: int | None = Field(description="The lower end of its interval of 95 %, in calendar days.", examples=[150])
    median_upper: int | None = Field(
        description="The upper end of its interval of 95 %, in calendar days; null: not reached.", examples=[None]
    )
    reason: Literal["NO_BASE", "NOT_REACHED"] | None = Field(
        description="Why there is no median: NOT_REACHED, more than half wait still; NO_BASE, there is nobody; else null.", examples=[None]
    )


class DurationsAnswer(Basis):
    """The waits in an area, by group and in total."""

    rows: list[WaitsAnswer] = Field(description="By code, empty ones left out; the total is the last one.")
    left_out: int = Field(description="Rows that are left out: none, the answer is complete.", examples=[0])


class StepAnswer(BaseModel):
    """One day of the curve."""

    day: int = Field(description="The day, in calendar days from the start of the wait.", examples=[210])
    at_risk: int = Field(description="Enterprises that had waited so long.", examples=[20])
    founded: int = Field(description="Those that got their union on this day.", examples=[1])
    censored: int = Field(description="Those of which no more is known than that they waited so long.", examples=[2])
    survival: float = Field(description="The share that is estimated to wait longer, from 0 to 1.", examples=[0.49])


class CurveAnswer(Basis):
    """One row and its curve."""

    area: str | None = Field(description=AN_AREA, examples=["330200"])
    by: By | None = Field(description="What the row is a group by; null: it is the total.", examples=["park"])
    group: str | None = Field(description="The code of the group; null: the total.", examples=["330200-P001"])
    row: WaitsAnswer = Field(description="Its numbers and median.")
    steps: list[StepAnswer] = Field(description="A step for each day on which an enterprise leaves the curve, by day.")
    left_out: int = Field(description="Rows that are left out: none, the answer is complete.", examples=[0])


class AreaAnswer(BaseModel):
    """One area of today's tree."""

    code: str = Field(description="Its code.", examples=["330200-P001"])
    name: str = Field(description="What pages show: its name, or its parent's where it is only a level.", examples=["示例产业园"])
    kind: Literal["division", "park"] = Field(
        description="A division, which may hold areas, or a park, which holds enterprises.", examples=["park"]
    )
    parent: str | None = Field(description="The area in which it lies directly; null: a root.", examples=["330200"])
    level: bool = Field(description="Whether it is only a level of the code (市辖区, 县).", examples=[False])
    children: int = Field(description="How many areas lie directly in it.", examples=[0])


class AreasAnswer(BaseModel):
    """The areas directly in one."""

    path: list[AreaAnswer] = Field(description="From the root to the area asked about, itself included; empty: the roots were asked for.")
    items: list[AreaAnswer] = Field(description="The areas directly in it, by code.")
    left_out: int = Field(description="Rows that are left out: none, the answer is complete.", examples=[0])


class DefinitionAnswer(BaseModel):
    """What a figure means."""

    measure: str = Field(description="The name of the figure in answers.", examples=["covered_all"])
    name_zh: str = Field(description="Its name in Chinese.", examples=["已覆盖的应建单位(全部)"])
    name_en: str = Field(description="Its name in English.", examples=["Covered units that should organise (ALL)"])
    text_zh: str = Field(description="Its definition in Chinese.", examples=["应建单位(全部)中,有已批准且未撤销的工会覆盖的单位。"])
    text_en: str = Field(
        description="Its definition in English.", examples=["Of the units that should organise (ALL), those that a union covers."]
    )
    formula: str = Field(description="Its formula.", examples=["covered and workers >= 1"])
    source: str = Field(description="Where the rule comes from.", examples=["Trade Union Law of the PRC (2021), art. 12"])
    rate: bool = Field(description="Whether it is a rate; else it is a count or a duration.", examples=[False])


class DefinitionsAnswer(BaseModel):
    """The definitions of all figures."""

    rule_version: str = Field(description="The version of the definitions.", examples=[RULE_VERSION])
    fold_version: int = Field(description="The version of the program that counts.", examples=[2])
    items: list[DefinitionAnswer] = Field(description="One of each figure.")
    left_out: int = Field(description="Rows that are left out: none, the answer is complete.", examples=[0])
