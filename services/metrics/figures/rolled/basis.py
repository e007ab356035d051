"""Which rollups a question known at a day is answered from (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from services.metrics.figures.rolled.parts import ONE_DAY, month_of, next_month
from services.metrics.generations.closed.rolling import ALL, KEPT, MONTH, YEAR, numbers
from shared.process.db import Record


class Basis(NamedTuple):
    """The rollups of the known days after `since` (None: from the first one) up to `until`: the numbers `known` of periods that make them up
    (`rolling.numbers`); `days`: whether there are some of single effective days."""

    known: tuple[int, ...]
    until: date
    days: bool
    since: date | None = None


class Rolled(NamedTuple):
    """What is rolled up: the known days `first` to `day`. Rollups are added in a transaction with `version`, which is another one then."""

    day: date
    first: date
    version: str = ""

    def whole(self, dimension: str) -> Basis:
        """Everything that is rolled up."""
        return Basis((0,), self.day, ALL in KEPT.get((dimension, "day"), ()))

    def basis(self, known_at: date, dimension: str) -> Basis | None:
        """The rollups from which `known_at` is the fewest known days away; None: from none at all it is nearer."""
        if known_at < self.first:
            return None
        # Of two that are equally near, the first one has the fewest rows.
        nearest = min(self._found(known_at, dimension), key=lambda basis: abs(known_at - basis.until))
        return nearest if abs(known_at - nearest.until) <= known_at - self.first else None

    def _found(self, known_at: date, dimension: str) -> Iterator[Basis]:
        yield self.whole(dimension)
        by_month = MONTH in KEPT[dimension, "month"]
        for day in (known_at, known_at.replace(month=1, day=1) - ONE_DAY, known_at.replace(day=1) - ONE_DAY):
            years = range(self.first.year, day.year)
            if self.first.year <= day.year <= self.day.year:
                yield Basis((*years, day.year), min(self.day, date(day.year, 12, 31)), YEAR in KEPT.get((dimension, "day"), ()))
            if by_month and month_of(self.first) <= month_of(day) <= month_of(self.day):
                months = [numbers(date(day.year, month, 1))[MONTH] for month in range(1, day.month + 1)]
                yield Basis((*years, *months), min(self.day, next_month(day) - ONE_DAY), days=False)

    def later(self, basis: Basis) -> Basis | None:
        """What became known after a basis, up to the last day that is rolled up, if this is in fewer periods than what was known by then."""
        if basis.until >= self.day:
            return None
        since = basis.until + ONE_DAY
        years = range(since.year if since.month == 1 else since.year + 1, self.day.year + 1)
        last = self.day.month if since.year == self.day.year else 12
        months = [numbers(date(since.year, month, 1))[MONTH] for month in range(since.month, last + 1)] if since.month > 1 else []
        known = (*months, *years)
        return Basis(known, self.day, False, basis.until) if len(known) < len(basis.known) else None


def rolled_in(row: Record) -> Rolled | None:
    """What is rolled up, from a row of `generation_store.begun`."""
    return Rolled(row["day"], row["first"], row["rolled_by"]) if row["day"] is not None else None
