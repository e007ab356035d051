"""Reads of unions."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import Response

from services.membership.reads import READ, require_resource
from services.membership.unions import store
from services.membership.unions.answers import UnionAnswer, UnionsAnswer
from shared.directory.store import area_path, sights
from shared.directory.visibility import Sight
from shared.http.answers import json_response
from shared.http.auth import Areas
from shared.http.forms import AreaCode, Id, Text
from shared.http.openapi import TAGGED, adding
from shared.http.pages import Cursors
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, Unprocessable
from shared.problems.preconditions import etag_of
from shared.process import db
from shared.service.reads import require_granted, with_etag
from shared.writing.routes import After, Limit

router = Router(prefix="/v1", route_class=JsonRoute)
UnionId = Annotated[Id, Path(description="The id of the union.", examples=["01938c5e-7f00-7000-8000-0000000000c1"])]


@router.get("/unions", response_model=UnionsAnswer, tags=["unions"], openapi_extra=adding("UNKNOWN_AREA"))
async def list_unions(
    request: Request,
    caller: CallerOf,
    q: Annotated[Text | None, Query(description="Part of the name.", examples=["联合"])] = None,
    area: Annotated[
        AreaCode | None,
        Query(description="Only those with their seat in this area; needed with a token for some areas only.", examples=["330200"]),
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Unions by age."""
    caller.require(READ)
    cursors: Cursors = request.app.state.cursors
    last = UUID(cursors.decode(after, tuple[str])[0]) if after else None
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await require_granted(conn, caller, area, "area")
        if area and await area_path(conn, area) is None:
            raise Unprocessable("UNKNOWN_AREA", field="area", params={"area": area})
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        rows = await store.listed(conn, q, area, last, limit + 1)
    items = rows[:limit]
    return json_response({"items": items, "next": cursors.encode([items[-1]["id"]]) if len(rows) > limit else None})


@router.get("/unions/{union_id}", response_model=UnionAnswer, responses=TAGGED, tags=["unions"])
async def get_union(request: Request, caller: CallerOf, union_id: UnionId) -> Response:
    """A union with the enterprises that it covers or covered, as far as these were in the caller's areas."""
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await require_resource(conn, caller, await store.seat_of(conn, union_id))
        found = await store.one(conn, union_id)
        seen = await sights(conn, caller.areas, {UUID(one["enterprise_id"]) for one in found["enterprises"]} if found else ())
    if found is None:
        raise NotFound("NOT_FOUND")
    etag = etag_of(found)
    covered = (_seen(one, seen[UUID(one["enterprise_id"])]) for one in found["enterprises"])
    return with_etag(request, {**found, "enterprises": [one for one in covered if one is not None]}, etag)


def _seen(covered: dict[str, Any], sight: Sight) -> dict[str, Any] | None:
    """A period of coverage as the caller sees it: with the dates of its own time; one that goes on is told whole where the enterprise is."""
    started, ended = covered["started_on"], covered["ended_on"]
    if ended is None and sight.now:
        return covered
    dates = {
        name: day if day and sight.on(date.fromisoformat(day)) else None for name, day in (("started_on", started), ("ended_on", ended))
    }
    return {**covered, **dates} if any(dates.values()) else None
