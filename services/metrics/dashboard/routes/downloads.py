"""The downloads of pages: charts as SVG, and charts, tables and lists as CSV (`http/tables.py`), complete."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from starlette.responses import Response

from services.metrics.dashboard.charts import ChartFailed, Charts
from services.metrics.dashboard.page import HEADERS, PageRoute
from services.metrics.dashboard.panels import trends, waiting
from services.metrics.dashboard.panels.rates import target_of
from services.metrics.dashboard.panels.waiting import Panel
from services.metrics.dashboard.routes.explanations import ExplainOf, question_of
from services.metrics.dashboard.routes.page_context import PageContext, ViewOf, page_context, rows_of
from services.metrics.explaining.waits import require_durations
from services.metrics.http.explaining import lists
from services.metrics.http.explaining.enterprises import park_granted
from services.metrics.http.explaining.routes import subject_of
from services.metrics.http.figure_tables import coverage_table, curve_table, trend_table
from services.metrics.http.tables import Table, csv_response
from shared.http.forms import AreaCode, Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, Unavailable

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/areas/{area}/trend.svg")
async def trend_svg(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode, download: bool = False) -> Response:
    """The chart of an area's unit founding rate."""
    async with page_context(request, caller, view, area) as page:
        found = await trends.trend(page.snapshot, page.tree, area, page.as_of, page.known_at)
        target = target_of(page.settings.targets, "unit_founding_rate", view.founding)
        spec = trends.chart_spec(found, view.founding_rate, target, page.words)
    return await _svg(page, spec, area, view.founding_rate, attachment=download)


@router.get("/areas/{area}/waiting.svg")
async def waiting_svg(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode, download: bool = False) -> Response:
    """The chart of the share that is still waiting for a union after so many days."""
    async with page_context(request, caller, view, area) as page:
        spec = waiting.chart_spec(await _panel(page, area), page.words)
    return await _svg(page, spec, area, "time_to_found", attachment=download)


@router.get("/areas/{area}/trend.csv")
async def trend_csv(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode) -> Response:
    """The figures of the trend's chart."""
    async with page_context(request, caller, view, area) as page:
        found = await trends.trend(page.snapshot, page.tree, area, page.as_of, page.known_at)
        return await _csv(page, trend_table(found.points, {"area": area, **page.basis}), f"{area}-trend.csv")


@router.get("/areas/{area}/waiting.csv")
async def waiting_csv(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode) -> Response:
    """The steps of the survival curve."""
    async with page_context(request, caller, view, area) as page:
        table = curve_table((await _panel(page, area)).steps, {"area": area, "group": None, **page.basis})
        return await _csv(page, table, f"{area}-time_to_found.csv")


@router.get("/areas/{area}/coverage.csv")
async def coverage_csv(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode) -> Response:
    """All rows of the table, without paging."""
    async with page_context(request, caller, view, area) as page:
        result, _ = await rows_of(page, area)
        return await _csv(page, coverage_table([*result.rows, result.total], page.basis), f"{area}-coverage.csv")


@router.get("/explain.csv")
async def explain_csv(request: Request, caller: CallerOf, view: ViewOf, query: ExplainOf) -> Response:
    """The list behind a figure, complete and in the order of the page; of one enterprise, the events behind it."""
    async with page_context(request, caller, view, query.area) as page:
        question, language = question_of(page, query), page.words.language
        if query.enterprise is None:
            table = await lists.contributors(page.snapshot, question, query.listing)
        else:
            table = lists.events(page.snapshot, question, subject_of(question, query.enterprise), language)
        return await _csv(page, table, f"{query.area or 'all'}-{query.measure}.csv")


@router.get("/enterprises/{enterprise}/facts.csv")
async def facts_csv(request: Request, caller: CallerOf, view: ViewOf, enterprise: Id) -> Response:
    """Every fact about an enterprise."""
    park = await park_granted(request, caller, enterprise)
    async with page_context(request, caller, view, park if not caller.areas.everything else None) as page:
        table = lists.facts(page.snapshot, enterprise, page.as_of, page.known_at, page.words.language)
        return await _csv(page, table, f"{enterprise}.csv")


async def _panel(page: PageContext, area: str) -> Panel:
    require_durations(page.snapshot)
    found = await waiting.panel(page.snapshot, area, page.as_of, page.known_at)
    if found is None:
        raise NotFound("NOT_FOUND")
    return found


async def _svg(page: PageContext, spec: dict[str, Any], area: str, measure: str, *, attachment: bool) -> Response:
    """A chart; its description repeats the basis of its figures. Raises UNAVAILABLE (503)."""
    charts: Charts = page.request.app.state.charts
    try:
        svg = await charts.svg(spec)
    except ChartFailed:
        raise Unavailable("UNAVAILABLE") from None
    description = " ".join([area, measure, *(f"{name}={value}" for name, value in page.basis.items())])
    body = svg.replace(">", f"><desc>{description}</desc>", 1)
    return Response(body, headers=_headers(f"{area}-{measure}.svg", attachment=attachment), media_type="image/svg+xml")


async def _csv(page: PageContext, table: Table, name: str) -> Response:
    return await csv_response(page.request, table, page.words.language, name, _headers(name, attachment=True))


def _headers(name: str, *, attachment: bool) -> dict[str, str]:
    """The headers of a file that a browser saves (`attachment`) or displays by itself."""
    headers = {**HEADERS, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return {**headers, "Content-Disposition": f'attachment; filename="{name}"'} if attachment else headers
