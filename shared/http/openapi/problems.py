"""The problems of each operation: {code: status}, from the catalogue, by what the operation is and takes.

`tests/conformance.py` compares every answer of the test suite with them, so a code that is missing here fails a test.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any, TypeAlias

from shared.http.requests import REPEATS
from shared.problems.catalogue import BATCHES, CODES, COMMANDS, FIELDS, REQUESTS, SECTIONS, SHARED_FACTS, Entry
from shared.problems.errors import MEDIA_TYPE, Problem

Codes: TypeAlias = Mapping[str, int]
"""{code: status}"""

DESCRIPTION = {
    400: "The request cannot be read.",
    401: "No valid token.",
    403: "The token does not grant the scope or the area.",
    404: "No such resource.",
    408: "The request was not sent in time.",
    409: "It does not fit what is known; `NOT_YET_KNOWN` comes with Retry-After.",
    410: "What was asked for is no longer kept; the problem says how to go on.",
    412: "The resource has changed since it was read.",
    413: "The body, a line of it, or the event that comes of it is too large.",
    414: "The request line is too long.",
    415: "Another Content-Type is needed.",
    421: "The service is not reached under the host name of the request.",
    422: "A field is wrong.",
    429: "Too many requests; Retry-After says when to go on.",
    431: "The headers are too large.",
    500: "The service failed; the message names the trace in its log.",
    503: "Not available now; Retry-After says when to try again.",
}
WITH_BODY = ("BROKEN_JSON", "BODY_TOO_LARGE", "UNSUPPORTED_MEDIA_TYPE")
OF_SOME = ("BAD_CURSOR", "NOT_FOUND", "METHOD_NOT_ALLOWED", "EVENT_TOO_LARGE", "OUTCOME_UNKNOWN", "CLOCK_AHEAD", *WITH_BODY)
"""Codes of the catalogue's requests that not every route has."""
ANY = tuple(code for code, entry in REQUESTS.items() if code not in OF_SOME and entry.status not in (401, 403))
SECURED = (*(code for code, entry in REQUESTS.items() if entry.status in (401, 403)), *FIELDS)
"""Of routes with a token. Fields: also a route without parameters refuses one that it does not know."""
WITH_KEY = ("IDEMPOTENCY_KEY_REUSED",)
WITHOUT_KEY = ("IDEMPOTENCY_KEY_NOT_TAKEN",)
"""Of a POST that declares no idempotency key (shared/http/requests.py)."""
CHANGING = ("BAD_IDEMPOTENCY_KEY", "IDEMPOTENCY_KEY_TWICE", "BAD_IMPORT_ID", "OUTCOME_UNKNOWN")
"""Of every route that may change something, whether it uses a key or not."""
HEADERS_OF_STATUS = {401: ("WWW-Authenticate",), 409: ("Retry-After",), 429: ("Retry-After",), 503: ("Retry-After", "Idempotency-Key")}
EXTRA = "x-problems"
"""The key of the codes that a route adds in its `openapi_extra`, or a parameter in its `json_schema_extra`; it is not published."""
PLACEHOLDER = re.compile(r"\{(\w+)\}")


def statuses_of(entry: Entry) -> tuple[int, ...]:
    """Every status with which a code is answered."""
    return (entry.status, *entry.also)


def adding(*codes: str, **with_status: int) -> dict[str, Any]:
    """For the `openapi_extra` of a route, or the `json_schema_extra` of a parameter: it also answers these codes, with their usual status or the
    one given."""
    return {EXTRA: {**_usual(codes), **with_status}}


def of_commands(service: str, *, noun: str | None = None) -> dict[str, Any]:
    """`openapi_extra` of a command. `noun`: what its path names, which may not exist (404)."""
    known = {**COMMANDS, **SHARED_FACTS, **_section(service)}
    pairs = [(code, status) for code, entry in known.items() for status in statuses_of(entry)]
    wanted = [(code, status) for code, status in pairs if status >= 400 and (status != 404 or code == f"UNKNOWN_{(noun or '').upper()}")]
    return {EXTRA: {**_usual(["EVENT_TOO_LARGE", "CLOCK_AHEAD"]), **_joined(wanted)}}


def of_batches() -> dict[str, Any]:
    """`openapi_extra` of the batch as a whole; what is wrong with a line is in its answer."""
    return adding(*BATCHES, "CLOCK_AHEAD")


def warnings_of(service: str) -> list[str]:
    """Codes that may stand beside a success of a command."""
    return [code for code, entry in {**SHARED_FACTS, **_section(service)}.items() if entry.status == 201]


def add_problems(path: str, method: str, operation: dict[str, Any]) -> set[tuple[str, int]]:
    """Write the problems of an operation into its `responses`. Returns the examples that they refer to, as (code, status)."""
    added = [operation.pop(EXTRA, {}), *(parameter["schema"].pop(EXTRA, {}) for parameter in operation.get("parameters", ()))]
    codes = _codes(path, method, operation, [pair for one in added for pair in one.items()])
    responses = operation.setdefault("responses", {})
    # FastAPI documents a 422 of its own form.
    responses.pop("422", None)
    for status in sorted({status for _, status in codes}):
        here = sorted(code for code, other in codes if other == status)
        responses[str(status)] = {
            "description": DESCRIPTION.get(status) or f"{HTTPStatus(status).phrase}.",
            "headers": {name: {"$ref": f"#/components/headers/{name}"} for name in HEADERS_OF_STATUS.get(status, ())},
            "content": {
                MEDIA_TYPE: {
                    "schema": {"$ref": "#/components/schemas/Problem"},
                    "examples": {code: {"$ref": f"#/components/examples/{example_name(code, status)}"} for code in here},
                }
            },
        }
    return codes


def example_name(code: str, status: int) -> str:
    """The name of a code's example among the components."""
    return code if CODES[code].status == status else f"{code}_{status}"


def example_of(code: str, status: int) -> dict[str, Any]:
    """A code's example: the problem, with the names of the values that its messages hold."""
    entry = CODES[code]
    params = {name: f"{{{name}}}" for text in (entry.message_zh, entry.message_en) for name in PLACEHOLDER.findall(text)}
    problem = Problem(code, params=params)
    problem.status = status
    return {"summary": f"{entry.title_zh} · {entry.title_en}", "value": problem.as_dict()}


def _codes(path: str, method: str, operation: Mapping[str, Any], added: Iterable[tuple[str, Any]]) -> set[tuple[str, int]]:
    found = {**_usual(ANY)}
    names = {parameter["name"].lower() for parameter in operation.get("parameters", ())}
    answered = any(parameter["schema"].get(REPEATS) == "answered" for parameter in operation.get("parameters", ()))
    if operation.get("security"):
        found |= _usual(SECURED)
        if method != "get":
            found |= _usual(["NOT_OUR_PAGE"])
    if method != "get":
        found |= _usual(CHANGING)
    if answered:
        found |= _usual(WITH_KEY)
    elif method == "post" and "idempotency-key" not in names:
        found |= _usual(WITHOUT_KEY)
    if "after" in names and "CURSOR_UNKNOWN" not in dict(added):
        found |= _usual(["BAD_CURSOR"])
    if "requestBody" in operation:
        found |= _usual(WITH_BODY)
    chosen = [one for one in operation.get("parameters", ()) if one["in"] == "path" and one["schema"].keys() & {"enum", "$ref"}]
    if "{" in path and method == "get" and not chosen:
        found |= _usual(["NOT_FOUND"])
    more = [(code, status) for code, given in added for status in (given if isinstance(given, list) else [given])]
    pairs = {*found.items(), *more}
    return {(code, status) for code, status in pairs if status != 412 or "if-match" in names}


def _usual(codes: Iterable[str]) -> dict[str, int]:
    return {code: CODES[code].status for code in codes}


def _joined(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    joined: dict[str, list[int]] = {}
    for code, status in pairs:
        joined.setdefault(code, []).append(status)
    return joined


def _section(service: str) -> Mapping[str, Entry]:
    return SECTIONS.get(service.capitalize(), {})
