"""How old the figures are, and why, as the projector's own rows tell it: so it can be said while Kafka or the projector is away."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from shared.process.db import Connection
from shared.reading.ownership import LOST

FRESH = 5.0
"""Seconds without news from the log after which the data is called old; the projector looks every second."""
ASK_EVERY = 3.0
ANSWER_WITHIN = 1.0
_REQUEST = struct.pack(">hhih", 18, 0, 1, -1)
API_VERSIONS = struct.pack(">i", len(_REQUEST)) + _REQUEST
"""Kafka's ApiVersions request, version 0, without a client id."""
CLOSED_DAY = """
(SELECT CASE WHEN count(closed) >= greatest(count(*), {shards}) THEN min(closed) END FROM shards WHERE generation = {generation})
"""
"""The deployment's closed day: NULL while one of `shards` shards has none, or is not there yet."""
OLDEST_HELD = """
(SELECT min(h.day) FROM shards s CROSS JOIN LATERAL (
    SELECT coalesce(known_day, date '0001-01-01') AS day FROM held
    WHERE held.generation = s.generation AND held.shard = s.shard ORDER BY known_day NULLS FIRST LIMIT 1
) h WHERE s.generation = {generation})
"""
"""The least known day of what is held; the first day of all if one does not tell it."""
LOG_LACKS = """
EXISTS (SELECT FROM shards s, jsonb_each_text(s.topic_ids) i WHERE s.generation = {generation} AND i.value = '{lost}')
"""
"""Whether the log lacks something that was folded: a topic was made anew, or lost its tail, and was not read to where it was before."""
STATEMENT = """
WITH place AS (
    SELECT s.current_at, s.owner,
        (SELECT sum(greatest(0, e.value::bigint - coalesce((s.next->>e.key)::bigint, 0))) FROM jsonb_each_text(s.ends) e) AS behind,
        (SELECT max(n.value::timestamptz) FROM jsonb_each_text(s.newest) n) AS newest
    FROM shards s WHERE s.generation = $1
)
SELECT parkunion_now() AS asked_at, min(current_at) AS current_at, coalesce(sum(behind), 0)::bigint AS lag_events, max(newest) AS newest,
    (SELECT count(*) FROM held WHERE generation = $1) AS held, {closed_day} AS closed_day, {oldest_held} AS oldest_held,
    EXISTS (SELECT FROM pg_stat_activity a WHERE a.datname = current_database() AND a.application_name IN (SELECT owner FROM place)) AS reading,
    {log_lacks} AS log_lacks
FROM place
""".format(
    closed_day=CLOSED_DAY.format(shards="$2", generation="$1"),
    oldest_held=OLDEST_HELD.format(generation="$1"),
    log_lacks=LOG_LACKS.format(generation="$1", lost=LOST),
)


class Reason(StrEnum):
    """Why the figures are not of this moment."""

    NEVER_READ = "NEVER_READ"
    """Nothing was ever read from the log."""
    PROJECTOR_STOPPED = "PROJECTOR_STOPPED"
    """Nobody reads the log."""
    CATCHING_UP = "CATCHING_UP"
    """The log is read, and there is more in it."""
    LOG_INCOMPLETE = "LOG_INCOMPLETE"
    """The log does not hold what was folded: what was held back of it is not known until it is published again."""
    KAFKA_UNREACHABLE = "KAFKA_UNREACHABLE"
    """The log does not answer."""
    DATABASE_UNREACHABLE = "DATABASE_UNREACHABLE"
    """The figures' own database does not answer."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """`age` in seconds since nothing was missing; `since` that instant; `reason` None while the data is fresh. `closed_day` and `oldest_held`
    are those of `finality.Finality`."""

    asked_at: datetime
    since: datetime | None
    age: float
    lag_events: int
    held: int
    newest: datetime | None
    reason: Reason | None
    closed_day: date | None = None
    oldest_held: date | None = None

    def as_dict(self) -> dict[str, Any]:
        """As streams carry it."""
        return {
            "age_ms": round(self.age * 1000),
            "since": self.since,
            "reason": self.reason,
            "lag_events": self.lag_events,
            "held": self.held,
            "newest": self.newest,
            "closed_day": self.closed_day,
        }


class Watch:
    """Says how fresh a generation of so many shards is. `kafka` = bootstrap servers, asked only while nothing is heard from the log."""

    def __init__(self, kafka: str, shards: int) -> None:
        self._kafka = kafka
        self._shards = shards
        self._asked_at = float("-inf")
        self._answers = True

    async def look(self, conn: Connection, generation: int) -> Freshness:
        """The freshness now."""
        row = await conn.fetchrow(STATEMENT, generation, self._shards)
        assert row is not None, "an aggregate has one row"
        since = row["current_at"]
        age = max(0.0, (row["asked_at"] - since).total_seconds()) if since else 0.0
        fresh = since and age <= FRESH and not row["log_lacks"]
        reason = None if fresh else await self._reason(never=since is None, reading=row["reading"], lacks=row["log_lacks"])
        closed_day, oldest_held = row["closed_day"], row["oldest_held"]
        return Freshness(row["asked_at"], since, age, row["lag_events"], row["held"], row["newest"], reason, closed_day, oldest_held)

    async def _reason(self, *, never: bool, reading: bool, lacks: bool) -> Reason:
        if time.monotonic() - self._asked_at > ASK_EVERY:
            self._answers = await kafka_answers(self._kafka)
            self._asked_at = time.monotonic()
        if not self._answers:
            return Reason.KAFKA_UNREACHABLE
        if never:
            return Reason.NEVER_READ
        if lacks:
            return Reason.LOG_INCOMPLETE
        return Reason.CATCHING_UP if reading else Reason.PROJECTOR_STOPPED


async def closed_day(conn: Connection, generation: int, shards: int) -> date | None:
    """The deployment's closed day; None: there is none."""
    day: date | None = await conn.fetchval(f"SELECT {CLOSED_DAY.format(shards='$2', generation='$1')}", generation, shards)
    return day


async def log_lacks(conn: Connection, generation: int) -> bool:
    """Whether the log lacks something that was folded, as far as a reader has seen it."""
    found: bool = await conn.fetchval(f"SELECT {LOG_LACKS.format(generation='$1', lost=LOST)}", generation)
    return found


async def kafka_answers(bootstrap: str) -> bool:
    """Whether a broker answers the first request of the protocol; a frozen one still accepts connections."""
    for server in bootstrap.split(","):
        host, _, port = server.strip().rpartition(":")
        with contextlib.suppress(OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            async with asyncio.timeout(ANSWER_WITHIN):
                reader, writer = await asyncio.open_connection(host, int(port))
                try:
                    writer.write(API_VERSIONS)
                    await reader.readexactly(4)
                    return True
                finally:
                    writer.close()
    return False
