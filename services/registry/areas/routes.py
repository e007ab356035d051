"""The routes that read areas: grant first, then read under the caller's areas."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query, Request
from starlette.responses import Response

from services.registry.areas import store
from services.registry.areas.answers import AreaAnswer, AreasAnswer
from services.registry.reads import READ, Part, cursors_of, page_of, require_granted, require_known, with_etag
from shared.http.auth import Areas
from shared.http.forms import AreaCode
from shared.http.openapi import TAGGED, adding
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.process import db
from shared.writing.routes import After, Limit

router = Router(prefix="/v1")
Code = Annotated[AreaCode, Path(description="The code of the division or park.", openapi_examples={"park": {"value": "330200-P001"}})]


@router.get("/areas", response_model=AreasAnswer, tags=["areas"], openapi_extra=adding("UNKNOWN_AREA"))
async def list_areas(
    request: Request,
    caller: CallerOf,
    parent: Annotated[
        str | None, Query(max_length=64, description="Only those directly in this area; empty: the roots.", examples=["330200"])
    ] = None,
    q: Part = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Divisions and parks by code. With a token for some areas only, `parent` must lie in them."""
    caller.require(READ)
    cursors = cursors_of(request, "areas")
    last = cursors.decode(after, tuple[str])[0] if after else None
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await require_granted(conn, caller, parent or None, "parent")
        await require_known(conn, parent, "parent")
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        rows = await store.page(conn, parent, q or "", last, limit + 1)
    return page_of(cursors, rows, limit, "code")


@router.get("/areas/{code}", response_model=AreaAnswer, responses=TAGGED, tags=["areas"])
async def get_area(request: Request, caller: CallerOf, code: Code) -> Response:
    """One division or park; `path` names it and all that it lies in, inside out."""
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await require_granted(conn, caller, code, None)
        found = await store.one(conn, code)
    return with_etag(request, found)
