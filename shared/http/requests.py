"""How requests are routed and read: the headers of commands, whence their events come, and bodies as strict JSON."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable
from typing import Annotated, Any, TypeAlias

from fastapi import APIRouter, Header
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from shared.problems.errors import BadRequest, Problem, Unprocessable
from shared.problems.personal import holds_resident_number
from shared.problems.strict_json import values_of

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


class _JsonRequest(Request):
    async def json(self) -> Any:
        return values_of(await self.body())


class Router(APIRouter):
    """Routes of an application, which has them as they are. FastAPI's `include_router` makes each again at an application's first request, and looks
    for the route of every request twice. Operations are named after their functions."""

    def __init__(self, **options: Any) -> None:
        super().__init__(generate_unique_id_function=lambda route: route.name, **options)


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
