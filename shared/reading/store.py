"""The statements by which a reader loads and writes the state of a shard (tables: shared/sql/reading.sql). Those of `ownership` stand there."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from datetime import date, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from shared.process import db
from shared.process.db import Connection, Record
from shared.reading import head_store
from shared.sequencing.closed_days import NO_DAY, DayOf
from shared.sequencing.plan import BatchPlan, ParkedEvent
from shared.sequencing.records import Received, RecordKey, Stream, decode
from shared.sequencing.restoring import HeldRow, WithdrawnRow, restore_streams
from shared.sequencing.shard import Shard
from shared.sequencing.streams import Head, ShardStreams, WaitingEvent, WithdrawnRange

MOVE = """
WITH moved AS (
    UPDATE shards AS s SET next = w.next, newest = w.newest, version = s.version + 1, updated_at = parkunion_now()
    FROM unnest($2::int[], $3::bigint[], $4::jsonb[], $5::jsonb[]) AS w(shard, version, next, newest)
    WHERE s.generation = $1 AND s.shard = w.shard AND s.version = w.version
    RETURNING s.shard
), saw AS (
    INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
    SELECT $1, w.* FROM unnest(
        $6::text::int[], $7::text::text[], $8::text::text[], $9::text::bigint[], $10::text::uuid[], $11::text::timestamptz[]
    ) AS w(shard, source, subject, sequence, event_id, time) WHERE w.shard IN (SELECT shard FROM moved)
    ON CONFLICT (generation, shard, source, subject) DO UPDATE
        SET sequence = excluded.sequence, event_id = excluded.event_id, time = excluded.time
)
SELECT shard FROM moved
"""
"""One message for all: an event that comes alone is paid for in round trips."""
SEE_FIRST = """
INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
SELECT $1, * FROM unnest($2::text::int[], $3::text::text[], $4::text::text[], $5::text::bigint[], $6::text::uuid[], $7::text::timestamptz[])
"""
LEAST_FIRST = 300
"""New streams from which a statement of their own pays: to look for a row that conflicts, and to log that there is none, costs as much as the row."""
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
ACCEPT = """
INSERT INTO withdrawn (generation, shard, source, subject, sequence, first, last, event_id)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bigint[], $8::uuid[]) ON CONFLICT DO NOTHING
"""
KEPT = """
SELECT topic, "offset", source, subject, sequence, kind, event FROM unnest($3::text[], $4::text[]) AS w(source, subject) CROSS JOIN LATERAL (
    SELECT topic, "offset", sequence, kind, event FROM held
    WHERE generation = $1 AND shard = $2 AND held.source = w.source AND held.subject = w.subject AND kind <> 'fork' OFFSET 0
) AS h
"""
PARK = """
INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, event_id, kind, error, event, known_day)
SELECT $1, $2, * FROM unnest(
    $3::text[], $4::bigint[], $5::text[], $6::text[], $7::bigint[], $8::uuid[], $9::text[], $10::text[], $11::bytea[], $12::date[]
)
ON CONFLICT (generation, shard, topic, "offset") DO UPDATE SET kind = excluded.kind, error = excluded.error,
    known_day = excluded.known_day, retry_wanted = false, tried_at = parkunion_now()
"""
RELEASE = """
DELETE FROM held USING unnest($3::text[], $4::bigint[]) AS r(topic, "offset")
WHERE held.generation = $1 AND held.shard = $2 AND held.topic = r.topic AND held."offset" = r."offset"
"""

OLDEST_HELD = """
SELECT coalesce(known_day, $3) FROM held WHERE generation = $1 AND shard = $2 AND kind <> 'late' ORDER BY known_day NULLS FIRST LIMIT 1
"""
CLOSE = "UPDATE shards SET closings = $3, closed = $4 WHERE generation = $1 AND shard = $2"


async def load_streams(conn: Connection, generation: int, shard: Shard) -> ShardStreams:
    """The streams of a shard as its rows have them; parked events not yet tried again since the start become ready."""
    held = [_held_row(shard.number, row) for row in await conn.fetch(WAITING, generation, shard.number)]
    unapplied = [
        WithdrawnRow((row["source"], row["subject"]), row["sequence"], _range(row), row["own"])
        for row in await conn.fetch(UNAPPLIED, generation, shard.number)
    ]
    wanted = {row.stream for row in held} | {row.stream for row in unapplied}
    found = restore_streams(await head_store.heads(conn, generation, shard.number, wanted), held, unapplied, shard.tried, shard.closed)
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


async def kept_events(conn: Connection, generation: int, shard: int, wanted: Collection[Stream]) -> dict[Stream, dict[int, Received]]:
    """{stream: {sequence: held event}}, decoded again: a newer release may understand more."""
    kept: dict[Stream, dict[int, Received]] = {}
    if wanted:
        for row in await conn.fetch(KEPT, generation, shard, *columns_of(wanted)):
            record = decode(row["topic"], shard, row["offset"], row["event"], held=row["kind"])
            kept.setdefault((row["source"], row["subject"]), {})[row["sequence"]] = record
    return kept


_SeenRow: TypeAlias = tuple[int, str, str, int, UUID, datetime]


class Move(NamedTuple):
    """The position that a shard gets, the greatest times read, and the new heads of the streams of which something was applied.

    `first`: streams of which the same transaction has found no row of `seen`. Whoever wrote one since would have moved the shard, too, so it is
    no longer at its version and nothing is written.
    """

    shard: Shard
    next: Mapping[str, int]
    newest: Mapping[str, datetime]
    heads: Mapping[Stream, Head]
    first: Set[Stream] = frozenset()


async def move(conn: Connection, generation: int, moves: Sequence[Move]) -> set[int]:
    """Move those shards that are still at their version, with what was seen of their streams; returns them. Others had another owner since."""
    shards = columns_of((one.shard.number, one.shard.version, dict(one.next), dict(one.newest)) for one in moves)
    apart = sum(len(one.first) for one in moves) >= LEAST_FIRST
    first, seen = list[_SeenRow](), list[_SeenRow]()
    for one in moves:
        for stream, head in one.heads.items():
            (first if apart and stream in one.first else seen).append((one.shard.number, *stream, *head))
    moved = {row["shard"] for row in await conn.fetch(MOVE, generation, *shards, *_seen_texts(seen))}
    if found := [row for row in first if row[0] in moved]:
        await conn.execute(SEE_FIRST, generation, *_seen_texts(found))
    return moved


def _seen_texts(rows: Iterable[_SeenRow]) -> tuple[str, ...]:
    """Rows of `seen` as the texts of six arrays; in their order, since neighbours in an index are then written together."""
    ordered = sorted(rows)
    numbers, sources, subjects, *heads = zip(*ordered, strict=True) if ordered else ((),) * 6
    return (db.array(numbers), db.text_array(sources), db.text_array(subjects), *map(db.array, heads))


async def write(conn: Connection, generation: int, shard: int, plan: BatchPlan, day_of: DayOf | None = None) -> None:
    """Write what a plan holds back, in at most three statements. Without `day_of` held events have no known day."""
    if plan.accepted:
        accepted = [(*stream, sequence, *dropped) for (stream, sequence), dropped in plan.accepted.items()]
        await conn.execute(ACCEPT, generation, shard, *columns_of(accepted))
    if plan.released:
        await conn.execute(RELEASE, generation, shard, *columns_of(plan.released))
    if plan.park:
        await conn.execute(PARK, generation, shard, *columns_of(held_row(parked, day_of) for parked in plan.park.values()))


def held_row(parked: ParkedEvent, day_of: DayOf | None) -> tuple[object, ...]:
    """A row of `held` from `topic` on, in the order of PARK and of a rebuild's COPY."""
    record = parked.record
    known = day_of(record.time) if day_of is not None and record.time is not None else None
    return (
        *(record.topic, record.offset, *record.stream, record.sequence, record.event_id),
        *(parked.kind, parked.error.replace("\x00", "") if parked.error else None, record.raw, known),
    )


def days_of(stored: Mapping[str, str]) -> dict[str, date]:
    """{topic: day} of `shards.closings`."""
    return {topic: date.fromisoformat(day) for topic, day in stored.items()}


async def oldest_held(conn: Connection, generation: int, shard: int) -> date | None:
    """The earliest known day of the held events, NO_DAY if one has none; None: nothing is held."""
    day: date | None = await conn.fetchval(OLDEST_HELD, generation, shard, NO_DAY)
    return day


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
