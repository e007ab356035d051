"""What the routes of explanations, changes and enterprises take and answer; `bodies` builds the answers."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from services.metrics.explaining.measures import COMPARED, EXPLAINED
from services.metrics.explaining.ranking import Order
from services.metrics.http.schemas import Basis, By, RateAnswer, WaitsAnswer

Measure = Annotated[
    str,
    Query(
        json_schema_extra={"enum": list(EXPLAINED)}, description="A count, a rate, or what pages derive from them.", examples=["members"]
    ),
]
Compared = Annotated[
    str | None,
    Query(json_schema_extra={"enum": list(COMPARED)}, description="A count or a rate; left out: all counts.", examples=["members"]),
]
Sort = Annotated[
    Order,
    Query(
        description="The most workers first, the longest without a union, the largest contribution, or by name; what is unknown comes last.",
        examples=["workers"],
    ),
]
Search = Annotated[
    str | None,
    Query(
        alias="q",
        max_length=100,
        description="A part of the name or of the credit code, in letters of any width and case.",
        examples=["电子"],
    ),
]


class Numerator(BaseModel):
    """What one enterprise adds to a rate."""

    numerator: int = Field(description="What it adds to the numerator.", examples=[1])
    denominator: int = Field(description="What it adds to the denominator.", examples=[1])


class ContributionAnswer(BaseModel):
    """One enterprise (or union). The contributions of all pages add up to the figure."""

    id: UUID | None = Field(
        description="The enterprise's id, for `unions` the union's; null if the caller may not know who it is: it was elsewhere."
    )
    subject: str | None = Field(
        description="Its stream: enterprise/<id> or union/<id>.", examples=["enterprise/0190a8c0-1c5f-7d52-9d6b-6a2f3c1e4b5a"]
    )
    name: str | None = Field(description="Null if it is not known.", examples=["恒力精密机械有限公司"])
    credit_code: str | None = Field(description="The unified social credit code.", examples=["91330201MA2AH0000X"])
    park: str | None = Field(description="Code of its park; for a union, the area of its seat.", examples=["330203-P001"])
    industry: str | None = Field(description="GB/T 4754-2017: section letter, with or without class digits.", examples=["C"])
    size: Literal["large", "medium", "small", "micro"] | None = Field(description="Its size class.")
    ownership: str | None = Field(description="GB/T 12402.", examples=["170"])
    workers: int | None = Field(description="Workers by its last report; null: never reported.", examples=[42])
    days_waited: int | None = Field(
        description="Calendar days that it has been without a union that it should have; null if it has one or need not. "
        "For `time_to_found`: the days that it waited, or waits.",
        examples=[120],
    )
    contribution: int | Numerator | None = Field(description="What it adds to a count or to a rate; null for lags and `time_to_found`.")
    amounts: dict[str, int] = Field(
        description="The same by name. For lags: the change in twelve months of each count; for `time_to_found`: founded, waiting, days.",
        examples=[{"covered_all": 1, "should_organise_all": 1}],
    )


class EventAnswer(BaseModel):
    """One event as its source published it, without its personal side."""

    id: UUID = Field(description="The event's id.")
    type: str = Field(description="Its CloudEvents type.", examples=["parkunion.headcount-reported.v1"])
    source: str = Field(description="The service that published it.", examples=["/services/registry"])
    subject: str | None = Field(
        description="Its stream; null if the caller may not know whose it is.", examples=["enterprise/0190a8c0-1c5f-7d52-9d6b-6a2f3c1e4b5a"]
    )
    sequence: int = Field(description="Its position in the stream, from 1.", examples=[3])
    occurred_on: date = Field(description="The business date of the fact.")
    recorded_at: datetime = Field(description="When it was recorded, UTC.")
    actor: str | None = Field(
        description="Opaque id of who recorded it; null if the figures were folded before actors were kept.", examples=["officer-17"]
    )
    reason: str | None = Field(
        description="The code of the reason given; null if there is none, or a text that stays with the source.", examples=["typo"]
    )
    reason_text: str | None = Field(description="What the code means, in the language of the answer.", examples=["typing error"])


class BehindAnswer(EventAnswer):
    """An event behind a contribution, or in a timeline."""

    in_force: bool = Field(description="False if a later event corrected or withdrew it, and of a withdrawal.")
    says: dict[str, Any] | None = Field(
        description="What is kept of the fact; of a correction what it withdraws and what replaces it.", examples=[{"workers": 42}]
    )
    union_name: str | None = Field(
        description="The name of the union that the fact names, if it is known.", examples=["恒力公司工会委员会"]
    )


class ExplainAnswer(Basis):
    """What makes a figure up: the enterprises, ranked; with `enterprise=` one of them and the events behind it."""

    area: str | None = Field(description="The area asked about; null: everything.")
    by: By | None = Field(description="The grouping asked for.")
    group: str | None = Field(description="The group asked for.")
    measure: str = Field(description="The figure.", examples=["units_without_union_all"])
    figure: int | RateAnswer | WaitsAnswer = Field(
        description="The figure: a count; a rate, of a lag the growth of the first less that of the second count; or the waits of `time_to_found`."
    )
    total: int = Field(description="How many items all pages have together.", examples=[12])
    items: list[ContributionAnswer] = Field(description="Enterprises or unions in the order of `sort`.")
    events: list[BehindAnswer] | None = Field(
        None, description="With `enterprise=`: the events behind it, in the order in which they were recorded."
    )
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class AmountChange(BaseModel):
    """One count before and after an event."""

    before: int = Field(description="What the enterprise added before the event.", examples=[0])
    after: int = Field(description="What it adds after it.", examples=[1])
    delta: int = Field(description="The difference.", examples=[1])


class ShareAnswer(BaseModel):
    """One event's share of a change."""

    kind: Literal["new", "late", "correction", "move", "area"] = Field(
        description="`new`: occurred after `known_from`; `late`: occurred by then, known later; a correction or withdrawal; a move; "
        "or a change of the area tree."
    )
    subject: str | None = Field(
        description="The enterprise (or union) whose contribution changed, null if the caller may not know; of `area`, the park.",
        examples=["area/330203-P001"],
    )
    name: str | None = Field(description="Its name, if it is known.")
    credit_code: str | None = Field(description="Its unified social credit code, if it is known.")
    event: EventAnswer | None = Field(
        description="The event; null where a version of an area was withdrawn and not replaced, or where the caller may not see it."
    )
    measures: dict[str, AmountChange] = Field(
        description="The counts that changed, by name.", examples=[{"members": {"before": 0, "after": 1, "delta": 1}}]
    )


class ChangesAnswer(BaseModel):
    """Why figures changed between two days of knowledge; the deltas of all pages add up to `delta`."""

    as_of: date = Field(description="The business day of the figures.")
    known_from: date = Field(description="The end of this day is the earlier state of knowledge.")
    known_to: date = Field(description="The end of this day is the later one.")
    provisional: list[str] = Field(
        description="Why the later figures may still change; empty: they are final.", examples=[["DAY_NOT_CLOSED"]]
    )
    closed_day: date | None = Field(description="Until which day known days are closed; null: none is.")
    rule_version: str = Field(description="The version of the rules.", examples=["coverage-2026.1"])
    fold_version: int = Field(description="The version of the computation.", examples=[2])
    area: str | None = Field(description="The area asked about; null: everything.")
    measure: str | None = Field(description="The figure asked about; null: all counts.")
    before: dict[str, int] = Field(description="The counts as known at `known_from`.", examples=[{"members": 120}])
    after: dict[str, int] = Field(description="The counts as known at `known_to`.", examples=[{"members": 124}])
    delta: dict[str, int] = Field(description="The differences.", examples=[{"members": 4}])
    items: list[ShareAnswer] = Field(description="Events in the order of (subject, time of recording).")
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class UnionAnswer(BaseModel):
    """A union that covers an enterprise."""

    id: UUID = Field(description="The union's id.")
    name: str | None = Field(description="Its name; null if it was founded without one.", examples=["恒力公司工会委员会"])
    kind: str = Field(description="The kind of union.", examples=["enterprise_union"])
    since: date = Field(description="The day since which it covers the enterprise.")


class EnterpriseAnswer(Basis):
    """An enterprise on a business day, as known at a day."""

    id: UUID = Field(description="The enterprise's id.")
    name: str | None = Field(description="Its name.", examples=["恒力精密机械有限公司"])
    credit_code: str | None = Field(description="The unified social credit code.", examples=["91330201MA2AH0000X"])
    park: str | None = Field(description="Code of its park on the day; null if it does not operate.", examples=["330203-P001"])
    unions: list[UnionAnswer] = Field(description="All unions that cover it; empty: none.")
    left_out: int = Field(description="Unions that are left out: none.", examples=[0])
    without_union_since: date | None = Field(description="Since when it has been without a union that it should have.")
    days_waited: int | None = Field(description="Calendar days since then.", examples=[120])
    counts: dict[str, int] = Field(description="What it adds to each count.", examples=[{"units": 1, "workers": 42}])


class FactsAnswer(Basis):
    """The timeline of an enterprise: every fact about it, counted or not."""

    id: UUID = Field(description="The enterprise's id.")
    items: list[BehindAnswer] = Field(description="The latest business date first.")
    next: str | None = Field(description="The cursor of the next page; null on the last.")
