"""How far a reader is behind, as told by its own rows and, where one is given, by the broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from shared.broker.protocol import Broker, BrokerUnavailable
from shared.process.db import Connection, Pool
from shared.reading import parked
from shared.reading.parked import Parked

NEVER = 1e9
PATIENCE = 1.0
"""Seconds that a broker has to say how far its logs reach."""
FRESH = 3.0
SHARDS = """
SELECT shard, next, ends, extract(epoch FROM parkunion_now() - current_at)::float8 AS age FROM shards WHERE generation = $1
"""


class Lag(NamedTuple):
    """`events` not yet applied or parked; `seconds` since nothing was missing (0 while the reader is up to date)."""

    events: int
    seconds: float


async def lag(pool: Pool, broker: Broker | None, generation: int, topics: Sequence[str]) -> Lag:
    """The lag of a generation's reader, whichever process it runs in.

    Without a broker, or if it does not answer, the ends of the logs are those that the reader saw last; then `seconds` tells more than
    `events`. A reader that never started has a lag of a thousand million seconds.
    """
    async with pool.acquire(timeout=5) as conn:
        rows = await conn.fetch(SHARDS, generation)
    ends = {(topic, row["shard"]): row["ends"].get(topic, 0) for row in rows for topic in topics}
    if broker is not None:
        # Asked after our own rows were read: an event counts as missing rather than as applied.
        with contextlib.suppress(BrokerUnavailable, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                ends.update({place: extent.end for place, extent in (await broker.extents(topics)).items()})
    at = {(topic, row["shard"]): row["next"].get(topic, 0) for row in rows for topic in topics}
    events = sum(max(0, end - at.get(place, 0)) for place, end in ends.items())
    seconds = max((row["age"] for row in rows), default=NEVER)
    return Lag(events, 0.0 if not events and seconds < FRESH else seconds)


async def held(conn: Connection, generation: int) -> dict[str, int]:
    """How many events are kept and not applied, by kind: `early`, `unreadable`, `refused`, `fork`, `late`."""
    rows = await conn.fetch("SELECT kind, count(*) AS n FROM held WHERE generation = $1 GROUP BY kind", generation)
    return {row["kind"]: row["n"] for row in rows}


async def what_is_held(conn: Connection, generation: int) -> Parked:
    """What a generation's reader holds, for figures and alerts, whichever process it runs in."""
    found = await parked.state(conn, generation)
    return Parked(await held(conn, generation), found.streams, found.halted)


async def consumed_until(conn: Connection, generation: int, topic: str, shard: int) -> datetime | None:
    """The greatest `time` of the events consumed of a partition; None: nothing consumed yet."""
    value = await conn.fetchval(
        "SELECT (newest->>$3)::timestamptz FROM shards WHERE generation = $1 AND shard = $2", generation, shard, topic
    )
    return value if isinstance(value, datetime) else None
