"""Working days: by the package, by a table, and by nobody."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.cases.calendars.calendar import Calendar, CalendarMissing, YearTable
from tests.unit.cases.arrangements import DAY, MADE_UP_2027, PACKAGED, WITH_2027, day, days, table


@pytest.mark.parametrize(("year", "working"), [(2024, 251), (2025, 248), (2026, 248)])
def test_the_package_agrees_with_the_notices_on_every_day(year: int, working: int) -> None:
    written = Calendar([table(year)])
    every = [*days(f"{year}-01-01", f"{year}-12-31")]
    assert [PACKAGED.works(one) for one in every] == [written.works(one) for one in every]
    assert sum(map(PACKAGED.works, every)) == len(written.working_days(year)) == working


@pytest.mark.parametrize("year", [2003, 2027])
def test_a_year_that_nobody_arranged_is_missing(year: int) -> None:
    assert not PACKAGED.knows(year)
    for ask in (PACKAGED.works, PACKAGED.next_working_day, lambda one: PACKAGED.working_day_after(one, 1)):
        with pytest.raises(CalendarMissing) as missing:
            ask(date(year, 6, 1))
        assert missing.value.year == year


def test_a_table_adds_its_year_and_takes_the_place_of_the_package() -> None:
    assert WITH_2027.knows(2027)
    assert [WITH_2027.works(day(f"2027-02-{one}")) for one in ("04", "05", "12", "13", "14")] == [True, False, True, False, True]
    assert not WITH_2027.works(day("2027-12-31") + DAY * -6)
    other = Calendar([YearTable(2026, frozenset({day("2026-03-03")}), frozenset(), "late change")])
    assert PACKAGED.works(day("2026-03-03"))
    assert not other.works(day("2026-03-03"))


def test_the_first_working_day_may_be_in_the_next_year() -> None:
    assert PACKAGED.next_working_day(day("2025-12-31")) == day("2025-12-31")
    assert PACKAGED.next_working_day(day("2026-01-01")) == day("2026-01-04")
    assert WITH_2027.next_working_day(day("2026-12-31")) == day("2026-12-31")
    ends_with_rest = Calendar([YearTable(2026, frozenset(days("2026-12-28", "2026-12-31")), frozenset(), "made up"), MADE_UP_2027])
    assert ends_with_rest.next_working_day(day("2026-12-26")) == day("2027-01-04")


def test_counting_past_the_last_year_says_how_far_it_came() -> None:
    assert PACKAGED.working_day_after(day("2026-12-24"), 5) == day("2026-12-31")
    with pytest.raises(CalendarMissing) as missing:
        PACKAGED.working_day_after(day("2026-12-24"), 8)
    assert (missing.value.year, missing.value.after, missing.value.left) == (2027, day("2026-12-31"), 3)
    assert WITH_2027.working_day_after(day("2026-12-24"), 8) == day("2027-01-06")


@given(st.dates(date(2024, 1, 1), date(2026, 6, 1)), st.integers(1, 120))
def test_counting_agrees_with_walking(start: date, number: int) -> None:
    one, left = start, number
    while left:
        one += timedelta(days=1)
        left -= PACKAGED.works(one)
    assert PACKAGED.working_day_after(start, number) == one
    assert PACKAGED.working_days_between(start, one) == number
