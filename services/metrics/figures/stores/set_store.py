"""The statements that read sets of facts: their stored states, the steps that are kept of them, and which changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Sequence
from datetime import date

from shared.process.db import Connection, Record

STATES_AT_ONCE = 400
STATES_ALL = "SELECT subject, state FROM g{g}.states"
STATES_IN = """
SELECT subject, state FROM g{g}.states
WHERE subject = ANY (ARRAY(SELECT DISTINCT subject FROM g{g}.placements WHERE park = ANY ($1::text[])))
"""
STATES_NOTED = """
SELECT subject, state FROM g{g}.states s WHERE {noted} {scope} AND subject > 'enterprise/' AND subject < 'enterprise0'
"""
NOTED = "(findings & {bits} <> 0 OR findings IS NULL OR noted_by IS DISTINCT FROM xmin)"
"""A set without a valid note may have any finding (services/metrics/tables/store.py, KEEP_STATES)."""
EVER_IN = "AND EXISTS (SELECT FROM g{g}.placements p WHERE p.subject = s.subject AND p.park = ANY ($1::text[]) OFFSET 0)"
"""OFFSET 0: asked of each set that is left by the other conditions, which are few, and never a join of all places of a large area. Not by `subject = ANY (…)`: most sets have no note, so a scan of them is cheaper than a look at each of a large area."""
STEPS_KEPT = "SELECT park, day, xmin::text AS version, octet_length(steps) AS size FROM g{g}.steps WHERE $1::text[] IS NULL OR park = ANY ($1::text[])"
STEPS = "SELECT park, steps FROM g{g}.steps WHERE park = ANY ($1::text[])"
CHANGED = """
WITH changed AS MATERIALIZED (
    SELECT DISTINCT subject FROM g{g}.recorded_facts f
    WHERE known_day > $1 AND newest >= $1::date + interval '10 hours' AND known_day <= $2 AND subject >= 'enterprise/'
    AND ($3::text[] IS NULL OR f.subject IN (SELECT p.subject FROM g{g}.placements p WHERE p.park = ANY ($3::text[])))
)
SELECT subject FROM changed LIMIT $4
"""
"""The time leaves nothing out: a fact becomes known on the day on which it was recorded, and the next day begins nowhere before 10:00 UTC. Its index
has the new rows, while that of known days leads to all pages that were written since the last vacuum.
MATERIALIZED keeps the limit, which saves sending rows, out of the plan of the search."""
PLACED_IN = "SELECT DISTINCT subject FROM g{g}.placements WHERE park = ANY ($1::text[])"
NOT_PLACED_IN = """
SELECT DISTINCT subject FROM g{g}.placements WHERE park = ANY (ARRAY(SELECT park FROM g{g}.parks_placed EXCEPT SELECT unnest($1::text[])))
"""
VERSIONS_OF = "SELECT subject, xmin::text AS version FROM g{g}.states WHERE subject = ANY ($1::text[])"
STATES_OF = "SELECT subject, state FROM g{g}.states WHERE subject = ANY ($1::text[]) ORDER BY subject"


async def states(conn: Connection, generation: int, parks: Collection[str] | None) -> AsyncIterator[list[Record]]:
    """Rows (subject, state) in parts and in no order; `parks`: only of subjects that were ever placed in one of them."""
    statement = (STATES_ALL if parks is None else STATES_IN).format(g=generation)
    # A cursor: a page after another would sort the subjects of a large area for each.
    found = await conn.cursor(statement, *([] if parks is None else [list(parks)]))
    while rows := await found.fetch(STATES_AT_ONCE):
        yield rows


async def steps_kept(conn: Connection, generation: int, parks: Collection[str] | None) -> list[Record]:
    """Rows (park, day, version, size in bytes) of the steps that are kept of some parks (None: of all); a row that is written again has another
    version."""
    return await conn.fetch(STEPS_KEPT.format(g=generation), None if parks is None else list(parks))


async def steps(conn: Connection, generation: int, parks: Collection[str]) -> list[Record]:
    """Rows (park, steps)."""
    return await conn.fetch(STEPS.format(g=generation), list(parks))


async def subjects_changed(
    conn: Connection, generation: int, known_from: date, known_to: date, parks: Collection[str] | None, most: int | None = None
) -> list[str]:
    """Enterprises and unions about which a fact became known in (known_from, known_to], at most `most`; `parks`: those that were ever in one of them."""
    rows = await conn.fetch(CHANGED.format(g=generation), known_from, known_to, None if parks is None else list(parks), most)
    return [row["subject"] for row in rows]


async def subjects_without_steps(conn: Connection, generation: int, parks: Collection[str] | None, kept: Collection[str]) -> list[str]:
    """Enterprises and unions that were ever in one of `parks` (None: of all) of which no steps are kept."""
    if parks is None:
        rows = await conn.fetch(NOT_PLACED_IN.format(g=generation), list(kept))
    else:
        others = [*{*parks} - {*kept}]
        rows = await conn.fetch(PLACED_IN.format(g=generation), others) if others else []
    return [row["subject"] for row in rows]


async def states_noted(conn: Connection, generation: int, bits: int, parks: Collection[str] | None) -> AsyncIterator[list[Record]]:
    """The rows (subject, state) in parts, of sets with a note of one of `bits` (`folding.findings.Noted`; 0: all sets) or without a note.

    `parks`: only of subjects that were ever placed in one of them.
    """
    noted = NOTED.format(bits=int(bits)) if bits else "true"
    scope = EVER_IN.format(g=generation) if parks is not None else ""
    statement = STATES_NOTED.format(g=generation, noted=noted, scope=scope)
    # A cursor: every page by LIMIT would look at all sets again, of which few are noted.
    found = await conn.cursor(statement, *([] if parks is None else [list(parks)]))
    while rows := await found.fetch(STATES_AT_ONCE):
        yield rows


async def states_of(conn: Connection, generation: int, subjects: Sequence[str]) -> dict[str, bytes]:
    """{subject: stored set of facts}."""
    return {row["subject"]: row["state"] for row in await conn.fetch(STATES_OF.format(g=generation), subjects)}


async def versions_of(conn: Connection, generation: int, subjects: Sequence[str]) -> dict[str, str]:
    """{subject: version of its stored set}; a set that is written again has another version."""
    return {row["subject"]: row["version"] for row in await conn.fetch(VERSIONS_OF.format(g=generation), subjects)}
