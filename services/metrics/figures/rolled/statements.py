"""The statements that sum rollups and the rest of the ledger; the text of each depends on the kind of question alone, so that it is prepared once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import date
from functools import cached_property
from typing import Any

from services.metrics.figures.rolled.basis import Basis
from services.metrics.figures.rolled.parts import Days, Part, Split, after
from services.metrics.generations.closed.rolling import CODES
from services.metrics.measures import MEASURES

FEW_PARKS = 30
"""So many are sought in the index one by one; of more, all rollups of the days are read."""


class Statement:
    """Builds one statement and collects its arguments. `cells`: those of `parks`, if these are so few that their rows of the ledger are sought.

    Rows (key, point, measures): `key` is `park` or `code`; with `points`, a day counts at the first point up to which it is, else at point 0.
    """

    def __init__(
        self,
        generation: int,
        dimension: str,
        key: str,
        parks: Collection[str] | None,
        cells: Sequence[int] | None = None,
        points: Sequence[date] = (),
        measures: Sequence[str] = MEASURES,
    ) -> None:
        self.arguments: list[Any] = []
        self._g, self._dimension, self._key, self._measures = f"g{generation}", dimension, key, measures
        self._parks = parks
        self._cells = None if cells is None else self._given(list(cells), "int[]")
        self._few_parks = parks is not None and len(parks) <= FEW_PARKS
        self._after = self._given([*map(after, points)], "date[]") if points else ""

    def _given(self, value: object, kind: str) -> str:
        self.arguments.append(value)
        return f"${len(self.arguments)}::{kind}"

    def closed(self, basis: Basis, split: Split) -> str:
        """What became known in the days of a basis and is effective by the last day of `split`."""
        parts, days = split
        rollups = " UNION ALL ".join(self._rollups(basis, part) for part in parts)
        # Without a part all is in the ledger.
        summed = [f"SELECT park, code, {self._point('start')} AS point, {self._names} FROM ({rollups}) r"] if parts else []
        if days:
            summed.append(self._of_cells(self._known_by(basis, days)))
        return f"SELECT {self._key} AS key, point, {self._sums()} FROM ({' UNION ALL '.join(summed)}) s GROUP BY 1, 2"

    def learned(self, until: date, known_at: date, last: date) -> str:
        """What became known after the day `until` up to `known_at`, or less what became known after `known_at` up to `until`."""
        last_day, known, day = self._given(last, "date"), self._given(known_at, "date"), self._given(until, "date")
        if known_at < until:
            rows = [self._rows("ledger", f"known_day > {known} AND known_day <= {day} AND effective_day <= {last_day}", -1)]
        else:
            # Nothing of the open tables is known by a day that is rolled up.
            which = f"known_day > {day} AND known_day <= {known} AND effective_day <= {last_day}"
            rows = [self._rows(table, which) for table in ("ledger", "ledger_open")]
        return f"SELECT {self._key} AS key, point, {self._sums()} FROM ({self._of_cells(rows)}) s GROUP BY 1, 2"

    @cached_property
    def _given_parks(self) -> str:
        return self._given(list(self._parks or ()), "text[]")

    @property
    def _names(self) -> str:
        return ", ".join(self._measures)

    def _sums(self) -> str:
        return ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in self._measures)

    def _point(self, day: str) -> str:
        """The number of the point to which a day belongs."""
        return f"width_bucket({day}, {self._after})" if self._after else "0"

    def _rollups(self, basis: Basis, part: Part) -> str:
        """A statement for each part, so that each is an index scan."""
        # The expression keeps the parks out of the index's conditions: a city would be sought there park by park for each month.
        park = "park" if self._few_parks else "(park || '')"
        scope = f"AND {park} = ANY ({self._given_parks})" if self._parks is not None else ""
        since, until, known = self._given(part.since, "date"), self._given(part.before, "date"), self._given(list(basis.known), "int[]")
        return f"""(SELECT park, code, start, {self._names} FROM {self._g}.rollups
        WHERE known = ANY ({known}) AND dimension = '{self._dimension}' AND span = '{part.span}' AND start >= {since} AND start < {until} {scope})"""

    def _known_by(self, basis: Basis, days: Sequence[Days]) -> Iterator[str]:
        """The rows of the ledger of effective days that no rollups have."""
        until = self._given(basis.until, "date")
        since = "" if basis.since is None else f"known_day > {self._given(basis.since, 'date')} AND "
        for part in days:
            first, last = self._given(part.since, "date"), self._given(part.until, "date")
            yield self._rows("ledger", f"{since}known_day <= {until} AND effective_day >= {first} AND effective_day <= {last}", part.sign)

    def _rows(self, table: str, which: str, sign: int = 1) -> str:
        scope = f"AND cell = ANY ({self._cells})" if self._cells else ""
        names = ", ".join(f"-{name} AS {name}" for name in self._measures) if sign < 0 else self._names
        return f"SELECT cell, {self._point('effective_day')} AS point, {names} FROM {self._g}.{table} WHERE {which} {scope}"

    def _of_cells(self, rows: Collection[str] | Iterator[str]) -> str:
        """Rows of the ledger by park and code."""
        scope = f"WHERE c.park = ANY ({self._given_parks})" if self._parks is not None and not self._cells else ""
        return f"""SELECT c.park, {CODES[self._dimension]} AS code, f.point, {self._names} FROM (
            SELECT cell, point, {self._sums()} FROM ({" UNION ALL ".join(rows)}) l GROUP BY 1, 2
        ) f JOIN {self._g}.cells c ON c.id = f.cell {scope}"""
