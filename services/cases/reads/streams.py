"""`GET /v1/events`: who sees which stream of this service."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from fastapi import Query

from shared.directory.store import granted
from shared.directory.visibility import Sight, Stay
from shared.http.auth import Caller
from shared.problems.errors import Unprocessable
from shared.process.db import Connection
from shared.service.enterprises import enterprise_of
from shared.service.reads import require_granted, sight_of_enterprise
from shared.writing.routes import EventsRoute

AREA_OF = "SELECT area FROM entries WHERE subject = $1 AND area IS NOT NULL LIMIT 1"
Subject = Annotated[
    str,
    Query(
        pattern=r"^(enterprise|area|hardship|help|rule|calendar)/[A-Za-z0-9._-]{1,64}$",
        description="The stream: enterprise/<id>, area/<code>, hardship/<id>, help/<id>, rule/<name> or calendar/<year>.",
        examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"],
    ),
]


async def sight_of_stream(conn: Connection, caller: Caller, subject: str) -> Sight:
    """What the caller sees of a stream: of an enterprise's that of the days on which it was in the caller's areas; of a file's or an area's
    all, if the area is granted; rules and calendars are for everybody.

    Raises AREA_NOT_GRANTED (403), INVALID_ID (422).
    """
    kind, _, key = subject.partition("/")
    if kind == "enterprise":
        enterprise_id = enterprise_of(subject)
        if enterprise_id is None:
            raise Unprocessable("INVALID_ID", field="subject")
        return await sight_of_enterprise(conn, caller, enterprise_id, "subject")
    inside = await granted(conn, caller.areas)
    if kind in ("rule", "calendar"):
        return Sight([Stay(date.min, date.max, "*")], frozenset({"*"}))
    area = key if kind == "area" else await conn.fetchval(AREA_OF, subject)
    await require_granted(conn, caller, area, "subject")
    return Sight([Stay(date.min, date.max, area)] if area else (), inside)


EVENTS = EventsRoute(subject=Subject, sight=sight_of_stream, cursors=lambda request: request.app.state.cursors)
