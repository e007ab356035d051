"""The routes that read: grant first, then ask under the caller's areas."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.registry import listings, store
from shared.contracts import registry
from shared.http.answers import json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import AreaCode, Id, Text
from shared.http.pages import Cursors
from shared.http.web import CallerOf
from shared.journal import journal
from shared.problems.errors import NotFound, Unprocessable
from shared.process import db
from shared.process.db import Connection

READ = "registry:read"
MOST_ITEMS = 500
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS)]
After = Annotated[str | None, Query(description="`next` of the page before")]
Part = Annotated[Text | None, Query(description="Part of a name or code")]

router = APIRouter(prefix="/v1")


async def _grant(conn: Connection, caller: Caller, code: str | None, field: str | None) -> None:
    """Raises AREA_NOT_GRANTED unless the area lies inside the caller's; None is everything."""
    if not caller.areas.everything:
        caller.require_area(code, await store.area_path(conn, code) if code else None, field)


def _cursors(request: Request, list_name: str) -> Cursors:
    return Cursors(request.app.state.settings.cursor_key, f"registry.{list_name}")


def _page(cursors: Cursors, rows: list[dict[str, Any]], limit: int, key: str) -> Response:
    items = rows[:limit]
    return json_response({"items": items, "next": cursors.encode([items[-1][key]]) if len(rows) > limit else None})


def _with_etag(request: Request, found: dict[str, Any] | None) -> Response:
    """The resource; its ETag is its stream's sequence, which If-Match of a command names."""
    if found is None:
        raise NotFound("NOT_FOUND")
    etag = f'"{found["sequence"]}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return json_response(found, headers={"ETag": etag})


@router.get("/enterprises", tags=["enterprises"])
async def list_enterprises(
    request: Request,
    caller: CallerOf,
    q: Part = None,
    area: Annotated[AreaCode | None, Query(description="In this area; needed with a token for some areas only")] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Enterprises by age."""
    caller.require(READ)
    cursors = _cursors(request, "enterprises")
    last = cursors.decode(after, tuple[UUID])[0] if after else None
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await _grant(conn, caller, area, "area")
        if area and await store.area_path(conn, area) is None:
            raise Unprocessable("UNKNOWN_AREA", field="area", params={"area": area})
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        rows = await listings.enterprises(conn, q or "", area, last, limit + 1)
    return _page(cursors, rows, limit, "id")


@router.get("/enterprises/{enterprise_id}", tags=["enterprises"])
async def get_enterprise(request: Request, caller: CallerOf, enterprise_id: Id) -> Response:
    """An enterprise as it is now, with its placements and headcounts by date."""
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await _grant_enterprise(conn, caller, enterprise_id)
        found = await listings.enterprise(conn, enterprise_id)
    return _with_etag(request, found)


async def _grant_enterprise(conn: Connection, caller: Caller, enterprise_id: UUID) -> None:
    """Raises NOT_FOUND for what does not exist or was withdrawn, AREA_NOT_GRANTED for what lies elsewhere."""
    if (park := await listings.park_of(conn, enterprise_id)) is None:
        raise NotFound("NOT_FOUND")
    await _grant(conn, caller, park, None)


@router.get("/areas", tags=["areas"])
async def list_areas(
    request: Request,
    caller: CallerOf,
    parent: Annotated[str | None, Query(max_length=64, description="Directly in this area; empty: the roots")] = None,
    q: Part = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Divisions and parks by code. With a token for some areas only, `parent` must lie in them."""
    caller.require(READ)
    cursors = _cursors(request, "areas")
    last = cursors.decode(after, tuple[str])[0] if after else None
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await _grant(conn, caller, parent or None, "parent")
        if parent and await store.area_path(conn, parent) is None:
            raise Unprocessable("UNKNOWN_AREA", field="parent", params={"area": parent})
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        rows = await listings.areas(conn, parent, q or "", last, limit + 1)
    return _page(cursors, rows, limit, "code")


@router.get("/areas/{code}", tags=["areas"])
async def get_area(request: Request, caller: CallerOf, code: AreaCode) -> Response:
    """One division or park; `path` names it and all that it lies in, inside out."""
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await _grant(conn, caller, code, None)
        found = await listings.area(conn, code)
    return _with_etag(request, found)


@router.get("/events", tags=["events"])
async def list_events(
    request: Request,
    caller: CallerOf,
    subject: Annotated[str, Query(max_length=80, description="enterprise/<id> or area/<code>")],
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """What this service said on one stream, oldest first, as CloudEvents."""
    caller.require(READ)
    cursors = _cursors(request, "events")
    last = cursors.decode(after, tuple[int])[0] if after else 0
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await _grant_stream(conn, caller, subject)
        rows = await journal.events_of(conn, subject, last, limit + 1)
    shown = rows[:limit]
    if not shown and not last:
        raise NotFound("NOT_FOUND")
    following = cursors.encode([shown[-1].sequence]) if len(rows) > limit else None
    events = b",".join(journal.cloud_event(row, registry.SOURCE) for row in shown)
    tail = b'],"next":' + (f'"{following}"'.encode() if following else b"null") + b"}"
    return Response(b'{"items":[' + events + tail, media_type="application/json")


async def _grant_stream(conn: Connection, caller: Caller, subject: str) -> None:
    """Raises AREA_NOT_GRANTED, INVALID_SUBJECT (422). Of a withdrawn enterprise only those with every area may read."""
    kind, _, key = subject.partition("/")
    try:
        area = await listings.park_of(conn, UUID(key)) if kind == "enterprise" else key
    except ValueError:
        raise Unprocessable("INVALID_SUBJECT", field="subject") from None
    if kind not in ("enterprise", "area"):
        raise Unprocessable("INVALID_SUBJECT", field="subject")
    await _grant(conn, caller, area, "subject")
