"""The OpenAPI document, with the problems that each route can answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI
from pydantic import TypeAdapter

from shared.http.answers import ProblemAnswer
from shared.problems.errors import MEDIA_TYPE

DESCRIPTION = {
    400: "The request cannot be read.",
    401: "No valid token.",
    403: "The token does not grant the scope or the area.",
    404: "No such resource.",
    409: "It does not fit what is known; `NOT_YET_KNOWN` comes with Retry-After.",
    412: "The resource has changed since it was read.",
    413: "The body or a line of it is too large.",
    415: "Another Content-Type is needed.",
    422: "A field is wrong.",
    429: "Too many requests; Retry-After says when to go on.",
    503: "Not available now; Retry-After says when to try again.",
}
REFERENCE = {"$ref": "#/components/schemas/Problem"}
METHODS = ("get", "post", "put", "patch", "delete")


def describe(app: FastAPI, body_limits: Mapping[str, int]) -> None:
    """Add the problems of each route to `app.openapi()`. `body_limits` = {path: bytes} of routes that take more than BODY_LIMIT."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is not None:
            return app.openapi_schema
        document = generate()
        schemas = document.setdefault("components", {}).setdefault("schemas", {})
        for unused in ("HTTPValidationError", "ValidationError"):
            schemas.pop(unused, None)
        schema = TypeAdapter(ProblemAnswer).json_schema(ref_template="#/components/schemas/{model}")
        schemas.update(schema.pop("$defs", {}))
        schemas["Problem"] = schema
        for path, item in document.get("paths", {}).items():
            for method in METHODS:
                if method in item:
                    _add_problems(path, method, item[method])
                    if path in body_limits and "requestBody" in item[method]:
                        item[method]["requestBody"]["description"] = f"{body_limits[path]} bytes at most."
        app.openapi_schema = document
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _add_problems(path: str, method: str, operation: dict[str, Any]) -> None:
    responses = operation.setdefault("responses", {})
    for status in _possible(path, method, operation):
        given = responses.get(str(status), {})
        responses[str(status)] = {
            "description": given.get("description") if status != 422 and given.get("description") else DESCRIPTION[status],
            **({"headers": {"Retry-After": {"schema": {"type": "string"}}}} if status in (409, 429, 503) else {}),
            "content": {MEDIA_TYPE: {"schema": REFERENCE}},
        }


def _possible(path: str, method: str, operation: Mapping[str, Any]) -> list[int]:
    """The statuses of an operation's problems."""
    if "operations" in operation.get("tags", ()):
        return []
    statuses = {400, 429, 503}
    if operation.get("security"):
        statuses |= {401, 403}
    if operation.get("parameters") or "requestBody" in operation:
        statuses |= {422}
    if "{" in path or method != "get":
        statuses |= {404}
    if "requestBody" in operation:
        statuses |= {413, 415}
    if method != "get":
        statuses |= {409}
    if any(parameter["name"].lower() == "if-match" for parameter in operation.get("parameters", ())):
        statuses |= {412}
    return sorted(statuses)
