"""The addresses of the dashboard: overview, area and enterprise, and their downloads."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request
from starlette.responses import RedirectResponse, Response

from services.metrics import questions
from services.metrics.api import day_or_today, questions_of
from services.metrics.coverage import RULE_VERSION
from services.metrics.dashboard import enterprises, held, recent, trends, waiting
from services.metrics.dashboard.address import View
from services.metrics.dashboard.charts import ChartFailed, Charts
from services.metrics.dashboard.page import HEADERS, PageRoute, render, words_of
from services.metrics.dashboard.view import (
    MONTHS_OF_SPARK,
    Figure,
    Line,
    by_row,
    completeness,
    figure,
    lags,
    lines_of,
    page_of,
    spark,
    target_of,
)
from services.metrics.dashboard.words import Words
from services.metrics.figures import TREND
from services.metrics.grants import READ, require_granted
from services.metrics.questions import Answer, Snapshot
from services.metrics.settings import Settings
from services.metrics.tree import Tree
from shared.auth import Caller
from shared.forms import AreaCode, Day, Id
from shared.pages import Cursors
from shared.problems import NotFound, Unavailable
from shared.web import CallerOf

MOST_PARKS_AT_ONCE = 100

router = APIRouter(route_class=PageRoute, include_in_schema=False)


def view_of(
    as_of: Annotated[Day | Literal[""] | None, Query()] = None,
    known_at: Annotated[Day | Literal[""] | None, Query()] = None,
    founding: Literal["all", "ge25"] = "all",
    joining: Literal["all", "unionised"] = "all",
    sort: Literal["gap", "rate", "name"] = "gap",
    rows: Literal["park", "district"] | None = None,
) -> View:
    """What the address chooses; a date field left empty in a form is today."""
    return View(as_of or None, known_at or None, founding, joining, sort, rows)


ViewOf = Annotated[View, Depends(view_of)]


@dataclass(frozen=True, slots=True)
class Asked:
    """A question in one snapshot, and everything that pages say about it."""

    request: Request
    caller: Caller
    snapshot: Snapshot
    view: View
    words: Words
    as_of: date
    known_at: date

    @property
    def settings(self) -> Settings:
        settings: Settings = self.request.app.state.settings
        return settings

    @property
    def tree(self) -> Tree:
        return self.snapshot.areas.at(self.as_of, self.known_at)

    @property
    def is_now(self) -> bool:
        """Whether the page shows the present, which can be followed live."""
        return self.view.as_of in (None, self.snapshot.today) and self.view.known_at in (None, self.snapshot.today)

    @property
    def head(self) -> dict[str, Any]:
        """What downloads carry in every line."""
        return {
            "as_of": self.as_of,
            "known_at": self.known_at,
            "founding_basis": self.view.founding,
            "joining_basis": self.view.joining,
            "rule_version": RULE_VERSION,
            "fold_version": self.snapshot.fold_version,
            "closed_day": self.snapshot.finality.closed_day or "",
            "provisional": " ".join(self.provisional),
        }

    @property
    def provisional(self) -> list[str]:
        """Why the figures may still change; empty: they are final."""
        return self.snapshot.finality.provisional(self.known_at)

    def path(self, area: str | None) -> list[tuple[str, str]]:
        """The way to an area from the root, as far as the caller may see it; levels are left out."""
        if area is None:
            return []
        way = []
        for code in reversed(self.tree.path(area)):
            step = self.tree.areas.get(code)
            if step is not None and not step.level and (self.caller.areas.everything or self.caller.areas.inside(self.tree.path(code))):
                way.append((code, step.name))
        return way or [(area, self.tree.shown(area))]

    def values(self, **more: Any) -> dict[str, Any]:
        """What every page's template takes."""
        return {
            "w": self.words,
            "view": self.view,
            "as_of": self.as_of,
            "known_at": self.known_at,
            "today": self.snapshot.today,
            "is_now": self.is_now,
            "version": self.snapshot.version,
            "closed": self.snapshot.finality.closed_day,
            "provisional": self.provisional,
            "rule_version": RULE_VERSION,
            **more,
        }

    def figures(self, row: questions.Row) -> tuple[Figure, Figure]:
        """The two rates of a row on the chosen bases."""
        rates, targets = row.rates, self.settings.targets
        founding, joining = self.view.founding_rate, self.view.joining_rate
        return (
            figure(founding, rates[founding], target_of(targets, "unit_founding_rate", self.view.founding)),
            figure(joining, rates[joining], target_of(targets, "worker_joining_rate", self.view.joining)),
        )


@asynccontextmanager
async def asking(request: Request, caller: Caller, view: View, area: str | None) -> AsyncIterator[Asked]:
    """A snapshot for a caller who may see an area. Raises what `require_granted` raises."""
    caller.require(READ)
    async with questions_of(request).snapshot(caller.areas) as snapshot:
        require_granted(snapshot, caller, area)
        as_of, known_at = day_or_today(snapshot, view.as_of, "as_of"), day_or_today(snapshot, view.known_at, "known_at")
        yield Asked(request, caller, snapshot, view, words_of(request), as_of, known_at)


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


def cursors_of(request: Request) -> Cursors:
    """The cursors of this dashboard's pages."""
    settings: Settings = request.app.state.settings
    return Cursors(settings.cursor_key, "dashboard")


async def _rows(asked: Asked, area: str, trend: trends.Trend, after: str | None) -> dict[str, Any]:
    """The rows of a division's page: parks, or districts where there are very many parks."""
    answer, rows = await _answer(asked, area)
    cursors = cursors_of(asked.request)
    lines = lines_of(answer.rows, asked.view, asked.settings.targets, asked.tree, area)
    table = page_of(lines, cursors.decode(after, tuple[str])[0] if after else None)
    days = trend.days[-MONTHS_OF_SPARK:]
    recent_months = {park: points[-MONTHS_OF_SPARK:] for park, points in trend.of_parks.items()}
    series = by_row(recent_months, rows, days, TREND, asked.tree)
    shown = [_with_spark(line, series.get(line.code), asked) for line in table.lines]
    return {"rows": rows, "lines": shown, "lines_total": table.total, "more": cursors.encode([table.after]) if table.after else None}


async def _answer(asked: Asked, area: str) -> tuple[Answer, Literal["park", "district"]]:
    by_park = await questions.coverage(
        asked.snapshot, area=area, by="park", as_of=asked.as_of, known_at=asked.known_at, language=asked.words.language
    )
    districts = {asked.tree.district(row.code) for row in by_park.rows}
    rows = asked.view.rows or ("district" if len(by_park.rows) > MOST_PARKS_AT_ONCE and len(districts) > 1 else "park")
    if rows == "park":
        return by_park, rows
    found = await questions.coverage(
        asked.snapshot, area=area, by="district", as_of=asked.as_of, known_at=asked.known_at, language=asked.words.language
    )
    return found, rows


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
        answer, _ = await _answer(asked, area)
        text = trends.csv_of_rows([*answer.rows, answer.total], asked.head)
    return Response("\ufeff" + text, headers=download_headers(f"{area}-coverage.csv"), media_type="text/csv")


def download_headers(name: str, *, attachment: bool = True) -> dict[str, str]:
    """The headers of a file that a browser keeps, or shows by itself."""
    found = {**HEADERS, "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return {**found, "Content-Disposition": f'attachment; filename="{name}"'} if attachment else found


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
