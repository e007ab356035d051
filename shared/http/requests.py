"""How requests are read: the headers of commands, whence their events come, and strict JSON, in UTF-8 and with each name of an object once.

RFC 8259 does not say which of two equal names counts, so a command with such an object is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any, TypeAlias

import msgspec
from fastapi import Header
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.problems.errors import BadRequest, Problem, Unprocessable
from shared.problems.personal import holds_resident_number
from shared.problems.validation import path_of

DEEPEST_JSON = 64
"""Objects and lists around a value, at most."""
KEY = re.compile(rb"[\x21-\x7e]{1,255}")
KEY_HEADER = "Idempotency-Key"
IMPORT_HEADER = "X-Parkunion-Import"
IMPORT_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
API = "api"
"""The origin of events whose request names no import."""
REPEATS = "x-repeats"
"""In the schema of the header: `answered`, a repeat gets the first answer; `harmless`, it is done again, which changes nothing more."""


def _key_header(repeats: str, description: str) -> Any:
    return Header(
        alias=KEY_HEADER,
        min_length=1,
        max_length=255,
        pattern=r"^[\x21-\x7e]+$",
        description=description,
        examples=["2026-07-01/4711"],
        json_schema_extra={REPEATS: repeats},
    )


IdempotencyKey: TypeAlias = Annotated[
    str | None, _key_header("answered", "The same key with the same body is done once and answered with the first result (30 days).")
]
"""The header that identifies a repeated command."""
IfMatch: TypeAlias = Annotated[
    str | None,
    Header(
        alias="If-Match", max_length=1000, description="The ETag of the resource as it was read; 412 if it has changed.", examples=['"7"']
    ),
]
"""The header that makes a command conditional on the ETag that its caller has read (shared/problems/preconditions.py)."""


def harmless_key(why: str) -> Any:
    """The type of the header at a route whose repeat does no harm, with the reason for its document: the key is taken and not needed."""
    return Annotated[str | None, _key_header("harmless", f"Taken, but not needed: {why}")]


def require_one_key(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """A request has one idempotency key at most, of the form that IdempotencyKey describes, also where none is used.

    Which of two would count is not said anywhere. Raises IDEMPOTENCY_KEY_TWICE (400), BAD_IDEMPOTENCY_KEY (422).
    """
    given = [value for name, value in headers if name == b"idempotency-key"]
    if len(given) > 1:
        raise BadRequest("IDEMPOTENCY_KEY_TWICE", field=KEY_HEADER)
    if given and not KEY.fullmatch(given[0]):
        raise Unprocessable("BAD_IDEMPOTENCY_KEY", field=KEY_HEADER)


def origin_of(request: Request) -> str:
    """The `origin` of the events of this request: `import:<id>` if its header names an import, else `api`.

    Raises BAD_IMPORT_ID (400) for another form or two headers, HOLDS_RESIDENT_NUMBER (422): the id is in events for ever.
    """
    given = request.headers.getlist(IMPORT_HEADER)
    if not given:
        return API
    if len(given) > 1 or not IMPORT_ID.fullmatch(given[0]):
        raise BadRequest("BAD_IMPORT_ID", field=IMPORT_HEADER)
    if holds_resident_number(given[0]):
        raise Unprocessable("HOLDS_RESIDENT_NUMBER", field=IMPORT_HEADER)
    return f"import:{given[0]}"


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) < len(pairs):
        names = [name for name, _ in pairs]
        raise Unprocessable("DUPLICATE_FIELD", field=path_of([next(name for name in names if names.count(name) > 1)]))
    return values


_decode = json.JSONDecoder(object_pairs_hook=_once).decode
_decode_fast = msgspec.json.Decoder().decode
_encode_fast = msgspec.json.Encoder().encode


class _Unusual(ValueError):
    """Only the slow way can tell what this content says."""


def values_of(content: bytes) -> Any:
    """Plain values. Raises DUPLICATE_FIELD (422), ValueError if it is no JSON in UTF-8 or nested more than DEEPEST_JSON times, RecursionError.

    NaN and lone surrogates pass: the validation of the fields names the field.
    """
    try:
        values = _usual(content)
    except (ValueError, RecursionError, OverflowError):
        values = _decode(content.decode("utf-8-sig"))
    # Python's own limit depends on who calls; this one is the same at every door.
    if content.count(b"[") + content.count(b"{") > DEEPEST_JSON:
        _require_shallow(values)
    return values


def _usual(content: bytes) -> Any:
    """The values of most contents, in a sixth of the time. Raises ValueError, RecursionError, OverflowError for all others.

    The decoder keeps the last of two equal names. That one is lost is noticed when the values are written again, or, where that gives another
    text because of blanks, by the quotes: without escapes every text has two.
    """
    values = _decode_fast(content)
    again = _encode_fast(values)
    if again == content or again == content.replace(b": ", b":").replace(b", ", b","):
        return values
    if b"\\" in content or content.count(b'"') != _quotes(values):
        raise _Unusual
    return values


def _quotes(value: Any) -> int:
    """The quotes with which these values are written. Raises _Unusual for numbers that decoders may read differently."""
    kind = type(value)
    if kind is dict:
        return 2 * len(value) + sum([2 if type(inner) is str else _quotes(inner) for inner in value.values()])
    if kind is list:
        return sum([2 if type(inner) is str else _quotes(inner) for inner in value])
    if kind is str:
        return 2
    if value is None or kind is bool or (kind is int and -(2**53) < value < 2**53):
        return 0
    raise _Unusual


def _require_shallow(values: Any) -> None:
    level = [values]
    for _ in range(DEEPEST_JSON):
        level = [
            inner for value in level if isinstance(value, dict | list) for inner in (value.values() if isinstance(value, dict) else value)
        ]
        if not level:
            return
    if any(isinstance(value, dict | list) for value in level):
        raise ValueError("nested too deep")


class _JsonRequest(Request):
    async def json(self) -> Any:
        return values_of(await self.body())


class JsonRoute(APIRoute):
    """A route whose body is read by `values_of`, and which ignores no idempotency key: one that declares no such header refuses it."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        refuses_key = "POST" in (self.methods or ()) and all(one.alias != KEY_HEADER for one in self.dependant.header_params)

        async def handle_json(request: Request) -> Response:
            if refuses_key and KEY_HEADER in request.headers:
                raise BadRequest("IDEMPOTENCY_KEY_NOT_TAKEN", field=KEY_HEADER)
            try:
                return await handle(_JsonRequest(request.scope, request.receive))
            except HTTPException as error:
                # FastAPI turns every error of reading a body into 400, and keeps it as the cause.
                if isinstance(error.__cause__, Problem):
                    raise error.__cause__ from None
                raise

        return handle_json
