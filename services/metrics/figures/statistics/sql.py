"""Reads the sums of tallies for an answer, and the subjects that have matters."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date
from functools import cache

from services.metrics.figures.stores.fact_store import FACT_COLUMNS
from services.metrics.figures.stores.figure_store import IN_SCOPE, KEYS, NO_KEY
from shared.contracts.cases import SOURCE
from shared.process.db import Connection, Record

ROWS = """
SELECT cell, name, code, value, count FROM g{g}.{table}
WHERE name = ANY ($4::text[]) AND effective_day <= $1 AND effective_day >= $5 AND known_day <= $2 {scope}
"""
TALLIES = """
SELECT {key} AS key, name, code, {value} AS value, sum(count)::bigint AS count FROM (
    SELECT cell, name, code, {value} AS value, sum(count) AS count FROM ({rows}) r GROUP BY 1, 2, 3, 4
) f JOIN g{g}.cells c ON c.id = f.cell GROUP BY 1, 2, 3, 4 HAVING sum(count) <> 0
"""
WITHOUT_KEY = """
SELECT NULL AS key, name, code, {value} AS value, sum(count)::bigint AS count FROM ({rows}) r GROUP BY 2, 3, 4 HAVING sum(count) <> 0
"""
SUBJECTS = """
SELECT s.subject FROM seen s WHERE s.generation = $1 AND s.shard = ANY ($2::int[]) AND s.source = $3 AND s.subject > $4 AND s.subject < 'enterprise0'
{scope} ORDER BY s.subject LIMIT $5
"""
EVER_IN = "AND EXISTS (SELECT FROM g{g}.placements p WHERE p.subject = s.subject AND p.park = ANY ($6::text[]) OFFSET 0)"
"""OFFSET 0: asked of one subject after the other until the page is full, and never a join of all places of a large area."""
EVENTS = f"""
SELECT {FACT_COLUMNS} FROM g{{g}}.facts WHERE subject = ANY ($1::text[]) AND source = $2 AND known_day <= $3
ORDER BY subject, recorded_at, sequence
"""


@cache
def _tallies(generation: int, key: str, valued: bool, scoped: bool) -> str:
    scope = IN_SCOPE.format(g=generation) if scoped else "AND $3::text[] IS NULL"
    rows = " UNION ALL ".join(ROWS.format(g=generation, table=table, scope=scope) for table in ("tallies", "tallies_open"))
    statement = WITHOUT_KEY if key == KEYS[NO_KEY] else TALLIES
    return statement.format(g=generation, key=key, rows=rows, value="value" if valued else "0")


async def tallies(
    conn: Connection,
    generation: int,
    by: str,
    names: Sequence[str],
    days: tuple[date, date],
    known_at: date,
    parks: Collection[str] | None,
    *,
    valued: bool = False,
) -> list[Record]:
    """Rows (key, name, code, value, count) of the steps from the first to the last of `days`, known by `known_at`. `by`: one of KEYS; `valued`:
    whether by value, which else is 0."""
    since, until = days
    sql = _tallies(generation, KEYS[by], valued, parks is not None)
    return await conn.fetch(sql, until, known_at, None if parks is None else list(parks), [str(name) for name in names], since)


async def subjects(
    conn: Connection, generation: int, shards: Collection[int], after: str, parks: Collection[str] | None, limit: int
) -> list[str]:
    """The next enterprises with facts of cases; `parks`: those that were ever in one of them."""
    sql = SUBJECTS.format(scope="" if parks is None else EVER_IN.format(g=generation))
    arguments = [generation, list(shards), SOURCE, max(after, "enterprise/"), limit]
    return [row["subject"] for row in await conn.fetch(sql, *arguments, *([] if parks is None else [list(parks)]))]


async def events(conn: Connection, generation: int, of: Sequence[str], known_at: date) -> list[Record]:
    """All events of cases about some subjects known by a day, as the caller may see them, by subject in the order of recording."""
    return await conn.fetch(EVENTS.format(g=generation), list(of), SOURCE, known_at)
