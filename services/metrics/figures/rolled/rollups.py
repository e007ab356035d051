"""Figures from rollups of closed known days, and from the ledger what these lack.

Everything known by some days R is rolled up (generations/closed/rolling.py): by the last day of which that is so, and by the ends of the months (by class
and park: of the years) before. With the R nearest to k, the figures as of t, known at k, are
- what is known by R: the rollups of whole years, whole months and days up to t; where days are not rolled up, those of t's month come from the
  ledger. In the second half of the month they are not added to the months before: those after t are taken from the whole month. Nothing of
  it ever changes, so it is kept; of one R before the last it is what is known by the last one less what became known between, where this is in
  fewer rollups;
- and, from the ledger, what became known after R up to k; if k is before R, less what became known after k.
If k is nearer to the first known day than to any R, or nothing is rolled up, all is summed from the ledger.
Figures by class of nearly all parks are those of all parks less those of the few others.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import NamedTuple, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from services.metrics.figures.kept import KeptResults
from services.metrics.figures.rolled.basis import Basis, Rolled
from services.metrics.figures.rolled.parts import Split, after, between, up_to
from services.metrics.figures.rolled.statements import FEW_PARKS, Statement
from services.metrics.figures.stores import figure_store
from services.metrics.figures.stores.figure_store import TREND
from services.metrics.generations.closed.rolling import EVERYWHERE, NONE
from services.metrics.measures import MEASURES, Vector, packed
from shared.process.db import Connection, Record

PLANNED = "SELECT set_config('plan_cache_mode', $1, true)"
CELLS = "SELECT id FROM g{g}.cells WHERE park = ANY ($1::text[])"
BY_CELLS = 3
"""Parks whose rows of the ledger are sought by their cells; of more, the rows of the days are read, and those of other parks left out."""
NEAR = timedelta(days=2)
"""Of so few known days all rows are read more quickly than the cells are found."""
OTHERS = """
WITH RECURSIVE parks AS (
    SELECT min(park) AS park FROM g{g}.cells
    UNION ALL SELECT (SELECT min(c.park) FROM g{g}.cells c WHERE c.park > p.park) FROM parks p WHERE p.park IS NOT NULL
)
SELECT park FROM parks WHERE park IS NOT NULL AND NOT park = ANY ($1::text[]) UNION ALL (SELECT park FROM g{g}.cells WHERE park IS NULL LIMIT 1)
"""
"""The parks that are not among some, NULL if there are figures without a park; park by park by the index."""

Increments = npt.NDArray[np.int64]
"""What each point of a series adds to the one before: a row for each point, with the measures of TREND."""
V = TypeVar("V", int, Increments)
Read: TypeAlias = Callable[[Sequence[Record]], Mapping[str | None, V]]


class Ledger(NamedTuple):
    """Where figures are read: the ledger of a generation, what is rolled up of it, and where what follows from closed days is kept."""

    conn: Connection
    generation: int
    rolled: Rolled | None
    kept: KeptResults


class _Asked(NamedTuple):
    """A question: the key and dimension of its rollups, its business day and parks (None: all); with `days`, a series."""

    ledger: Ledger
    by: str
    dimension: str
    as_of: date
    parks: Collection[str] | None
    days: tuple[date, ...] = ()

    @property
    def key(self) -> str:
        return "park" if self.by == "park" else "code"

    @property
    def measures(self) -> Sequence[str]:
        return TREND if self.days else MEASURES

    async def cells(self) -> list[int] | None:
        """The cells of few parks, None of many: as an argument their number is known when the statement is planned."""
        if self.parks is None or len(self.parks) > BY_CELLS:
            return None
        return [row["id"] for row in await self.ledger.conn.fetch(CELLS.format(g=self.ledger.generation), list(self.parks))]

    def split(self, basis: Basis) -> Split:
        return between(self.days, basis.days) if self.days else up_to(self.as_of, basis.days)

    def statement(self, parks: Collection[str] | None, cells: Sequence[int] | None) -> Statement:
        return Statement(self.ledger.generation, self.dimension, self.key, parks, cells, self.days, self.measures)


async def by_key(ledger: Ledger, by: str, as_of: date, known_at: date, parks: Collection[str] | None) -> Mapping[str | None, Vector]:
    """As `figure_store.by_key`."""
    if by not in EVERYWHERE or ledger.rolled is None or (others := await _others(ledger, parks)) is None:
        return await _by_key(_Asked(ledger, by, NONE if by == "park" else by, as_of, parks), known_at)
    found = await _by_key(_Asked(ledger, by, EVERYWHERE[by], as_of, None), known_at)
    if others:
        less = await _by_key(_Asked(ledger, by, by, as_of, others), known_at)
        found = {key: value - less.get(key, 0) for key, value in found.items()}
    return found


async def _by_key(asked: _Asked, known_at: date) -> Mapping[str | None, Vector]:
    conn, generation, rolled, _ = asked.ledger
    if rolled is None or (basis := rolled.basis(known_at, asked.dimension)) is None:
        return await figure_store.by_key(conn, generation, asked.by, asked.as_of, known_at, asked.parks)
    return await _known_at(asked, rolled, basis, known_at, _vectors)


async def series(ledger: Ledger, days: Sequence[date], known_at: date, parks: Collection[str]) -> Mapping[str | None, Increments]:
    """{park: what each point of its series adds to the one before}, as of `days`, which ascend."""
    conn, generation, rolled, _ = ledger
    if rolled is None or (basis := rolled.basis(known_at, NONE)) is None:
        return _increments(await figure_store.series(conn, generation, days, [*map(after, days)], known_at, parks), len(days))
    asked = _Asked(ledger, "park", NONE, days[-1], parks, tuple(days))
    return await _known_at(asked, rolled, basis, known_at, lambda rows: _increments(rows, len(days)))


async def _known_at(asked: _Asked, rolled: Rolled, basis: Basis, known_at: date, read: Read[V]) -> Mapping[str | None, V]:
    found = await _known_by(asked, rolled, basis, read)
    if known_at == basis.until:
        return found
    near = abs(known_at - basis.until) <= NEAR
    statement = asked.statement(asked.parks, None if near else await asked.cells())
    text = statement.learned(basis.until, known_at, asked.as_of)
    rows = (
        await asked.ledger.conn.fetch(text, *statement.arguments) if near else await _planned(asked.ledger.conn, text, statement.arguments)
    )
    return _added(found, read(rows), 1)


async def _known_by(asked: _Asked, rolled: Rolled, basis: Basis, read: Read[V]) -> Mapping[str | None, V]:
    """What is known by the last day of a basis."""
    if (later := rolled.later(basis)) is None:
        return await _closed(asked, rolled, basis, read)
    whole = await _closed(asked, rolled, rolled.whole(asked.dimension), read)
    return _added(whole, await _closed(asked, rolled, later, read), -1)


async def _closed(asked: _Asked, rolled: Rolled, basis: Basis, read: Read[V]) -> Mapping[str | None, V]:
    """What became known in the days of a basis: kept, and by park of all parks at once, if all is rolled up."""
    split = asked.split(basis)
    everywhere = asked.by == "park" and not split[1]
    parks = None if everywhere or asked.parks is None else frozenset(asked.parks)
    place = ("rollups", asked.ledger.generation, asked.by, asked.dimension, asked.as_of, asked.days, basis, parks)
    found: Mapping[str | None, V] | None = asked.ledger.kept.get(place, rolled.version)
    if found is None:
        statement = asked.statement(parks, await asked.cells() if split[1] else None)
        text = statement.closed(basis, split)
        found = read(await _planned(asked.ledger.conn, text, statement.arguments))
        asked.ledger.kept.keep(place, rolled.version, found, _rows(len(found), len(asked.days)))
    if everywhere and asked.parks is not None:
        return {park: value for park in asked.parks if (value := found.get(park)) is not None}
    return found


async def _planned(conn: Connection, text: str, arguments: Sequence[object]) -> list[Record]:
    """The rows of a statement that is planned for its arguments: the plan for any days reads far more than one for these."""
    await conn.execute(PLANNED, "force_custom_plan")
    found = await conn.fetch(text, *arguments)
    await conn.execute(PLANNED, "auto")
    return found


def _added(found: Mapping[str | None, V], more: Mapping[str | None, V], sign: int) -> Mapping[str | None, V]:
    if not more:
        return found
    both = dict(found)
    for key, value in more.items():
        both[key] = both[key] + sign * value if key in both else sign * value
    return both


def _vectors(rows: Sequence[Record]) -> dict[str | None, Vector]:
    return {row["key"]: packed(tuple(row)[2:]) for row in rows}


def _increments(rows: Sequence[Record], points: int) -> dict[str | None, Increments]:
    found: dict[str | None, Increments] = {}
    for row in rows:
        key, point, *measures = row
        if key not in found:
            found[key] = np.zeros((points, len(TREND)), np.int64)
        found[key][point] += measures
    return found


def _rows(keys: int, points: int) -> int:
    """How many rows of `KeptResults` figures are as large as."""
    return 20 + keys * (2 + points)


async def _others(ledger: Ledger, parks: Collection[str] | None) -> list[str] | None:
    """The parks that are not among `parks` (None: all), if these are many and the others few; else None."""
    if parks is None:
        return []
    if len(parks) <= FEW_PARKS:
        return None
    found = [row["park"] for row in await ledger.conn.fetch(OTHERS.format(g=ledger.generation), list(parks))]
    return None if None in found or len(found) > FEW_PARKS else found
