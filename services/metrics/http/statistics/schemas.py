"""What the routes of statistics take and answer (OpenAPI)."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Path, Query
from pydantic import BaseModel, ConfigDict, Field

from services.metrics.figures.statistics.catalogue import RULE_VERSION as STATISTICS_VERSION
from services.metrics.figures.statistics.catalogue import By, StatisticName
from services.metrics.http.explaining.schemas import BehindAnswer
from services.metrics.http.schemas import AN_AREA, Basis, RateAnswer
from shared.http.forms import Day

Statistic = Annotated[StatisticName, Path(description="Which statistic (docs/design/DOMAIN.md).", examples=["cases_open"])]
Grouping = Annotated[
    By | None,
    Query(
        description="What the rows are groups by; `kind`: of case, contract or letter. Not every statistic has every grouping.",
        examples=["park"],
    ),
]
Since = Annotated[
    Day | None,
    Query(
        description="The first day of the window; by default the twelve months up to `as_of`. States of a day have none.",
        examples=["2026-01-01"],
    ),
]
GroupOf = Annotated[str | None, Query(max_length=64, description="With `by`: the row's `code`.", examples=["330200-P001"])]


def _d_by_pattern(schema: dict[str, Any]) -> None:
    """Describe `d` as a pattern: generated clients read an answer from a variable of that name, which a property would overwrite."""
    schema["patternProperties"] = {"^d$": schema["properties"].pop("d")}
    schema["required"].remove("d")


class Part(BaseModel):
    """A rate: never without what it is made of."""

    model_config = ConfigDict(json_schema_extra=_d_by_pattern)

    n: int | None = Field(description="What is counted; null: suppressed.", examples=[12])
    d: int | None = Field(description="What it is divided by; null: it is a number alone.", examples=[1200])
    rate: float | None = Field(
        description="`n` over `d`, times `per` where there is one, not rounded; null without a base.", examples=[10.0]
    )
    reason: Literal["NO_BASE", "NOT_REACHED", "SUPPRESSED"] | None = Field(
        description="Why there is no rate or number: NO_BASE, `d` is 0; NOT_REACHED, half are not closed yet; SUPPRESSED.", examples=[None]
    )


class Figures(Part):
    """The figures of one group or of the total; the fields below `count` belong to some statistics only."""

    count: int | None = Field(description="The number, of statistics that count.", examples=[12])
    per: int | None = Field(default=None, description="Of a rate per so many.", examples=[1000])
    collective: int | None = Field(default=None, description="Of these, collective cases.", examples=[2])
    proxy: int | None = Field(default=None, description="Cases of ten workers or more without a known common claim.", examples=[1])
    open: int | None = Field(default=None, description="Those that are open on the day.", examples=[3])
    open_proxy: int | None = Field(default=None, description="Proxies that are open on the day.", examples=[1])
    closed: int | None = Field(default=None, description="Cases that are closed on the day.", examples=[9])
    median: int | None = Field(default=None, description="Calendar days until half are closed (Kaplan–Meier).", examples=[31])
    median_lower: int | None = Field(default=None, description="The lower end of its interval of 95 %.", examples=[20])
    median_upper: int | None = Field(default=None, description="The upper end of its interval of 95 %.", examples=[60])
    units: Part | None = Field(default=None, description="Coverage of operating units.")
    workers: Part | None = Field(default=None, description="Coverage of their workers.")
    covered: Part | None = Field(default=None, description="In units that a union covers.")
    uncovered: Part | None = Field(default=None, description="In units without a union.")
    section: str | None = Field(default=None, description="Of aid: hardship, payments, help.", examples=["hardship"])
    amount_fen: int | None = Field(default=None, description="Of payments: what they paid, in fen.", examples=[500000])
    suppressed: bool | None = Field(
        default=None, description="Whether the number is withheld because it, or another, is under five.", examples=[False]
    )
    explain: str | None = Field(
        description="The address of the events behind it, relative to this service; null: they are not shown.",
        examples=["/v1/statistics/cases_open/explain?area=330200&as_of=2026-06-30&known_at=2026-06-30"],
    )


class StatisticRow(Figures):
    """One group; the last row is the total (`all`)."""

    code: str = Field(description="The code of the group; `all`: the total; `unknown`.", examples=["330200-P001"])
    name: str = Field(description="Its name, in the language of Accept-Language where it has two.", examples=["示例产业园"])


class AboutStatistic(Basis):
    """What every answer says of the question."""

    name: StatisticName = Field(description="The statistic.", examples=["cases_open"])
    area: str | None = Field(description=AN_AREA, examples=["330200"])
    by: str | None = Field(description="What the rows are groups by.", examples=["park"])
    since: date | None = Field(description="The first day of the window; null: it is the state of the day.", examples=["2025-07-01"])
    rule_version: str = Field(description="The version of the definitions.", examples=[STATISTICS_VERSION])


class StatisticAnswer(AboutStatistic, Figures):
    """A statistic by group and in total; `n`, `d`, `rate` and `count` are those of the total."""

    basis: str = Field(description="What `d` counts, or what is counted, as a code.", examples=["OPEN_CASES"])
    text: str = Field(
        description="Its definition, in the language of Accept-Language.", examples=["Cases reported by the day and not closed by it."]
    )
    completeness: RateAnswer | None = Field(
        description="Units with a known headcount over all units of the area; null where it says nothing."
    )
    rows: list[StatisticRow] = Field(description="The groups by code, and the total.")
    left_out: Literal[0] = Field(description="Rows that are not in the answer.", examples=[0])


class MatterAnswer(BaseModel):
    """One case, contract, negotiation, congress or assessment behind a figure, with its events."""

    id: str | None = Field(
        description="Its id; null: the caller may not know the enterprise, or may see no event of it.",
        examples=["01938c5e-7f00-7000-8000-0000000000c1"],
    )
    enterprise_id: UUID | None = Field(
        description="The enterprise; null: the caller may not know it.", examples=["01938c5e-7f00-7000-8000-0000000000e1"]
    )
    enterprise_name: str | None = Field(description="Its name.", examples=["示例机械有限公司"])
    counts: dict[str, int] = Field(description="What it adds, by tally.", examples=[{"case_open": 1}])
    events: list[BehindAnswer] = Field(description="Its events in the order of recording.")


class StatisticExplainAnswer(AboutStatistic):
    """The matters behind a figure, by enterprise."""

    group: str | None = Field(description="The group asked about.", examples=[None])
    items: list[MatterAnswer] = Field(description="The matters that add to it.")
    next: str | None = Field(description="The `after` of the next page; null: this is the last.", examples=[None])
