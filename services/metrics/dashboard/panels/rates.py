"""The two rates of a row beside their targets, the completeness of its headcounts, and the two lags."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from services.metrics.dashboard.address import ViewOptions
from services.metrics.dashboard.words import tenths
from services.metrics.figures.questions import Point, Rate, Row
from services.metrics.measures import RATES
from services.metrics.settings import Target


class RateFigure(NamedTuple):
    """A rate as displayed. `gap`: units or members missing to the target, None without target or base; `above`: the target is met."""

    measure: str
    n_measure: str
    d_measure: str
    rate: Rate
    target: Target | None
    gap: int | None
    above: bool

    @property
    def bar(self) -> float:
        """The length of its bar in percent, at most 100."""
        return min(100.0, 100 * self.rate.n / self.rate.d) if self.rate.d else 0.0


def target_of(targets: Sequence[Target], metric: str, basis: str) -> Target | None:
    """The target of a rate on a basis, if there is one."""
    return next((target for target in targets if (target.metric, target.basis) == (metric, basis)), None)


def _rate_figure(measure: str, rate: Rate, target: Target | None) -> RateFigure:
    """Compares in integers: the target is met when 100·n > percent·d."""
    n, d = RATES[measure]
    if target is None or not rate.d:
        return RateFigure(measure, n, d, rate, target, None, above=False)
    gap = max(0, target.percent * rate.d // 100 + 1 - rate.n)
    return RateFigure(measure, n, d, rate, target, gap, above=100 * rate.n > target.percent * rate.d)


def rate_figures(row: Row, view: ViewOptions, targets: Sequence[Target]) -> tuple[RateFigure, RateFigure]:
    """The founding rate and the joining rate of a row on the chosen bases."""
    rates, founding, joining = row.rates, view.founding_rate, view.joining_rate
    return (
        _rate_figure(founding, rates[founding], target_of(targets, "unit_founding_rate", view.founding)),
        _rate_figure(joining, rates[joining], target_of(targets, "worker_joining_rate", view.joining)),
    )


def completeness(counts: Mapping[str, int]) -> tuple[int, int]:
    """Units whose headcount is known and not stale, and all units."""
    return counts["units_headcount_known"] - counts["units_headcount_stale"], counts["units"]


@dataclass(frozen=True, slots=True)
class Lags:
    """The two lags over twelve months in tenths of a percentage point; None where there was nothing before."""

    founding: int | None
    joining: int | None


def lags(points: Sequence[Point]) -> Lags:
    """Growth of covered units less growth of units, and growth of members less growth of workers, from the first point to the last."""
    before, now = points[0].measures, points[-1].measures

    def lag(part: str, whole: str) -> int | None:
        if not before[part] or not before[whole]:
            return None
        return tenths(now[part] * before[whole] - now[whole] * before[part], before[part] * before[whole])

    return Lags(lag("covered_all", "units"), lag("members", "workers"))
