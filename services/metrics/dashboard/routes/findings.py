"""The enterprises with a finding about their data: the page and its download."""

from __future__ import annotations

from typing import Literal

from fastapi import Request
from starlette.responses import Response

from services.metrics.dashboard.page import HEADERS, PageRoute, render
from services.metrics.dashboard.routes.page_context import PageContext, ViewOf, cursors_of, page_context
from services.metrics.explaining import findings
from services.metrics.explaining.findings import Concerned
from services.metrics.figures.findings import Finding
from services.metrics.figures.scope import Scope
from services.metrics.http.figure_tables import findings_table
from services.metrics.http.tables import csv_response
from shared.http.forms import AreaCode
from shared.http.requests import Router
from shared.http.web import CallerOf

SHOWN = 100

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/findings/{finding}")
async def findings_page(
    request: Request,
    caller: CallerOf,
    view: ViewOf,
    finding: Finding,
    area: AreaCode | None = None,
    by: Literal["district", "park"] | None = None,
    group: AreaCode | None = None,
    after: str | None = None,
) -> Response:
    """The enterprises with a finding: the most members over workers first, then the largest."""
    cursors = cursors_of(request)
    start = cursors.decode(after, tuple[int, int, str]) if after else None
    async with page_context(request, caller, view, area) as page:
        found = await _found(page, finding, area, by, group)
        following = [one for one in found if start is None or one.key > start]
        shown = await findings.named(page.snapshot, following[:SHOWN], page.as_of)
        language = page.words.language
        values = page.values(
            finding=finding,
            name=findings.name_of_finding(finding, language),
            what_to_do=findings.what_to_do(finding, language),
            area=area,
            place={"by": by, "group": group},
            path=page.path(group or area),
            tree=page.tree,
            count=len(found),
            lines=shown,
            more=cursors.encode(list(shown[-1].key)) if len(following) > SHOWN else None,
        )
        return render(request, "findings.html", values)


@router.get("/findings/{finding}/enterprises.csv")
async def findings_csv(
    request: Request,
    caller: CallerOf,
    view: ViewOf,
    finding: Finding,
    area: AreaCode | None = None,
    by: Literal["district", "park"] | None = None,
    group: AreaCode | None = None,
) -> Response:
    """All of them, without paging; every line repeats the basis."""
    async with page_context(request, caller, view, area) as page:
        found = await findings.named(page.snapshot, await _found(page, finding, area, by, group), page.as_of)
        table = findings_table(found, page.tree, {"finding": finding, "area": area, "group": group, **page.basis})
        name = f"{group or area or 'all'}-{finding.lower()}.csv"
        return await csv_response(request, table, page.words.language, name, HEADERS)


async def _found(page: PageContext, finding: Finding, area: str | None, by: str | None, group: str | None) -> list[Concerned]:
    scope = Scope.of(page.tree, area, by, group)
    return await findings.enterprises(page.snapshot, finding, scope, page.as_of, page.known_at)
