"""The table of an area's page: one row a park or district, ordered, paged, with a small trend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.metrics.dashboard.address import ViewOptions
from services.metrics.dashboard.panels.rates import RateFigure, completeness, rate_figures
from services.metrics.dashboard.words import Words
from services.metrics.explaining.findings import Found
from services.metrics.figures.findings import Finding
from services.metrics.figures.questions import Point, Row
from services.metrics.figures.tree import Tree
from services.metrics.settings import Target

MOST_ROWS = 100
SPARK_SIZE = (88, 24)


class Spark(NamedTuple):
    """A small trend: the points of its line, its last point, and whether the rate has fallen since last month."""

    points: str
    x: float
    y: float
    fallen: bool
    text: str


@dataclass(frozen=True, slots=True)
class TableRow:
    """One row; `within`: the name of the area around it, if the page does not show it already; `odd`: its findings of rates over 100 %."""

    code: str
    name: str
    within: str
    founding: RateFigure
    joining: RateFigure
    completeness: tuple[int, int]
    odd: Sequence[Found] = ()
    spark: Spark | None = None

    def key(self, sort: str) -> tuple[int, int, str]:
        """The sort key: the largest gap first, or the lowest rate, or by name; rows without a base last."""
        rate = self.founding.rate
        if sort == "name":
            return (0, 0, self.name)
        if not rate.d:
            return (1, 0, self.code)
        return (0, -(self.founding.gap or 0), self.code) if sort == "gap" else (0, rate.n * 10**9 // rate.d, self.code)


@dataclass(frozen=True, slots=True)
class TablePage:
    """The rows of one page, and the code after which the next page begins (None: this is the last)."""

    rows: Sequence[TableRow]
    after: str | None
    total: int


def table_rows(
    rows: Sequence[Row], found: Mapping[str, Sequence[Found]], view: ViewOptions, targets: Sequence[Target], tree: Tree, area: str
) -> list[TableRow]:
    """All rows of an area's page in their order, without trends; `found`: the findings of each."""
    made = (_table_row(row, found.get(row.code, ()), view, targets, tree, area) for row in rows)
    return sorted(made, key=lambda row: row.key(view.sort))


def _table_row(row: Row, findings: Sequence[Found], view: ViewOptions, targets: Sequence[Target], tree: Tree, area: str) -> TableRow:
    found = tree.areas.get(row.code)
    within = tree.display_name(found.parent) if found and found.parent else ""
    within = within if within not in (row.name, tree.display_name(area)) else ""
    odd = [one for one in findings if one.finding is Finding.MEMBERS_OVER_WORKERS]
    return TableRow(row.code, row.name, within, *rate_figures(row, view, targets), completeness(row.measures), odd)


def page_of(rows: Sequence[TableRow], after: str | None) -> TablePage:
    """At most MOST_ROWS rows, from the one after the code `after`."""
    start = next((index + 1 for index, row in enumerate(rows) if row.code == after), 0) if after else 0
    shown = rows[start : start + MOST_ROWS]
    return TablePage(shown, shown[-1].code if start + MOST_ROWS < len(rows) else None, len(rows))


def scale(series: Iterable[Sequence[Point]], measure: str) -> tuple[float, float]:
    """The least and the greatest rate of a column of small trends, which all have this scale: else a rise of a point would look like one of
    twenty."""
    values = [rate.n / rate.d for points in series for point in points if (rate := point.rate(measure)).d]
    return min(values, default=0.0), max(values, default=1.0)


def spark(points: Sequence[Point], measure: str, words: Words, low: float, high: float) -> Spark | None:
    """The trend of one row between two rates (`scale`); None where the last month has no base."""
    rates = [point.rate(measure) for point in points]
    values = [(index, rate.n / rate.d) for index, rate in enumerate(rates) if rate.d]
    if not values or not rates[-1].d:
        return None
    width, height = SPARK_SIZE
    span = max(high - low, 0.02)
    drawn = [
        (round(3 + index * (width - 6) / (len(points) - 1), 1), round(height - 4 - (value - low) / span * (height - 8), 1))
        for index, value in values
    ]
    last, now = rates[-2], rates[-1]
    fallen = bool(last.d) and now.n * last.d < last.n * now.d
    text = f"{words.rate(rates[values[0][0]])} → {words.rate(now)}"
    return Spark(" ".join(f"{x},{y}" for x, y in drawn), *drawn[-1], fallen, text)
