"""Reads of visits."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.membership.reads import READ
from services.membership.visits.answers import VisitsAnswer
from services.membership.world import enterprise_subject
from shared.contracts.membership import VisitMade
from shared.directory.store import enterprises
from shared.http.answers import json_response
from shared.http.auth import Areas
from shared.http.forms import Id
from shared.http.openapi import adding
from shared.http.pages import Cursors
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound
from shared.process import db
from shared.service.reads import sight_of_enterprise
from shared.writing import listing
from shared.writing.listing import Listed
from shared.writing.routes import After, Limit

router = Router(prefix="/v1", route_class=JsonRoute)


@router.get("/visits", response_model=VisitsAnswer, tags=["visits"], openapi_extra=adding("NOT_FOUND"))
async def list_visits(
    request: Request,
    caller: CallerOf,
    enterprise: Annotated[Id, Query(description="The enterprise visited.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])],
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """The visits of an enterprise as they stand, in the order in which they were recorded. A correction names `event_id`.

    Those of the days on which the enterprise was in the caller's areas, which row-level security knows.
    """
    caller.require(READ)
    cursors: Cursors = request.app.state.cursors
    last = cursors.decode(after, tuple[int])[0] if after else 0
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        if enterprise not in await enterprises(conn, [enterprise]):
            raise NotFound("NOT_FOUND")
        await sight_of_enterprise(conn, caller, enterprise)
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        rows = await listing.listed(conn, enterprise_subject(enterprise), VisitMade, last, limit + 1)
    items = rows[:limit]
    following = cursors.encode([items[-1].rank]) if len(rows) > limit else None
    return json_response({"items": [_item(enterprise, row) for row in items], "next": following})


def _item(enterprise_id: UUID, row: Listed) -> dict[str, Any]:
    return {
        "id": row.data["visit_id"],
        "enterprise_id": str(enterprise_id),
        "visited_on": row.on.isoformat(),
        "purpose": row.data["purpose"],
        "outcome": row.data.get("outcome"),
        "event_id": str(row.event_id),
        "sequence": row.rank,
    }
