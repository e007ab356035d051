"""What the pages read besides the lists of the API. Row-level security shows the entries of the caller's areas alone."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.cases.entries import store as entries
from services.cases.reads.listing import COLUMNS, OPEN_CLOCKS, PLACED, Filter, Row, codes_inside
from shared.http.auth import Areas
from shared.process.db import Connection

SOON = timedelta(days=7)
NAMES = "SELECT code, name FROM areas WHERE code = ANY($1::text[])"
AREAS = """
WITH RECURSIVE inside AS (
    SELECT code, name, kind, parent, ARRAY[code] AS path FROM areas WHERE CASE WHEN $1 THEN parent IS NULL ELSE code = ANY($2::text[]) END
    UNION
    SELECT a.code, a.name, a.kind, a.parent, i.path || a.code FROM areas AS a JOIN inside AS i ON a.parent = i.code WHERE cardinality(i.path) < 32
)
SELECT DISTINCT ON (path) code, name, cardinality(path) - 1 AS depth FROM inside ORDER BY path LIMIT $3
"""
COUNTS = f"""
SELECT CASE WHEN grouping(coalesce(e.park, e.area)) = 0 THEN 'area' WHEN grouping(e.assigned_to) = 0 THEN 'person' ELSE 'all' END AS by,
    CASE WHEN grouping(coalesce(e.park, e.area)) = 0 THEN coalesce(e.park, e.area) WHEN grouping(e.assigned_to) = 0 THEN e.assigned_to END AS key,
    count(*) FILTER (WHERE c.due_on < $4) AS overdue, count(*) FILTER (WHERE c.due_on BETWEEN $4 AND $5) AS soon,
    count(*) FILTER (WHERE c.due_on > $5) AS later, count(*) FILTER (WHERE c.due_on IS NULL) AS undated
FROM {OPEN_CLOCKS}
    AND ($2::date IS NULL OR c.due_on <= $2) AND ($3::text IS NULL OR e.assigned_to = $3)
GROUP BY GROUPING SETS ((coalesce(e.park, e.area)), (e.assigned_to), ())
ORDER BY 1, 3 DESC, 4 DESC, 2
"""
WAITING = """
SELECT (c.clock->>'missing_year')::int AS year, count(*) AS waiting FROM entry_clocks AS c
WHERE EXISTS (SELECT FROM entries AS e WHERE e.id = c.entry_id OFFSET 0) AND c.open AND c.due_on IS NULL AND c.clock ? 'missing_year' AND c.clock->>'missing_year' IS NOT NULL GROUP BY 1
"""
ENDING = f"""
SELECT {COLUMNS} FROM entries AS e LEFT JOIN entry_places AS p ON p.entry_id = e.id AND p.enterprise_id = e.enterprise_id
WHERE e.noun = $2 AND e.opened_on IS NOT NULL AND {PLACED} AND e.until BETWEEN $3 AND $4
    AND ($5::text IS NULL OR e.kind = $5) AND ($6::text IS NULL OR e.state = $6)
ORDER BY e.until, e.id LIMIT $7
"""


@dataclass(frozen=True, slots=True)
class Place:
    """An area that the caller may choose; `depth`: how many of them lie around it."""

    code: str
    name: str
    depth: int


@dataclass(frozen=True, slots=True)
class Count:
    """Open clocks of an area, of a person, or of all. `soon`: due within a week, today among it; `undated`: without a due day."""

    by: str
    key: str | None
    overdue: int
    soon: int
    later: int
    undated: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.overdue + self.soon + self.later + self.undated


async def area_names(conn: Connection, codes: Collection[str]) -> dict[str, str]:
    """{code: name} of these areas."""
    return {row["code"]: row["name"] for row in await conn.fetch(NAMES, sorted(set(codes)))} if codes else {}


async def areas(conn: Connection, granted: Areas, most: int) -> list[Place]:
    """The granted areas and those within them, in the order of the tree."""
    rows = await conn.fetch(AREAS, granted.everything, sorted(granted.codes), most)
    return [Place(row["code"], row["name"], row["depth"]) for row in rows]


async def counts(conn: Connection, area: str | None, until: date | None, assigned_to: str | None, today: date) -> list[Count]:
    """Open clocks by area, by person and in all, those with most overdue first."""
    return [Count(*row) for row in await conn.fetch(COUNTS, await codes_inside(conn, area), until, assigned_to, today, today + SOON)]


async def waiting_for_years(conn: Connection) -> dict[int, int]:
    """{year: open clocks that wait for its working days}"""
    return {row["year"]: row["waiting"] for row in await conn.fetch(WAITING)}


async def ending(conn: Connection, noun: str, asked: Filter, today: date, until: date, most: int) -> Sequence[Row]:
    """Entries of a register that hold today and no longer than `until`, those that end first at the top."""
    rows = await conn.fetch(ENDING, await codes_inside(conn, asked.area), noun, today, until, asked.kind, asked.state, most)
    return [Row(entries.entry_of(row), row["park"], row["next_due"]) for row in rows]
