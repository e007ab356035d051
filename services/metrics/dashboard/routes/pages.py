"""The pages of the dashboard: overview, area, enterprise and held streams."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from fastapi import Request
from starlette.responses import RedirectResponse, Response

from services.metrics.dashboard.page import HEADERS, PageRoute, render, words_of
from services.metrics.dashboard.panels import cases, enterprises, held, recent, trends, waiting
from services.metrics.dashboard.panels.rates import completeness, lags, rate_figures
from services.metrics.dashboard.panels.table_rows import page_of, scale, spark, table_rows
from services.metrics.dashboard.routes.page_context import PageContext, ViewOf, cursors_of, page_context, rows_of
from services.metrics.explaining import findings, timeline
from services.metrics.explaining.timeline import Position
from services.metrics.figures import questions
from services.metrics.figures.questions import ALL
from services.metrics.http.access import READ, snapshots_of
from services.metrics.http.explaining.enterprises import park_granted
from shared.http.forms import AreaCode, Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

HELD_SHOWN = 100

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/")
async def overview(request: Request, caller: CallerOf, view: ViewOf) -> Response:
    """Redirects to the caller's area; lists the areas where there are several."""
    caller.require(READ)
    async with snapshots_of(request).snapshot(caller.areas) as snapshot:
        tree = snapshot.areas.latest()
        if caller.areas.everything:
            found = await questions.coverage(snapshot, by="park", as_of=snapshot.today, known_at=snapshot.today)
            used = {tree.path(row.code)[-1] for row in found.rows}
            roots = [area.code for area in tree.children(None) if area.code in used] or [area.code for area in tree.children(None)]
        else:
            roots = sorted(code for code in caller.areas.codes if code in snapshot.areas)
        if len(roots) != 1:
            words = words_of(request)
            count = len(await held.of_caller(snapshot, caller, tree))
            values = {"w": words, "view": view, "roots": [(code, tree.display_name(code)) for code in roots], "held": count}
            return render(request, "start.html", values)
    return RedirectResponse(view.area(roots[0], lang=request.query_params.get("lang")), 303, headers=dict(HEADERS))


@router.get("/areas/{area}")
async def area_page(request: Request, caller: CallerOf, view: ViewOf, area: AreaCode, after: str | None = None) -> Response:
    """A division with its districts and parks, or a park with its enterprises."""
    async with page_context(request, caller, view, area) as page:
        found = page.tree.areas.get(area)
        answer = await questions.coverage(page.snapshot, area=area, as_of=page.as_of, known_at=page.known_at)
        total = answer.total
        trend = await trends.trend(page.snapshot, page.tree, area, page.as_of, page.known_at)
        founding, joining = rate_figures(total, view, page.settings.targets)
        waits = await waiting.panel(page.snapshot, area, page.as_of, page.known_at)
        values = page.values(
            area=area,
            name=page.name(area),
            path=page.path(area),
            counts=total.measures,
            founding=founding,
            joining=joining,
            completeness=completeness(total.measures),
            lags=lags(trend.points[-trends.MONTHS_OF_SPARK :]),
            trend=trend,
            held=await _held(page, area),
            recent=await recent.just_happened(page.snapshot, page.tree, area, page.words) if page.is_now else None,
            cases=await cases.panel(page.snapshot, area, page.as_of, page.known_at, total.measures),
            waits=waits,
            trend_drawn=_drawn(trends.chart_spec(trend, view.founding_rate, founding.target, page.words)),
            waits_drawn=_drawn(waiting.chart_spec(waits, page.words)) if waits else "",
            findings=(await findings.of_answer(page.snapshot, answer))[ALL],
        )
        if found is not None and found.kind == "park":
            start = cursors_of(request).decode(after, enterprises.Key) if after else None
            listed, following = await enterprises.of_park(page.snapshot, area, page.as_of, page.known_at, start)
            cursor = cursors_of(request).encode(following) if following else None
            return render(request, "park.html", {**values, "enterprises": listed, "more": cursor})
        return render(request, "area.html", {**values, **await _rows(page, area, trend, after)})


def _drawn(spec: dict[str, Any]) -> str:
    """What a chart's address changes with: a page that is updated loads a chart again only if it differs."""
    return sha256(json.dumps(spec).encode()).hexdigest()[:12]


async def _held(page: PageContext, area: str) -> int:
    """The number of held streams for an area's page. A root shows those outside any area too, if the caller may see them."""
    root = page.caller.areas.everything and len(page.tree.path(area)) == 1
    return len(await held.of_caller(page.snapshot, page.caller, page.snapshot.areas.latest(), None if root else area))


@router.get("/held")
async def held_page(request: Request, caller: CallerOf, view: ViewOf, after: str | None = None) -> Response:
    """The held streams: since when and why, how many events wait behind each, and what to do next."""
    caller.require(READ)
    cursors = cursors_of(request)
    start = cursors.decode(after, tuple[datetime, str, str]) if after else None
    async with snapshots_of(request).snapshot(caller.areas) as snapshot:
        lines = await held.of_caller(snapshot, caller, snapshot.areas.latest())
    rest = [line for line in lines if start is None or line.key > start]
    more = cursors.encode(list(rest[HELD_SHOWN - 1].key)) if len(rest) > HELD_SHOWN else None
    values = {"w": words_of(request), "view": view, "lines": rest[:HELD_SHOWN], "total": len(lines), "more": more}
    return render(request, "held.html", values)


async def _rows(page: PageContext, area: str, trend: trends.Trend, after: str | None) -> dict[str, Any]:
    """The rows of a division's page with their trends: parks, or districts where there are very many parks."""
    result, by = await rows_of(page, area)
    cursors = cursors_of(page.request)
    rows = table_rows(result.rows, await findings.of_answer(page.snapshot, result), page.view, page.settings.targets, page.tree, area)
    table = page_of(rows, cursors.decode(after, tuple[str])[0] if after else None)
    series = trends.by_row(trend, by, page.tree)
    measure = page.view.founding_rate
    least, greatest = scale((series[row.code] for row in rows if row.code in series), measure)
    lines = [
        replace(row, spark=spark(series[row.code], measure, page.words, least, greatest)) if row.code in series else row
        for row in table.rows
    ]
    return {"rows": by, "lines": lines, "lines_total": table.total, "more": cursors.encode([table.after]) if table.after else None}


@router.get("/enterprises/{enterprise}")
async def enterprise_page(request: Request, caller: CallerOf, view: ViewOf, enterprise: Id, after: str | None = None) -> Response:
    """An enterprise: its unions, its contribution to the figures, and its timeline."""
    cursors = cursors_of(request)
    start = cursors.decode(after, Position) if after else timeline.FIRST
    park = await park_granted(request, caller, enterprise)
    async with page_context(request, caller, view, park if not caller.areas.everything else None) as page:
        found = await timeline.enterprise_on(page.snapshot, enterprise, page.as_of, page.known_at)
        if found is None:
            raise NotFound("NOT_FOUND")
        entries, following = await enterprises.timeline(page.snapshot, enterprise, page.as_of, page.known_at, start)
        shown_park = found.park or park
        values = page.values(
            enterprise=found,
            held=await held.of_enterprise(page.snapshot, enterprise),
            entries=entries,
            more=cursors.encode(list(following)) if following else None,
            park=shown_park,
            tree=page.tree,
            path=page.path(shown_park),
        )
        return render(request, "enterprise.html", values)
