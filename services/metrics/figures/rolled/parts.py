"""Effective days as years, months and days of rollups, and as days of the ledger (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import NamedTuple

ONE_DAY = timedelta(days=1)
HALF_MONTH = 15
LAST_YEAR = date.max.year


class Part(NamedTuple):
    """The rollups of one span that start from `since` to the day before `before`."""

    span: str
    since: date
    before: date


class Days(NamedTuple):
    """Effective days of the ledger, both included, that are added (`sign` 1) to the rollups or taken from them (-1)."""

    since: date
    until: date
    sign: int


Split = tuple[Sequence[Part], Sequence[Days]]
"""What adds up to everything up to a day: rollups, and days of the ledger."""


def up_to(day: date, by_day: bool) -> Split:
    """Everything up to a day. `by_day`: there are rollups of single days."""
    if by_day or day.day <= HALF_MONTH or day.year == LAST_YEAR:
        return between([day], by_day)
    following = next_month(day)
    return [*_months_before(following)], _some([Days(after(day), following - ONE_DAY, -1)])


def between(days: Sequence[date], by_day: bool) -> Split:
    """The same up to the last of some days, which ascend, with no rollup for days on both sides of one of them."""
    parts = of_points(days)
    if by_day:
        return parts, []
    last = days[-1]
    single = [Days(part.since, last if part.before == after(last) else part.before - ONE_DAY, 1) for part in parts if part.span == "day"]
    return [part for part in parts if part.span != "day"], _some(single)


def _some(days: Sequence[Days]) -> list[Days]:
    return [part for part in days if part.since <= part.until]


def of_points(days: Sequence[date]) -> list[Part]:
    """Everything up to the last of `days`, which ascend, so that no rollup stands for days on both sides of one of them."""
    parts = [*_up_to(days[0])]
    for last, day in pairwise(days):
        parts += _between(last, day)
    found: list[Part] = []
    for span, since, before in parts:
        if since < before:
            # One scan of all months is cheaper than one for each.
            if found and found[-1].span == span and found[-1].before == since:
                since = found.pop().since
            found.append(Part(span, since, before))
    return found


def _up_to(day: date) -> Iterator[Part]:
    """The years, months and days up to a day."""
    until = after(day)
    month = until.replace(day=1)
    yield from _months_before(month)
    yield Part("day", month, until)


def _months_before(month: date) -> Iterator[Part]:
    """Everything before a month, which is given by its first day."""
    year = month.replace(month=1)
    yield Part("year", date.min, year)
    yield Part("month", year, month)


def _between(last: date, day: date) -> Iterator[Part]:
    """The days after `last` up to `day`: whole months where there are, single days before and behind them."""
    since, until = after(last), after(day)
    first = since if since.day == 1 else next_month(since)
    months = until.replace(day=1)
    if first >= months:
        yield Part("day", since, until)
    else:
        yield from (Part("day", since, first), Part("month", first, months), Part("day", months, until))


def after(day: date) -> date:
    """The day after a day; the last day of all has none."""
    return day + ONE_DAY if day < date.max else day


def month_of(day: date) -> date:
    """The first day of its month."""
    return day.replace(day=1)


def next_month(day: date) -> date:
    """The first day of the next month."""
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)
