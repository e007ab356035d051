"""What a hardship file is decided to be, against a table computed by hand.

The line is 1,000 yuan (100,000 fen) a month and person. Three persons: the line of a year is 3,600,000 fen, twice the line 7,200,000 fen.
"""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from services.cases.aid.deciding import Class, Figures, Shock, decided
from services.cases.rulebook.checking import check_value
from services.cases.rulebook.rulebook import Rulebook, RuleValue, Ruling

NATIONAL: dict[str, Any] = {"line_fen": 100_000}
AT_LINE: dict[str, Any] = {"line_fen": 100_000, "deep": {"operator": "<="}, "relative": {"operator": "<="}}
EVENTS: dict[str, Any] = {"line_fen": 100_000, "accidental": {"cost_percent_of_income": 80}}
YEAR = 3_600_000


def ruling(value: dict[str, Any]) -> Ruling:
    return Ruling(check_value("hardship", value), "version", "P1", date(2026, 1, 1))


def household(income: int, rigid: int = 0, costs: int = 0, persons: int = 3, shock: tuple[int, int] | None = None) -> Figures:
    return Figures(persons, income, rigid, costs, None if shock is None else Shock("illness", *shock))


@pytest.mark.parametrize(
    ("rule", "figures", "classification"),
    [
        (NATIONAL, household(YEAR - 1), "deep"),
        (NATIONAL, household(YEAR), "relative"),
        (AT_LINE, household(YEAR), "deep"),
        (AT_LINE, household(YEAR + 1), "relative"),
        (NATIONAL, household(YEAR + 500_000, rigid=500_001), "deep"),
        (NATIONAL, household(YEAR + 500_000, rigid=500_000), "relative"),
        (NATIONAL, household(2 * YEAR - 1), "relative"),
        (NATIONAL, household(2 * YEAR), "none"),
        (AT_LINE, household(2 * YEAR), "relative"),
        (AT_LINE, household(2 * YEAR + 1), "none"),
        # Costs of employment make no household deep, and count for the relative class unless the rule says no.
        (NATIONAL, household(YEAR, costs=YEAR), "relative"),
        (NATIONAL, household(2 * YEAR + 100, costs=101), "relative"),
        (NATIONAL, household(2 * YEAR + 100, costs=100), "none"),
        ({**NATIONAL, "relative": {"deduct_employment_costs": False}}, household(2 * YEAR, costs=YEAR), "none"),
        # Other factors: deep below 150 per cent of the line, relative at most 250 per cent.
        ({**NATIONAL, "deep": {"factor_percent": 150}}, household(YEAR * 3 // 2 - 1), "deep"),
        ({**NATIONAL, "deep": {"factor_percent": 150}}, household(YEAR * 3 // 2), "relative"),
        ({**NATIONAL, "relative": {"operator": "<=", "factor_percent": 250}}, household(YEAR * 5 // 2), "relative"),
        # One person more, the same money: 12 x 4 x 100,000 = 4,800,000.
        (NATIONAL, household(4_799_999, persons=4), "deep"),
        (NATIONAL, household(4_800_000, persons=4), "relative"),
        (NATIONAL, household(0, rigid=10_000_000), "deep"),
        # A fen is not lost in a division: 1,200,000 of a year and seven persons against 14,286 of a month (1,200,024 of a year).
        ({"line_fen": 14_286}, household(1_200_023, persons=7), "deep"),
        ({"line_fen": 14_286}, household(1_200_024, persons=7), "relative"),
        # A sudden event: more than 80 per cent of 10,000,000 is left to the household.
        (EVENTS, household(10_000_000, shock=(9_000_001, 1_000_000)), "accidental"),
        (EVENTS, household(10_000_000, shock=(9_000_000, 1_000_000)), "none"),
        ({**NATIONAL, "accidental": {"operator": ">=", "cost_percent_of_income": 80}}, household(10_000_000, shock=(8_000_000, 0)), "accidental"),
        ({**NATIONAL, "accidental": {"operator": ">=", "cost_percent_of_income": 0}}, household(10_000_000, shock=(500, 500)), "none"),
        (EVENTS, household(YEAR - 1, shock=(9_000_000, 0)), "deep"),
        (EVENTS, household(YEAR, shock=(9_000_000, 0)), "relative"),
        (EVENTS, household(10_000_000), "none"),
    ],
)  # fmt: skip
def test_a_household_by_hand(rule: dict[str, Any], figures: Figures, classification: str) -> None:
    assert decided(figures, ruling(rule)) == Class(classification, None, "version")


def test_without_a_rule_there_is_no_class_and_a_reason() -> None:
    assert decided(household(0), None) == Class("none", "NO_RULE", None)


def test_where_a_sudden_event_has_no_formula_the_rule_of_the_other_classes_is_named() -> None:
    assert decided(household(2 * YEAR, shock=(1, 0)), ruling(NATIONAL)) == Class("none", "NO_RULE", "version")
    assert decided(household(YEAR, shock=(1, 0)), ruling(NATIONAL)) == Class("relative", None, "version")


@pytest.mark.parametrize(
    ("path", "on", "line"),
    [
        (("P1", "D1", "*"), date(2025, 12, 31), None),
        (("P1", "D1", "*"), date(2026, 1, 1), 100_000),
        (("P1", "D1", "*"), date(2026, 6, 30), 100_000),
        (("P1", "D1", "*"), date(2026, 7, 1), 120_000),
        (("P2", "D1", "*"), date(2026, 7, 1), 100_000),
        (("P3", "D2", "*"), date(2026, 7, 1), None),
    ],
)
def test_the_rule_of_the_innermost_area_on_the_day_decides(path: tuple[str, ...], on: date, line: int | None) -> None:
    def value(area: str, since: date, line_fen: int) -> RuleValue:
        return RuleValue("hardship", area, since, check_value("hardship", {"line_fen": line_fen}))

    rules = Rulebook([value("D1", date(2026, 1, 1), 100_000), value("P1", date(2026, 7, 1), 120_000)])
    found = decided(household(12 * 3 * 100_000), rules.at("hardship", path, on))
    expected = {None: ("none", "NO_RULE"), 100_000: ("relative", None), 120_000: ("deep", None)}[line]
    assert (found.classification, found.reason) == expected
