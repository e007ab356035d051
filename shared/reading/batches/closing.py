"""Last step: the days that all sources have closed, and of which nothing is held, are closed in the shard."""

from __future__ import annotations

from datetime import date
from typing import TypeAlias

import structlog

from shared.process.db import Connection
from shared.reading.config import ReaderConfig
from shared.reading.store import close
from shared.sequencing.closed_days import NO_DAY, closed_day
from shared.sequencing.shard import Shard

OLDEST_HELD = """
SELECT coalesce(known_day, $3) FROM held WHERE generation = $1 AND shard = $2 AND kind <> 'late' ORDER BY known_day NULLS FIRST LIMIT 1
"""
Closed: TypeAlias = tuple[dict[str, date], date | None]
"""(closings, closed day) of a shard after a batch."""

log = structlog.get_logger(__name__)


async def close_days(conn: Connection, config: ReaderConfig, shard: Shard) -> Closed:
    """Close the days that may be closed now. A closed day stays closed."""
    closings, closed = dict(shard.streams.closings), shard.closed
    may_close = closed_day(closings, shard.pending, None)
    if may_close is not None and (closed is None or may_close > closed):
        held = await _oldest_held(conn, config.generation, shard.number)
        found = closed_day(closings, shard.pending, held)
        if found is not None and (closed is None or found > closed):
            closed = found
            if config.on_closed is not None:
                await config.on_closed(conn, shard.number, found)
            log.info("reader.closed", shard=shard.number, day=found.isoformat())
    if (closings, closed) != (shard.closings, shard.closed):
        await close(conn, config.generation, shard.number, closings, closed)
    return closings, closed


async def _oldest_held(conn: Connection, generation: int, shard: int) -> date | None:
    """The earliest known day of the held events, NO_DAY if one has none; None: nothing is held."""
    day: date | None = await conn.fetchval(OLDEST_HELD, generation, shard, NO_DAY)
    return day
