"""What receivers send and get, for validation and the OpenAPI document."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from shared.http.forms import Command, Sequence

AN_EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "01938c5e-7f01-7000-8000-0000000000f1",
    "source": "/services/membership",
    "type": "parkunion.union-founded.v1",
    "subject": "union/01938c5e-7f00-7000-8000-0000000000a1",
    "time": "2026-07-01T01:30:00.123456Z",
    "occurredon": "2026-06-30",
    "datacontenttype": "application/json",
    "deliverynumber": 42,
    "watermark": 41,
    "data": {"union_id": "01938c5e-7f00-7000-8000-0000000000a1", "kind": "enterprise_union", "seat_area": "310115-P01"},
}
CURSOR = "Y3Vyc29yLXNpZ25hdHVyZVsiMDE5MzhjNWU3ZjAwNzAwMDgwMDAwMDAwMDAwMDAwYjEiLDQyXQ"


class DeliveredEvent(BaseModel):
    """An event as it leaves the house: CloudEvents 1.0 in structured JSON, the same by push, pull and stream."""

    model_config = ConfigDict(json_schema_extra={"examples": [AN_EVENT]})

    specversion: str = Field(description="The version of CloudEvents.", examples=["1.0"])
    id: str = Field(
        description="The id of the event, for ever; of what the service itself says one that is the same whenever it is sent again.",
        examples=["01938c5e-7f01-7000-8000-0000000000f1"],
    )
    source: str = Field(description="The service that recorded it.", examples=["/services/membership"])
    type: str = Field(
        description="What happened. `parkunion.delivery-withheld.v1`: the content is no longer granted, or was erased.",
        examples=["parkunion.union-founded.v1"],
    )
    subject: str = Field(
        description="The enterprise or union; events of one subject come in its order.",
        examples=["union/01938c5e-7f00-7000-8000-0000000000a1"],
    )
    time: datetime = Field(description="The instant at which it was recorded, UTC.", examples=["2026-07-01T01:30:00.123456Z"])
    occurredon: date = Field(description="The business date on which the fact counts.", examples=["2026-06-30"])
    datacontenttype: str = Field(description="The form of `data`.", examples=["application/json"])
    deliverynumber: int = Field(description="The number of this delivery in its subscription, from 1 without gaps.", examples=[42])
    watermark: int = Field(description="Every number up to it is delivered, parked or withheld.", examples=[41])
    correctsnumbers: str | None = Field(
        None,
        description="The numbers of the deliveries that this one corrects or withdraws, comma-separated; left out: none.",
        examples=["17"],
    )
    data: dict[str, Any] = Field(description="The granted fields of the fact.", examples=[AN_EVENT["data"]])


class EventsPage(BaseModel):
    """Events of a subscription in the order of their numbers."""

    items: list[DeliveredEvent] = Field(description="The events behind `after`; none: there is nothing new.")
    next: str = Field(
        description="The cursor behind these events, also of an empty page: `after` of the next request, which confirms that they arrived.",
        examples=[CURSOR],
    )
    watermark: int = Field(description="Every number up to it is delivered, parked or withheld.", examples=[41])


class Acknowledgement(Command):
    """What has arrived, and is stored by the receiver."""

    to_number: Sequence = Field(description="Every delivery up to this number has arrived.", examples=[42])


class Acknowledged(BaseModel):
    """How far the receipt of a subscription is confirmed."""

    confirmed_to: int = Field(description="Every number up to it is confirmed; it never falls.", examples=[42])
    watermark: int = Field(description="Every number up to it is delivered, parked or withheld.", examples=[42])


class StreamEnd(BaseModel):
    """`end`: the stream is over, and why."""

    reason: Literal["TOKEN_EXPIRED", "SIGNED_OUT", "EVENTS_REMOVED"] = Field(
        description="The token or session has ended, or the content of the next number was removed: GET …/events says how to go on.",
        examples=["TOKEN_EXPIRED"],
    )


def stream_responses() -> dict[int | str, dict[str, Any]]:
    """The `responses` of the stream: `x-events` has the schema of the data of each event."""
    schemas = {"message": DeliveredEvent.model_json_schema(), "end": StreamEnd.model_json_schema()}
    example = f"retry: 1000\n\nid: 42\ndata: {json.dumps(AN_EVENT, ensure_ascii=False)}\n\n"
    media = {"schema": {"type": "string", "x-events": schemas}, "example": example}
    return {200: {"description": "Events until the client leaves or its token ends.", "content": {"text/event-stream": media}}}
