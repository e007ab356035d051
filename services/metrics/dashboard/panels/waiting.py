"""The time to found of an area, for its panel, the chart, the chart's table and its download."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, NamedTuple

from services.metrics.dashboard.words import Words
from services.metrics.explaining import waits
from services.metrics.explaining.waits import FIRST_FOLD_VERSION, NoMedian, Waits
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.survival import Median, Step

MARKS = (0, 30, 90, 180, 365)
YEAR = 365
MOST_POINTS = 400


class Mark(NamedTuple):
    """One row of the chart's table: `at_risk` still observed on `day`, `founded` by then, and the waiting share in percent."""

    day: int
    at_risk: int
    founded: int
    waiting: str


@dataclass(frozen=True, slots=True)
class Panel:
    """The waits of an area as its page shows them."""

    waits: Waits
    steps: Sequence[Step]
    median: Median
    reason: NoMedian | None

    @property
    def marks(self) -> list[Mark]:
        """The curve after a month, a quarter, half a year and every year, up to the last day observed."""
        last = self.steps[-1].day if self.steps else -1
        days = [day for day in (*MARKS, *range(2 * YEAR, last + 1, YEAR)) if day <= last]
        return [self._mark(day) for day in days]

    def _mark(self, day: int) -> Mark:
        past = [step for step in self.steps if step.day <= day]
        at_risk = next((step.at_risk for step in self.steps if step.day >= day), 0)
        return Mark(day, at_risk, sum(step.founded for step in past), percent(past[-1].survival if past else 1.0))


async def panel(snapshot: Snapshot, area: str | None, as_of: date, known_at: date) -> Panel | None:
    """The panel of an area; None for a generation without durations."""
    if snapshot.fold_version < FIRST_FOLD_VERSION:
        return None
    found = (await waits.durations(snapshot, area=area, as_of=as_of, known_at=known_at)).total
    steps = found.curve()
    return Panel(found, steps, *found.median(steps))


def percent(share: float) -> str:
    """A share in percent with one decimal, rounded half up."""
    tenths = int(share * 1000 + 0.5 + 1e-9)
    return f"{tenths // 10}.{tenths % 10}"


def chart_spec(found: Panel, words: Words) -> dict[str, Any]:
    """The input of `drawing.survival`: the share still waiting from day 0 on, thinned to about MOST_POINTS points."""
    width = max((found.steps[-1].day if found.steps else 0) // MOST_POINTS, 1)
    last = {step.day // width: (step.day, round(100 * step.survival, 2)) for step in found.steps}
    return {
        "steps": [(0, 100.0), *last.values()],
        "median": found.median.days,
        "median_label": words.t("waits.median", count=found.median.days) if found.median.days is not None else "",
        "x_title": words.t("waits.axis"),
    }
