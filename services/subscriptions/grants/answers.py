"""What reads of grants answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal, TypeAlias
from uuid import UUID

from pydantic import BaseModel, Field

from services.subscriptions.grants.bodies import A_TYPE, SOME_FIELDS
from services.subscriptions.grants.store import Granted
from shared.http.answers import NEXT

A_GRANT = "01938c5e-7f00-7000-8000-0000000000a1"
Kind: TypeAlias = Literal["given", "narrowed", "revoked"]


class Given(BaseModel):
    """A grant was given, narrowed or revoked."""

    id: UUID = Field(description="The id of the grant.", examples=[A_GRANT])


class _Extent(BaseModel):
    areas: list[str] = Field(description="Codes of areas, each with all that lies in it; `*`: every area.", examples=[["330200"]])
    types: list[str] = Field(description="Types of events.", examples=[[A_TYPE]])
    fields: dict[str, list[str]] = Field(description="By type the fields of `data` that are shown, in full.", examples=[SOME_FIELDS])
    not_before: datetime | None = Field(
        description="The instant from which something is delivered; null: no bound.", examples=["2026-06-30T16:00:00Z"]
    )
    not_after: datetime | None = Field(
        description="The instant from which nothing is delivered any more; null: no bound.", examples=["2027-06-30T16:00:00Z"]
    )
    reason: str | None = Field(description="Why it was revoked; else null.", examples=[None])
    changed_by: str = Field(description="The client that made this version.", examples=["federation"])
    changed_at: datetime = Field(description="The instant of this version.", examples=["2026-07-01T01:30:00.123456Z"])


class GrantVersion(_Extent):
    """One state of a grant; each narrows the one before."""

    kind: Kind = Field(description="What was done.", examples=["given"])


class GrantRow(_Extent):
    """A grant as it stands."""

    id: UUID = Field(description="Its id.", examples=[A_GRANT])
    client: str = Field(description="To whom something is granted: the `sub` of its tokens.", examples=["labour-bureau"])
    purpose: str = Field(description="What it is needed for.", examples=["劳动保障监察"])
    legal_basis: str = Field(description="The law or agreement on which it rests.", examples=["《劳动保障监察条例》第三条"])
    given_by: str = Field(description="The client that gave it.", examples=["federation"])
    given_at: datetime = Field(description="The instant at which it was given.", examples=["2026-07-01T01:30:00.123456Z"])
    revoked: bool = Field(description="Whether it was revoked: nothing is granted any more.", examples=[False])


class GrantAnswer(GrantRow):
    """A grant as it stands, and how it came to that."""

    versions: list[GrantVersion] = Field(description="Its states, the first one first.")


class GrantsAnswer(BaseModel):
    """Grants in the order in which they were given."""

    items: list[GrantRow] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


def row_of(grant: Granted) -> dict[str, Any]:
    """The fields of GrantRow."""
    own = ("id", "client", "purpose", "legal_basis", "given_by", "given_at", "revoked", "reason", "changed_by", "changed_at")
    extent = ("areas", "types", "fields", "not_before", "not_after")
    return {name: getattr(grant, name) for name in own} | {name: getattr(grant.extent, name) for name in extent}
