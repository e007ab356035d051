"""What an area's page shows, from the answers to questions: figures with target and gap, one row a park or district, and trends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import NamedTuple

from services.metrics.dashboard.address import View
from services.metrics.dashboard.words import Words, tenths
from services.metrics.figures.questions import Point, Rate, Row
from services.metrics.figures.tree import UNKNOWN, Tree
from services.metrics.folding.measures import RATES
from services.metrics.settings import Target

MOST_ROWS = 100
SPARK = (88, 24)
MONTHS_OF_SPARK = 13
MONTHS_OF_TREND = 24
FURTHEST_MONTHS = 60


class Figure(NamedTuple):
    """A rate as it is shown. `gap` = how many are missing to the target (None: no target or no base), `above` = the target is met."""

    measure: str
    n_measure: str
    d_measure: str
    rate: Rate
    target: Target | None
    gap: int | None
    above: bool

    @property
    def bar(self) -> float:
        """The length of its bar in percent; what is over 100 % is only in the number."""
        return min(100.0, 100 * self.rate.n / self.rate.d) if self.rate.d else 0.0


def target_of(targets: Sequence[Target], metric: str, basis: str) -> Target | None:
    """The target of a rate on a basis, if there is one."""
    return next((target for target in targets if (target.metric, target.basis) == (metric, basis)), None)


def gap_of(rate: Rate, percent: int) -> int:
    """How many more are needed until 100·n > percent·d."""
    return max(0, percent * rate.d // 100 + 1 - rate.n)


def figure(measure: str, rate: Rate, target: Target | None) -> Figure:
    """A rate beside its target, compared in integers."""
    n, d = RATES[measure]
    if target is None or not rate.d:
        return Figure(measure, n, d, rate, target, None, above=False)
    return Figure(measure, n, d, rate, target, gap_of(rate, target.percent), above=100 * rate.n > target.percent * rate.d)


class Spark(NamedTuple):
    """A small trend: the points of its line, where it ends, and whether the rate has fallen since last month."""

    points: str
    x: float
    y: float
    fallen: bool
    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table."""

    code: str
    name: str
    within: str
    counts: Mapping[str, int]
    founding: Figure
    joining: Figure
    spark: Spark | None
    completeness: tuple[int, int]

    def key(self, sort: str) -> tuple[int, int, str]:
        """Where it stands: the most missing first, or the lowest rate, or by name; what has no base comes last."""
        rate = self.founding.rate
        if sort == "name":
            return (0, 0, self.name)
        if not rate.d:
            return (1, 0, self.code)
        return (0, -(self.founding.gap or 0), self.code) if sort == "gap" else (0, rate.n * 10**9 // rate.d, self.code)


def completeness(counts: Mapping[str, int]) -> tuple[int, int]:
    """Units whose headcount is known and not stale, and all units."""
    return counts["units_headcount_known"] - counts["units_headcount_stale"], counts["units"]


@dataclass(frozen=True, slots=True)
class Lags:
    """The two lags over twelve months in tenths of a percent point; None where there was nothing before."""

    founding: int | None
    joining: int | None


def lags(points: Sequence[Point]) -> Lags:
    """Growth of covered units less growth of units, growth of members less growth of workers, from the first point to the last."""
    before, now = points[0].measures, points[-1].measures

    def growth(part: str, whole: str) -> int | None:
        if not before[part] or not before[whole]:
            return None
        return tenths(now[part] * before[whole] - now[whole] * before[part], before[part] * before[whole])

    return Lags(growth("covered_all", "units"), growth("members", "workers"))


def spark(points: Sequence[Point], measure: str, words: Words) -> Spark | None:
    """The trend of one row; None where no month has a base."""
    rates = [point.rate(measure) for point in points]
    shown = [(index, rate.n / rate.d) for index, rate in enumerate(rates) if rate.d]
    if not shown or not rates[-1].d:
        return None
    width, height = SPARK
    low, high = min(value for _, value in shown), max(value for _, value in shown)
    span = max(high - low, 0.02)
    places = [
        (round(3 + index * (width - 6) / (len(points) - 1), 1), round(height - 4 - (value - low) / span * (height - 8), 1))
        for index, value in shown
    ]
    last, now = rates[-2], rates[-1]
    fallen = bool(last.d) and now.n * last.d < last.n * now.d
    text = f"{words.rate(rates[shown[0][0]])} → {words.rate(now)}"
    return Spark(" ".join(f"{x},{y}" for x, y in places), *places[-1], fallen, text)


@dataclass(frozen=True, slots=True)
class Table:
    """The rows that are shown, and the code after which the next page begins (None: this is the last)."""

    lines: Sequence[Line]
    after: str | None
    total: int


def lines_of(rows: Sequence[Row], view: View, targets: Sequence[Target], tree: Tree, area: str) -> list[Line]:
    """All rows of an area's page in their order, without trends."""
    found = [_line(row, view, targets, tree, area) for row in rows]
    return sorted(found, key=lambda line: line.key(view.sort))


def _line(row: Row, view: View, targets: Sequence[Target], tree: Tree, page: str) -> Line:
    counts, rates = row.measures, row.rates
    area = tree.areas.get(row.code)
    within = tree.shown(area.parent) if area and area.parent else ""
    return Line(
        row.code,
        row.name,
        within if within not in (row.name, tree.shown(page)) else "",
        counts,
        figure(view.founding_rate, rates[view.founding_rate], target_of(targets, "unit_founding_rate", view.founding)),
        figure(view.joining_rate, rates[view.joining_rate], target_of(targets, "worker_joining_rate", view.joining)),
        None,
        completeness(counts),
    )


def page_of(lines: Sequence[Line], after: str | None) -> Table:
    """At most a hundred rows, those after the row of a code."""
    start = next((index + 1 for index, line in enumerate(lines) if line.code == after), 0) if after else 0
    shown = lines[start : start + MOST_ROWS]
    return Table(shown, shown[-1].code if start + MOST_ROWS < len(lines) else None, len(lines))


def summed(series: Mapping[str, Sequence[Point]], days: Sequence[date], measures: Sequence[str]) -> list[Point]:
    """One series of several parks: sums of numerators and denominators, never means of rates."""
    totals = [dict.fromkeys(measures, 0) for _ in days]
    for points in series.values():
        for total, point in zip(totals, points, strict=True):
            for name in measures:
                total[name] += point.measures[name]
    return [Point(day, total) for day, total in zip(days, totals, strict=True)]


def by_row(
    series: Mapping[str, Sequence[Point]], rows: str, days: Sequence[date], measures: Sequence[str], tree: Tree
) -> dict[str, list[Point]]:
    """{code of a row: its points}, of parks or of the districts in which they lie."""
    groups: dict[str, dict[str, Sequence[Point]]] = {}
    for park, points in series.items():
        groups.setdefault(park if rows == "park" else tree.district(park), {})[park] = points
    return {code: summed(parks, days, measures) for code, parks in groups.items() if code != UNKNOWN}


def forecast(points: Sequence[Point], measure: str, percent: int) -> date | None:
    """The month in which the target is met at the pace of the last twelve months; None if it is met, never or too far ahead."""
    recent = points[-MONTHS_OF_SPARK:]
    first, last = recent[0].rate(measure), recent[-1].rate(measure)
    if not first.d or not last.d or 100 * last.n > percent * last.d:
        return None
    then, now = first.n / first.d, last.n / last.d
    if now <= then:
        return None
    months = -(-(percent / 100 - now) * (len(recent) - 1) // (now - then))
    day = recent[-1].day.replace(day=1)
    if months > FURTHEST_MONTHS:
        return None
    for _ in range(max(1, int(months))):
        day = (day + timedelta(days=32)).replace(day=1)
    return day
