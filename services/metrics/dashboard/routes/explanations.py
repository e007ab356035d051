"""The page behind every number: what a figure means and who makes it up. And the page of the age of the data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, assert_never

from fastapi import Depends, Query, Request
from starlette.responses import Response

from services.metrics.dashboard.page import PageRoute, render
from services.metrics.dashboard.routes.page_context import PageContext, ViewOf, cursors_of, page_context
from services.metrics.dashboard.words import Words
from services.metrics.explaining import explain, ranking
from services.metrics.explaining.contributors import Contributors, Question
from services.metrics.explaining.explain import Figure, Lag
from services.metrics.explaining.measures import COMPARED, DERIVED, TIME_TO_FOUND, measure_of
from services.metrics.explaining.ranking import ORDERS, Listing, Order, Page
from services.metrics.explaining.waits import Waits
from services.metrics.figures.questions import Rate
from services.metrics.http.access import READ, require_measure
from services.metrics.http.explaining.routes import position_in, subject_of
from services.metrics.live.hub import Hub
from shared.http.forms import AreaCode, Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

SHOWN = 100

router = Router(route_class=PageRoute, include_in_schema=False)


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
class ExplainQuery:
    """The figure to explain: its measure, area, group or enterprise, and how its list is shown."""

    measure: str
    area: str | None
    by: str | None
    group: str | None
    enterprise: Id | None
    listing: Listing

    @property
    def place(self) -> dict[str, Any]:
        """The parameters that every link of the page keeps."""
        return {"by": self.by, "group": self.group, "enterprise": self.enterprise}

    @property
    def shown(self) -> dict[str, Any]:
        """The parameters of the list, without defaults."""
        sort = None if self.listing.order == ORDERS[0] else self.listing.order
        return {"q": self.listing.search or None, "sort": sort}

    @property
    def all(self) -> dict[str, Any]:
        """The parameters of another page of the same list."""
        return {**self.place, **self.shown}


def explained(
    measure: str,
    area: AreaCode | None = None,
    by: Literal["district", "park"] | None = None,
    group: AreaCode | None = None,
    enterprise: Id | None = None,
    q: Annotated[str, Query(max_length=100)] = "",
    sort: Order = "workers",
) -> ExplainQuery:
    """The parameters of an explanation. Raises NOT_ONE_OF (422)."""
    require_measure(measure)
    return ExplainQuery(measure, area, by, group, enterprise, Listing(sort, q.strip()))


ExplainOf = Annotated[ExplainQuery, Depends(explained)]


def question_of(page: PageContext, query: ExplainQuery) -> Question:
    """The question of a page's figure."""
    return Question(query.measure, query.area, query.by, query.group, page.as_of, page.known_at)


@router.get("/explain")
async def explain_page(request: Request, caller: CallerOf, view: ViewOf, query: ExplainOf, after: str | None = None) -> Response:
    """A figure's definition and who makes it up, ranked and searched; `enterprise`: the contribution of one."""
    cursors = cursors_of(request)
    start = position_in(cursors, after, query.listing)
    async with page_context(request, caller, view, query.area) as page:
        question, snapshot, words = question_of(page, query), page.snapshot, page.words
        figure = await explain.figure(snapshot, question)
        if query.enterprise is None:
            found = await ranking.page(snapshot, question, query.listing, start, SHOWN)
            text = _figure_text(page, query, figure)
        else:
            one = await Contributors(snapshot, question).one(subject_of(question, query.enterprise))
            if one is None:
                raise NotFound("NOT_FOUND")
            found = Page([one], None, 1)
            text = _share_text(words, query.measure, one.amounts)
        definition = words.definition(query.measure)
        values = page.values(
            area=query.area,
            measure=query.measure,
            query=query,
            name=words.name_of(query.measure),
            text=definition.text_en if words.language == "en" else definition.text_zh,
            formula=words.formula(definition.formula),
            source=words.source(definition.source),
            figure=text,
            columns=_columns(words, query.measure),
            found=found,
            orders=ORDERS,
            path=page.path(query.group or query.area),
            tree=page.tree,
            compared=query.measure in COMPARED and query.group is None and query.enterprise is None,
            more=cursors.encode(found.next) if found.next else None,
        )
        return render(request, "explain.html", values)


def _columns(words: Words, measure: str) -> list[str]:
    """The headings of the amounts that stand beside workers and days; a single count of 1 each needs none."""
    if measure == TIME_TO_FOUND:
        return [words.t("waits.column.founded"), words.t("waits.column.waiting")]
    found = measure_of(measure)
    if found.form == "count":
        return [] if measure == "workers" else [words.t("explain.counts")]
    names = [words.name_of(name) for name in found.columns]
    return [words.t("explain.change", name=name) for name in names] if found.form == "lag" else names


def _link(page: PageContext, query: ExplainQuery, measure: str) -> str:
    return page.view.explain(measure, query.area, **query.place)


def _figure_text(page: PageContext, query: ExplainQuery, figure: Figure) -> FigureText:
    """A figure as displayed."""
    words, measure = page.words, query.measure
    match figure:
        case int():
            return FigureText(words.number(figure))
        case Rate():
            names = measure_of(measure).columns
            numbers = [(words.number(n), _link(page, query, name)) for name, n in zip(names, (figure.n, figure.d), strict=True)]
            return _rate_text(words, measure, figure, [Breakdown(numbers)])
        case Lag():
            return _lag_text(page, query, figure)
        case Waits():
            return _waits_text(words, figure)
        case other:
            assert_never(other)


def _rate_text(words: Words, measure: str, rate: Rate, breakdowns: Sequence[Breakdown]) -> FigureText:
    if measure in DERIVED:
        return FigureText(words.whole(rate.n, rate.d), "", breakdowns, bool(rate.d))
    return FigureText(words.rate(rate), "%" if rate.d else "", breakdowns, bool(rate.d))


def _lag_text(page: PageContext, query: ExplainQuery, lag: Lag) -> FigureText:
    """The lag with the counts that it compares."""
    words, breakdowns = page.words, []
    earlier = page.view.with_(as_of=question_of(page, query).before)
    for name, then, now in zip(measure_of(query.measure).columns, lag.before, lag.now, strict=True):
        numbers = [(words.number(then), earlier.explain(name, query.area, **query.place)), (words.number(now), _link(page, query, name))]
        breakdowns.append(Breakdown(numbers, "→", words.name_of(name)))
    tenths = words.tenths(lag.rate)
    return FigureText(words.signed(tenths), words.t("explain.points") if tenths is not None else "", breakdowns, tenths is not None)


def _waits_text(words: Words, row: Waits) -> FigureText:
    """The median time to found, with how many are founded and waiting."""
    median, reason = row.median()
    founded, waiting = (words.number(count) for count in row.numbers)
    breakdowns = [Breakdown([(words.t("waits.founded", number=founded), ""), (words.t("waits.waiting", number=waiting), "")], "·")]
    if reason == "NOT_REACHED":
        breakdowns.append(Breakdown([], name=words.t("waits.not_reached")))
    return FigureText(words.number(median.days), words.t("waits.unit") if median.days is not None else "", breakdowns, reason != "NO_BASE")


def _share_text(words: Words, measure: str, amounts: Sequence[int]) -> FigureText:
    """What one enterprise adds."""
    if measure == TIME_TO_FOUND:
        return FigureText(words.number(amounts[2]), words.t("waits.unit"))
    found = measure_of(measure)
    if found.form == "rate":
        return _rate_text(words, measure, Rate(*amounts), [Breakdown([(words.number(n), "") for n in amounts])])
    if found.form == "lag":
        numbers = [Breakdown([(words.number(n), "")], name=words.name_of(name)) for name, n in zip(found.columns, amounts, strict=True)]
        return FigureText("", breakdowns=numbers)
    return FigureText(words.number(amounts[0]))


@router.get("/age")
async def age_page(request: Request, caller: CallerOf) -> Response:
    """What the age of the data means, and its present values."""
    caller.require(READ)
    hub: Hub = request.app.state.hub
    return render(request, "age.html", {"freshness": hub.freshness})
