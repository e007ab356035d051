"""The answer of the manifest's route, as it is documented."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, Field

_CHAIN = "9f2b1c5a7d3e4f60718293a4b5c6d7e8f90123456789abcdef0123456789abcd"


class EntryAnswer(BaseModel):
    """One number."""

    number: int = Field(description="The number.", examples=[41])
    event_id: UUID | None = Field(
        description="The event's id; null where no content went out under the number and none may.",
        examples=["01938c5e-7f01-7000-8000-0000000000f1"],
    )
    hash: str | None = Field(
        description="SHA-256 of the event as it was sent, hexadecimal: its JSON with sorted names and without blanks, without `deliverynumber`, "
        "`watermark` and `correctsnumbers`.",
        examples=[_CHAIN],
    )
    state: Literal["queued", "delivered", "parked", "withheld"] = Field(description="What became of it.", examples=["delivered"])
    corrects: str | None = Field(description="Its `correctsnumbers`; null: it corrects none.", examples=[None])
    again: str | None = Field(
        description="What comes if the number is asked for again now, where that is not what was sent: another hash, since the grant was narrowed, or "
        "`withheld`, since it has ended or the content was erased.",
        examples=[None],
    )


class PreviousAnswer(BaseModel):
    """The last day before that has numbers."""

    day: date = Field(description="The day.", examples=["2026-06-30"])
    last: int = Field(description="Its last number.", examples=[40])
    chain: str = Field(description="The last link of its chain, as it is now.", examples=[_CHAIN])


class ManifestAnswer(BaseModel):
    """What a subscription was given on a day, signed: `jws` signs all other fields but `entries`, which `chain` fixes."""

    version: Literal[1] = Field(description="The version of this form.", examples=[1])
    subscription: UUID = Field(description="The subscription.", examples=["01938c5e-7f01-7000-8000-0000000000a1"])
    client: str = Field(description="Whose it is.", examples=["bureau-a"])
    day: date = Field(description="The day on which the numbers were assigned, in the deployment's zone.", examples=["2026-07-01"])
    made_at: datetime = Field(description="When this was made.", examples=["2026-07-02T01:30:00.123456Z"])
    count: int = Field(description="How many numbers were assigned.", examples=[1])
    first: int | None = Field(description="The first of them; null: none was.", examples=[41])
    last: int | None = Field(description="The last of them.", examples=[41])
    chain: str = Field(description="The last link of the hash chain over the entries (shared/manifests/chain.py).", examples=[_CHAIN])
    again: str = Field(description="A hash over `again` of the entries (shared/manifests/chain.py).", examples=[_CHAIN])
    previous: PreviousAnswer | None = Field(description="The last day before that has numbers; null: there is none.")
    complete: bool = Field(description="Whether the day is over and nothing of it is queued.", examples=[True])
    entries: list[EntryAnswer] = Field(description="Every number of the day, ascending.")
    jws: str = Field(
        description="JWS in compact form (RFC 7515), EdDSA, by a key of /.well-known/jwks.json; its payload is this object without `entries` and `jws`.",
        examples=["eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl"],
    )
