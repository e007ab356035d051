"""Every figure that can be explained: how the amounts of an enterprise or a group follow from its counts.

The published counts and rates; what pages derive from them (units without a union, completeness of headcounts, the two lags); and the time
to found, whose amounts do not follow from counts (`waits.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Literal

from services.metrics.measures import MEASURES, RATES

Amounts = tuple[int, ...]
Counts = Mapping[str, int]

TIME_TO_FOUND = "time_to_found"


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure whose amounts `of` computes from the counts of an enterprise or a group, by addition and subtraction alone.

    `columns` name the amounts. `form`: one count; the numerator and denominator of a rate; or a lag, whose two amounts are those of the day
    less those of twelve months before.
    """

    of: Callable[[Counts], Amounts]
    columns: tuple[str, ...]
    form: Literal["count", "rate", "lag"]


DERIVED: Mapping[str, Measure] = {
    "units_without_union_all": Measure(
        lambda c: (c["should_organise_all"] - c["covered_all"],), ("units_without_union_all",), "count"
    ),
    "units_without_union_ge25": Measure(
        lambda c: (c["should_organise_ge25"] - c["covered_ge25"],), ("units_without_union_ge25",), "count"
    ),
    "units_headcount_unknown": Measure(
        lambda c: (c["units"] - c["units_headcount_known"],), ("units_headcount_unknown",), "count"
    ),
    "headcount_completeness": Measure(
        lambda c: (c["units_headcount_known"] - c["units_headcount_stale"], c["units"]),
        ("headcount_current", "units"),
        "rate",
    ),
    "founding_lag": Measure(
        lambda c: (c["covered_all"], c["units"]), ("covered_all", "units"), "lag"
    ),
    "joining_lag": Measure(
        lambda c: (c["members"], c["workers"]), ("members", "workers"), "lag"
    ),
    "headcount_current": Measure(
        lambda c: (c["units_headcount_known"] - c["units_headcount_stale"],), ("headcount_current",), "count"
    ),
}  # fmt: skip

EXPLAINED = (*MEASURES, *RATES, *DERIVED, TIME_TO_FOUND)
"""The names of all figures with an explanation."""
COMPARED = tuple(name for name in EXPLAINED if name != TIME_TO_FOUND and (name not in DERIVED or DERIVED[name].form != "lag"))
"""The names of those whose changes between two days of knowledge can be explained."""


@cache
def measure_of(name: str) -> Measure:
    """One of EXPLAINED but TIME_TO_FOUND. Raises KeyError."""
    if name in DERIVED:
        return DERIVED[name]
    if name in RATES:
        numerator, denominator = RATES[name]
        return Measure(itemgetter(numerator, denominator), (numerator, denominator), "rate")
    return Measure(lambda counts: (counts[name],), (name,), "count")
