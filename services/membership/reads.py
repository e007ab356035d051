"""What the reads of this service share, besides `shared.service.reads`."""

from __future__ import annotations

from shared.http.auth import Caller
from shared.problems.errors import NotFound
from shared.process.db import Connection
from shared.service.reads import require_granted

READ = "membership:read"


async def require_resource(conn: Connection, caller: Caller, area: str | None) -> None:
    """The resource lies in `area`. Raises NOT_FOUND (404) if it does not exist (None), AREA_NOT_GRANTED (403)."""
    if area is None:
        raise NotFound("NOT_FOUND")
    await require_granted(conn, caller, area)
