"""Day counts: from the day of an event, a period and the days to leave out, to the last day.

Common to all (Civil Code 2020, arts 201-203; Civil Procedure Law 2023, art. 85; Case-handling Rules 2017, art. 19):
- The day of the event is not counted.
- A suspension is a half-open interval of dates: the day on which it begins is left out, the day on which it ends counts again. No text
  settles this; its length is what the two dates say. Days of an interval that begins behind the period's end change nothing.
- An extension is more days of the same kind, added to the end before it rolls.
- Interruption is no matter of this module: the period begins anew on another day.
"""

from __future__ import annotations

import calendar as gregorian
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from services.cases.calendars.calendar import Calendar, CalendarMissing

DAY = timedelta(days=1)
Gap: TypeAlias = tuple[date, date]
"""Days that are left out: the first one, and the first one that counts again."""


class DayKind(StrEnum):
    """What a period counts."""

    WORKING = "working"
    CALENDAR = "calendar"
    MONTHS = "months"


class Due(NamedTuple):
    """The end of a period.

    `due_on`: the last day, None if a year's calendar is missing. `not_before`: a true lower bound of the last day; the day itself if it is
    known. `missing_year`: the first year whose calendar is needed. `unrolled`: the end before it rolls to a working day, None if it depends on
    the missing calendar.
    """

    due_on: date | None
    not_before: date
    missing_year: int | None
    unrolled: date | None


@dataclass(frozen=True, slots=True)
class Period:
    """So many days or months. `rolls`: one that ends on a rest day ends on the next working day (working days never need it)."""

    length: int
    kind: DayKind
    rolls: bool = True

    def end(self, start: date, calendar: Calendar, *, extended: int = 0, gaps: Sequence[Gap] = ()) -> Due:
        """The last day, counted from an event on `start`."""
        if self.kind is DayKind.WORKING:
            return working_days(start, self.length + extended, calendar, gaps)
        days = self.length if self.kind is DayKind.CALENDAR else (months_later(start, self.length) - start).days
        return calendar_days(start, days + extended, calendar, gaps, rolls=self.rolls)


def calendar_days(start: date, days: int, calendar: Calendar, gaps: Sequence[Gap] = (), *, rolls: bool = True) -> Due:
    """The last of so many calendar days; on a rest day it is the next working day.

    Civil Code 2020, art. 203: if the last day is a statutory rest day, the day after it is the last; weekends and days in lieu belong to
    these, and a weekend on which people work does not. `rolls=False`: what takes effect on a day takes effect on a rest day, too.
    Without a calendar of the end's year, the end before rolling is a lower bound: rolling only goes forward.
    """
    unrolled = _leaving_out(start, days, gaps, _days_between, _days_after)
    if not rolls:
        return Due(unrolled, unrolled, None, unrolled)
    try:
        due = calendar.next_working_day(unrolled)
    except CalendarMissing as missing:
        return Due(None, unrolled, missing.year, unrolled)
    return Due(due, due, None, unrolled)


def working_days(start: date, days: int, calendar: Calendar, gaps: Sequence[Gap] = ()) -> Due:
    """The last of so many working days: it is one, and never rolls.

    Working days by the State Council's yearly arrangement with its adjusted weekends (Labour Dispute Mediation and Arbitration Law, arts
    29, 30, and Case-handling Rules 2017, art. 80: these periods are working days). Past the last known year a lower bound is the last day
    that is known and one calendar day for each working day that is left: counting weekdays would be none, since people also work on
    weekends.
    """
    try:
        last = _leaving_out(start, days, gaps, calendar.working_days_between, calendar.working_day_after)
    except CalendarMissing as missing:
        least = _leaving_out(start, days, gaps, _days_between, _days_after)
        if missing.after is not None:
            least = max(least, missing.after + DAY * missing.left)
        return Due(None, least, missing.year, None)
    return Due(last, last, None, last)


def months_later(start: date, months: int) -> date:
    """The corresponding day so many months later (before, if negative), else the month's last.

    Civil Code 2020, art. 202: a period in months or years ends on the corresponding day; without one, on the last day of the month.
    """
    year, month = divmod(start.year * 12 + start.month - 1 + months, 12)
    return date(year, month + 1, min(start.day, gregorian.monthrange(year, month + 1)[1]))


def _leaving_out(
    start: date, number: int, gaps: Sequence[Gap], between: Callable[[date, date], int], after: Callable[[date, int], date]
) -> date:
    """The `number`-th day behind `start` that lies in none of the gaps, which stand in order and do not overlap."""
    for begin, end in gaps:
        if end - DAY <= start:
            continue
        if begin - DAY > start:
            if _ends_before(begin, start, number, after):
                break
            number -= between(start, begin - DAY)
        start = end - DAY
    return after(start, number)


def _ends_before(gap: date, start: date, number: int, after: Callable[[date, int], date]) -> bool:
    """Whether the period is over when the gap begins. The end lies in years to come if their calendar is missing."""
    try:
        return after(start, number) < gap
    except CalendarMissing:
        return False


def _days_between(after: date, until: date) -> int:
    return (until - after).days


def _days_after(day: date, number: int) -> date:
    return day + DAY * number
