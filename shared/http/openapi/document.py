"""The whole document: what the service is, and for each operation its problems, its headers and its examples."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from shared.http.answers import ProblemAnswer
from shared.http.openapi.examples import add_examples
from shared.http.openapi.headers import HEADERS, add_headers
from shared.http.openapi.problems import add_problems, example_name, example_of

METHODS = ("get", "post", "put", "patch", "delete")
COMMON = """
**Access.** Every request carries an OAuth 2 bearer token (JWT) with scopes `service:verb` and `areas`, the codes of the divisions or parks that
it may see and change; `*` is every area. An area outside the token is 403 before anything is read.

**Days and instants.** A business date (`on`, `settled_on`, `as_of`, …) is `YYYY-MM-DD`, a day of the deployment's zone (Asia/Shanghai unless it
is set otherwise). An instant is ISO 8601 in UTC.

**Commands.** Every POST that changes something takes an `Idempotency-Key`: the same key with the same body is done once. 201 means that it is
recorded for ever; what is wrong is corrected by another fact. A reference to something that was registered elsewhere a moment ago can be 409
`NOT_YET_KNOWN`: ask again after `Retry-After`. `X-Parkunion-Import: <id>` makes the `origin` of the request's events `import:<id>`.

**Lists** are pages: `next` of an answer is `after` of the next request; `next` is null on the last page.

**Problems** follow RFC 9457, with messages in Chinese and English, and name the field. Each operation lists the codes that it can answer with.
"""
TAGS = {
    "corrections": "Earlier facts were wrong, or never were.",
    "batch": "Many commands in one request.",
    "events": "What the service recorded about one enterprise, union or area, as CloudEvents.",
    "parked": "Streams of events that stand still, for operators.",
    "operations": "For those who run the service; without token.",
}


def describe(app: FastAPI, body_limits: Mapping[str, int]) -> None:
    """Complete `app.openapi()`. `body_limits` = {path: bytes} of routes that take more than BODY_LIMIT."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _completed(generate(), body_limits)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _completed(document: dict[str, Any], body_limits: Mapping[str, int]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    schema = TypeAdapter(ProblemAnswer).json_schema(ref_template="#/components/schemas/{model}")
    schemas.update(schema.pop("$defs", {}))
    schemas["Problem"] = schema
    components["headers"] = HEADERS
    told: set[tuple[str, int]] = set()
    tags: list[str] = []
    for path, item in document.get("paths", {}).items():
        for method in METHODS:
            if method in item:
                tags += item[method].get("tags", ())
                told |= _complete(path, method, item[method], body_limits)
    components["examples"] = {example_name(code, status): example_of(code, status) for code, status in sorted(told)}
    document["tags"] = [{"name": name, **({"description": TAGS[name]} if name in TAGS else {})} for name in dict.fromkeys(tags)]
    add_examples(document)
    return document


def _complete(path: str, method: str, operation: dict[str, Any], body_limits: Mapping[str, int]) -> set[tuple[str, int]]:
    if "operations" in operation.get("tags", ()):
        return set()
    told = add_problems(path, method, operation)
    add_headers(operation)
    if path in body_limits and "requestBody" in operation:
        given = operation["requestBody"].get("description", "")
        operation["requestBody"]["description"] = f"{given} {body_limits[path]} bytes at most.".strip()
    return told
