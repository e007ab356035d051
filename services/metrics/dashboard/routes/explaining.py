"""What a figure means, and who makes it up: one click away from every number. And what the age of the data means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.metrics.dashboard.page import PageRoute, render
from services.metrics.dashboard.panels import derived, trends
from services.metrics.dashboard.panels.derived import DERIVED, Asking, counts_of
from services.metrics.dashboard.panels.view import MONTHS_OF_SPARK, lags
from services.metrics.dashboard.routes.asking import Asked, ViewOf, asking, cursors_of
from services.metrics.explaining import explain, waits
from services.metrics.explaining.explain import Contribution
from services.metrics.explaining.waits import Waits, require_durations
from services.metrics.figures import questions
from services.metrics.figures.scope import Scope, parts
from services.metrics.folding.measures import RATES
from services.metrics.http.coverage_routes import require_measure
from services.metrics.http.grants import READ
from services.metrics.live.hub import Hub
from shared.http.forms import AreaCode, Id
from shared.http.web import CallerOf
from shared.problems.errors import NotFound

MOST_ENTERPRISES = 100
TIME_TO_FOUND = "time_to_found"

router = APIRouter(route_class=PageRoute, include_in_schema=False)


@dataclass(frozen=True, slots=True)
class Under:
    """Numbers that a figure is made of: [(number, its address or "")], with a sign between them."""

    numbers: Sequence[tuple[str, str]]
    between: str = "/"
    name: str = ""


@dataclass(frozen=True, slots=True)
class Explained:
    """`big` is the figure as it is written, `unit` stands small behind it; `under` is what it is made of; `columns` name the amounts of `found`."""

    name: str
    text: str
    formula: str
    source: str
    big: str
    unit: str
    under: Sequence[Under]
    based: bool
    columns: Sequence[str]
    found: Sequence[Contribution]
    more: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which figure, of which group or enterprise, after which subject."""

    measure: str
    area: str | None
    by: str | None
    group: str | None
    enterprise: Id | None
    after: str

    @property
    def place(self) -> dict[str, Any]:
        """What every link of the page carries on."""
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
    """What a figure means, and the enterprises that make it up; `enterprise`: what one of them adds."""
    if measure not in DERIVED and measure != TIME_TO_FOUND:
        require_measure(measure)
    cursors = cursors_of(request)
    wanted = Wanted(measure, area, by, group, enterprise, cursors.decode(after, tuple[str])[0] if after else "")
    async with asking(request, caller, view, area) as asked:
        if measure == TIME_TO_FOUND:
            made = await _waited(asked, wanted)
        else:
            made = await (_derived(asked, wanted) if measure in DERIVED else _published(asked, wanted))
        if enterprise is not None and not made.found:
            raise NotFound("NOT_FOUND")
        following = cursors.encode([made.found[-1].subject]) if made.more else None
        values = asked.values(
            area=area,
            measure=measure,
            place=wanted.place,
            explained=made,
            path=asked.path(group or area),
            tree=asked.tree,
            more=following,
        )
        return render(request, "explain.html", values)


async def _published(asked: Asked, wanted: Wanted) -> Explained:
    words, measure = asked.words, wanted.measure
    scope = Scope.of(asked.tree, wanted.area, wanted.by, wanted.group)
    found: list[Contribution]
    if wanted.enterprise is None:
        found, more = await explain.contributions(
            asked.snapshot, scope, measure, asked.as_of, asked.known_at, wanted.after, MOST_ENTERPRISES
        )
        value = parts(await _total(asked, wanted), measure)
    else:
        subject = f"enterprise/{wanted.enterprise}"
        one = await explain.one(asked.snapshot, scope, measure, asked.as_of, asked.known_at, subject)
        found, more, value = [one] if one else [], False, one.value if one else ()
    definition = words.definition(measure)
    names = RATES.get(measure, ())
    rate = questions.Rate(*value) if len(value) > 1 else None
    return Explained(
        name=words.name_of(measure),
        text=definition.text_en if words.language == "en" else definition.text_zh,
        formula=definition.formula,
        source=words.source(definition.source),
        big=words.rate(rate) if rate else words.number(value[0] if value else 0),
        unit="%" if rate and rate.d else "",
        under=[Under([(words.number(count), _link(asked, wanted, name)) for name, count in zip(names, value, strict=True)])]
        if rate
        else [],
        based=rate is None or bool(rate.d),
        columns=[words.name_of(name) for name in names] or [words.t("explain.counts")],
        found=found,
        more=more,
    )


async def _derived(asked: Asked, wanted: Wanted) -> Explained:
    figure, words = DERIVED[wanted.measure], asked.words
    before, big, unit, under, based = None, "", "", list[Under](), True
    if figure.over_a_year:
        trend = await trends.trend(asked.snapshot, asked.tree, wanted.area, asked.as_of, asked.known_at)
        points = trend.points[-MONTHS_OF_SPARK:]
        found_lags, before = lags(points), points[0].day
        tenths = found_lags.founding if wanted.measure == "founding_lag" else found_lags.joining
        big, unit, based = words.signed(tenths), words.t("explain.points") if tenths is not None else "", tenths is not None
        for name in figure.columns:
            then, now = points[0].measures[name], points[-1].measures[name]
            earlier = asked.view.with_(as_of=before).explain(name, wanted.area)
            numbers = [(words.number(then), earlier), (words.number(now), _link(asked, wanted, name))]
            under.append(Under(numbers, "→", words.name_of(name)))
    scope = Scope.of(asked.tree, wanted.area, wanted.by, wanted.group)
    question = Asking(figure, scope, asked.as_of, asked.known_at, before)
    found, more = await derived.contributions(asked.snapshot, question, wanted.after, MOST_ENTERPRISES, wanted.enterprise)
    if not figure.over_a_year:
        value = figure.of(counts_of(await _total(asked, wanted))) if wanted.enterprise is None else found[0].value if found else ()
        share = len(value) > 1
        big = words.whole(*value) if share else words.number(value[0] if value else 0)
        under = [Under([(words.number(count), "") for count in value])] if share else []
        based = not share or bool(value[1])
    columns = [words.t(name) if "." in name else words.name_of(name) for name in figure.columns]
    return Explained(
        name=words.t(f"derived.{wanted.measure}"),
        text=words.t(f"derived.{wanted.measure}.text"),
        formula=figure.formula,
        source=words.source(figure.source),
        big=big,
        unit=unit,
        under=under,
        based=based,
        columns=[words.t("explain.change", name=name) for name in columns] if figure.over_a_year else columns,
        found=found,
        more=more,
    )


async def _waited(asked: Asked, wanted: Wanted) -> Explained:
    """The median time to found of the area or of one group of it, and every enterprise that is founded or waiting."""
    require_durations(asked.snapshot)
    words, scope = asked.words, Scope.of(asked.tree, wanted.area, wanted.by, wanted.group)
    answer = await waits.durations(asked.snapshot, area=wanted.area, by=wanted.by, as_of=asked.as_of, known_at=asked.known_at)
    row = answer.total
    if wanted.group is not None:
        row = next((row for row in answer.rows if row.code == wanted.group), Waits(wanted.group))
    found, more = await waits.contributions(
        asked.snapshot, scope, asked.as_of, asked.known_at, wanted.after, MOST_ENTERPRISES, wanted.enterprise
    )
    median, reason = row.median()
    days = median.days
    if wanted.enterprise is not None:
        days, reason = (found[0].value[2] if found else None), None
    definition = words.definition(wanted.measure)
    founded, waiting = (words.number(count) for count in row.numbers)
    under = [Under([(words.t("waits.founded", number=founded), ""), (words.t("waits.waiting", number=waiting), "")], "·")]
    if reason == "NOT_REACHED":
        under.append(Under([], name=words.t("waits.not_reached")))
    return Explained(
        name=words.name_of(wanted.measure),
        text=definition.text_en if words.language == "en" else definition.text_zh,
        formula=definition.formula,
        source=words.source(definition.source),
        big=words.number(days),
        unit=words.t("waits.unit") if days is not None else "",
        under=under if wanted.enterprise is None else [],
        based=reason != "NO_BASE",
        columns=[words.t(f"waits.column.{name}") for name in ("founded", "waiting", "days")],
        found=found,
        more=more,
    )


async def _total(asked: Asked, wanted: Wanted) -> int:
    """The figures of the area, or of one group of it."""
    answer = await questions.coverage(asked.snapshot, area=wanted.area, by=wanted.by, as_of=asked.as_of, known_at=asked.known_at)
    chosen = [answer.total] if wanted.by is None or wanted.group is None else [row for row in answer.rows if row.code == wanted.group]
    return sum(row.figures for row in chosen)


def _link(asked: Asked, wanted: Wanted, measure: str) -> str:
    return asked.view.explain(measure, wanted.area, **wanted.place)


@router.get("/age")
async def age_page(request: Request, caller: CallerOf) -> Response:
    """What the age of the data means, and what it is made of now."""
    caller.require(READ)
    hub: Hub = request.app.state.hub
    return render(request, "age.html", {"freshness": hub.freshness})
