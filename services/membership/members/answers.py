"""What reads of members answer."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from pydantic import BaseModel, Field


class MaskedDocument(BaseModel):
    """An identity document, as far as it is shown."""

    kind: str = Field(description="The kind of document.", examples=["resident_id"])
    number: str = Field(description="Its number, with the positions 7 to 14 hidden.", examples=["110105********002X"])


class MemberAnswer(BaseModel):
    """A membership of a person who is not named."""

    id: UUID = Field(description="The id of the membership, for ever.", examples=["01938c5e-7f00-7000-8000-0000000000b1"])
    union_id: UUID = Field(description="The union.", examples=["01938c5e-7f00-7000-8000-0000000000c1"])
    enterprise_id: UUID = Field(description="The enterprise at which the person works.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    joined_on: date = Field(description="The first day of the membership.", examples=["2025-06-01"])
    left_on: date | None = Field(description="The first day without it; null: it goes on.", examples=[None])
    subject: str = Field(description="Its stream of events.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
    document: MaskedDocument | None = Field(description="The person's document; null: the person was erased.")
