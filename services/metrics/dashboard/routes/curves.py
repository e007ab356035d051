"""The addresses of the survival curve of an area: the chart, and every step as CSV."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.metrics.dashboard.page import PageRoute
from services.metrics.dashboard.panels import waiting
from services.metrics.dashboard.panels.waiting import Panel
from services.metrics.dashboard.routes.asking import Asked, ViewOf, asking
from services.metrics.dashboard.routes.downloads import download_headers, drawn
from services.metrics.explaining.waits import require_durations
from shared.http.forms import AreaCode
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

router = APIRouter(route_class=PageRoute, include_in_schema=False)


async def _panel(asked: Asked, area: str) -> Panel:
    require_durations(asked.snapshot)
    found = await waiting.panel(asked.snapshot, area, asked.as_of, asked.known_at)
    if found is None:
        raise NotFound("NOT_FOUND")
    return found


@router.get("/areas/{area}/waiting.svg")
async def waiting_svg(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode, download: bool = False) -> Response:
    """The share that still waits for a union after so many days."""
    async with asking(request, caller, view, area) as asked:
        told = waiting.told(await _panel(asked, area), asked.words)
        stands_for = " ".join(f"{name}={value}" for name, value in asked.head.items())
    return await drawn(request, told, f"{area} time_to_found {stands_for}", f"{area}-time_to_found.svg", attachment=download)


@router.get("/areas/{area}/waiting.csv")
async def waiting_csv(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode) -> Response:
    """The steps of the curve."""
    async with asking(request, caller, view, area) as asked:
        text = waiting.csv_of(await _panel(asked, area), {"area": area, **asked.head})
    return Response("\ufeff" + text, headers=download_headers(f"{area}-time_to_found.csv"), media_type="text/csv")
