"""Responses: JSON, problems in the caller's language, and the results of commands."""

from __future__ import annotations

from typing import Any

import msgspec
from pydantic import BaseModel
from starlette.requests import HTTPConnection
from starlette.responses import Response

from shared.journal.idempotency import Result
from shared.problems.errors import MEDIA_TYPE, Problem, warnings
from shared.problems.languages import preferred

_encode = msgspec.json.Encoder().encode


class Warned(BaseModel):
    """A warning beside a success."""

    code: str
    message_zh: str
    message_en: str


class Created(BaseModel):
    """The result of a command: the resource, its stream, the sequence of its last event there, all its events, and any warnings."""

    id: str
    subject: str
    sequence: int
    event_ids: list[str]
    warnings: list[Warned] | None = None


class ProblemError(BaseModel):
    """One error of a problem."""

    row: int | None
    field: str | None
    code: str
    message_zh: str
    message_en: str


class ProblemAnswer(BaseModel):
    """RFC 9457: why a request was refused. The codes: docs/problems.md."""

    type: str
    title: str
    status: int
    code: str
    errors: list[ProblemError]
    idempotency_key: str | None = None
    """Only with OUTCOME_UNKNOWN, if the request had no key: the one with which it may be sent again."""


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
    if result.warnings:
        body["warnings"] = warnings(result.warnings)
    return body


def problem_response(problem: Problem, language: str = "zh") -> Response:
    """The response of a problem."""
    headers = {**problem.headers, "Content-Language": language, "Vary": "Accept-Language"}
    return Response(_encode(problem.as_dict(language)), problem.status, headers, MEDIA_TYPE)


def language_of(request: HTTPConnection) -> str:
    """The language that the caller prefers, `zh` or `en`; `zh` without a preference."""
    return preferred(request.headers.get("accept-language", ""))
