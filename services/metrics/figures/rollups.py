"""Figures from the rollups of closed known days and, for the rest, from the ledger: the same sums by fewer rows.

What was known by some days R is rolled up (generations/closed/rolling.py): by the last day of which that is so, and by the ends of the months (by class
and park: of the years) before. With the R nearest to k, the figures as of t, known at k, are
- the rollups of whole years, whole months and days up to t; where days are not rolled up, those of t's month come from the ledger.
  In the second half of the month they are not added to the months before: those after t are taken from the whole month;
- and, from the ledger, what became known after R up to k; if k is before R, less what became known after k.
If k is nearer to the first known day than to any R, or nothing is rolled up, all is summed from the ledger.
Figures by class of nearly all parks are those of all parks less those of the few others.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

from services.metrics.figures import sql
from services.metrics.figures.sql import TREND
from services.metrics.generations.closed.rolling import ALL, CODES, EVERYWHERE, KEPT, MONTH, NONE, YEAR, numbers
from services.metrics.measures import MEASURES, Vector, packed
from shared.process.db import Connection, Record

ROLLED = "SELECT day, first, set_config('plan_cache_mode', 'force_custom_plan', true) FROM g{g}.rolled"
"""From here on in the transaction, statements are planned for their arguments: the plan for any days reads far more than one for these."""
ONE_DAY = timedelta(days=1)
HALF_MONTH = 15
LAST_YEAR = date.max.year
FEW_PARKS = 30
"""So many are sought in the index one by one; of more, all rollups of the days are read."""


CELLS = "SELECT id FROM g{g}.cells WHERE park = ANY ($1::text[])"
BY_CELLS = 3
"""Parks whose rows of the ledger are sought by their cells; of more, the rows of the days are read, and those of other parks left out."""
OTHERS = """
WITH RECURSIVE parks AS (
    SELECT min(park) AS park FROM g{g}.cells
    UNION ALL SELECT (SELECT min(c.park) FROM g{g}.cells c WHERE c.park > p.park) FROM parks p WHERE p.park IS NOT NULL
)
SELECT park FROM parks WHERE park IS NOT NULL AND NOT park = ANY ($1::text[]) UNION ALL (SELECT park FROM g{g}.cells WHERE park IS NULL LIMIT 1)
"""
"""The parks that are not among some, NULL if there are figures without a park; park by park by the index."""


class Basis(NamedTuple):
    """The rollups of the known days up to `until`: the numbers `known` of periods that make them up (`rolling.numbers`); `days`: whether there
    are some of single effective days."""

    known: Sequence[int]
    until: date
    days: bool


class Rolled(NamedTuple):
    """What is rolled up: the known days `first` to `day`."""

    day: date
    first: date

    def basis(self, known_at: date, dimension: str) -> Basis | None:
        """The rollups from which `known_at` is the fewest known days away; None: from none at all it is nearer."""
        if known_at < self.first:
            return None
        by_day, by_month = KEPT.get((dimension, "day"), ()), MONTH in KEPT[dimension, "month"]
        found = [Basis([0], self.day, ALL in by_day)]
        for day in (known_at, known_at.replace(month=1, day=1) - ONE_DAY, known_at.replace(day=1) - ONE_DAY):
            years = range(self.first.year, day.year)
            if self.first.year <= day.year <= self.day.year:
                found.append(Basis([*years, day.year], min(self.day, date(day.year, 12, 31)), YEAR in by_day))
            if by_month and _month(self.first) <= _month(day) <= _month(self.day):
                months = [numbers(date(day.year, month, 1))[MONTH] for month in range(1, day.month + 1)]
                found.append(Basis([*years, *months], min(self.day, _next_month(day) - ONE_DAY), days=False))
        # Of two that are equally near, the first one has the fewest rows.
        nearest = min(found, key=lambda basis: abs(known_at - basis.until))
        return nearest if abs(known_at - nearest.until) <= known_at - self.first else None


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


async def by_key(
    conn: Connection, generation: int, by: str, as_of: date, known_at: date, parks: Collection[str] | None
) -> dict[str | None, Vector]:
    """As `sql.by_key`."""
    rolled = await rolled_up(conn, generation)
    if rolled is None:
        return await sql.by_key(conn, generation, by, as_of, known_at, parks)
    if by not in EVERYWHERE or (others := await _others(conn, generation, parks)) is None:
        return await _by_key(conn, generation, rolled, (by, NONE if by == "park" else by), as_of, known_at, parks)
    found = await _by_key(conn, generation, rolled, (by, EVERYWHERE[by]), as_of, known_at, None)
    if others:
        less = await _by_key(conn, generation, rolled, (by, by), as_of, known_at, others)
        found = {key: value - less.get(key, 0) for key, value in found.items()}
    return found


async def _by_key(
    conn: Connection, generation: int, rolled: Rolled, of: tuple[str, str], as_of: date, known_at: date, parks: Collection[str] | None
) -> dict[str | None, Vector]:
    """`of` = (by, dimension of the rollups)."""
    by, dimension = of
    if (basis := rolled.basis(known_at, dimension)) is None:
        return await sql.by_key(conn, generation, by, as_of, known_at, parks)
    question = _Question(generation, basis, known_at, parks, await _cells(conn, generation, parks), dimension)
    statement = question.statement("park" if by == "park" else "code", *question.up_to(as_of), as_of)
    return {row[0]: packed(tuple(row)[1:]) for row in await conn.fetch(statement, *question.arguments)}


async def _cells(conn: Connection, generation: int, parks: Collection[str] | None) -> list[int] | None:
    """The cells of few parks, None of many: as an argument their number is known when the statement is planned."""
    if parks is None or len(parks) > BY_CELLS:
        return None
    return [row["id"] for row in await conn.fetch(CELLS.format(g=generation), list(parks))]


async def _others(conn: Connection, generation: int, parks: Collection[str] | None) -> list[str] | None:
    """The parks that are not among `parks` (None: all), if these are many and the others few; else None."""
    if parks is None:
        return []
    if len(parks) <= FEW_PARKS:
        return None
    found = [row["park"] for row in await conn.fetch(OTHERS.format(g=generation), list(parks))]
    return None if None in found or len(found) > FEW_PARKS else found


async def series(
    conn: Connection, generation: int, days: Sequence[date], after: Sequence[date], known_at: date, parks: Collection[str]
) -> list[Record]:
    """As `sql.series`."""
    rolled = await rolled_up(conn, generation)
    if rolled is None or (basis := rolled.basis(known_at, NONE)) is None:
        return await sql.series(conn, generation, days, after, known_at, parks)
    question = _Question(generation, basis, known_at, parks, await _cells(conn, generation, parks), NONE, TREND)
    return await conn.fetch(question.statement("park", *question.between(days), days[-1], days), *question.arguments)


async def rolled_up(conn: Connection, generation: int) -> Rolled | None:
    row = await conn.fetchrow(ROLLED.format(g=generation))
    return Rolled(row["day"], row["first"]) if row is not None else None


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
    until = _after(day)
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
    since, until = _after(last), _after(day)
    first = since if since.day == 1 else _next_month(since)
    months = until.replace(day=1)
    if first >= months:
        yield Part("day", since, until)
    else:
        yield from (Part("day", since, first), Part("month", first, months), Part("day", months, until))


def _after(day: date) -> date:
    return day + ONE_DAY if day < date.max else day


def _month(day: date) -> date:
    return day.replace(day=1)


def _next_month(day: date) -> date:
    return (day.replace(day=1) + timedelta(days=32)).replace(day=1)


class _Question:
    """Builds one statement and collects its arguments; its text depends on the kind of question alone, so that it is prepared once."""

    def __init__(
        self,
        generation: int,
        basis: Basis,
        known_at: date,
        parks: Collection[str] | None,
        cells: Sequence[int] | None,
        dimension: str,
        measures: Sequence[str] = MEASURES,
    ) -> None:
        self.arguments: list[Any] = []
        self._g = f"g{generation}"
        self._basis, self._known_at = basis, known_at
        self._dimension, self._measures = dimension, measures
        self._parks = None if parks is None else self._given(list(parks), "text[]")
        self._cells = None if cells is None else self._given(list(cells), "int[]")
        self._few_parks = parks is not None and len(parks) <= FEW_PARKS

    def _given(self, value: object, kind: str) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}::{kind}"

    def up_to(self, day: date) -> tuple[list[Part], list[Days]]:
        """What adds up to everything up to a day: rollups, and days of the ledger."""
        if self._basis.days or day.day <= HALF_MONTH or day.year == LAST_YEAR:
            return self.between([day])
        following = _next_month(day)
        return [*_months_before(following)], [Days(_after(day), following - ONE_DAY, -1)]

    def between(self, days: Sequence[date]) -> tuple[list[Part], list[Days]]:
        """The same up to the last of some days, with no rollup for days on both sides of one of them."""
        parts = of_points(days)
        if self._basis.days:
            return parts, []
        last = days[-1]
        single = [
            Days(part.since, last if part.before == _after(last) else part.before - ONE_DAY, 1) for part in parts if part.span == "day"
        ]
        return [part for part in parts if part.span != "day"], single

    def statement(self, key: str, parts: Sequence[Part], days: Sequence[Days], last: date, points: Sequence[date] = ()) -> str:
        """Sums by `key` (park or code) of everything up to the day `last`; with `points`, by the point up to which a day counts first."""
        grouped, columns = ("1, 2", f"{key} AS key, point") if points else ("1", f"{key} AS key")
        after = self._given([*map(_after, points)], "date[]") if points else ""
        cells = f"(SELECT cell, point, {self._sums()} FROM ({' UNION ALL '.join(self._ledger(days, last, after))}) l GROUP BY 1, 2)"
        return f"""
SELECT {columns}, {self._sums()} FROM (
    SELECT park, code, {_point("start", after)} AS point, {self._sums()} FROM ({" UNION ALL ".join(map(self._rollups, parts))}) r GROUP BY 1, 2, 3
    UNION ALL
    SELECT c.park, {CODES[self._dimension]}, f.point, {self._names()} FROM {cells} f JOIN {self._g}.cells c ON c.id = f.cell
    {f"WHERE c.park = ANY ({self._parks})" if self._parks and not self._cells else ""}
) s GROUP BY {grouped}
"""

    def _names(self) -> str:
        return ", ".join(self._measures)

    def _sums(self, sign: int = 1) -> str:
        return ", ".join(f"{'-' if sign < 0 else ''}coalesce(sum({name}), 0)::bigint AS {name}" for name in self._measures)

    def _rollups(self, part: Part) -> str:
        """A statement for each part, so that each is an index scan."""
        # The expression keeps the parks out of the index's conditions: a city would be sought there park by park for each month.
        park = "park" if self._few_parks else "(park || '')"
        scope = f"AND {park} = ANY ({self._parks})" if self._parks else ""
        since, until, known = self._given(part.since, "date"), self._given(part.before, "date"), self._given(self._basis.known, "int[]")
        return f"""(SELECT park, code, start, {self._names()} FROM {self._g}.rollups
        WHERE known = ANY ({known}) AND dimension = '{self._dimension}' AND span = '{part.span}' AND start >= {since} AND start < {until} {scope})"""

    def _ledger(self, days: Sequence[Days], last_day: date, after: str) -> Iterator[str]:
        """What the rollups lack, or have too much, by cell and point."""
        last, point = self._given(last_day, "date"), _point("effective_day", after)
        day = self._given(self._basis.until, "date")
        for part in days:
            since, until = self._given(part.since, "date"), self._given(part.until, "date")
            yield self._rows("ledger", f"known_day <= {day} AND effective_day >= {since} AND effective_day <= {until}", point, part.sign)
        known = self._given(self._known_at, "date")
        if self._known_at < self._basis.until:
            yield self._rows("ledger", f"known_day > {known} AND known_day <= {day} AND effective_day <= {last}", point, -1)
        else:
            # Nothing of the open tables is known by a day that is rolled up.
            for table in ("ledger", "ledger_open"):
                yield self._rows(table, f"known_day > {day} AND known_day <= {known} AND effective_day <= {last}", point)

    def _rows(self, table: str, which: str, point: str, sign: int = 1) -> str:
        scope = f"AND cell = ANY ({self._cells})" if self._cells else ""
        return f"SELECT cell, {point} AS point, {self._sums(sign)} FROM {self._g}.{table} WHERE {which} {scope} GROUP BY 1, 2"


def _point(day: str, after: str) -> str:
    """The number of the point to which a day belongs; `after`: the days after the points."""
    return f"width_bucket({day}, {after})" if after else "0"
