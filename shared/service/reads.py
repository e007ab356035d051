"""Reads by grant: of a resource, and of the events of an enterprise."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from shared.directory.store import area_path, enterprises, sights
from shared.directory.visibility import Sight
from shared.http.answers import json_response
from shared.http.auth import UNNAMED, Caller
from shared.problems.errors import Unprocessable
from shared.process.db import Connection
from shared.service.enterprises import enterprise_of
from shared.writing.routes import EventsRoute

Subject = Annotated[
    str, Query(max_length=80, description="The stream: enterprise/<id>.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
]


async def require_granted(conn: Connection, caller: Caller, code: str | None, field: str | None = None) -> None:
    """Raises AREA_NOT_GRANTED (403) unless the area lies inside the caller's; None, above every root, needs all areas."""
    if not caller.areas.everything:
        caller.require_area(code, await area_path(conn, code) if code else None, field)


async def sight_of_stream(conn: Connection, caller: Caller, subject: str) -> Sight:
    """What the caller sees of an enterprise's stream: that of the days on which it was in the caller's areas.

    Raises AREA_NOT_GRANTED (403), INVALID_ID (422).
    """
    enterprise_id = enterprise_of(subject)
    if enterprise_id is None:
        raise Unprocessable("INVALID_ID", field="subject")
    return await sight_of_enterprise(conn, caller, enterprise_id, "subject")


async def sight_of_enterprise(conn: Connection, caller: Caller, enterprise_id: UUID, field: str | None = None) -> Sight:
    """What the caller sees of an enterprise. Raises AREA_NOT_GRANTED (403) if it was never in the caller's areas, or was withdrawn."""
    sight = (await sights(conn, caller.areas, [enterprise_id]))[enterprise_id]
    require_seen(caller, sight.ever, field)
    return sight


def require_seen(caller: Caller, seen: bool, field: str | None = None) -> None:
    """Raises AREA_NOT_GRANTED (403) unless `seen`; the refusal does not say where the enterprise is."""
    if not seen:
        caller.require_area(UNNAMED, None, field)


async def require_enterprise(conn: Connection, caller: Caller, enterprise_id: UUID, field: str | None = None) -> None:
    """Raises AREA_NOT_GRANTED (403) unless the park of the enterprise is granted; of one that is not known, every area."""
    found = (await enterprises(conn, [enterprise_id])).get(enterprise_id)
    await require_granted(conn, caller, found.park if found else None, field)


EVENTS = EventsRoute(subject=Subject, sight=sight_of_stream, cursors=lambda request: request.app.state.cursors)
"""`GET /v1/events` of a service whose facts stand on the streams of enterprises."""


def with_etag(request: Request, found: dict[str, Any], etag: str) -> Response:
    """The resource, or 304 if the caller has it already."""
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return json_response(found, headers={"ETag": etag})
