"""Day counts against ends that were counted by hand in the arrangements of 2024 to 2026."""

from __future__ import annotations

import pytest

from services.cases.clocks.periods import DayKind, Due, Period, months_later
from tests.unit.cases.arrangements import PACKAGED, WITH_2027, day

WORKING, CALENDAR, MONTHS = DayKind.WORKING, DayKind.CALENDAR, DayKind.MONTHS


def due(length: int, kind: DayKind, start: str, *, extended: int = 0, gaps: str = "") -> str | None:
    pairs = [tuple(map(day, gap.split("/"))) for gap in gaps.split()]
    found = Period(length, kind).end(day(start), PACKAGED, extended=extended, gaps=pairs)  # type: ignore[arg-type]
    assert found.due_on is None or found.not_before == found.due_on
    return found.due_on.isoformat() if found.due_on else None


@pytest.mark.parametrize(
    ("days", "start", "end"),
    [
        # Spring Festival 2024: off 10 to 17 February; Sundays 4 and 18 and New Year's Eve 9 February are worked.
        (5, "2024-02-02", "2024-02-08"),
        (6, "2024-02-02", "2024-02-09"),
        (7, "2024-02-02", "2024-02-18"),
        # Spring Festival 2025: off 28 January to 4 February; Sunday 26 January and Saturday 8 February are worked.
        (5, "2025-01-22", "2025-02-05"),
        (10, "2025-01-22", "2025-02-11"),
        # Spring Festival 2026: off 15 to 23 February; Saturdays 14 and 28 February are worked.
        (4, "2026-02-10", "2026-02-14"),
        (5, "2026-02-10", "2026-02-24"),
        (10, "2026-02-10", "2026-03-02"),
        # National Day 2025: off 1 to 8 October; Sunday 28 September and Saturday 11 October are worked.
        (1, "2025-09-26", "2025-09-28"),
        (5, "2025-09-26", "2025-10-10"),
        (6, "2025-09-26", "2025-10-11"),
        # National Day 2026: off 1 to 7 October; Saturday 10 October is worked, Saturday 26 and Sunday 27 September are not.
        (5, "2026-09-29", "2026-10-12"),
        # An event on a rest day: the next working day is the first.
        (1, "2026-02-17", "2026-02-24"),
        (60, "2026-03-02", "2026-05-28"),
        (90, "2026-03-02", "2026-07-10"),
        # The last ones that are known with the package alone.
        (5, "2026-12-24", "2026-12-31"),
        (10, "2026-12-17", "2026-12-31"),
        (15, "2026-12-10", "2026-12-31"),
        (60, "2026-10-09", "2026-12-31"),
        (90, "2026-08-23", "2026-12-31"),
    ],
)
def test_working_days(days: int, start: str, end: str) -> None:
    assert due(days, WORKING, start) == end


@pytest.mark.parametrize(
    ("days", "start", "end"),
    [
        (15, "2026-03-02", "2026-03-17"),
        # 14 and 28 February are worked Saturdays: nothing rolls.
        (15, "2026-01-30", "2026-02-14"),
        (15, "2026-02-13", "2026-02-28"),
        # 15 February is the first of nine days off.
        (15, "2026-01-31", "2026-02-24"),
        (15, "2026-02-01", "2026-02-24"),
        # An ordinary weekend.
        (15, "2026-03-06", "2026-03-23"),
        # National Day.
        (15, "2025-09-16", "2025-10-09"),
        (15, "2025-09-26", "2025-10-11"),
        (45, "2026-08-17", "2026-10-08"),
        # The last ones that are known with the package alone.
        (15, "2026-12-16", "2026-12-31"),
        (20, "2026-12-11", "2026-12-31"),
        (30, "2026-12-01", "2026-12-31"),
        (45, "2026-11-16", "2026-12-31"),
    ],
)
def test_calendar_days_roll_from_a_rest_day_to_the_next_working_day(days: int, start: str, end: str) -> None:
    assert due(days, CALENDAR, start) == end


@pytest.mark.parametrize(
    ("extended", "end"),
    [
        (0, "2026-10-08"),
        # Unrolled the 45 days end on 1 October; 7 more end on 8 October, and not on the 15th.
        (7, "2026-10-08"),
        (8, "2026-10-09"),
        (9, "2026-10-10"),
        (10, "2026-10-12"),
        (15, "2026-10-16"),
    ],
)
def test_an_extension_is_added_to_the_end_before_it_rolls(extended: int, end: str) -> None:
    assert due(45, CALENDAR, "2026-08-17", extended=extended) == end


@pytest.mark.parametrize(
    ("start", "months", "end"),
    [
        ("2025-03-10", 12, "2026-03-10"),
        ("2024-02-29", 12, "2025-02-28"),
        ("2024-02-29", 48, "2028-02-29"),
        ("2025-01-31", 1, "2025-02-28"),
        ("2025-03-31", 3, "2025-06-30"),
        ("2027-05-31", -3, "2027-02-28"),
        ("2026-01-15", -1, "2025-12-15"),
    ],
)
def test_months_end_on_the_corresponding_day_or_the_months_last(start: str, months: int, end: str) -> None:
    assert months_later(day(start), months) == day(end)


@pytest.mark.parametrize(
    ("months", "start", "end"),
    [
        (12, "2025-03-10", "2026-03-10"),
        (12, "2025-05-01", "2026-05-06"),
        (12, "2025-02-14", "2026-02-14"),
        (24, "2024-10-03", "2026-10-08"),
    ],
)
def test_months_roll_like_days(months: int, start: str, end: str) -> None:
    assert due(months, MONTHS, start) == end


@pytest.mark.parametrize(
    ("length", "kind", "start", "gaps", "end"),
    [
        # 45 days from 2 March end on 16 April; 12 to 31 March are 20 days.
        (45, CALENDAR, "2026-03-02", "2026-03-12/2026-04-01", "2026-05-06"),
        (45, CALENDAR, "2026-03-02", "2026-03-12/2026-03-13", "2026-04-17"),
        (45, CALENDAR, "2026-03-02", "2026-03-12/2026-03-22 2026-04-10/2026-04-20", "2026-05-06"),
        # On the last day there is still one day left; behind it there is nothing to suspend.
        (15, CALENDAR, "2026-03-02", "2026-03-17/2026-03-24", "2026-03-24"),
        (15, CALENDAR, "2026-03-02", "2026-03-18/2026-03-24", "2026-03-17"),
        # It began before the period did, and is over with the first day of it.
        (15, CALENDAR, "2026-03-02", "2026-02-20/2026-03-03", "2026-03-17"),
        (15, CALENDAR, "2026-03-02", "2026-02-20/2026-03-04", "2026-03-18"),
        # A gap with 5 working days and 2 others; one of the Spring Festival holds one working day, 14 February.
        (60, WORKING, "2026-03-02", "2026-03-09/2026-03-16", "2026-06-04"),
        (5, WORKING, "2026-02-10", "2026-02-14/2026-02-24", "2026-02-25"),
        (1, WORKING, "2026-03-02", "2026-03-03/2026-03-04", "2026-03-04"),
        # A gap in a year without a calendar is behind the end.
        (5, WORKING, "2026-12-01", "2027-02-01/2027-03-01", "2026-12-08"),
        # 12 months from 10 March 2025 are 365 days, of which 30 are left out.
        (12, MONTHS, "2025-03-10", "2025-06-01/2025-07-01", "2026-04-09"),
    ],
)
def test_suspended_days_are_left_out_and_the_remainder_runs_on(length: int, kind: DayKind, start: str, gaps: str, end: str) -> None:
    assert due(length, kind, start, gaps=gaps) == end


@pytest.mark.parametrize(
    ("period", "start", "not_before", "year", "with_2027"),
    [
        # 33 working days of the 60 lie in 2026; each of the others takes a day at least.
        (Period(60, WORKING), "2026-11-16", "2027-01-27", 2027, "2027-02-15"),
        (Period(5, WORKING), "2026-12-25", "2027-01-01", 2027, "2027-01-04"),
        (Period(45, CALENDAR), "2026-11-17", "2027-01-01", 2027, "2027-01-04"),
        (Period(45, CALENDAR), "2026-12-24", "2027-02-07", 2027, "2027-02-12"),
        (Period(12, MONTHS), "2026-11-29", "2027-11-29", 2027, "2027-11-29"),
        (Period(24, MONTHS), "2026-11-29", "2028-11-29", 2028, None),
        (Period(5, WORKING), "2003-12-29", "2004-01-03", 2003, None),
    ],
)
def test_past_the_calendar_there_is_a_lower_bound(period: Period, start: str, not_before: str, year: int, with_2027: str | None) -> None:
    found = period.end(day(start), PACKAGED)
    assert (found.due_on, found.not_before, found.missing_year) == (None, day(not_before), year)
    later = period.end(day(start), WITH_2027).due_on
    assert later == (None if with_2027 is None else day(with_2027))


def test_a_gap_that_begins_in_the_missing_year_keeps_a_lower_bound() -> None:
    gaps = [(day("2026-12-28"), day("2027-01-07"))]
    assert Period(10, WORKING).end(day("2026-12-22"), PACKAGED, gaps=gaps) == Due(None, day("2027-01-13"), 2027, None)
    far = [(day("2027-01-04"), day("2027-01-11"))]
    assert Period(10, WORKING).end(day("2026-12-24"), PACKAGED, gaps=far).not_before == day("2027-01-03")


def test_what_does_not_roll_needs_no_calendar() -> None:
    assert Period(15, CALENDAR, rolls=False).end(day("2026-09-20"), PACKAGED).due_on == day("2026-10-05")
    assert Period(15, CALENDAR, rolls=False).end(day("2035-09-20"), PACKAGED).due_on == day("2035-10-05")
