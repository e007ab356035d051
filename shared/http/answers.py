"""Responses: JSON, problems in the caller's language, and the results of commands."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
from pydantic import BaseModel, Field
from starlette.requests import HTTPConnection
from starlette.responses import Response

from shared.journal.idempotency import Result
from shared.problems.errors import MEDIA_TYPE, Problem, warnings
from shared.problems.languages import preferred

_encode = msgspec.json.Encoder().encode

NEXT = "The cursor of the page behind this one, for `after`; null: this is the last."
"""The description of `next` in the answer of every list."""


class Warned(BaseModel):
    """A warning beside a success."""

    code: str = Field(description="What is odd, as a code of docs/problems.md.", examples=["PROBABLE_DUPLICATE"])
    message_zh: str = Field(description="The same in Chinese.", examples=["该园区已有名称相近的企业;已登记,请核对。"])
    message_en: str = Field(
        description="The same in English.",
        examples=["The park has an enterprise of almost the same name; registered all the same, please check."],
    )


class Created(BaseModel):
    """What a command has recorded."""

    id: str = Field(
        description="What the command made or changed: a UUID, or the code of an area; of a correction or withdrawal its event.",
        examples=["01938c5e-7f00-7000-8000-0000000000e1"],
    )
    subject: str = Field(description="The stream on which it is recorded.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
    sequence: int = Field(description="The position of its last event in that stream, from 1.", examples=[1])
    event_ids: list[str] = Field(
        description="Every event that was recorded, those that follow from it among them.",
        examples=[["01938c5e-7f01-7000-8000-0000000000f1"]],
    )
    warnings: list[Warned] | None = Field(None, description="What is odd but was recorded all the same; left out if nothing is.")


class ProblemError(BaseModel):
    """One error of a problem."""

    row: int | None = Field(description="The line of a batch, from 1; null where there are no lines.", examples=[None])
    field: str | None = Field(
        description="The dotted path in the body, list positions from 0, or the name of a parameter or header; null: no single one.",
        examples=["document.number"],
    )
    code: str = Field(description="What is wrong, as a code of docs/problems.md.", examples=["INVALID_DATE"])
    message_zh: str = Field(description="The same in Chinese.", examples=["日期须写作 YYYY-MM-DD 且真实存在。"])
    message_en: str = Field(description="The same in English.", examples=["A date is written YYYY-MM-DD and exists in the calendar."])


class ProblemAnswer(BaseModel):
    """RFC 9457: why a request was refused. The codes: docs/problems.md."""

    type: str = Field(description="A relative address under which the service explains the code.", examples=["/problems/INVALID_DATE"])
    title: str = Field(description="The problem in a few words, in the language of Accept-Language.", examples=["日期无效"])
    status: int = Field(description="The HTTP status; in a batch that of the line.", examples=[422])
    code: str = Field(description="The code of the first error.", examples=["INVALID_DATE"])
    errors: list[ProblemError] = Field(description="Everything that is wrong, as far as it was looked at; one at least.")
    idempotency_key: str | None = Field(
        None,
        description="Only with OUTCOME_UNKNOWN, if the request had no key: the one with which it may be sent again; else left out.",
        examples=[None],
    )
    resume: str | None = Field(
        None, description="Only with 410: the cursor with which to go on, that of the next event that is still kept.", examples=[None]
    )
    manifest: str | None = Field(
        None, description="Only with 410: the address of the manifest that lists what is no longer kept.", examples=[None]
    )
    allowed: list[str] | None = Field(
        None, description="Only with STEP_NOT_ALLOWED: the steps that the state allows, and `outcome` or `reopening`.", examples=[None]
    )


class CloudEventAnswer(BaseModel):
    """One recorded event: CloudEvents 1.0 in structured JSON, as it is published. Its contract: docs/events/asyncapi.json."""

    specversion: str = Field(description="The version of CloudEvents.", examples=["1.0"])
    id: UUID = Field(
        description="The id of the event, for ever: what a correction names.", examples=["01938c5e-7f01-7000-8000-0000000000f1"]
    )
    source: str = Field(description="The service that recorded it.", examples=["/services/registry"])
    type: str = Field(
        description="What happened, with the version of the contract of `data`.", examples=["parkunion.headcount-reported.v1"]
    )
    subject: str = Field(description="The stream that it belongs to.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
    partitionkey: str = Field(
        description="The key of its Kafka record: the id of its stream.", examples=["01938c5e-7f00-7000-8000-0000000000e1"]
    )
    sequence: str = Field(
        description="Its position in its stream, from 1 without gaps, in 19 digits.",
        pattern=r"^\d{19}$",
        examples=["0000000000000000002"],
    )
    time: datetime = Field(description="The instant at which it was recorded, UTC.", examples=["2026-07-01T01:30:00.123456Z"])
    occurredon: date = Field(description="The business date on which the fact counts.", examples=["2026-06-30"])
    actor: str = Field(description="The client that said so: the `sub` of its token.", examples=["registry-office"])
    origin: str = Field(description="How it came: `api`, `import:<id>`, or `event:<id>` for what follows from an event.", examples=["api"])
    datacontenttype: str = Field("application/json", description="The form of `data`; left out: JSON.", examples=["application/json"])
    causeid: UUID | None = Field(None, description="The event that caused this one; left out if none did.", examples=[None])
    traceparent: str | None = Field(
        None,
        description="The W3C trace context of the command; left out if there was none.",
        examples=["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"],
    )
    data: dict[str, Any] = Field(description="The fact, by the contract of its type; no personal data.", examples=[{"workers": 120}])


class EventsAnswer(BaseModel):
    """The events of one stream in sequence."""

    items: list[CloudEventAnswer] = Field(description="One page of them, oldest first.")
    next: str | None = Field(description=NEXT, examples=[None])


def json_response(content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Plain values, dates, UUIDs, dataclasses and msgspec structs as JSON."""
    return Response(_encode(content), status, headers, "application/json")


def created(result: Result) -> Response:
    """201 for a command; the same for a repeat."""
    return json_response(created_body(result), 201)


def created_body(result: Result) -> dict[str, Any]:
    """The fields of `Created`."""
    body: dict[str, Any] = {
        "id": result.id,
        "subject": result.subject,
        "sequence": result.sequence,
        "event_ids": [str(event_id) for event_id in result.event_ids],
    }
    if warned := result.warned:
        body["warnings"] = warnings(warned)
    return body


def problem_response(problem: Problem, language: str = "zh") -> Response:
    """The response of a problem."""
    headers = {**problem.headers, "Content-Language": language, "Vary": "Accept-Language"}
    return Response(_encode(problem.as_dict(language)), problem.status, headers, MEDIA_TYPE)


def language_of(request: HTTPConnection) -> str:
    """The language that the caller prefers, `zh` or `en`; `zh` without a preference."""
    return preferred(request.headers.get("accept-language", ""))


class KeyAnswer(BaseModel):
    """What an idempotency key answered."""

    key: str = Field(description="The idempotency key, as it was sent.", examples=["enterprises/A-17"])
    id: str = Field(description="The id that the command answered.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    subject: str = Field(description="The stream of its facts.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
    sequence: int = Field(description="The position of its last event in that stream, from 1.", examples=[1])
    event_ids: list[UUID] = Field(
        description="The events that it recorded, in their order.", examples=[["01938c5e-7f00-7000-8000-0000000000f1"]]
    )


class KeysAnswer(BaseModel):
    """The keys that are known, in the order asked for; others were never used, were refused, or are older than 30 days."""

    items: list[KeyAnswer] = Field(description="One for each known key.")
