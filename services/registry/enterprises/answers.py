"""What reads of enterprises answer."""

from __future__ import annotations

from datetime import date
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

from shared.http.answers import NEXT, Warned


class EnterpriseRow(BaseModel):
    """An enterprise as it is now. What is unknown is null."""

    id: UUID = Field(description="Its id, for ever.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    name: str = Field(description="Its name as registered.", examples=["宁波示例电子有限公司"])
    credit_code: str | None = Field(
        description="Its unified social credit code, 18 characters (GB 32100-2015).", examples=["91350100M000100Y43"]
    )
    registration_number: str | None = Field(
        description="Its business registration number of 15 digits, as before credit codes.", examples=["110108000000016"]
    )
    park: str = Field(description="The code of the park in which it is.", examples=["330200-P001"])
    district: str = Field(description="The code of the division in which that park lies directly.", examples=["330200"])
    industry: str | None = Field(description="A section letter of GB/T 4754-2017 with up to four class digits.", examples=["C39"])
    ownership: str | None = Field(description="Its type of registration, as a code.", examples=["159"])
    size: Literal["large", "medium", "small", "micro"] | None = Field(
        description="Its size class, by industry, workers and revenue (国统字〔2017〕213号).", examples=["small"]
    )
    workers: int | None = Field(description="Its workers by the last headcount, in persons.", examples=[120])
    workers_on: date | None = Field(description="The day of that headcount.", examples=["2026-06-30"])
    settled_on: date = Field(description="The day on which it settled.", examples=["2024-03-01"])
    closed_on: date | None = Field(description="The first day on which it operates no longer; null: it operates.", examples=[None])
    subject: str = Field(description="Its stream of events.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
    sequence: int = Field(description="The position of the last event in that stream, from 1; its ETag.", examples=[2])
    findings: list[Warned] = Field(description="What is odd about its codes: a wrong check character or digit.", examples=[[]])


class EnterprisesAnswer(BaseModel):
    """Enterprises in the order in which they were registered."""

    items: list[EnterpriseRow] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class PlacementAnswer(BaseModel):
    """Where an enterprise was from a day on."""

    park: str = Field(description="The code of the park.", examples=["330200-P001"])
    district: str = Field(description="The code of the division in which that park lay directly.", examples=["330200"])
    since: date = Field(alias="from", description="The first day there.", examples=["2024-03-01"])


class HeadcountAnswer(BaseModel):
    """How many workers there were on a day."""

    on: date = Field(description="The day on which they were counted.", examples=["2026-06-30"])
    workers: int = Field(description="How many, in persons.", examples=[120])


class EnterpriseAnswer(EnterpriseRow):
    """An enterprise as it is now, with its history by date. What is unknown is null."""

    revenue: float | None = Field(description="Its revenue in yuan a year.", examples=[15000000.5])
    size_rule: str | None = Field(description="The version of the rule that decided the size class.", examples=["213-2017"])
    closed_reason: str | None = Field(description="Why it operates no longer, as a code; null: it operates.", examples=[None])
    placements: list[PlacementAnswer] = Field(description="The parks in which it was, by date; the last is where it is.")
    headcounts: list[HeadcountAnswer] = Field(description="Its headcounts as they stand, by date.")
