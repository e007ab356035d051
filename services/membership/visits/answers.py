"""What reads of visits answer."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field

from shared.contracts.membership import VisitPurpose
from shared.http.answers import NEXT


class VisitAnswer(BaseModel):
    """A visit as it stands."""

    id: UUID = Field(description="Its id, for ever.", examples=["01938c5e-7f00-7000-8000-0000000000d1"])
    enterprise_id: UUID = Field(description="The enterprise visited.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    visited_on: date = Field(description="The day of the visit.", examples=["2026-06-30"])
    purpose: VisitPurpose = Field(description="What it was for.", examples=["founding"])
    outcome: str | None = Field(description="What came of it, as a code; null: not recorded.", examples=["agreed_to_prepare"])
    event_id: UUID = Field(
        description="The event that states it now: what a correction names.", examples=["01938c5e-7f01-7000-8000-0000000000f1"]
    )
    sequence: int = Field(description="The position of its first event in the enterprise's stream, from 1.", examples=[3])


class VisitsAnswer(BaseModel):
    """The visits of an enterprise in the order in which they were recorded."""

    items: list[VisitAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])
