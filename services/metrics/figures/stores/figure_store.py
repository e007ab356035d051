"""The statements that sum the ledger and the durations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from functools import cache
from typing import Any

from services.metrics.measures import MEASURES, Vector, packed
from shared.process.db import Connection, Record

ROWS = """
SELECT {columns} FROM g{g}.ledger WHERE effective_day <= $1 AND known_day <= $2 {scope}
UNION ALL SELECT {columns} FROM g{g}.ledger_open WHERE effective_day <= $1 AND known_day <= $2 {scope}
"""
IN_SCOPE = "AND cell = ANY (ARRAY(SELECT id FROM g{g}.cells WHERE park = ANY ($3::text[])))"
NO_KEY = "all"
KEYS = {NO_KEY: "NULL::text", "park": "c.park", "industry": "left(c.industry, 1)", "size": "c.size", "ownership": "c.ownership"}
SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in MEASURES)
FIGURES = (
    "SELECT {key} AS key, {sums} FROM (SELECT cell, {sums} FROM ({rows}) l GROUP BY cell) f JOIN g{g}.cells c ON c.id = f.cell GROUP BY 1"
)
DURATIONS_ROWS = """
SELECT cell, kind, value, count FROM g{g}.durations WHERE effective_day <= $1 AND known_day <= $2 {scope}
UNION ALL SELECT cell, kind, value, count FROM g{g}.durations_open WHERE effective_day <= $1 AND known_day <= $2 {scope}
"""
DURATIONS = """
SELECT {key} AS key, kind, value, sum(count)::bigint AS count FROM (
    SELECT cell, kind, value, sum(count) AS count FROM ({rows}) d GROUP BY 1, 2, 3 HAVING sum(count) <> 0
) f JOIN g{g}.cells c ON c.id = f.cell GROUP BY 1, 2, 3 HAVING sum(count) <> 0
"""
TREND = (
    "units",
    "should_organise_all",
    "covered_all",
    "should_organise_ge25",
    "covered_ge25",
    "workers",
    "members",
    "workers_unionised",
    "members_unionised",
)
"""The measures of a series."""
TREND_SUMS = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in TREND)
SERIES = """
SELECT c.park AS key, point, {sums} FROM (
    SELECT cell, width_bucket(effective_day, $4::date[]) AS point, {sums} FROM ({rows}) l GROUP BY 1, 2
) f JOIN g{g}.cells c ON c.id = f.cell GROUP BY 1, 2
"""


@cache
def _figures_sql(generation: int, key: str, scoped: bool) -> str:
    scope = IN_SCOPE.format(g=generation) if scoped else ""
    columns = ", ".join(("cell", *MEASURES))
    return FIGURES.format(g=generation, key=key, sums=SUMS, rows=ROWS.format(g=generation, columns=columns, scope=scope))


async def by_key(
    conn: Connection, generation: int, by: str, as_of: date, known_at: date, parks: Collection[str] | None
) -> dict[str | None, Vector]:
    """{key: figures}; `by` is a key of KEYS, `parks` None means all."""
    sql = _figures_sql(generation, KEYS[by], parks is not None)
    return {row[0]: packed(tuple(row)[1:]) for row in await conn.fetch(sql, *_arguments(as_of, known_at, parks))}


def _arguments(as_of: date, known_at: date, parks: Collection[str] | None) -> list[Any]:
    return [as_of, known_at] if parks is None else [as_of, known_at, list(parks)]


async def durations_by_key(
    conn: Connection, generation: int, by: str, as_of: date, known_at: date, parks: Collection[str] | None
) -> list[Record]:
    """Rows (key, kind, value, count) of the enterprises that are founded or waiting; arguments as for `by_key`."""
    scope = "" if parks is None else IN_SCOPE.format(g=generation)
    rows = DURATIONS_ROWS.format(g=generation, scope=scope)
    return await conn.fetch(DURATIONS.format(g=generation, key=KEYS[by], rows=rows), *_arguments(as_of, known_at, parks))


async def series(
    conn: Connection, generation: int, days: Sequence[date], after: Sequence[date], known_at: date, parks: Collection[str]
) -> list[Record]:
    """Rows (key = park, point = index in `days`, increments of TREND); `days` ascend, `after` are the days after them."""
    columns = ", ".join(("cell", "effective_day", *TREND))
    rows = ROWS.format(g=generation, columns=columns, scope=IN_SCOPE.format(g=generation))
    return await conn.fetch(SERIES.format(g=generation, sums=TREND_SUMS, rows=rows), days[-1], known_at, list(parks), list(after))
