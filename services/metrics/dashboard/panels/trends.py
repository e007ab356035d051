"""The trend of an area month by month, for the chart, its table and its downloads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from services.metrics.dashboard.words import Words, tenths
from services.metrics.figures import questions
from services.metrics.figures.questions import Point
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores.figure_store import TREND
from services.metrics.figures.tree import UNKNOWN, Tree
from services.metrics.settings import Target

MONTHS_OF_SPARK = 13
MONTHS_OF_TREND = 24
FURTHEST_MONTHS = 60

Series = Mapping[str, Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Trend:
    """Two years of an area by month; `of_parks` are the series that `points` sums."""

    days: Sequence[date]
    points: Sequence[Point]
    of_parks: Series


async def trend(snapshot: Snapshot, tree: Tree, area: str | None, as_of: date, known_at: date) -> Trend:
    """The trend of the parks that lie in an area as of `as_of`; None: all parks."""
    days = questions.month_ends(as_of, MONTHS_OF_TREND + 1)
    parks = tree.under(area) if area else set(tree.areas)
    series = await questions.series(snapshot, parks=parks, days=days, known_at=known_at)
    return Trend(days, summed(series, days), series)


def summed(series: Series, days: Sequence[date]) -> list[Point]:
    """One series of several parks: sums of numerators and denominators, never means of rates."""
    totals = [dict.fromkeys(TREND, 0) for _ in days]
    for points in series.values():
        for total, point in zip(totals, points, strict=True):
            for name in TREND:
                total[name] += point.measures[name]
    return [Point(day, total) for day, total in zip(days, totals, strict=True)]


def by_row(found: Trend, rows: str, tree: Tree) -> dict[str, list[Point]]:
    """{code of a row: its points of the last thirteen months}, by park or by district."""
    days = found.days[-MONTHS_OF_SPARK:]
    groups: dict[str, dict[str, Sequence[Point]]] = {}
    for park, points in found.of_parks.items():
        groups.setdefault(park if rows == "park" else tree.district(park), {})[park] = points[-MONTHS_OF_SPARK:]
    return {code: summed(parks, days) for code, parks in groups.items() if code != UNKNOWN}


def forecast(points: Sequence[Point], measure: str, percent: int) -> date | None:
    """The month in which the target is met at the pace of the last twelve months; None if it is met, never met or too far ahead."""
    recent = points[-MONTHS_OF_SPARK:]
    first, last = recent[0].rate(measure), recent[-1].rate(measure)
    if not first.d or not last.d or 100 * last.n > percent * last.d:
        return None
    then, now = first.n / first.d, last.n / last.d
    if now <= then:
        return None
    months = -(-(percent / 100 - now) * (len(recent) - 1) // (now - then))
    if months > FURTHEST_MONTHS:
        return None
    day = recent[-1].day.replace(day=1)
    for _ in range(max(1, int(months))):
        day = (day + timedelta(days=32)).replace(day=1)
    return day


def _percent(point: Point, measure: str) -> float:
    """A point with a base in percent with one decimal."""
    rate = point.rate(measure)
    return tenths(rate.n, rate.d) / 10


def chart_spec(found: Trend, measure: str, target: Target | None, words: Words) -> dict[str, Any]:
    """The input of `drawing.trend`: the months with a base, the target, and when it is met at the present pace."""
    points = [(point.day.isoformat(), _percent(point, measure)) for point in found.points if point.rate(measure).d]
    first, last = found.days[0], found.days[-1]
    met = forecast(found.points, measure, target.percent) if target and points else None
    until = max(last, met) if met else last
    ahead = [points[-1], (met.isoformat(), float(target.percent))] if met and target else []
    label = ""
    if target:
        label = words.t("chart.target", percent=target.percent) + (words.t("bracket", text=target.due.isoformat()) if target.due else "")
    return {
        "points": points,
        "from": first.isoformat(),
        "until": until.isoformat(),
        "ticks": [day.isoformat() for day in (first, found.days[len(found.days) // 2], last, *([met] if met else []))],
        "target": float(target.percent) if target else None,
        "target_label": label,
        "forecast": ahead,
        "forecast_label": words.t("chart.forecast", month=words.month(met)) if met else "",
    }
