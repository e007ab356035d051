"""The routes of one enterprise: its unions and what it adds to the figures, and every fact about it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from services.metrics.explaining import timeline
from services.metrics.figures.stores import name_store
from services.metrics.http.access import READ, days_of, granted_snapshot, require_granted, snapshots_of
from services.metrics.http.bodies import basis, page
from services.metrics.http.explaining import lists
from services.metrics.http.explaining.bodies import behind_bodies, enterprise_body
from services.metrics.http.explaining.routes import cursors_of
from services.metrics.http.explaining.schemas import EnterpriseAnswer, FactsAnswer
from services.metrics.http.schemas import After, AsOf, KnownAt, Limit
from services.metrics.http.tables import AS_CSV, Format, csv_response
from shared.http.answers import language_of
from shared.http.auth import Areas, Caller
from shared.http.forms import Id
from shared.http.openapi import adding
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

router = Router(prefix="/v1/enterprises", tags=["enterprises"])
EnterpriseId = Annotated[
    Id,
    Path(
        description="The id of the enterprise.",
        examples=["01938c5e-7f00-7000-8000-0000000000e1"],
        json_schema_extra=adding(UNKNOWN_ENTERPRISE=404, UNKNOWN_AREA=404),
    ),
]


async def park_granted(request: Request, caller: Caller, enterprise: UUID) -> str | None:
    """The park of an enterprise by its last fact, if the caller may see it.

    Raises UNKNOWN_ENTERPRISE (404), AREA_NOT_GRANTED (403).
    """
    caller.require(READ)
    async with snapshots_of(request).snapshot(Areas.all()) as snapshot:
        row = (await name_store.names(snapshot.conn, snapshot.generation, [enterprise])).get(enterprise)
        if row is None:
            raise NotFound("UNKNOWN_ENTERPRISE", field="enterprise", params={"enterprise": str(enterprise)})
        park: str | None = row["park"]
        if not caller.areas.everything:
            require_granted(snapshot, caller, park, "enterprise")
        return park


@router.get("/{enterprise}", response_model=EnterpriseAnswer)
async def enterprise_on(
    request: Request, caller: CallerOf, enterprise: EnterpriseId, as_of: AsOf = None, known_at: KnownAt = None
) -> Response:
    """An enterprise on a business day: its unions by name or since when it has none, and what it adds to each count."""
    park = await park_granted(request, caller, enterprise)
    async with granted_snapshot(request, caller, None if caller.areas.everything else park, "enterprise") as snapshot:
        day, known = days_of(snapshot, as_of, known_at)
        found = await timeline.enterprise_on(snapshot, enterprise, day, known)
        if found is None:
            raise NotFound("UNKNOWN_ENTERPRISE", field="enterprise", params={"enterprise": str(enterprise)})
        return page(snapshot, {**basis(snapshot, as_of=day, known_at=known), **enterprise_body(found)})


@router.get("/{enterprise}/facts", response_model=FactsAnswer, responses=AS_CSV)
async def facts(
    request: Request,
    caller: CallerOf,
    enterprise: EnterpriseId,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    limit: Limit = 100,
    after: After = None,
    form: Format = "json",
) -> Response:
    """Every fact about an enterprise, counted or not, the latest business date first, with who recorded it and why."""
    cursors, language = cursors_of(request), language_of(request)
    start = cursors.decode(after, tuple[date, datetime, str, int]) if after else timeline.FIRST
    park = await park_granted(request, caller, enterprise)
    async with granted_snapshot(request, caller, None if caller.areas.everything else park, "enterprise") as snapshot:
        day, known = days_of(snapshot, as_of, known_at)
        if form == "csv":
            table = lists.facts(snapshot, enterprise, day, known, language)
            return await csv_response(request, table, language, f"{enterprise}.csv")
        found, more = await timeline.facts(snapshot, enterprise, day, known, start, limit)
        body = {
            **basis(snapshot, as_of=day, known_at=known),
            "id": enterprise,
            "items": await behind_bodies(snapshot, found, language),
            "next": cursors.encode(list(timeline.position_of(found[-1]))) if more else None,
        }
        return page(snapshot, body)
