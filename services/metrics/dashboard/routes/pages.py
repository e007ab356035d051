"""The pages of the dashboard: overview, area, enterprise and what is held."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from services.metrics.dashboard.page import HEADERS, PageRoute, render, words_of
from services.metrics.dashboard.panels import enterprises, held, recent, trends, waiting
from services.metrics.dashboard.panels.view import MONTHS_OF_SPARK, Line, by_row, completeness, lags, lines_of, page_of, spark
from services.metrics.dashboard.routes.asking import Asked, ViewOf, asking, cursors_of, rows_of
from services.metrics.figures import questions
from services.metrics.figures.statements import TREND
from services.metrics.http.coverage_routes import questions_of
from services.metrics.http.grants import READ, require_granted
from shared.http.forms import AreaCode, Id
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def overview(request: Request, caller: CallerOf, view: ViewOf) -> Response:
    """The caller's area; where there are several, all of them."""
    caller.require(READ)
    async with questions_of(request).snapshot(caller.areas) as snapshot:
        tree = snapshot.areas.latest()
        if caller.areas.everything:
            found = await questions.coverage(snapshot, by="park", as_of=snapshot.today, known_at=snapshot.today)
            used = {tree.path(row.code)[-1] for row in found.rows}
            roots = [area.code for area in tree.children(None) if area.code in used] or [area.code for area in tree.children(None)]
        else:
            roots = sorted(code for code in caller.areas.codes if code in snapshot.areas)
        if len(roots) != 1:
            words = words_of(request)
            stand_still = len(await held.of_caller(snapshot, caller, tree))
            values = {"w": words, "view": view, "roots": [(code, tree.shown(code)) for code in roots], "held": stand_still}
            return render(request, "start.html", values)
    return RedirectResponse(view.area(roots[0], lang=request.query_params.get("lang")), 303, headers=dict(HEADERS))


@router.get("/areas/{area}")
async def area_page(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode, after: str | None = None) -> Response:
    """A division with its districts and parks, or a park with its enterprises."""
    async with asking(request, caller, view, area) as asked:
        found = asked.tree.areas.get(area)
        total = (await questions.coverage(asked.snapshot, area=area, as_of=asked.as_of, known_at=asked.known_at)).total
        trend = await trends.trend(asked.snapshot, asked.tree, area, asked.as_of, asked.known_at)
        founding, joining = asked.figures(total)
        values = asked.values(
            area=area,
            name=asked.tree.shown(area),
            path=asked.path(area),
            counts=total.measures,
            founding=founding,
            joining=joining,
            completeness=completeness(total.measures),
            lags=lags(trend.points[-MONTHS_OF_SPARK:]),
            trend=trend,
            held=await _held(asked, area),
            recent=await recent.just_happened(asked.snapshot, asked.tree, area, asked.words) if asked.is_now else None,
            waits=await waiting.panel(asked.snapshot, area, asked.as_of, asked.known_at),
        )
        if found is not None and found.kind == "park":
            last = cursors_of(request).decode(after, tuple[UUID])[0] if after else None
            listed, following = await enterprises.of_park(asked.snapshot, area, asked.as_of, asked.known_at, last)
            cursor = cursors_of(request).encode([str(following)]) if following else None
            return render(request, "park.html", {**values, "enterprises": listed, "more": cursor})
        return render(request, "area.html", {**values, **await _rows(asked, area, trend, after)})


async def _held(asked: Asked, area: str) -> int:
    """How many streams stand still that concern an area's page: of a root, where the caller may see it, those too that lie in none."""
    root = asked.caller.areas.everything and len(asked.tree.path(area)) == 1
    return len(await held.of_caller(asked.snapshot, asked.caller, asked.snapshot.areas.latest(), None if root else area))


@router.get("/held")
async def held_page(request: Request, caller: CallerOf, view: ViewOf) -> Response:
    """Which streams stand still, since when and why, how much waits behind them, and what to do next."""
    caller.require(READ)
    async with questions_of(request).snapshot(caller.areas) as snapshot:
        lines = await held.of_caller(snapshot, caller, snapshot.areas.latest())
    return render(request, "held.html", {"w": words_of(request), "view": view, "lines": lines})


async def _rows(asked: Asked, area: str, trend: trends.Trend, after: str | None) -> dict[str, Any]:
    """The rows of a division's page: parks, or districts where there are very many parks."""
    answer, rows = await rows_of(asked, area)
    cursors = cursors_of(asked.request)
    lines = lines_of(answer.rows, asked.view, asked.settings.targets, asked.tree, area)
    table = page_of(lines, cursors.decode(after, tuple[str])[0] if after else None)
    days = trend.days[-MONTHS_OF_SPARK:]
    recent_months = {park: points[-MONTHS_OF_SPARK:] for park, points in trend.of_parks.items()}
    series = by_row(recent_months, rows, days, TREND, asked.tree)
    shown = [_with_spark(line, series.get(line.code), asked) for line in table.lines]
    return {"rows": rows, "lines": shown, "lines_total": table.total, "more": cursors.encode([table.after]) if table.after else None}


def _with_spark(line: Line, points: Sequence[questions.Point] | None, asked: Asked) -> Line:
    if points is None:
        return line
    drawn = spark(points, asked.view.founding_rate, asked.words)
    return Line(line.code, line.name, line.within, line.counts, line.founding, line.joining, drawn, line.completeness)


@router.get("/areas/{area}/recent")
async def recent_part(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode) -> Response:
    """What has just happened, as a piece of the page."""
    async with asking(request, caller, view, area) as asked:
        lines = await recent.just_happened(asked.snapshot, asked.tree, area, asked.words)
        return render(request, "recent.html", asked.values(recent=lines, area=area), part=True)


@router.get("/enterprises/{enterprise}")
async def enterprise_page(request: Request, caller: CallerOf, view: ViewOf, enterprise: Id) -> Response:
    """An enterprise: what it adds to the figures, and everything that was said of it."""
    caller.require(READ)
    async with questions_of(request).snapshot() as snapshot:
        park = await enterprises.park_of(snapshot, enterprise)
        if park is None:
            raise NotFound("NOT_FOUND")
        if not caller.areas.everything:
            require_granted(snapshot, caller, park, "enterprise")
    async with asking(request, caller, view, park if not caller.areas.everything else None) as asked:
        found = await enterprises.one(asked.snapshot, enterprise, asked.as_of, asked.known_at)
        if found is None:
            raise NotFound("NOT_FOUND")
        entries = await enterprises.timeline(asked.snapshot, enterprise, asked.as_of, asked.known_at)
        place = found.park or park
        stands_still = await held.of_enterprise(asked.snapshot, enterprise)
        values = asked.values(enterprise=found, held=stands_still, entries=entries, park=place, tree=asked.tree, path=asked.path(place))
        return render(request, "enterprise.html", values)
