"""What the routes that read have in common: grants, pages, ETags, and the events of a stream."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.registry.areas import store as areas
from services.registry.enterprises import store as enterprises
from shared.http.answers import json_response
from shared.http.auth import Caller
from shared.http.forms import Text
from shared.http.openapi import adding
from shared.http.pages import Cursors
from shared.problems.errors import NotFound, Unprocessable
from shared.process.db import Connection
from shared.writing.routes import EventsRoute

READ = "registry:read"
Part = Annotated[Text | None, Query(description="Part of a name or code.", examples=["电子"])]


async def require_granted(conn: Connection, caller: Caller, code: str | None, field: str | None) -> None:
    """Raises AREA_NOT_GRANTED (403) unless the area lies inside the caller's; None needs every area."""
    if not caller.areas.everything:
        caller.require_area(code, await areas.area_path(conn, code) if code else None, field)


async def require_known(conn: Connection, code: str | None, field: str) -> None:
    """Raises UNKNOWN_AREA (422) for an area that is not known."""
    if code and await areas.area_path(conn, code) is None:
        raise Unprocessable("UNKNOWN_AREA", field=field, params={"area": code})


def cursors_of(request: Request, list_name: str) -> Cursors:
    """The signed cursors of one list."""
    return Cursors(request.app.state.settings.cursor_key, f"registry.{list_name}")


def page_of(cursors: Cursors, rows: list[dict[str, Any]], limit: int, key: str) -> Response:
    """The first `limit` rows, and a cursor if there are more."""
    items = rows[:limit]
    return json_response({"items": items, "next": cursors.encode([items[-1][key]]) if len(rows) > limit else None})


def with_etag(request: Request, found: dict[str, Any] | None) -> Response:
    """The resource; its ETag is its stream's sequence, which If-Match of a command names. Raises NOT_FOUND (404)."""
    if found is None:
        raise NotFound("NOT_FOUND")
    etag = f'"{found["sequence"]}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return json_response(found, headers={"ETag": etag})


async def _permit_stream(conn: Connection, caller: Caller, subject: str) -> None:
    """Raises AREA_NOT_GRANTED (403), INVALID_SUBJECT (422). The events of a withdrawn enterprise need every area."""
    kind, _, key = subject.partition("/")
    try:
        area = await enterprises.park_of(conn, UUID(key)) if kind == "enterprise" else key
    except ValueError:
        raise Unprocessable("INVALID_SUBJECT", field="subject") from None
    if kind not in ("enterprise", "area"):
        raise Unprocessable("INVALID_SUBJECT", field="subject")
    await require_granted(conn, caller, area, "subject")


EVENTS = EventsRoute(
    subject=Annotated[
        str,
        Query(
            max_length=80,
            description="The stream: enterprise/<id> or area/<code>.",
            examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"],
        ),
    ],
    permit=_permit_stream,
    cursors=lambda request: cursors_of(request, "events"),
    problems=adding("NOT_FOUND", "INVALID_SUBJECT"),
)
