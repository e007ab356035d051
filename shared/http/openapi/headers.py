"""The headers that requests and answers of every route have."""

from __future__ import annotations

from typing import Any

from shared.http.requests import IMPORT_HEADER, IMPORT_ID, REPEATS

HEADERS: dict[str, dict[str, Any]] = {
    "RateLimit": {
        "description": "Requests that are left now (`r`), and the seconds until the next one is (`t`).",
        "schema": {"type": "string", "examples": ['"default";r=399;t=0']},
    },
    "RateLimit-Policy": {
        "description": "How many requests a client may send at once (`q`) and in how many seconds that many more (`w`).",
        "schema": {"type": "string", "examples": ['"default";q=400;w=2']},
    },
    "traceparent": {
        "description": "The W3C trace context under which the request is found in logs and traces.",
        "schema": {"type": "string", "examples": ["00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"]},
    },
    "Retry-After": {
        "description": "Seconds after which the same request may succeed.",
        "schema": {"type": "string", "examples": ["1"]},
    },
    "WWW-Authenticate": {
        "description": "The way to authenticate, and what is wrong with the token (RFC 6750).",
        "schema": {"type": "string", "examples": ['Bearer realm="parkunion"']},
    },
    "Idempotency-Key": {
        "description": "Only with OUTCOME_UNKNOWN, if the request had no key: the one with which it may be sent again.",
        "schema": {"type": "string", "examples": ["kM3w9yQ2f0Jc7r1Zb8Xh5uVd"]},
    },
    "ETag": {
        "description": "The version of the resource: for If-Match of commands about it and If-None-Match of the next read.",
        "schema": {"type": "string", "examples": ['"7"']},
    },
}
EVERYWHERE = ("RateLimit", "RateLimit-Policy", "traceparent")
ACCEPT_LANGUAGE = {
    "name": "Accept-Language",
    "in": "header",
    "required": False,
    "description": "The language of problems' titles and of names in answers: `zh`, which is the default, or `en`.",
    "schema": {"type": "string", "examples": ["en"]},
}
IMPORT = {
    "name": IMPORT_HEADER,
    "in": "header",
    "required": False,
    "description": "The import that the request is part of: `origin` of its events becomes `import:<id>`. It holds no resident number, and says "
    "nothing about repeats: the same key and body with another import is the same command.",
    "schema": {"type": "string", "pattern": f"^{IMPORT_ID.pattern}$", "examples": ["2026-07-tax-office"]},
}
IF_NONE_MATCH = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The ETag of the answer that the caller has; 304 if it is still the same.",
    "schema": {"type": "string", "examples": ['"7"']},
}
TAGGED: dict[int | str, dict[str, Any]] = {304: {"description": "The caller has this version already (If-None-Match)."}}
"""`responses` of a route that answers with an ETag."""


def add_headers(operation: dict[str, Any]) -> None:
    """Document the headers of an operation's request and answers."""
    responses = operation["responses"]
    parameters = operation.setdefault("parameters", [])
    # What takes a key for its repeats is what records events.
    if any(parameter.get("schema", {}).get(REPEATS) == "answered" for parameter in parameters):
        parameters.append(IMPORT)
    parameters.append(ACCEPT_LANGUAGE)
    if "304" in responses:
        parameters.append(IF_NONE_MATCH)
    for status, response in responses.items():
        names = [*EVERYWHERE, *(["ETag"] if "304" in responses and status in ("200", "304") else [])]
        headers = response.setdefault("headers", {})
        headers |= {name: {"$ref": f"#/components/headers/{name}"} for name in names}
