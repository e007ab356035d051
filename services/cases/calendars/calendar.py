"""Which days are working days in China: weekdays without the holidays, and the weekends that make up for them.

The State Council arranges each year in the autumn before. `chinesecalendar` has the years 2004 to 2026; a table of a year takes its place
or adds a year. Nothing is guessed: a year without an arrangement raises CalendarMissing.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cache

DAY = timedelta(days=1)
SATURDAY = 5


class CalendarMissing(LookupError):
    """The working days of a year are not known.

    `year`: the first one that is missing. `after`, `left`: so many working days are still to come behind this day, if days were counted.
    """

    def __init__(self, year: int, after: date | None = None, left: int = 0) -> None:
        super().__init__(f"the working days of {year} are not known")
        self.year = year
        self.after = after
        self.left = left


@dataclass(frozen=True, slots=True)
class YearTable:
    """The arrangement of one year: weekdays work except `holidays`, weekends rest except `working_days`.

    `source`: the notice that says so. A holiday on a weekend may stand among the holidays, and changes nothing.
    """

    year: int
    holidays: frozenset[date]
    working_days: frozenset[date]
    source: str


class Calendar:
    """The working days of all years that are known. It never changes; a later table makes another calendar."""

    def __init__(self, tables: Iterable[YearTable] = ()) -> None:
        self.tables: Mapping[int, YearTable] = {table.year: table for table in tables}
        self._arranged = {year: _arranged(table) for year, table in self.tables.items()}

    def knows(self, year: int) -> bool:
        """Whether the year has an arrangement."""
        return year in self._arranged or _packaged(year) is not None

    def working_days(self, year: int) -> tuple[date, ...]:
        """All working days of the year in order. Raises CalendarMissing."""
        days = self._arranged.get(year) or _packaged(year)
        if days is None:
            raise CalendarMissing(year)
        return days

    def works(self, day: date) -> bool:
        """Whether the day is a working day. Raises CalendarMissing."""
        days = self.working_days(day.year)
        at = bisect_left(days, day)
        return at < len(days) and days[at] == day

    def next_working_day(self, day: date) -> date:
        """The day itself if it is a working day, else the first one behind it. Raises CalendarMissing."""
        days = self.working_days(day.year)
        at = bisect_left(days, day)
        return days[at] if at < len(days) else self.working_days(day.year + 1)[0]

    def working_day_after(self, day: date, number: int) -> date:
        """The `number`-th working day behind the day, which itself is not counted; `number` from 1 on.

        Raises CalendarMissing with the last day that was counted and what is left.
        """
        year, reached, left = day.year, day, number
        while True:
            try:
                days = self.working_days(year)
            except CalendarMissing:
                raise CalendarMissing(year, reached, left) from None
            at = bisect_right(days, reached) + left - 1
            if at < len(days):
                return days[at]
            year, reached, left = year + 1, date(year, 12, 31), at - len(days) + 1

    def working_days_between(self, after: date, until: date) -> int:
        """How many working days lie behind `after` and not behind `until`. Raises CalendarMissing."""
        return sum(
            bisect_right(days, until) - bisect_right(days, after)
            for days in (self.working_days(year) for year in range(after.year, until.year + 1))
        )


@cache
def _packaged(year: int) -> tuple[date, ...] | None:
    """The working days that `chinesecalendar` knows; None outside its years."""
    # Imported when it is first needed: other commands of the service do without it.
    from chinese_calendar import is_workday

    try:
        return tuple(day for day in _days_of(year) if is_workday(day))
    except NotImplementedError:
        return None


def _arranged(table: YearTable) -> tuple[date, ...]:
    return tuple(
        day for day in _days_of(table.year) if day in table.working_days or (day.weekday() < SATURDAY and day not in table.holidays)
    )


def _days_of(year: int) -> Iterable[date]:
    first = date(year, 1, 1)
    return (first + DAY * number for number in range((date(year + 1, 1, 1) - first).days))
