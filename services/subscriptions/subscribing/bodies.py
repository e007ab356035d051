"""The bodies that bureaus send about subscriptions."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema, model_validator
from pydantic_core import PydanticCustomError

from services.subscriptions.egress.urls import MOST_CHARACTERS
from services.subscriptions.grants.bodies import A_TYPE, MOST_AREAS, MOST_TYPES, TypeName, moment
from shared.http.forms import AreaCode, Command, Count, Id, Sequence, normal

INDUSTRY = re.compile(r"[A-T][0-9]{0,4}")
MOST_INDUSTRIES = 100


def _instant(value: object) -> datetime:
    found = moment(value)
    if not isinstance(found, datetime):
        raise PydanticCustomError("INVALID_INSTANT", "an instant is written in ISO 8601 with a zone")
    return found


def _industry(value: str) -> str:
    if not INDUSTRY.fullmatch(value):
        raise PydanticCustomError("INVALID_INDUSTRY", "an industry is a section letter with up to four digits")
    return value


Instant: TypeAlias = Annotated[datetime, BeforeValidator(_instant)]
"""An instant in ISO 8601 with a zone."""
Industry: TypeAlias = Annotated[
    str, BeforeValidator(normal), AfterValidator(_industry), WithJsonSchema({"type": "string", "pattern": f"^{INDUSTRY.pattern}$"})
]
"""The beginning of a code of GB/T 4754: a section letter with up to four digits behind it."""


class FilterBody(Command):
    """Which of the granted events are wanted; what is unknown of an enterprise fits no condition."""

    areas: list[AreaCode] | None = Field(
        None,
        min_length=1,
        max_length=MOST_AREAS,
        description="Only what is seen by these areas, within those of the grant.",
        examples=[["330200-P001"]],
    )
    industries: list[Industry] | None = Field(
        None,
        min_length=1,
        max_length=MOST_INDUSTRIES,
        description="Only of enterprises of these industries: beginnings of codes of GB/T 4754.",
        examples=[["C", "I65"]],
    )
    min_workers: Count | None = Field(None, description="Only of enterprises with at least so many workers.", examples=[100])


class WebhookBody(Command):
    """Events are sent to an endpoint."""

    kind: Literal["webhook"] = Field(description="`webhook`", examples=["webhook"])
    # What a URL may be is checked behind the form, so that each fault has a code of its own (egress/urls.py).
    url: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] = Field(
        description=f"Where they are sent: https, {MOST_CHARACTERS} characters at most, without user info and fragment, to public addresses.",
        examples=["https://bureau.example/parkunion"],
    )
    signature: Literal["v1a", "v1"] = Field(
        "v1a",
        description="How they are signed: `v1a`, Ed25519, with public keys at `/.well-known/jwks.json`; `v1`, HMAC-SHA256, with a secret.",
        examples=["v1a"],
    )


class PullBody(Command):
    """Events are fetched: `GET …/events` and `…/stream`."""

    kind: Literal["pull"] = Field(description="`pull`", examples=["pull"])


Channel: TypeAlias = Annotated[WebhookBody | PullBody, Field(discriminator="kind")]


class SubscriptionBody(Command):
    """Get the events of a grant from now on, or some of them."""

    grant_id: Id = Field(description="The grant.", examples=["01938c5e-7f00-7000-8000-0000000000a1"])
    types: list[TypeName] | None = Field(
        None,
        min_length=1,
        max_length=MOST_TYPES,
        description="Only these types, of those of the grant; null: all of them.",
        examples=[[A_TYPE]],
    )
    filter: FilterBody | None = Field(None, description="Only what fits; null: everything.")
    channel: Channel = Field(description="How the events get to the client.")


class ReplayBody(Command):
    """From where the same events are given again, under the same numbers: a number or an instant."""

    from_number: Sequence | None = Field(None, description="From this number on.", examples=[1])
    from_time: Instant | None = Field(
        None, description="From the first number on that was assigned at this instant or later, in ISO 8601 with a zone.", examples=[None]
    )

    @model_validator(mode="after")
    def _says_one(self) -> ReplayBody:
        if (self.from_number is None) == (self.from_time is None):
            raise PydanticCustomError("REPLAY_FROM_ONE", "say either from_number or from_time")
        return self
