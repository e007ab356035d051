"""Every statement by which a reader reads and writes what it knows of a shard (tables: shared/sql/reading.sql); `owning` has those of who reads it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import date, datetime

from shared.process.db import Connection, Record
from shared.sequencing.closed_days import NO_DAY
from shared.sequencing.records import Received, Stream, received
from shared.sequencing.restoring import GoneRow, HeldRow, restored
from shared.sequencing.shard import Shard
from shared.sequencing.streams import At, Head, Parked, Sorted, StreamsOfShard, Waiting, Withdrawal

MOVE = """
UPDATE shards SET next = $4, newest = $5, version = version + 1, updated_at = parkunion_now()
WHERE generation = $1 AND shard = $2 AND version = $3
"""
WANTED = """
UPDATE held SET retry_wanted = false FROM shards AS s
WHERE held.generation = $1 AND held.retry_wanted AND s.generation = $1 AND s.shard = held.shard AND s.owner = $2
RETURNING held.shard, held.topic, held."offset"
"""
HEADS = """
SELECT source, subject, sequence, event_id, time FROM unnest($3::text[], $4::text[]) AS w(source, subject) CROSS JOIN LATERAL (
    SELECT sequence, event_id, time FROM seen
    WHERE generation = $1 AND shard = $2 AND seen.source = w.source AND seen.subject = w.subject OFFSET 0
) AS s
"""
SEE = """
INSERT INTO seen (generation, shard, source, subject, sequence, event_id, time)
SELECT $1, $2, * FROM unnest($3::text[], $4::text[], $5::bigint[], $6::uuid[], $7::timestamptz[])
ON CONFLICT (generation, shard, source, subject) DO UPDATE SET sequence = excluded.sequence, event_id = excluded.event_id, time = excluded.time
"""
WAITING = """
SELECT topic, "offset", source, subject, sequence, event_id, kind, known_day,
    CASE WHEN position('event-withdrawn'::bytea in event) > 0 THEN event END AS may_withdraw
FROM held WHERE generation = $1 AND shard = $2 AND sequence > 0 ORDER BY at
"""
GONE = """
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


async def load_streams(conn: Connection, generation: int, shard: Shard) -> StreamsOfShard:
    """What waits in a shard, read anew; parked heads not yet tried again since the start become ready."""
    rows = await conn.fetch(WAITING, generation, shard.number)
    gone = [
        GoneRow((row["source"], row["subject"]), row["sequence"], Withdrawal(row["first"], row["last"], row["event_id"]), row["own"])
        for row in await conn.fetch(GONE, generation, shard.number)
    ]
    held = [_waiting(shard.number, row) for row in rows]
    streams = StreamsOfShard()
    await look_up(conn, generation, shard.number, streams, {row.stream for row in held} | {row.stream for row in gone})
    found = restored(streams.heads, held, gone, shard.tried, shard.closed)
    found.closings = dict(shard.closings)
    return found


async def withdrawn(conn: Connection, generation: int) -> dict[Stream, dict[int, Withdrawal]]:
    """{stream: {sequence of a withdrawal: what it let go}}: as `generation` saw it arrive, or the latest other generation that did."""
    found: dict[Stream, dict[int, Withdrawal]] = {}
    for row in await conn.fetch(WITHDRAWN, generation):
        known = Withdrawal(row["first"], row["last"], row["event_id"])
        found.setdefault((row["source"], row["subject"]), {})[row["sequence"]] = known
    return found


def _waiting(shard: int, row: Record) -> HeldRow:
    at, raw = (row["topic"], row["offset"]), row["may_withdraw"]
    withdraws = received(row["topic"], shard, row["offset"], raw, held=row["kind"]) if raw is not None else None
    return HeldRow((row["source"], row["subject"]), Waiting(row["event_id"], at, row["kind"], row["known_day"]), row["sequence"], withdraws)


async def look_up(conn: Connection, generation: int, shard: int, streams: StreamsOfShard, wanted: Collection[Stream]) -> None:
    """Learn the heads of streams."""
    if not wanted:
        return
    rows = await conn.fetch(HEADS, generation, shard, [source for source, _ in wanted], [subject for _, subject in wanted])
    streams.heads.update(dict.fromkeys(wanted))
    streams.heads.update({(row["source"], row["subject"]): Head(row["sequence"], row["event_id"], row["time"]) for row in rows})


async def kept_events(conn: Connection, generation: int, shard: int, wanted: Collection[Stream]) -> dict[Stream, dict[int, Received]]:
    """The held events of streams, by sequence, read again (a newer release may understand more)."""
    kept: dict[Stream, dict[int, Received]] = {}
    if wanted:
        rows = await conn.fetch(KEPT, generation, shard, [source for source, _ in wanted], [subject for _, subject in wanted])
        for row in rows:
            record = received(row["topic"], shard, row["offset"], row["event"], held=row["kind"])
            kept.setdefault((row["source"], row["subject"]), {})[row["sequence"]] = record
    return kept


async def move(
    conn: Connection, generation: int, shard: int, version: int, next: Mapping[str, int], newest: Mapping[str, datetime]
) -> bool:
    """Move the position, if the shard is still at `version`; false: another instance owns it."""
    status: str = await conn.execute(MOVE, generation, shard, version, dict(next), dict(newest))
    return status == "UPDATE 1"


async def write(
    conn: Connection,
    generation: int,
    shard: int,
    plan: Sorted,
    heads: Mapping[Stream, Head | None],
    day_of: Callable[[datetime], date] | None = None,
) -> None:
    """Write what became of a batch, in at most four statements. `day_of` tells the known day of what is held; without it no day closes."""
    if plan.changed:
        changed = [(*stream, *head) for stream in plan.changed if (head := heads[stream]) is not None]
        await conn.execute(SEE, generation, shard, *map(list, zip(*changed, strict=True)))
    if plan.accepted:
        accepted = [(*stream, sequence, *withdrawal) for (stream, sequence), withdrawal in plan.accepted.items()]
        await conn.execute(ACCEPT, generation, shard, *columns_of(accepted))
    if plan.released:
        await conn.execute(RELEASE, generation, shard, *columns_of(plan.released))
    if plan.park:
        await conn.execute(PARK, generation, shard, *columns_of(held_row(parked, day_of) for parked in plan.park.values()))


def held_row(parked: Parked, day_of: Callable[[datetime], date] | None) -> tuple[object, ...]:
    """A row of `held` from its topic on, as PARK and a rebuild write it."""
    record = parked.record
    known = day_of(record.time) if day_of is not None and record.time is not None else None
    return (
        *(record.topic, record.offset, *record.stream, record.sequence, record.event_id),
        *(parked.kind, parked.error.replace("\x00", "") if parked.error else None, record.raw, known),
    )


def days_of(stored: Mapping[str, str]) -> dict[str, date]:
    """{topic: day} as `shards.closings` keeps it."""
    return {topic: date.fromisoformat(day) for topic, day in stored.items()}


async def oldest_held(conn: Connection, generation: int, shard: int) -> date | None:
    """The earliest known day of what a shard holds (NO_DAY if one does not tell its day); None: it holds nothing."""
    day: date | None = await conn.fetchval(OLDEST_HELD, generation, shard, NO_DAY)
    return day


async def close(conn: Connection, generation: int, shard: int, closings: Mapping[str, date], closed: date | None) -> None:
    """Write which days are closed in a shard."""
    await conn.execute(CLOSE, generation, shard, dict(closings), closed)


def columns_of(rows: Iterable[tuple[object, ...] | At]) -> list[list[object]]:
    """Rows as the arrays that `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


async def wanted_again(conn: Connection, generation: int, me: str) -> dict[int, set[At]]:
    """{shard of ours: held events that somebody asks to be tried again}; asked once."""
    found: dict[int, set[At]] = {}
    for row in await conn.fetch(WANTED, generation, me):
        found.setdefault(row["shard"], set()).add((row["topic"], row["offset"]))
    return found
