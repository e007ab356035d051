"""The downloads of an area: the chart of its rate and the figures behind it, and all rows of its table."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.metrics.dashboard.charts import ChartFailed, Charts
from services.metrics.dashboard.page import HEADERS, PageRoute
from services.metrics.dashboard.panels import trends
from services.metrics.dashboard.panels.view import target_of
from services.metrics.dashboard.routes.asking import ViewOf, asking, rows_of
from shared.http.forms import AreaCode
from shared.http.web import CallerOf
from shared.problems.errors import Unavailable

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/areas/{area}/trend.svg")
async def trend_svg(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode, download: bool = False) -> Response:
    """The chart of an area's unit founding rate."""
    async with asking(request, caller, view, area) as asked:
        found = await trends.trend(asked.snapshot, asked.tree, area, asked.as_of, asked.known_at)
        target = target_of(asked.settings.targets, "unit_founding_rate", view.founding)
        told = trends.told(found, view.founding_rate, target, asked.words)
        stands_for = " ".join(f"{name}={value}" for name, value in asked.head.items())
    return await drawn(request, told, f"{area} {view.founding_rate} {stands_for}", f"{area}-{view.founding_rate}.svg", attachment=download)


async def drawn(request: Request, told: dict[str, Any], says: str, name: str, *, attachment: bool) -> Response:
    """A chart as an answer; `says` = what it rests on, kept in the file. Raises UNAVAILABLE (503)."""
    charts: Charts = request.app.state.charts
    try:
        svg = await charts.svg(told)
    except ChartFailed:
        raise Unavailable("UNAVAILABLE") from None
    body = svg.replace(">", f"><desc>{says}</desc>", 1)
    return Response(body, headers=download_headers(name, attachment=attachment), media_type="image/svg+xml")


@router.get("/areas/{area}/trend.csv")
async def trend_csv(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode) -> Response:
    """The chart's figures."""
    async with asking(request, caller, view, area) as asked:
        found = await trends.trend(asked.snapshot, asked.tree, area, asked.as_of, asked.known_at)
        text = trends.csv_of(found, view, {"area": area, **asked.head})
    return Response("\ufeff" + text, headers=download_headers(f"{area}-trend.csv"), media_type="text/csv")


@router.get("/areas/{area}/coverage.csv")
async def coverage_csv(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode) -> Response:
    """All rows of the table, without pages."""
    async with asking(request, caller, view, area) as asked:
        answer, _ = await rows_of(asked, area)
        text = trends.csv_of_rows([*answer.rows, answer.total], asked.head)
    return Response("\ufeff" + text, headers=download_headers(f"{area}-coverage.csv"), media_type="text/csv")


def download_headers(name: str, *, attachment: bool = True) -> dict[str, str]:
    """The headers of a file that a browser keeps, or shows by itself."""
    found = {**HEADERS, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return {**found, "Content-Disposition": f'attachment; filename="{name}"'} if attachment else found
