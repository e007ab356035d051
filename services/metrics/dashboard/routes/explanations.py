"""The pages behind every number: what a figure means and which enterprises make it up, and what the age of the data means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.metrics.dashboard.page import PageRoute, render
from services.metrics.dashboard.panels import derived, trends
from services.metrics.dashboard.panels.derived import DERIVED, Derived, DerivedQuery
from services.metrics.dashboard.panels.rates import lags
from services.metrics.dashboard.routes.page_context import PageContext, ViewOf, cursors_of, page_context
from services.metrics.dashboard.words import Words
from services.metrics.explaining import explain, waits
from services.metrics.explaining.contributors import Contribution
from services.metrics.explaining.waits import Waits, require_durations
from services.metrics.figures import questions
from services.metrics.figures.scope import Scope, counts_of, parts
from services.metrics.folding.measures import RATES, Vector
from services.metrics.http.access import READ, require_measure
from services.metrics.live.hub import Hub
from shared.http.forms import AreaCode, Id
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

MOST_ENTERPRISES = 100
TIME_TO_FOUND = "time_to_found"

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Breakdown:
    """Numbers that make up a figure: [(number, its address or "")], with a separator between them."""

    numbers: Sequence[tuple[str, str]]
    separator: str = "/"
    name: str = ""


@dataclass(frozen=True, slots=True)
class FigureText:
    """A figure as displayed: its value and unit, what makes it up, and whether it has a base."""

    value: str
    unit: str = ""
    breakdowns: Sequence[Breakdown] = ()
    has_base: bool = True


@dataclass(frozen=True, slots=True)
class Explanation:
    """The content of the page; `columns` name the amounts of `contributions`, `more`: there are further ones."""

    name: str
    text: str
    formula: str
    source: str
    figure: FigureText
    columns: Sequence[str]
    contributions: Sequence[Contribution]
    more: bool


@dataclass(frozen=True, slots=True)
class ExplainQuery:
    """The figure to explain: its measure, area, group or enterprise; `after`: the last subject of the previous page."""

    measure: str
    area: str | None
    by: str | None
    group: str | None
    enterprise: Id | None
    after: str

    @property
    def group_parameters(self) -> dict[str, Any]:
        """The parameters that every link of the page keeps."""
        return {"by": self.by, "group": self.group, "enterprise": self.enterprise}


@router.get("/explain")
async def explain_page(
    request: Request,
    caller: CallerOf,
    view: ViewOf,
    measure: str,
    area: AreaCode | None = None,
    by: Literal["district", "park"] | None = None,
    group: AreaCode | None = None,
    enterprise: Id | None = None,
    after: str | None = None,
) -> Response:
    """A figure's definition and the enterprises that make it up; `enterprise`: the contribution of one."""
    if measure not in DERIVED and measure != TIME_TO_FOUND:
        require_measure(measure)
    cursors = cursors_of(request)
    query = ExplainQuery(measure, area, by, group, enterprise, cursors.decode(after, tuple[str])[0] if after else "")
    async with page_context(request, caller, view, area) as page:
        explain_measure = _time_to_found if measure == TIME_TO_FOUND else _derived if measure in DERIVED else _published
        explanation = await explain_measure(page, query)
        if enterprise is not None and not explanation.contributions:
            raise NotFound("NOT_FOUND")
        values = page.values(
            area=area,
            measure=measure,
            place=query.group_parameters,
            explained=explanation,
            path=page.path(group or area),
            tree=page.tree,
            more=cursors.encode([explanation.contributions[-1].subject]) if explanation.more else None,
        )
        return render(request, "explain.html", values)


async def _published(page: PageContext, query: ExplainQuery) -> Explanation:
    """A published count or rate."""
    words, measure = page.words, query.measure
    scope = Scope.of(page.tree, query.area, query.by, query.group)
    found: list[Contribution]
    if query.enterprise is None:
        found, more = await explain.contributions(page.snapshot, scope, measure, page.as_of, page.known_at, query.after, MOST_ENTERPRISES)
        value = parts(await _total(page, query), measure)
    else:
        subject = f"enterprise/{query.enterprise}"
        one = await explain.one(page.snapshot, scope, measure, page.as_of, page.known_at, subject)
        found, more, value = [one] if one else [], False, one.value if one else ()
    names = RATES.get(measure, ())
    if len(value) > 1:
        rate = questions.Rate(*value)
        numbers = [(words.number(count), _link(page, query, name)) for name, count in zip(names, value, strict=True)]
        figure = FigureText(words.rate(rate), "%" if rate.d else "", [Breakdown(numbers)], bool(rate.d))
    else:
        figure = FigureText(words.number(value[0] if value else 0))
    columns = [words.name_of(name) for name in names] or [words.t("explain.counts")]
    return _defined(page, measure, figure, columns, found, more)


def _defined(
    page: PageContext, measure: str, figure: FigureText, columns: Sequence[str], found: Sequence[Contribution], more: bool
) -> Explanation:
    words = page.words
    definition = words.definition(measure)
    text = definition.text_en if words.language == "en" else definition.text_zh
    return Explanation(words.name_of(measure), text, definition.formula, words.source(definition.source), figure, columns, found, more)


async def _derived(page: PageContext, query: ExplainQuery) -> Explanation:
    """A figure of `derived.DERIVED`."""
    figure, words = DERIVED[query.measure], page.words
    scope = Scope.of(page.tree, query.area, query.by, query.group)
    lag, before = await _lag(page, query, figure) if figure.over_a_year else (None, None)
    question = DerivedQuery(figure, scope, page.as_of, page.known_at, before)
    found, more = await derived.contributions(page.snapshot, question, query.after, MOST_ENTERPRISES, query.enterprise)
    columns = [words.t(name) if "." in name else words.name_of(name) for name in figure.columns]
    if lag is None:
        value = figure.of(counts_of(await _total(page, query))) if query.enterprise is None else found[0].value if found else ()
        lag_or_share = _share(words, value)
    else:
        lag_or_share = lag
        columns = [words.t("explain.change", name=name) for name in columns]
    return Explanation(
        name=words.t(f"derived.{query.measure}"),
        text=words.t(f"derived.{query.measure}.text"),
        formula=figure.formula,
        source=words.source(figure.source),
        figure=lag_or_share,
        columns=columns,
        contributions=found,
        more=more,
    )


async def _lag(page: PageContext, query: ExplainQuery, figure: Derived) -> tuple[FigureText, date]:
    """The lag of an area with the counts that it compares, and the day twelve months before."""
    words = page.words
    trend = await trends.trend(page.snapshot, page.tree, query.area, page.as_of, page.known_at)
    points = trend.points[-trends.MONTHS_OF_SPARK :]
    both, before = lags(points), points[0].day
    tenths = both.founding if query.measure == "founding_lag" else both.joining
    breakdowns = []
    for name in figure.columns:
        then, now = (words.number(point.measures[name]) for point in (points[0], points[-1]))
        earlier = page.view.with_(as_of=before).explain(name, query.area)
        breakdowns.append(Breakdown([(then, earlier), (now, _link(page, query, name))], "→", words.name_of(name)))
    unit = words.t("explain.points") if tenths is not None else ""
    return FigureText(words.signed(tenths), unit, breakdowns, tenths is not None), before


def _share(words: Words, value: Sequence[int]) -> FigureText:
    """A count, or the numerator and denominator of a share."""
    if len(value) < 2:
        return FigureText(words.number(value[0] if value else 0))
    n, d = value
    return FigureText(words.whole(n, d), breakdowns=[Breakdown([(words.number(n), ""), (words.number(d), "")])], has_base=bool(d))


async def _time_to_found(page: PageContext, query: ExplainQuery) -> Explanation:
    """The median time to found of the area or of one group in it, and every enterprise that is founded or waiting."""
    require_durations(page.snapshot)
    words, scope = page.words, Scope.of(page.tree, query.area, query.by, query.group)
    answer = await waits.durations(page.snapshot, area=query.area, by=query.by, as_of=page.as_of, known_at=page.known_at)
    row = answer.total
    if query.group is not None:
        row = next((row for row in answer.rows if row.code == query.group), Waits(query.group))
    found, more = await waits.contributions(
        page.snapshot, scope, page.as_of, page.known_at, query.after, MOST_ENTERPRISES, query.enterprise
    )
    columns = [words.t(f"waits.column.{name}") for name in ("founded", "waiting", "days")]
    if query.enterprise is None:
        median, reason = row.median()
        founded, waiting = (words.number(count) for count in row.numbers)
        breakdowns = [Breakdown([(words.t("waits.founded", number=founded), ""), (words.t("waits.waiting", number=waiting), "")], "·")]
        if reason == "NOT_REACHED":
            breakdowns.append(Breakdown([], name=words.t("waits.not_reached")))
        figure = _days(words, median.days, breakdowns, reason != "NO_BASE")
    else:
        figure = _days(words, found[0].value[2] if found else None)
    return _defined(page, query.measure, figure, columns, found, more)


def _days(words: Words, days: int | None, breakdowns: Sequence[Breakdown] = (), has_base: bool = True) -> FigureText:
    return FigureText(words.number(days), words.t("waits.unit") if days is not None else "", breakdowns, has_base)


async def _total(page: PageContext, query: ExplainQuery) -> Vector:
    """The figures of the area, or of one group in it."""
    answer = await questions.coverage(page.snapshot, area=query.area, by=query.by, as_of=page.as_of, known_at=page.known_at)
    return answer.figures(query.group)


def _link(page: PageContext, query: ExplainQuery, measure: str) -> str:
    return page.view.explain(measure, query.area, **query.group_parameters)


@router.get("/age")
async def age_page(request: Request, caller: CallerOf) -> Response:
    """What the age of the data means, and its present values."""
    caller.require(READ)
    hub: Hub = request.app.state.hub
    return render(request, "age.html", {"freshness": hub.freshness})
