"""What reads of unions answer."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.membership import UnionKind
from shared.http.answers import NEXT


class UnionRow(BaseModel):
    """A union as it is now."""

    id: UUID = Field(description="Its id, for ever.", examples=["01938c5e-7f00-7000-8000-0000000000c1"])
    kind: UnionKind = Field(description="What kind of union it is.", examples=["joint_union"])
    name: str | None = Field(description="Its name; null: not given.", examples=["示例产业园联合工会"])
    parent_union_id: UUID | None = Field(description="The next higher union; null: not given.", examples=[None])
    seat_area: str = Field(description="The code of the division or park of its seat.", examples=["330200-P001"])
    approved_on: date = Field(description="The day of its approval by the next higher union.", examples=["2025-05-01"])
    dissolved_on: date | None = Field(description="The first day on which it is no more; null: it exists.", examples=[None])
    subject: str = Field(description="Its stream of events.", examples=["union/01938c5e-7f00-7000-8000-0000000000c1"])
    sequence: int = Field(description="The position of the last event in that stream, from 1.", examples=[1])


class UnionsAnswer(BaseModel):
    """Unions in the order in which they were founded here."""

    items: list[UnionRow] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class PeriodAnswer(BaseModel):
    """From when to when a union covers an enterprise."""

    enterprise_id: UUID = Field(description="The enterprise.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    started_on: date | None = Field(
        description="The first day on which it is covered; null: on that day it was outside the caller's areas.", examples=["2025-05-01"]
    )
    ended_on: date | None = Field(
        description="The first day on which it no longer is; null: it is, or was then outside the caller's areas.", examples=[None]
    )


class UnionAnswer(UnionRow):
    """A union as it is now, with the enterprises that it covers or covered."""

    enterprises: list[PeriodAnswer] = Field(description="Each period of coverage, by enterprise and day.")
