"""`GET /v1/coverage/findings/{code}`: the enterprises with one finding about their data."""

from __future__ import annotations

from typing import Annotated, Any, cast

from fastapi import Path, Request
from starlette.responses import Response

from services.metrics.explaining import findings
from services.metrics.figures.findings import Finding
from services.metrics.figures.scope import Scope
from services.metrics.http.access import READ, days_of, granted_snapshot
from services.metrics.http.bodies import basis, concerned_body, page
from services.metrics.http.figure_tables import findings_table
from services.metrics.http.schemas import After, Area, AsOf, ConcernedListAnswer, Group, Grouping, KnownAt, Limit
from services.metrics.http.tables import AS_CSV, Format, csv_response
from shared.http.answers import language_of
from shared.http.pages import Cursors
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import Unprocessable

router = Router(prefix="/v1")


@router.get("/coverage/findings/{code}", response_model=ConcernedListAnswer, tags=["coverage"], responses=AS_CSV)
async def finding(
    request: Request,
    caller: CallerOf,
    code: Annotated[Finding, Path(description="What is odd about the data.", examples=["MEMBERS_OVER_WORKERS"])],
    area: Area = None,
    by: Grouping = None,
    group: Group = None,
    as_of: AsOf = None,
    known_at: KnownAt = None,
    limit: Limit = 100,
    after: After = None,
    form: Format = "json",
) -> Response:
    """The enterprises with a finding: the most members over workers first, then the largest."""
    caller.require(READ)
    if group is not None and by is None:
        raise Unprocessable("FIELD_REQUIRED", field="by")
    cursors, language = cast(Cursors, request.app.state.cursors), language_of(request)
    start = cursors.decode(after, tuple[int, int, str]) if after else None
    async with granted_snapshot(request, caller, area) as snapshot:
        day, known = days_of(snapshot, as_of, known_at)
        scope = Scope.of(snapshot.areas.at(day, known), area, by, group)
        found = await findings.enterprises(snapshot, code, scope, day, known)
        if form == "csv":
            named = await findings.named(snapshot, found, day)
            tree = snapshot.areas.at(day, known)
            table = findings_table(
                named, tree, {"finding": code, "area": area, "group": group, **basis(snapshot, as_of=day, known_at=known)}
            )
            return await csv_response(request, table, language, f"{group or area or 'all'}-{code.lower()}.csv")
        following = [one for one in found if start is None or one.key > start]
        shown = await findings.named(snapshot, following[:limit], day)
        body: dict[str, Any] = {
            **basis(snapshot, as_of=day, known_at=known),
            "area": area,
            "by": by,
            "group": scope.group,
            "code": code,
            "name": findings.name_of_finding(code, language),
            "what_to_do": findings.what_to_do(code, language),
            "count": len(found),
            "items": [concerned_body(one) for one in shown],
            "next": cursors.encode(list(shown[-1].key)) if len(following) > limit else None,
        }
        return page(snapshot, body)
