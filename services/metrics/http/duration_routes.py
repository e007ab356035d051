"""The routes of the time to found: medians by group, and the Kaplan–Meier curve of an area or group."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from services.metrics.explaining import waits
from services.metrics.explaining.waits import Waits, require_durations
from services.metrics.http.access import READ, days_of, granted_snapshot
from services.metrics.http.bodies import basis, page, step_body, waits_body
from services.metrics.http.figure_tables import curve_table, durations_table
from services.metrics.http.schemas import Area, AsOf, CurveAnswer, DurationsAnswer, Group, Grouping, KnownAt
from services.metrics.http.tables import AS_CSV, Format, csv_response
from shared.http.answers import language_of
from shared.http.openapi import adding
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import Unprocessable

router = Router(prefix="/v1/durations", tags=["durations"])


@router.get("", response_model=DurationsAnswer, responses=AS_CSV, openapi_extra=adding("REBUILD_NEEDED"))
async def durations(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    by: Grouping = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: Format = "json",
) -> Response:
    """How long enterprises waited from their start to their first union: how many, and the median with those that are waiting still."""
    async with granted_snapshot(request, caller, area) as snapshot:
        require_durations(snapshot)
        day, known = days_of(snapshot, as_of, known_at)
        language = language_of(request)
        answer = await waits.durations(snapshot, area=area, by=by, as_of=day, known_at=known, language=language)
        if form == "csv":
            table = durations_table([*answer.rows, answer.total], basis(snapshot, as_of=day, known_at=known))
            return await csv_response(request, table, language, f"{area or 'all'}-durations.csv")
        rows = [waits_body(row) for row in (*answer.rows, answer.total)]
        return page(snapshot, {**basis(snapshot, as_of=day, known_at=known), "rows": rows, "left_out": 0})


@router.get("/curve", response_model=CurveAnswer, responses=AS_CSV, openapi_extra=adding("REBUILD_NEEDED"))
async def curve(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    by: Grouping = None,
    group: Group = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    form: Format = "json",
) -> Response:
    """The Kaplan–Meier curve of an area, or of one group in it: the share that is still waiting after so many days."""
    caller.require(READ)
    if (group is None) != (by is None):
        raise Unprocessable("FIELD_REQUIRED", field="by" if by is None else "group")
    async with granted_snapshot(request, caller, area) as snapshot:
        require_durations(snapshot)
        day, known = days_of(snapshot, as_of, known_at)
        answer = await waits.durations(snapshot, area=area, by=by, as_of=day, known_at=known, language=language_of(request))
        row = answer.total if group is None else next((row for row in answer.rows if row.code == group), Waits(group))
        if form == "csv":
            table = curve_table(row.curve(), {"area": area, "group": group, **basis(snapshot, as_of=day, known_at=known)})
            return await csv_response(request, table, language_of(request), f"{group or area or 'all'}-time_to_found.csv")
        body = {
            **basis(snapshot, as_of=day, known_at=known),
            "area": area,
            "by": by,
            "group": group,
            "row": waits_body(row),
            "steps": [step_body(step) for step in row.curve()],
            "left_out": 0,
        }
        return page(snapshot, body)
