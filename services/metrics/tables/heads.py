"""The heads of streams: of those in `seen`, and of those that are known by their facts (migrations/0027_heads_of_facts.sql)."""

from __future__ import annotations

from services.metrics.tables.store import has_table
from shared.process.db import Connection
from shared.reading.heads import HeadsElsewhere

IN_SEEN = "SELECT shard, source, subject, sequence, event_id FROM seen WHERE generation = {g}"
EVERYWHERE = f"""
{IN_SEEN} UNION ALL SELECT * FROM (
    SELECT DISTINCT ON (shard, source, subject) shard, source, subject, sequence, event_id FROM g{{g}}.possible_heads f
    WHERE NOT EXISTS (
        SELECT FROM seen s WHERE s.generation = {{g}} AND s.shard = f.shard AND s.source = f.source AND s.subject = f.subject
    )
    ORDER BY shard, source, subject, sequence DESC
) AS of_facts
"""


def heads_of_facts(generation: int) -> HeadsElsewhere:
    """Where the heads of streams are that have no row of `seen`: among the facts of a generation."""
    return HeadsElsewhere(f"g{generation}.possible_heads", f"g{generation}.head_bounds")


async def all_heads(conn: Connection, generation: int) -> str:
    """A statement for the heads of all streams: (shard, source, subject, sequence, event_id)."""
    statement = EVERYWHERE if await has_table(conn, generation, "head_bounds") else IN_SEEN
    return statement.format(g=generation)
