"""The routes that read enterprises: grant first, then read under the caller's areas."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import Response

from services.registry.enterprises import store
from services.registry.enterprises.answers import EnterpriseAnswer, EnterprisesAnswer
from services.registry.enterprises.enterprise import enterprise_of
from services.registry.enterprises.rules import wrong_checks
from services.registry.reads import (
    READ,
    Part,
    cursors_of,
    history_of,
    page_of,
    require_granted,
    require_known,
    sight_of,
    with_etag,
)
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from shared.directory.visibility import Sight
from shared.http.auth import Areas, Caller
from shared.http.forms import AreaCode, Id
from shared.http.openapi import TAGGED, adding
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, warnings
from shared.process import db
from shared.process.db import Connection
from shared.writing.facts import History
from shared.writing.routes import After, Limit

router = Router(prefix="/v1")
EnterpriseId = Annotated[Id, Path(description="The id of the enterprise.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])]


@router.get("/enterprises", response_model=EnterprisesAnswer, tags=["enterprises"], openapi_extra=adding("UNKNOWN_AREA"))
async def list_enterprises(
    request: Request,
    caller: CallerOf,
    q: Part = None,
    area: Annotated[
        AreaCode | None, Query(description="Only those in this area; needed with a token for some areas only.", examples=["330200"])
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Enterprises by age."""
    caller.require(READ)
    cursors = cursors_of(request, "enterprises")
    last = cursors.decode(after, tuple[UUID])[0] if after else None
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await require_granted(conn, caller, area, "area")
        await require_known(conn, area, "area")
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        rows = await store.page(conn, q or "", area, last, limit + 1)
    return page_of(cursors, rows, limit, "id")


@router.get("/enterprises/{enterprise_id}", response_model=EnterpriseAnswer, responses=TAGGED, tags=["enterprises"])
async def get_enterprise(request: Request, caller: CallerOf, enterprise_id: EnterpriseId) -> Response:
    """An enterprise as it is now, with its placements and headcounts of the days on which it was in the caller's areas."""
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await _require_granted(conn, caller, enterprise_id)
        history = await history_of(conn, enterprise_id)
        found = one(history, await sight_of(conn, caller, history))
    return with_etag(request, found)


async def _require_granted(conn: Connection, caller: Caller, enterprise_id: UUID) -> None:
    """Raises NOT_FOUND (404) for what does not exist or was withdrawn, AREA_NOT_GRANTED (403)."""
    if (park := await store.park_of(conn, enterprise_id)) is None:
        raise NotFound("NOT_FOUND")
    await require_granted(conn, caller, park, None)


def one(history: History, sight: Sight) -> dict[str, Any] | None:
    """One enterprise as it is now, with what is seen of its history and what is odd about its codes; None if there is none, or no longer."""
    found = enterprise_of(history)
    if found is None:
        return None
    return {
        "id": str(found.id),
        "name": found.name,
        "credit_code": found.credit_code,
        "registration_number": found.registration_number,
        "park": found.park,
        "district": found.district,
        "industry": found.industry,
        "ownership": found.ownership,
        "revenue": None if found.revenue_fen is None else found.revenue_fen / 100,
        "size": found.size,
        "size_rule": found.size_rule,
        "workers": found.workers,
        "workers_on": found.workers_on,
        "settled_on": found.settled_on,
        "closed_on": found.closed_on,
        "closed_reason": found.closed_reason,
        "placements": [placed for placed in _placements(history) if sight.on(placed["from"]) and placed["park"] in sight.granted],
        "headcounts": [{"on": fact.on, "workers": data.workers} for fact, data in history.holding(HeadcountReported) if sight.on(fact.on)],
        "subject": history.subject,
        "sequence": history.sequence,
        "findings": warnings(wrong_checks(found.credit_code, found.registration_number)),
    }


def _placements(history: History) -> list[dict[str, Any]]:
    """Where it was, by date; a move to the park in which it is already changes nothing."""
    settled = [(fact, data.park, data.district) for fact, data in history.holding(EnterpriseRegistered)]
    moved = [(fact, data.park, data.district) for fact, data in history.holding(EnterpriseMoved)]
    in_order = sorted([*settled, *moved], key=lambda entry: entry[0].order())
    stays = [next(same) for _, same in groupby(in_order, key=lambda entry: entry[1:])]
    return [{"park": park, "district": district, "from": fact.on} for fact, park, district in stays]
