"""All routes: those of the table, and the reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from fastapi import Request
from starlette.responses import Response

from shared.http.auth import Areas
from shared.http.forms import Id
from shared.http.parked_routes import parked_router
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound
from shared.problems.preconditions import etag_of
from shared.process import db
from shared.service.reads import EVENTS, require_enterprise, with_etag
from shared.writing.routes import writing_router
from tests.training_service.facts import TABLE
from tests.training_service.store import courses

router = Router(prefix="/v1", route_class=JsonRoute)


@router.get("/courses/{course_id}", tags=["courses"])
async def get_course(request: Request, caller: CallerOf, course_id: Id) -> Response:
    """A course, with its ETag."""
    caller.require("training:read")
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        found = (await courses(conn, [course_id])).get(course_id)
        if found is None or found.planned_on is None:
            raise NotFound("NOT_FOUND")
        await require_enterprise(conn, caller, found.enterprise_id)
    return with_etag(request, asdict(found), etag_of(asdict(found)))


ROUTERS: Sequence[Router] = (writing_router(TABLE, EVENTS), router, parked_router("training"))
"""They use `app.state`: `pool`, `context` and `cursors`."""
