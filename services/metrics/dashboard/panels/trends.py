"""The trend of an area: its points month by month, as the chart, its table twin and its download show them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from services.metrics.dashboard.address import View
from services.metrics.dashboard.panels.view import MONTHS_OF_TREND, forecast, summed
from services.metrics.dashboard.words import Words, tenths
from services.metrics.figures import questions
from services.metrics.figures.questions import Point, Row, Snapshot
from services.metrics.figures.statements import TREND
from services.metrics.figures.tree import Tree
from services.metrics.folding.measures import PUBLISHED, RATES
from services.metrics.settings import Target

Series = Mapping[str, Sequence[Point]]


@dataclass(frozen=True, slots=True)
class Trend:
    """Two years of an area, by month; `of_parks` is what it is summed from."""

    days: Sequence[date]
    points: Sequence[Point]
    of_parks: Series


async def trend(snapshot: Snapshot, tree: Tree, area: str | None, as_of: date, known_at: date) -> Trend:
    """The trend of the parks that lie in an area now; None = everywhere."""
    days = questions.month_ends(as_of, MONTHS_OF_TREND + 1)
    parks = tree.under(area) if area else set(tree.areas)
    found = await questions.series(snapshot, parks=parks, days=days, known_at=known_at)
    return Trend(days, summed(found, days, TREND), found)


def percent(point: Point, measure: str) -> float | None:
    """A point in percent with one decimal; None without a base."""
    rate = point.rate(measure)
    return tenths(rate.n, rate.d) / 10 if rate.d else None


def told(found: Trend, measure: str, target: Target | None, words: Words) -> dict[str, Any]:
    """What drawing.py draws: the months with a base, the target, and when it is met at the present pace."""
    points = [(point.day.isoformat(), percent(point, measure)) for point in found.points if point.rate(measure).d]
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
        "ticks": [day.isoformat() for day in (found.days[0], found.days[len(found.days) // 2], last, *([met] if met else []))],
        "target": float(target.percent) if target else None,
        "target_label": label,
        "forecast": ahead,
        "forecast_label": words.t("chart.forecast", month=words.month(met)) if met else "",
    }


def csv_of(found: Trend, view: View, head: Mapping[str, Any]) -> str:
    """The trend as CSV; every line carries what its figures rest on."""
    names = ["month_end", *TREND, view.founding_rate, view.joining_rate, *head]
    lines = [",".join(names)]
    for point in found.points:
        rates = [point.rate(view.founding_rate).rate, point.rate(view.joining_rate).rate]
        values = [point.day, *(point.measures[name] for name in TREND), *("" if rate is None else rate for rate in rates), *head.values()]
        lines.append(",".join(str(value) for value in values))
    return "\r\n".join(lines) + "\r\n"


def csv_of_rows(rows: Sequence[Row], head: Mapping[str, Any]) -> str:
    """Rows of coverage as CSV; every line carries what its figures rest on."""
    with io.StringIO(newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["area", "name", *PUBLISHED, *RATES, *head])
        for row in rows:
            rates = ["" if rate.rate is None else rate.rate for rate in row.rates.values()]
            writer.writerow([row.code, _plain(row.name), *(row.measures[name] for name in PUBLISHED), *rates, *head.values()])
        return file.getvalue()


def _plain(text: str) -> str:
    """A text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t") else text
