"""What the federation reads."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.subscriptions.grants.bodies import A_TYPE
from shared.http.answers import NEXT

AN_INSTANT = "2026-07-01T01:30:00.123456Z"
AN_ID = "01938c5e-7f00-7000-8000-0000000000b1"


class AccessAnswer(BaseModel):
    """One access by a bureau."""

    at: datetime = Field(description="When it was.", examples=[AN_INSTANT])
    client: str = Field(description="Who it was: the `sub` of the token.", examples=["labour-bureau"])
    what: str = Field(
        description="What was shown: `grants`, `grant`, `subscriptions`, `subscription`, `deliveries`, `pull`, `stream`, …",
        examples=["deliveries"],
    )
    subscription: UUID | None = Field(description="Of which subscription; null: of none, or of several.", examples=[AN_ID])
    first: int | None = Field(description="The first number that was shown; null: none.", examples=[1])
    last: int | None = Field(description="The last number that was shown; null: none.", examples=[42])
    purpose: str | None = Field(
        description="The purpose of the grant under which it was; null: nothing granted was shown.", examples=["劳动保障监察"]
    )


class AccessesAnswer(BaseModel):
    """Accesses by bureaus, the oldest first."""

    items: list[AccessAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class NoticeAnswer(BaseModel):
    """A notice: CloudEvents 1.0 in structured JSON."""

    specversion: str = Field(description="The version of CloudEvents.", examples=["1.0"])
    id: UUID = Field(description="Its id.", examples=["01938c5e-7f00-7000-8000-0000000000e7"])
    source: str = Field(description="The service.", examples=["/services/subscriptions"])
    type: str = Field(description="What happened.", examples=["parkunion.subscription-disabled.v1"])
    subject: str | None = Field(description="The subscription that it is about; null: none.", examples=[f"subscription/{AN_ID}"])
    time: datetime = Field(description="When it was.", examples=[AN_INSTANT])
    datacontenttype: str = Field(description="The form of `data`.", examples=["application/json"])
    data: dict[str, Any] = Field(description="What there is to tell.", examples=[{"reason": "FAILING"}])


class NoticesAnswer(BaseModel):
    """Notices to the federation, the oldest first."""

    items: list[NoticeAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class ErasureAnswer(BaseModel):
    """What an erasure has removed."""

    id: UUID = Field(description="The id of the erasure.", examples=["01938c5e-7f00-7000-8000-0000000000e8"])
    contents: int = Field(description="How many stored contents were removed.", examples=[3])
    deliveries: int = Field(description="How many numbers of subscriptions had them.", examples=[5])
    queued: int = Field(description="How many of those were still to be sent; they go out as withheld.", examples=[1])


class NamedAnswer(BaseModel):
    """A name in both languages."""

    zh: str = Field(description="In Chinese.", examples=["工会成立"])
    en: str = Field(description="In English.", examples=["A union was founded"])


class TypeAnswer(BaseModel):
    """A type of events that can be granted."""

    type: str = Field(description="The CloudEvents type.", examples=[A_TYPE])
    description: NamedAnswer = Field(description="What happened.")
    fields: list[str] = Field(
        description="The fields of `data` that a grant can name.", examples=[["union_id", "kind", "seat_area", "name"]]
    )
    default_fields: list[str] = Field(
        description="Those that are shown where a grant names none: ids, areas, dates, kinds and counts.",
        examples=[["union_id", "kind", "seat_area"]],
    )


class TypesAnswer(BaseModel):
    """What can be granted."""

    items: list[TypeAnswer] = Field(description="All of it, by name.")
