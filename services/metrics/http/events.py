"""The events of the live stream, for the OpenAPI document, which knows no events: `x-events` has the schema of the data of each."""

from __future__ import annotations

import json
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, Field

from services.metrics.figures.freshness import StaleReason
from services.metrics.http.schemas import Basis, FindingAnswer, RowAnswer
from shared.http.openapi.examples import PREFIX, example_of

VERSION = "1:12.7.0"
"""An example of an event's id."""
LAST = "The id of the last event that the client has received: it receives what has changed since."


class CoverageEvent(Basis):
    """`coverage`: figures that changed. The id of the event is `version`."""

    full: bool = Field(description="Whether these are all rows; else those that changed, the total among them.", examples=[True])
    version: str = Field(description="The version of the figures: the generation, and the version of each shard.", examples=[VERSION])
    newest: datetime | None = Field(
        description="When the newest event that counts was recorded, UTC; null: none counts.", examples=["2026-06-30T01:30:00Z"]
    )
    age_ms: int | None = Field(
        description="Milliseconds since the oldest of the changes was recorded; null: unknown, or nothing changed.", examples=[92]
    )
    rows: list[RowAnswer] = Field(description="The rows, by code.")
    findings: list[FindingAnswer] | None = Field(
        description="What is odd about the data behind the total, as in the answer of GET /v1/coverage; null: not read yet, it follows. After "
        "changes it is read again within about a second, and sent if it has become another."
    )


class FactsEvent(BaseModel):
    """`facts`: there are new facts, whether figures changed or not. The id of the event is `version`."""

    version: str = Field(description="The version of the figures: the generation, and the version of each shard.", examples=[VERSION])
    newest: datetime | None = Field(
        description="When the newest event that counts was recorded, UTC; null: none counts.", examples=["2026-06-30T01:30:00Z"]
    )


class AgeEvent(BaseModel):
    """`age`: how old the figures are, and why."""

    age_ms: int = Field(description="Milliseconds since nothing was missing.", examples=[830])
    since: datetime | None = Field(
        description="The instant at which nothing was missing, UTC; null: never.", examples=["2026-06-30T01:30:00Z"]
    )
    reason: StaleReason | None = Field(description="Why they are not up to date; null: they are.", examples=[None])
    lag_events: int = Field(description="Events that wait to be read.", examples=[0])
    held: int = Field(description="Events that are held and not counted.", examples=[0])
    newest: datetime | None = Field(
        description="When the newest event that was read was recorded, UTC; null: none was read.", examples=["2026-06-30T01:30:00Z"]
    )
    closed_day: date | None = Field(
        description="Figures known at this day or before never change again; null: no day is closed yet.", examples=["2026-06-29"]
    )


class EndEvent(BaseModel):
    """`end`: the stream is over, and why."""

    reason: Literal["TOKEN_EXPIRED", "SIGNED_OUT", "AREA_NOT_GRANTED", "TOO_MANY_STREAMS"] = Field(
        description="The token or session has ended, the caller's areas no longer hold the area, or another client needs the room.",
        examples=["TOKEN_EXPIRED"],
    )


EVENTS: dict[str, type[BaseModel]] = {"coverage": CoverageEvent, "facts": FactsEvent, "age": AgeEvent, "end": EndEvent}


def responses() -> dict[int | str, dict[str, Any]]:
    """The `responses` of the stream."""
    schemas, texts = {}, []
    for name, model in EVENTS.items():
        schema = model.model_json_schema(ref_template=f"{PREFIX}{{model}}")
        known = schema.pop("$defs", {})
        for field in schema["properties"].values():
            # Enumerations that only the stream has are no components.
            if (one := next((part for part in field.get("anyOf", ()) if "$ref" in part), None)) and "enum" in (
                found := known[one["$ref"].removeprefix(PREFIX)]
            ):
                one.pop("$ref")
                one.update(found)
        schemas[name] = schema
        texts.append(f"event: {name}\ndata: {json.dumps(example_of(schema, known), ensure_ascii=False)}\n\n")
    media = {"schema": {"type": "string", "x-events": schemas}, "example": f"retry: 1000\n\n{texts[0]}"}
    return {200: {"description": "Events until the client leaves or its token ends.", "content": {"text/event-stream": media}}}
