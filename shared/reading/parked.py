"""Held streams for operators: list them, request a retry (the reader looks for requests once a second), count them for alerts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from shared.process.db import Connection

STREAMS = """
WITH h AS (
    SELECT *, CASE WHEN sequence = 0 THEN format('%s/%s/%s', topic, shard, "offset") ELSE '' END AS place FROM held WHERE generation = $1
), heads AS (
    SELECT DISTINCT ON (source, subject, place) source, subject, place, kind, sequence, count(*) OVER w - 1 AS waiting, min(at) OVER w AS since,
        error, topic, shard AS partition, "offset", event_id, tried_at, retry_wanted
    FROM h WINDOW w AS (PARTITION BY source, subject, place) ORDER BY source, subject, place, kind <> 'fork', sequence
)
SELECT *, (SELECT sequence FROM seen AS s WHERE s.generation = $1 AND s.shard = partition AND s.source = heads.source
    AND s.subject = heads.subject) AS applied
FROM heads WHERE ($2::text IS NULL OR kind = $2) AND ($3::text IS NULL OR subject = $3) AND (source, subject, place) > ($4, $5, $6)
ORDER BY source, subject, place LIMIT $7
"""
EVENTS = """
SELECT sequence, kind, topic, shard AS partition, "offset", event_id, error, at, tried_at, event FROM held
WHERE generation = $1 AND source = $2 AND subject = $3 AND (sequence, topic, "offset") > ($4, $5, $6) ORDER BY sequence, topic, "offset" LIMIT $7
"""
RETRY = """
WITH heads AS (
    SELECT DISTINCT ON (source, subject) shard, topic, "offset", kind FROM held
    WHERE generation = $1 AND sequence > 0 AND ($2::text IS NULL OR source = $2) AND ($3::text IS NULL OR subject = $3)
    ORDER BY source, subject, kind <> 'fork', sequence
)
UPDATE held SET retry_wanted = true FROM heads
WHERE held.generation = $1 AND held.shard = heads.shard AND held.topic = heads.topic AND held."offset" = heads."offset"
    AND heads.kind IN ('refused', 'unreadable')
"""
SUMMARY = """
SELECT (SELECT count(*) FROM (SELECT DISTINCT source, subject, CASE WHEN sequence = 0 THEN "offset" END FROM held WHERE generation = $1) AS s)
    AS streams, (SELECT max(halted) FROM shards WHERE generation = $1) AS halted
"""


class HeldStream(NamedTuple):
    """A stream that stands still. `kind` and `error` are those of the event at `sequence`, where it stands; `waiting` events wait behind it.

    `kind` `early`: the event before it never arrived. `place`: where bytes that name no stream are in the log (topic/partition/offset), else
    empty. `since` = when the first event was held, `applied` = the last sequence applied (None: none).
    """

    source: str
    subject: str
    place: str
    kind: str
    sequence: int
    waiting: int
    since: datetime
    error: str | None
    topic: str
    partition: int
    offset: int
    event_id: UUID | None
    tried_at: datetime | None
    retry_wanted: bool
    applied: int | None


class HeldEvent(NamedTuple):
    """One held event; `event` are the bytes of the log."""

    sequence: int
    kind: str
    topic: str
    partition: int
    offset: int
    event_id: UUID | None
    error: str | None
    at: datetime
    tried_at: datetime | None
    event: bytes


@dataclass(frozen=True, slots=True)
class HeldSummary:
    """What a reader holds: events by kind, streams that stand still, and why the reader has halted (None: it has not)."""

    events: dict[str, int]
    streams: int
    halted: str | None = None


async def serving(conn: Connection) -> int:
    """The serving generation."""
    return int(await conn.fetchval("SELECT id FROM generations WHERE status = 'serving'"))


async def streams(
    conn: Connection,
    generation: int,
    *,
    kind: str | None = None,
    subject: str | None = None,
    after: tuple[str, str, str] = ("", "", ""),
    limit: int,
) -> list[HeldStream]:
    """Held streams by (source, subject, place)."""
    return [HeldStream(*row) for row in await conn.fetch(STREAMS, generation, kind, subject, *after, limit)]


async def events(
    conn: Connection, generation: int, source: str, subject: str, *, after: tuple[int, str, int] = (-1, "", -1), limit: int
) -> list[HeldEvent]:
    """The held events of one stream in sequence."""
    return [HeldEvent(*row) for row in await conn.fetch(EVENTS, generation, source, subject, *after, limit)]


async def retry(conn: Connection, generation: int, source: str | None = None, subject: str | None = None) -> int:
    """Request a retry of the parked heads of these streams (None: of all); how many. Forks and gaps cannot be retried."""
    status: str = await conn.execute(RETRY, generation, source, subject)
    return int(status.split()[-1])


async def held_counts(conn: Connection, generation: int) -> dict[str, int]:
    """{kind: how many events are kept and not applied}; kinds: `early`, `unreadable`, `refused`, `fork`, `late`."""
    rows = await conn.fetch("SELECT kind, count(*) AS n FROM held WHERE generation = $1 GROUP BY kind", generation)
    return {row["kind"]: row["n"] for row in rows}


async def held_summary(conn: Connection, generation: int) -> HeldSummary:
    """What a generation's reader holds, whichever process it runs in."""
    row = await conn.fetchrow(SUMMARY, generation)
    assert row is not None, "a statement without FROM has a row"
    return HeldSummary(await held_counts(conn, generation), row["streams"], row["halted"])
