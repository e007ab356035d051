"""What may be entered as a year's arrangement."""

from __future__ import annotations

from datetime import date

import pytest

from services.cases.calendars.checking import year_table
from shared.problems.errors import Unprocessable
from tests.unit.cases.arrangements import OFF, WORKING_WEEKENDS, day, table


def refused(year: int, holidays: list[date], working_days: list[date]) -> list[tuple[str, str | None]]:
    with pytest.raises(Unprocessable) as problem:
        year_table(year, holidays, working_days, "notice")
    return [(error.code, error.field) for error in problem.value.errors]


@pytest.mark.parametrize("year", OFF)
def test_the_real_notices_are_taken(year: int) -> None:
    worked = [day(f"{year}-{text}") for text in WORKING_WEEKENDS[year].split()]
    assert year_table(year, OFF[year], worked, "notice of the State Council") == table(year)


def test_each_wrong_day_is_named() -> None:
    holidays = [day("2027-01-01"), day("2026-12-31"), day("2027-01-01"), day("2027-02-06")]
    assert refused(2027, holidays, [day("2027-02-06"), day("2027-02-15"), day("2028-01-01"), day("2027-02-14")]) == [
        ("DATE_OUT_OF_RANGE", "holidays.1"),
        ("DAY_NAMED_TWICE", "holidays.2"),
        ("DAY_NAMED_TWICE", "working_days.0"),
        ("NOT_A_WEEKEND", "working_days.1"),
        ("DATE_OUT_OF_RANGE", "working_days.2"),
    ]


def test_a_year_has_a_holiday_and_is_one() -> None:
    assert refused(2027, [], []) == [("TOO_FEW", "holidays")]
    assert refused(1949, [day("1949-10-01")], []) == [("OUT_OF_RANGE", "year")]
    assert refused(2200, [day("2200-01-01")], []) == [("OUT_OF_RANGE", "year")]
