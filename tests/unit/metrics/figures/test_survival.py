"""Kaplan–Meier beside two oracles: what lifelines 0.30.3 answered, kept in kaplan_meier.json, and the definition written out in fractions."""

from __future__ import annotations

import json
from collections import Counter
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.figures.survival import curve, median

CASES: list[dict[str, Any]] = json.loads(Path(__file__).with_name("kaplan_meier.json").read_text("utf-8"))
days = st.lists(st.integers(0, 40), max_size=30)


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["name"]))
def test_curve_median_and_interval_are_those_of_lifelines(case: dict[str, Any]) -> None:
    steps = curve(Counter(case["founded"]), Counter(case["waiting"]))
    assert [list(step[:4]) for step in steps] == [step[:4] for step in case["steps"]]
    assert [step.survival for step in steps] == pytest.approx([step[4] for step in case["steps"]], abs=1e-9)
    found = median(steps)
    assert (found.days, [found.lower, found.upper]) == (case["median"], case["interval"])


@given(founded=days, waiting=days)
def test_the_curve_is_the_definition_in_fractions(founded: list[int], waiting: list[int]) -> None:
    exact = Fraction(1)
    half = None
    steps = curve(Counter(founded), Counter(waiting))
    assert [step.day for step in steps] == sorted({*founded, *waiting})
    for step in steps:
        left = sum(1 for day in founded + waiting if day >= step.day)
        assert (step.at_risk, step.founded, step.censored) == (left, founded.count(step.day), waiting.count(step.day))
        exact *= 1 - Fraction(step.founded, left)
        assert step.survival == pytest.approx(float(exact), abs=1e-12)
        assert step.low <= step.survival <= step.high
        half = step.day if half is None and 2 * exact <= 1 else half
    assert median(steps).days == half


def test_a_half_that_floats_miss_is_a_half() -> None:
    """98/99 · 97/98 · … comes to 0.5000000000000001 or less by chance; the median is the day on which half are founded."""
    for count in range(2, 400, 2):
        assert median(curve(dict.fromkeys(range(count), 1), {})).days == count // 2 - 1


def test_who_still_waits_is_not_dropped() -> None:
    assert median(curve({10: 2}, {})).days == 10
    assert median(curve({10: 2}, {30: 5})).days is None
    assert curve({}, {}) == []
