"""The page behind a number of cases or agreements: its definition, and each matter that adds to it with its facts."""

from __future__ import annotations

from fastapi import Request
from starlette.responses import Response

from services.metrics.counted import kind_of
from services.metrics.dashboard.page import PageRoute, render
from services.metrics.dashboard.routes.page_context import ViewOf, cursors_of, page_context
from services.metrics.explaining import matters
from services.metrics.explaining.matters import Matter
from services.metrics.figures.statistics import answers
from services.metrics.figures.statistics.answers import Question, require_tallies
from services.metrics.figures.statistics.catalogue import RULE_VERSION, StatisticName
from services.metrics.http.statistics.bodies import row_body
from shared.http.forms import AreaCode
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

SHOWN = 100

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/statistics/{name}")
async def statistic_page(
    request: Request, caller: CallerOf, view: ViewOf, name: StatisticName, area: AreaCode | None = None, after: str | None = None
) -> Response:
    """A statistic with the matters behind it, by enterprise."""
    if name is StatisticName.AID_BY_KIND:
        raise NotFound("NOT_FOUND")
    cursors = cursors_of(request)
    start = cursors.decode(after, tuple[str, str]) if after else matters.START
    async with page_context(request, caller, view, area) as page:
        require_tallies(page.snapshot)
        question = Question(name, area, None, page.as_of, page.known_at, answers.window(page.as_of))
        found = await answers.answer(page.snapshot, question, page.words.language)
        listed, more = await matters.matters(page.snapshot, question, None, start, SHOWN)
        text = question.statistic.text
        values = page.values(
            name=page.words.t(f"statistic.{name}"),
            statistic=name,
            figure=row_body(question, found.total),
            since=question.since if question.statistic.windowed else None,
            text=text.en if page.words.language == "en" else text.zh,
            area=area,
            path=page.path(area),
            lines=[(one, _facts(one)) for one in listed],
            more=cursors.encode(listed[-1].position) if more else None,
        )
        return render(request, "statistic.html", {**values, "rule_version": RULE_VERSION})


def _facts(one: Matter) -> list[tuple[str, object]]:
    """(kind, business day) of the facts of a matter that hold."""
    said = [(behind.row["says"] or {}, behind.row) for behind in one.events if behind.in_force]
    return [(says["withdrawn"]["fact"] if "withdrawn" in says else kind_of(row["type"]), row["occurred_on"]) for says, row in said]
