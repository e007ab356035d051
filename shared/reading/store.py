"""What is stored of a shard, as a reader loads it when it begins (tables: shared/sql/reading.sql); and what else more than one step needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

from shared.process.db import Connection, Record
from shared.reading.config import ReaderConfig
from shared.reading.heads import heads
from shared.sequencing.records import RecordKey, Stream, decode
from shared.sequencing.restoring import HeldRow, WithdrawnRow, restore_streams
from shared.sequencing.shard import Shard
from shared.sequencing.streams import ShardStreams, WaitingEvent, WithdrawnRange

WANTED = """
UPDATE held SET retry_wanted = false FROM shards AS s
WHERE held.generation = $1 AND held.retry_wanted AND s.generation = $1 AND s.shard = held.shard AND s.owner = $2
RETURNING held.shard, held.topic, held."offset"
"""
WAITING = """
SELECT topic, "offset", source, subject, sequence, event_id, kind, known_day,
    CASE WHEN position('event-withdrawn'::bytea in event) > 0 THEN event END AS may_withdraw
FROM held WHERE generation = $1 AND shard = $2 AND sequence > 0 ORDER BY at
"""
UNAPPLIED = """
SELECT w.source, w.subject, w.sequence, w.first, w.last, w.event_id, w.generation = $1 AS own FROM withdrawn AS w
WHERE (w.generation <> $1 OR w.shard = $2) AND w.sequence > coalesce((
    SELECT s.sequence FROM seen AS s WHERE s.generation = $1 AND s.shard = $2 AND s.source = w.source AND s.subject = w.subject
), 0) ORDER BY own, w.generation
"""
WITHDRAWN = """
SELECT DISTINCT ON (source, subject, sequence) source, subject, sequence, first, last, event_id FROM withdrawn
ORDER BY source, subject, sequence, generation <> $1, generation DESC
"""
CLOSE = "UPDATE shards SET closings = $3, closed = $4 WHERE generation = $1 AND shard = $2"


async def load_streams(conn: Connection, config: ReaderConfig, shard: Shard) -> ShardStreams:
    """The streams of a shard as its rows have them; parked events not yet tried again since the start become ready."""
    generation = config.generation
    held = [_held_row(shard.number, row) for row in await conn.fetch(WAITING, generation, shard.number)]
    unapplied = [
        WithdrawnRow((row["source"], row["subject"]), row["sequence"], _range(row), row["own"])
        for row in await conn.fetch(UNAPPLIED, generation, shard.number)
    ]
    wanted = {row.stream for row in held} | {row.stream for row in unapplied}
    last = await heads(conn, generation, shard.number, wanted, await config.elsewhere(conn))
    found = restore_streams(last, held, unapplied, shard.tried, shard.closed)
    found.closings = dict(shard.closings)
    return found


async def withdrawn(conn: Connection, generation: int) -> dict[Stream, dict[int, WithdrawnRange]]:
    """{stream: {sequence of a withdrawal: what it dropped}}: as `generation` has accepted it, or else the latest other one."""
    found: dict[Stream, dict[int, WithdrawnRange]] = {}
    for row in await conn.fetch(WITHDRAWN, generation):
        found.setdefault((row["source"], row["subject"]), {})[row["sequence"]] = _range(row)
    return found


def _range(row: Record) -> WithdrawnRange:
    return WithdrawnRange(row["first"], row["last"], row["event_id"])


def _held_row(shard: int, row: Record) -> HeldRow:
    raw = row["may_withdraw"]
    withdrawal = decode(row["topic"], shard, row["offset"], raw, held=row["kind"]) if raw is not None else None
    waiting = WaitingEvent(row["event_id"], (row["topic"], row["offset"]), row["kind"], row["known_day"])
    return HeldRow((row["source"], row["subject"]), waiting, row["sequence"], withdrawal)


def days_of(stored: Mapping[str, str]) -> dict[str, date]:
    """{topic: day} of `shards.closings`."""
    return {topic: date.fromisoformat(day) for topic, day in stored.items()}


async def close(conn: Connection, generation: int, shard: int, closings: Mapping[str, date], closed: date | None) -> None:
    """Write which days are closed in a shard."""
    await conn.execute(CLOSE, generation, shard, dict(closings), closed)


def columns_of(rows: Iterable[tuple[object, ...]]) -> list[list[object]]:
    """Rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


async def retries_wanted(conn: Connection, generation: int, owner: str) -> dict[int, set[RecordKey]]:
    """{shard of `owner`: held events for which a retry was requested}; clears the requests."""
    found: dict[int, set[RecordKey]] = {}
    for row in await conn.fetch(WANTED, generation, owner):
        found.setdefault(row["shard"], set()).add((row["topic"], row["offset"]))
    return found
