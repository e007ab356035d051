"""The page of changes: why a figure changed between two days of knowledge, event by event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from starlette.responses import Response

from services.metrics.dashboard.page import HEADERS, PageRoute, render
from services.metrics.dashboard.routes.page_context import PageContext, ViewOf, cursors_of, page_context
from services.metrics.dashboard.words import Words
from services.metrics.explaining import changes
from services.metrics.explaining.changes import Share, Window
from services.metrics.explaining.measures import COMPARED, measure_of
from services.metrics.figures.labels import reason_text
from services.metrics.http.access import known_or_today, require_measure
from services.metrics.http.explaining.bodies import counts_compared
from services.metrics.http.explaining.lists import changes_table
from services.metrics.http.tables import csv_response
from shared.http.forms import EARLIEST, AreaCode, Day
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import Unprocessable

SHOWN = 100
DEFAULT = "unit_founding_rate_all"

router = Router(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class ChangesQuery:
    """The figure whose change is explained, and the two days of knowledge; a date field left empty in a form means the default."""

    measure: str
    area: str | None
    known_from: date | None
    known_to: date | None


def changed(
    measure: str = DEFAULT,
    area: AreaCode | None = None,
    known_from: Annotated[Day | Literal[""] | None, Query()] = None,
    known_to: Annotated[Day | Literal[""] | None, Query()] = None,
) -> ChangesQuery:
    """The parameters of the page. Raises NOT_ONE_OF (422)."""
    require_measure(measure, COMPARED)
    return ChangesQuery(measure, area, known_from or None, known_to or None)


ChangesOf = Annotated[ChangesQuery, Depends(changed)]


@dataclass(frozen=True, slots=True)
class Line:
    """One event with its share: what changed by it, and why it was recorded."""

    share: Share
    measures: Sequence[tuple[str, int, int]]
    reason: str | None

    @property
    def enterprise(self) -> str | None:
        """The enterprise's id; None for a union or an area."""
        kind, _, key = self.share.subject.partition("/")
        return key if kind == "enterprise" and not self.share.hidden else None


def window_of(page: PageContext, query: ChangesQuery) -> Window:
    """The question of the page: by default from yesterday's knowledge to today's. Raises DATE_OUT_OF_RANGE (422)."""
    known_to = known_or_today(page.snapshot, query.known_to, "known_to") if query.known_to else page.known_at
    known_from = query.known_from or known_to - timedelta(days=1)
    if known_from > known_to:
        raise Unprocessable("DATE_OUT_OF_RANGE", field="known_from", params={"earliest": EARLIEST, "latest": f"known_to ({known_to})"})
    return Window(query.area, page.as_of, known_from, known_to, query.measure)


@router.get("/changes")
async def changes_page(request: Request, caller: CallerOf, view: ViewOf, query: ChangesOf, after: str | None = None) -> Response:
    """Why a figure changed between two days of knowledge: every event with its share, who recorded it and why."""
    cursors = cursors_of(request)
    start = cursors.decode(after, tuple[str, int]) if after else changes.START
    async with page_context(request, caller, view, query.area) as page:
        window, words = window_of(page, query), page.words
        before, now = await changes.totals(page.snapshot, window)
        found, more = await changes.shares(page.snapshot, window, start, SHOWN)
        figures = [counts_compared(value, query.measure) for value in (before, now)]
        values = page.values(
            area=query.area,
            measure=query.measure,
            window=window,
            measures=[(name, words.name_of(name)) for name in COMPARED],
            totals=[(name, words.name_of(name), was, figures[1][name]) for name, was in figures[0].items()],
            form=measure_of(query.measure).form,
            lines=[_line(share, query.measure, words) for share in found],
            days=_days(window),
            path=page.path(query.area),
            more=cursors.encode([found[-1].subject, found[-1].position]) if more else None,
        )
        return render(request, "changes.html", values)


def _line(share: Share, measure: str, words: Words) -> Line:
    before, after = counts_compared(share.before, measure), counts_compared(share.after, measure)
    event = share.event
    reason = reason_text(event["type"], event["reason"], words.language) if event is not None else None
    return Line(share, [(name, was, after[name]) for name, was in before.items() if was != after[name]], reason)


def _days(window: Window) -> dict[str, Any]:
    """The parameters that the links of the page keep."""
    return {"known_from": window.known_from, "known_to": window.known_to}


@router.get("/changes.csv")
async def changes_csv(request: Request, caller: CallerOf, view: ViewOf, query: ChangesOf) -> Response:
    """All events of the page as CSV."""
    async with page_context(request, caller, view, query.area) as page:
        table = changes_table(page.snapshot, window_of(page, query), page.words.language)
        return await csv_response(request, table, page.words.language, f"{query.area or 'all'}-changes.csv", HEADERS)
