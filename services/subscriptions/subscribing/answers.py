"""What subscriptions answer."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from services.subscriptions.grants.answers import A_GRANT
from services.subscriptions.grants.bodies import A_TYPE
from services.subscriptions.subscribing.rules import Status
from services.subscriptions.subscribing.store import Subscribed
from shared.http.answers import NEXT

A_SUBSCRIPTION = "01938c5e-7f00-7000-8000-0000000000b1"
AN_INSTANT = "2026-07-01T01:30:00.123456Z"
STATUS = (
    "`verifying`: its endpoint has not answered the challenge; `active`; `paused`: by its client; `disabled`: after long failure, or the endpoint "
    "answered 410; `ended`."
)


class SigningAnswer(BaseModel):
    """How its deliveries are signed: one of the two."""

    kid: str | None = Field(
        None,
        description="`v1a`: the key at `/.well-known/jwks.json`; left out with `v1`.",
        examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"],
    )
    secret: str | None = Field(None, description="`v1`: the secret, shown this once; left out with `v1a`.", examples=[None])


class SubscriptionCreated(BaseModel):
    """A subscription was made, or its key was changed."""

    id: UUID = Field(description="Its id.", examples=[A_SUBSCRIPTION])
    status: Status = Field(description=f"Its state. {STATUS}", examples=["verifying"])
    signing: SigningAnswer | None = Field(description="The key of a webhook's signatures; null: nothing is sent.")


class SubscriptionState(BaseModel):
    """The state of a subscription after a command."""

    id: UUID = Field(description="Its id.", examples=[A_SUBSCRIPTION])
    status: Status = Field(description=f"Its state. {STATUS}", examples=["active"])


class ProbeAsked(SubscriptionState):
    """A verification or a test is sent at once."""

    probe_id: UUID = Field(
        description="What became of it is in `probes` of the subscription, under this id.",
        examples=["01938c5e-7f00-7000-8000-0000000000c9"],
    )


class FilterAnswer(BaseModel):
    """Which of the granted events are wanted; what is left out is no condition."""

    areas: list[str] | None = Field(None, description="Only what is seen by these areas.", examples=[["330200-P001"]])
    industries: list[str] | None = Field(None, description="Only of enterprises of these industries.", examples=[["C"]])
    min_workers: int | None = Field(None, description="Only of enterprises with at least so many workers.", examples=[100])


class ChannelAnswer(BaseModel):
    """A channel, without secrets."""

    kind: Literal["webhook", "pull"] = Field(description="Whether they are sent or fetched.", examples=["webhook"])
    url: str | None = Field(description="Where they are sent; null: they are fetched.", examples=["https://bureau.example/parkunion"])
    signature: Literal["v1", "v1a"] | None = Field(description="How they are signed; null: they are fetched.", examples=["v1a"])


class LastError(BaseModel):
    """The last attempt that failed."""

    at: datetime = Field(description="When it was.", examples=[AN_INSTANT])
    error: str = Field(description="What went wrong.", examples=["503"])


class SubscriptionRow(SubscriptionState):
    """A subscription and how far it is."""

    grant_id: UUID = Field(description="Its grant.", examples=[A_GRANT])
    client: str = Field(description="Whose it is.", examples=["labour-bureau"])
    types: list[str] | None = Field(description="The types of events that it asks for; null: all of its grant's.", examples=[[A_TYPE]])
    filter: FilterAnswer = Field(description="What else it asks for.")
    channel: ChannelAnswer = Field(description="How events get to the client.")
    status_reason: str | None = Field(description="Why it is in this state, if there is more to tell.", examples=[None])
    status_at: datetime = Field(description="Since when it is in this state.", examples=[AN_INSTANT])
    created_at: datetime = Field(description="When it was made.", examples=[AN_INSTANT])
    assigned_to: int = Field(description="The last number; 0: there is none yet.", examples=[42])
    delivered_to: int = Field(description="The watermark: every number up to it is delivered, parked or withheld.", examples=[41])
    confirmed_to: int = Field(description="Up to where the client of a pull subscription has confirmed receipt.", examples=[0])
    waiting_since: datetime | None = Field(
        description="When the first number behind `delivered_to` was assigned; null: nothing waits.", examples=[AN_INSTANT]
    )
    parked: int = Field(
        description="How many numbers are parked: given up after the last attempt, and sent again only if asked for.", examples=[0]
    )
    last_success_at: datetime | None = Field(description="When something last got there; null: never.", examples=[AN_INSTANT])
    failing_since: datetime | None = Field(description="Since when every attempt has failed; null: the last one has not.", examples=[None])
    last_error: LastError | None = Field(description="The last attempt that failed; null: none has.")


class KeyAnswer(BaseModel):
    """A key that signs its deliveries."""

    kid: str | None = Field(
        description="`v1a`: its name in the JWKS; null: a secret.", examples=["kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"]
    )
    version: Literal["v1", "v1a"] = Field(description="How it signs.", examples=["v1a"])
    since: datetime = Field(description="From when on.", examples=[AN_INSTANT])
    until: datetime | None = Field(description="Until when, after a rotation; null: no end.", examples=[None])


class _Answered(BaseModel):
    status: int | None = Field(description="The HTTP status of the answer; null: there was none.", examples=[503])
    error: str | None = Field(description="What went wrong; null: nothing.", examples=["503"])
    answer: str | None = Field(description="The first 1 KB of the answer; null: there was none.", examples=["Service Unavailable"])
    duration_ms: int | None = Field(description="How long it took, in milliseconds.", examples=[87])


class ProbeAnswer(_Answered):
    """A verification or a test of the endpoint."""

    id: UUID = Field(description="Its id.", examples=["01938c5e-7f00-7000-8000-0000000000c9"])
    kind: Literal["verification", "test"] = Field(description="Which of the two.", examples=["test"])
    asked_at: datetime = Field(description="When it was asked for.", examples=[AN_INSTANT])
    done_at: datetime | None = Field(description="When it was done; null: it is still to be sent.", examples=[AN_INSTANT])
    succeeded: bool | None = Field(description="Whether the endpoint answered as it should; null: not known yet.", examples=[True])


class ChangeAnswer(BaseModel):
    """A change of state."""

    at: datetime = Field(description="When it was.", examples=[AN_INSTANT])
    status: Status = Field(description="The state from then on.", examples=["active"])
    reason: str | None = Field(description="Why, if there is more to tell.", examples=[None])
    changed_by: str = Field(description="The client that did it, or the service.", examples=["labour-bureau"])


class SubscriptionAnswer(SubscriptionRow):
    """A subscription, how far it is, and what happened to it."""

    keys: list[KeyAnswer] = Field(description="The keys that sign now, the newest first; none of a pull subscription.")
    probes: list[ProbeAnswer] = Field(description="The last verifications and tests, the newest first.")
    changes: list[ChangeAnswer] = Field(description="Its last states, the newest first.")


class SubscriptionsAnswer(BaseModel):
    """Subscriptions by age."""

    items: list[SubscriptionRow] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class AttemptAnswer(_Answered):
    """One attempt to send a number."""

    at: datetime = Field(description="When it was.", examples=[AN_INSTANT])


class DeliveryAnswer(BaseModel):
    """What became of one number. What its event is, is told while the grant allows it; else those fields are null."""

    number: int = Field(description="The number, from 1 without gaps.", examples=[42])
    state: Literal["queued", "delivered", "parked", "withheld"] = Field(description="What became of it.", examples=["delivered"])
    pending: bool = Field(description="Whether it is to be sent, for the first time or again.", examples=[False])
    day: date = Field(description="The day on whose manifest it is.", examples=["2026-07-01"])
    assigned_at: datetime = Field(description="When it was numbered.", examples=[AN_INSTANT])
    settled_at: datetime | None = Field(description="When it was delivered, parked or withheld; null: it is queued.", examples=[AN_INSTANT])
    next_attempt_at: datetime | None = Field(
        description="When it is tried next; null: not, or after an earlier number of the same subject.", examples=[None]
    )
    error: str | None = Field(description="Why it was parked or withheld; else null.", examples=[None])
    corrects: list[int] | None = Field(
        description="The numbers of the deliveries that it corrects or withdraws; null: none.", examples=[None]
    )
    event_id: UUID | None = Field(description="The id of the event.", examples=["01938c5e-7f01-7000-8000-0000000000f1"])
    type: str | None = Field(description="Its type.", examples=[A_TYPE])
    subject: str | None = Field(description="The enterprise or union.", examples=["union/01938c5e-7f00-7000-8000-0000000000a1"])
    time: datetime | None = Field(description="When it was recorded.", examples=[AN_INSTANT])
    occurredon: date | None = Field(description="Its business date.", examples=["2026-06-30"])
    content: Literal["kept", "retention", "erasure"] = Field(
        description="Whether its content is kept, or why not: the time of retention is over, or it was erased.", examples=["kept"]
    )
    attempts: list[AttemptAnswer] = Field(description="Every attempt, the first one first.")


class DeliveriesAnswer(BaseModel):
    """Numbers in their order."""

    items: list[DeliveryAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class ReplayAnswer(BaseModel):
    """From where to where the same events are given again."""

    id: UUID = Field(description="The subscription.", examples=[A_SUBSCRIPTION])
    from_number: int | None = Field(description="The first number; null: there is none.", examples=[1])
    to_number: int | None = Field(description="The last number; null: there is none.", examples=[42])
    cursor: str | None = Field(
        description="Of a pull subscription: `after` of `GET …/events`, from which it goes on; null: they are sent.", examples=[None]
    )


class RedeliveryAnswer(BaseModel):
    """A number is sent again at once, behind earlier ones of its subject."""

    id: UUID = Field(description="The subscription.", examples=[A_SUBSCRIPTION])
    number: int = Field(description="The number.", examples=[42])


def row_of(one: Subscribed) -> dict[str, Any]:
    """The fields of SubscriptionRow."""
    own = (
        *(
            "id",
            "grant_id",
            "client",
            "types",
            "filter",
            "status",
            "status_reason",
            "status_at",
            "created_at",
            "assigned_to",
            "delivered_to",
        ),
        *("confirmed_to", "waiting_since", "parked", "last_success_at", "failing_since"),
    )
    error = None if one.last_error is None else {"at": one.last_error_at, "error": one.last_error}
    channel = {"kind": one.kind, "url": one.url, "signature": one.signature}
    return {name: getattr(one, name) for name in own} | {"channel": channel, "last_error": error}


def delivery_of(row: Mapping[str, Any], attempts: list[dict[str, Any]], due: datetime | None, *, shown: bool) -> dict[str, Any]:
    """The fields of DeliveryAnswer; `shown`: whether the caller may know what the event is."""
    own = ("number", "state", "pending", "day", "assigned_at", "settled_at", "error", "corrects")
    event = ("event_id", "type", "subject", "time", "occurredon")
    return (
        {name: row[name] for name in own}
        | {name: row[name] if shown else None for name in event}
        | {"content": row["gone"] or "kept", "attempts": attempts, "next_attempt_at": due}
    )
