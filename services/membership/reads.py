"""What the reads of this service share: grants before any query, ETags, and who may read a stream."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from services.membership.unions import store as unions
from shared.directory.store import area_path, enterprises
from shared.http.answers import json_response
from shared.http.auth import Caller
from shared.problems.errors import NotFound, Unprocessable
from shared.process.db import Connection

READ = "membership:read"
Subject = Annotated[str, Query(pattern=r"^(union|enterprise)/[0-9a-f-]{36}$", description="union/<id> or enterprise/<id>")]


async def require_granted(conn: Connection, caller: Caller, code: str | None, field: str | None) -> None:
    """Raises AREA_NOT_GRANTED (403) unless the area lies inside the caller's; None, above every root, needs all areas."""
    if not caller.areas.everything:
        caller.require_area(code, await area_path(conn, code) if code else None, field)


async def require_resource(conn: Connection, caller: Caller, area: str | None) -> None:
    """The resource lies in `area`. Raises NOT_FOUND (404) if it does not exist (None), AREA_NOT_GRANTED (403)."""
    if area is None:
        raise NotFound("NOT_FOUND")
    await require_granted(conn, caller, area, None)


def with_etag(request: Request, found: dict[str, Any], etag: str) -> Response:
    """The resource; 304 if the caller has it already."""
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return json_response(found, headers={"ETag": etag})


async def require_stream(conn: Connection, caller: Caller, subject: str) -> None:
    """A stream is read with a grant for the union's seat or the enterprise's park; of one that was withdrawn, with every area.

    Raises AREA_NOT_GRANTED (403), INVALID_ID (422).
    """
    kind, _, text = subject.partition("/")
    try:
        key = UUID(text)
    except ValueError:
        raise Unprocessable("INVALID_ID", field="subject") from None
    if kind == "union":
        area = await unions.seat_of(conn, key)
    else:
        enterprise = (await enterprises(conn, [key])).get(key)
        area = enterprise.park if enterprise else None
    await require_granted(conn, caller, area, "subject")
