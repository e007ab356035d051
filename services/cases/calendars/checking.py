"""What may be entered as the arrangement of a year: only what is surely wrong is refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from services.cases.calendars.calendar import SATURDAY, YearTable
from shared.problems.errors import FieldError, Unprocessable

EARLIEST_YEAR = 1950
LATEST_YEAR = 2199


def year_table(year: int, holidays: Sequence[date], working_days: Sequence[date], source: str) -> YearTable:
    """The table of a year, of `PUT /v1/calendars/{year}`.

    Raises OUT_OF_RANGE (year), TOO_FEW (no holiday: 1 January is one in every year), and for single days, as `holidays.3`:
    DATE_OUT_OF_RANGE (in another year), DAY_NAMED_TWICE, NOT_A_WEEKEND (a working day that would be one anyway).
    """
    if not EARLIEST_YEAR <= year <= LATEST_YEAR:
        raise Unprocessable("OUT_OF_RANGE", field="year", params={"limit": f"{EARLIEST_YEAR}–{LATEST_YEAR}"})
    errors = [] if holidays else [FieldError("TOO_FEW", "holidays", None, {"limit": 1})]
    named: set[date] = set()
    errors += _wrong("holidays", holidays, year, named)
    errors += _wrong("working_days", working_days, year, named)
    if errors:
        raise Unprocessable(errors=errors)
    return YearTable(year, frozenset(holidays), frozenset(working_days), source)


def _wrong(field: str, days: Sequence[date], year: int, named: set[date]) -> Iterator[FieldError]:
    """The errors of one list; `named` gathers the days of both."""
    for number, day in enumerate(days):
        where = f"{field}.{number}"
        if day.year != year:
            yield FieldError("DATE_OUT_OF_RANGE", where, None, {"earliest": f"{year}-01-01", "latest": f"{year}-12-31"})
        elif day in named:
            yield FieldError("DAY_NAMED_TWICE", where, None, {"day": day.isoformat()})
        elif field == "working_days" and day.weekday() < SATURDAY:
            yield FieldError("NOT_A_WEEKEND", where, None, {"day": day.isoformat()})
        named.add(day)
