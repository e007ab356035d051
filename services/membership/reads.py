"""What the reads of this service share: grants before any query, and ETags."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from shared.directory.store import area_path
from shared.http.answers import json_response
from shared.http.auth import Caller
from shared.problems.errors import NotFound
from shared.process.db import Connection

READ = "membership:read"


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
