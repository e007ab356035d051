"""How old the figures are, and why. Read from the projector's rows, so that it is known while Kafka or the projector is down.

What of this is told while the database itself does not answer: `live.age`."""

from __future__ import annotations

import asyncio
import contextlib
import struct
import time
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from services.metrics.generations.closed.rolling import CLOSED_DAY
from shared.process.db import Connection, Record
from shared.reading.ownership import LOST

FRESH = 5.0
"""Seconds since the projector last read to the end of the log after which data is stale; it polls every second."""
PROBE_EVERY = 3.0
ANSWER_WITHIN = 1.0
_REQUEST = struct.pack(">hhih", 18, 0, 1, -1)
API_VERSIONS = struct.pack(">i", len(_REQUEST)) + _REQUEST
"""Kafka's ApiVersions request, version 0, without client id."""
OLDEST_HELD = """
(SELECT min(h.day) FROM shards s CROSS JOIN LATERAL (
    SELECT coalesce(known_day, date '0001-01-01') AS day FROM held
    WHERE held.generation = s.generation AND held.shard = s.shard ORDER BY known_day NULLS FIRST LIMIT 1
) h WHERE s.generation = {generation})
"""
"""The least known day of the held events; 0001-01-01 if one of them has none."""
LOG_INCOMPLETE_SQL = """
EXISTS (SELECT FROM shards s, jsonb_each_text(s.topic_ids) i WHERE s.generation = {generation} AND i.value = '{lost}')
"""
"""Whether the log lacks something that was folded: a topic was recreated or lost its tail, and was not read up to its former position."""
_STATEMENT = """
WITH place AS (
    SELECT s.current_at, s.owner, coalesce(s.current_at < parkunion_now() - make_interval(secs => $3), true) AS old,
        (SELECT sum(greatest(0, e.value::bigint - coalesce((s.next->>e.key)::bigint, 0))) FROM jsonb_each_text(s.ends) e) AS behind,
        (SELECT max(n.value::timestamptz) FROM jsonb_each_text(s.newest) n) AS newest
    FROM shards s WHERE s.generation = $1
), alive AS (
    SELECT a.application_name AS owner FROM pg_stat_activity a JOIN pg_stat_activity me ON me.pid = pg_backend_pid()
    WHERE a.datname = current_database() AND (a.state_change IS NULL OR a.state_change > me.query_start - make_interval(secs => $3)
        OR (a.state = 'active' AND a.wait_event_type IS DISTINCT FROM 'Client'))
)
SELECT parkunion_now() AS asked_at, min(current_at) AS current_at, coalesce(sum(behind), 0)::bigint AS lag_events, max(newest) AS newest,
    (SELECT count(*) FROM held WHERE generation = $1) AS held, {closed_day} AS closed_day, {oldest_held} AS oldest_held,
    NOT EXISTS (SELECT FROM place WHERE old AND (owner IS NULL OR owner NOT IN (SELECT alive.owner FROM alive))) AS reading,
    {log_incomplete} AS log_incomplete
FROM place
"""
"""`reading`: whoever owns the shards that are old has asked the database for something of late. A process that is frozen keeps its sessions, so
their being there says nothing; one that reads reports once a second (shared/reading/ownership.py, REPORT). $1 generation, $2 shards, $3 FRESH."""
STATEMENT = _STATEMENT.format(
    closed_day=CLOSED_DAY.format(shards="$2", generation="$1"),
    oldest_held=OLDEST_HELD.format(generation="$1"),
    log_incomplete=LOG_INCOMPLETE_SQL.format(generation="$1", lost=LOST),
)


class StaleReason(StrEnum):
    """Why the figures are not up to date."""

    NEVER_READ = "NEVER_READ"
    """Nothing was ever read from the log."""
    PROJECTOR_STOPPED = "PROJECTOR_STOPPED"
    """No projector reads the log: there is none, or it is frozen."""
    CATCHING_UP = "CATCHING_UP"
    """The projector has not yet read to the end of the log."""
    LOG_INCOMPLETE = "LOG_INCOMPLETE"
    """The log lacks something that was folded; held events are unknown until it is published again."""
    KAFKA_UNREACHABLE = "KAFKA_UNREACHABLE"
    """Kafka does not answer."""
    DATABASE_UNREACHABLE = "DATABASE_UNREACHABLE"
    """The database of metrics does not answer."""


@dataclass(frozen=True, slots=True)
class Freshness:
    """`since`: the instant at which nothing was missing; `age`: seconds since then; `reason`: None while fresh; `lag_events`: what the projector
    knew to be missing when it last looked. For `closed_day` and `oldest_held` see `finality.Finality`."""

    asked_at: datetime
    since: datetime | None
    age: float
    lag_events: int
    held: int
    newest: datetime | None
    reason: StaleReason | None
    closed_day: date | None = None
    oldest_held: date | None = None

    def as_dict(self) -> dict[str, Any]:
        """The data of the stream's `age` event."""
        return {
            "age_ms": round(self.age * 1000),
            "since": self.since,
            "reason": self.reason,
            "lag_events": self.lag_events,
            "held": self.held,
            "newest": self.newest,
            "closed_day": self.closed_day,
        }


class FreshnessProbe:
    """Reads the freshness of a generation with `shards` shards. `kafka`: bootstrap servers, probed only while the data is stale."""

    def __init__(self, kafka: str, shards: int) -> None:
        self._kafka = kafka
        self._shards = shards
        self._probed_at = float("-inf")
        self._kafka_answers = True

    async def ask(self, conn: Connection, generation: int) -> Record:
        """What the database says of the freshness now, for `told`."""
        row = await conn.fetchrow(STATEMENT, generation, self._shards, FRESH)
        assert row is not None, "an aggregate has one row"
        return row

    async def told(self, row: Record) -> Freshness:
        """The freshness by an answer of the database. Asks Kafka while the data is stale, which takes ANSWER_WITHIN seconds at most."""
        since = row["current_at"]
        age = max(0.0, (row["asked_at"] - since).total_seconds()) if since else 0.0
        fresh = since and age <= FRESH and not row["log_incomplete"]
        reason = None if fresh else await self._reason(row)
        columns = {name: row[name] for name in ("asked_at", "lag_events", "held", "newest", "closed_day", "oldest_held")}
        return Freshness(since=since, age=age, reason=reason, **columns)

    async def _reason(self, row: Record) -> StaleReason:
        if time.monotonic() - self._probed_at > PROBE_EVERY:
            self._kafka_answers = await kafka_answers(self._kafka)
            self._probed_at = time.monotonic()
        if not self._kafka_answers:
            return StaleReason.KAFKA_UNREACHABLE
        if row["current_at"] is None:
            return StaleReason.NEVER_READ
        if row["log_incomplete"]:
            return StaleReason.LOG_INCOMPLETE
        return StaleReason.CATCHING_UP if row["reading"] else StaleReason.PROJECTOR_STOPPED


async def closed_day(conn: Connection, generation: int, shards: int) -> date | None:
    """The deployment's closed day, if there is one."""
    day: date | None = await conn.fetchval(f"SELECT {CLOSED_DAY.format(shards='$2', generation='$1')}", generation, shards)
    return day


async def log_incomplete(conn: Connection, generation: int) -> bool:
    """Whether a reader found that the log lacks something that was folded."""
    found: bool = await conn.fetchval(f"SELECT {LOG_INCOMPLETE_SQL.format(generation='$1', lost=LOST)}", generation)
    return found


async def kafka_answers(bootstrap: str) -> bool:
    """Whether a broker answers the first request of the protocol. A connection is not enough: a frozen broker accepts those."""
    return any(await asyncio.gather(*map(_broker_answers, bootstrap.split(","))))


async def _broker_answers(server: str) -> bool:
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
