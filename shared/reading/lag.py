"""How far a reader is behind, by its own rows and, if it is asked, by the broker."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from typing import NamedTuple

from shared.broker.protocol import Broker, BrokerUnavailableError
from shared.process.db import Pool

NEVER = 1e9
PATIENCE = 1.0
"""Seconds that the broker has to answer."""
FRESH = 3.0
SHARDS = """
SELECT shard, next, ends, extract(epoch FROM parkunion_now() - current_at)::float8 AS age FROM shards WHERE generation = $1
"""


class Lag(NamedTuple):
    """`events` not yet applied or parked; `seconds` since none was missing (0 while the reader is up to date)."""

    events: int
    seconds: float


async def lag(pool: Pool, broker: Broker | None, generation: int, topics: Sequence[str]) -> Lag:
    """The lag of a generation's reader, whichever process it runs in.

    Without a broker, or if it does not answer, the ends of the logs are those that the reader saw last; then `seconds` says more than
    `events`. A reader that never started lags by NEVER seconds.
    """
    async with pool.acquire(timeout=5) as conn:
        rows = await conn.fetch(SHARDS, generation)
    ends = {(topic, row["shard"]): row["ends"].get(topic, 0) for row in rows for topic in topics}
    if broker is not None:
        # After our own rows were read: rather count an event as missing than as applied.
        with contextlib.suppress(BrokerUnavailableError, TimeoutError):
            async with asyncio.timeout(PATIENCE):
                ends.update({place: extent.end for place, extent in (await broker.extents(topics)).items()})
    at = {(topic, row["shard"]): row["next"].get(topic, 0) for row in rows for topic in topics}
    events = sum(max(0, end - at.get(place, 0)) for place, end in ends.items())
    seconds = max((row["age"] for row in rows), default=NEVER)
    return Lag(events, 0.0 if not events and seconds < FRESH else seconds)
