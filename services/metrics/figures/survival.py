"""Kaplan–Meier: the share that is still waiting after d days, when some have not finished waiting (censored).

The input is counts only. S(d) = Π (1 − founded/at_risk) over the days up to d; those still waiting after d days are at risk on day d and
not after it. The median is the first day with S ≤ 1/2, compared in integers where floats could err. Its interval of 95 % is where the bands
of S by the log-log transformation (Greenwood's variance; Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data, 1.4)
cross 1/2, as lifelines has it: at S = 0 both bands are 0.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

HALF = 0.5
Z95 = 1.959963984540054
CLOSE = 1e-9


class Step(NamedTuple):
    """One day of the curve: of `at_risk`, `founded` on it and `censored` after it; S and its bands after the day."""

    day: int
    at_risk: int
    founded: int
    censored: int
    survival: float
    low: float
    high: float


class Median(NamedTuple):
    """Days until half are founded, and the interval of 95 %; None where not reached."""

    days: int | None
    lower: int | None
    upper: int | None


def curve(founded: Mapping[int, int], waiting: Mapping[int, int]) -> list[Step]:
    """The curve of {days until founded: count} and {days waited so far: count}, with one step for each day that occurs in them."""
    at_risk = sum(founded.values()) + sum(waiting.values())
    steps, survival, variance = list[Step](), 1.0, 0.0
    for day in sorted(founded.keys() | waiting.keys()):
        done, censored = founded.get(day, 0), waiting.get(day, 0)
        if done:
            survival = survival * (at_risk - done) / at_risk
            variance += done / (at_risk * (at_risk - done)) if done < at_risk else 0.0
        steps.append(Step(day, at_risk, done, censored, survival, *_bands(survival, variance)))
        at_risk -= done + censored
    return steps


def _bands(survival: float, variance: float) -> tuple[float, float]:
    if survival <= 0 or survival >= 1:
        return survival, survival
    spread = Z95 * math.sqrt(variance) / -math.log(survival)
    return survival ** math.exp(spread), survival ** math.exp(-spread)


def median(steps: Sequence[Step]) -> Median:
    """The first days on which the curve and its bands are at one half or less."""
    lower = next((step.day for step in steps if step.low <= HALF), None)
    upper = next((step.day for step in steps if step.high <= HALF), None)
    return Median(next((step.day for at, step in enumerate(steps) if _is_half(steps, at)), None), lower, upper)


def _is_half(steps: Sequence[Step], at: int) -> bool:
    if abs(steps[at].survival - HALF) > CLOSE:
        return steps[at].survival < HALF
    before = steps[: at + 1]
    return 2 * math.prod(step.at_risk - step.founded for step in before) <= math.prod(step.at_risk for step in before)
