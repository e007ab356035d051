"""The statements that open a snapshot: which generation serves, what is closed, and its areas."""

from __future__ import annotations

from datetime import datetime

from services.metrics.figures.freshness import LOG_INCOMPLETE_SQL, OLDEST_HELD
from services.metrics.generations.closed.rolling import CLOSED_DAY
from shared.process.db import Connection, Record
from shared.reading.ownership import LOST

SERVING = f"""
SELECT g.id, g.fold_version, parkunion_now() AS asked_at, set_config('parkunion.areas', $2, true),
    coalesce((SELECT jsonb_object_agg(shard, version) FROM shards WHERE generation = g.id), '{{}}') AS versions,
    {CLOSED_DAY.format(shards="$1", generation="g.id")} AS closed_day, {OLDEST_HELD.format(generation="g.id")} AS oldest_held,
    {LOG_INCOMPLETE_SQL.format(generation="g.id", lost=LOST)} AS log_incomplete
FROM generations g WHERE g.status = 'serving'
"""
NEWEST = "SELECT max(n.value::timestamptz) FROM shards, jsonb_each_text(newest) n WHERE generation = $1"
SIGNATURE = "SELECT count(*) AS versions, count(known_until) AS ended FROM g{g}.areas_facts"
BEGUN = f"SELECT s.*, r.day, r.first, r.xmin::text AS rolled_by FROM ({SIGNATURE}) s LEFT JOIN g{{g}}.rolled r ON true"
AREAS = """
SELECT code, name, kind, parent, level, occurred_on, known_day, known_until, event_id, recorded_at, rank
FROM g{g}.areas_facts ORDER BY code, occurred_on, rank, known_day
"""


async def serving(conn: Connection, shards: int = 0, setting: str = "") -> Record:
    """(id, fold_version, asked_at, versions = {shard: version}, closed_day, oldest_held, log_incomplete) of the serving generation.

    `shards`: how many shards it has; `setting`: the areas whose rows row-level security shows from here on in the transaction
    (`Areas.setting`), as by `see_areas`. Raises NoServingGeneration.
    """
    row = await conn.fetchrow(SERVING, shards, setting)
    if row is None:
        raise NoServingGeneration("no generation is serving")
    return row


async def newest(conn: Connection, generation: int) -> datetime | None:
    """The greatest time of an event that was counted."""
    found: datetime | None = await conn.fetchval(NEWEST, generation)
    return found


async def see_areas(conn: Connection, setting: str) -> None:
    """From here on in the transaction, row-level security shows the rows of these areas (`Areas.setting`)."""
    await conn.execute("SELECT set_config('parkunion.areas', $1, true)", setting)


class NoServingGeneration(Exception):
    """The database has no serving generation; it was not migrated."""


async def areas_signature(conn: Connection, generation: int) -> tuple[int, int]:
    """Two counts; at least one of them changes when a version of an area is added or ended."""
    row = await conn.fetchrow(SIGNATURE.format(g=generation))
    return (row["versions"], row["ended"]) if row else (0, 0)


async def begun(conn: Connection, generation: int) -> Record:
    """What every question needs of a generation: `versions` and `ended` as `areas_signature`; what is rolled up (`rolled.basis.Rolled`), or NULL."""
    row = await conn.fetchrow(BEGUN.format(g=generation))
    assert row is not None, "an aggregate has one row"
    return row


async def areas(conn: Connection, generation: int) -> list[Record]:
    """Every version of every area, ordered by (code, occurred_on, rank)."""
    return await conn.fetch(AREAS.format(g=generation))
