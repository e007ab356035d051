"""Every statement of the reading half (tables: shared/sql/reading.sql)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import date, datetime

import structlog

from shared.broker import Extent, Place, Topic
from shared.db import Connection, Record
from shared.reading.days import NO_DAY
from shared.reading.records import Received, Stream, received
from shared.reading.restoring import GoneRow, HeldRow, restored
from shared.reading.shard import Shard
from shared.reading.sorting import At, Head, Parked, Sorted, StreamsOfShard, Waiting, Withdrawal

log = structlog.get_logger(__name__)


class Halted(Exception):
    """The reader must not go on by itself; a person has to look. Nothing was lost: the position stays where it is."""


CREATE = "INSERT INTO shards (generation, shard) SELECT $1, unnest($2::int[]) ON CONFLICT DO NOTHING"
OWNERS = "SELECT DISTINCT owner FROM shards WHERE generation = $1 AND shard = ANY($2::int[]) AND owner <> $3"
END_SESSIONS = """
SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity
WHERE application_name = ANY($1::text[]) AND datname = current_database() AND pid <> pg_backend_pid()
"""
POSITIONS = "SELECT * FROM shards WHERE generation = $1 AND shard = ANY($2::int[]) ORDER BY shard FOR UPDATE"
OWN = """
UPDATE shards AS s SET owner = $2, version = version + 1, next = n.next, topic_ids = n.ids, updated_at = parkunion_now(), halted = NULL
FROM unnest($3::int[], $4::jsonb[], $5::jsonb[]) AS n(shard, next, ids) WHERE s.generation = $1 AND s.shard = n.shard
"""
LOST = ""
"""Stands in `topic_ids` for the id of a topic of which the log does not hold what was read before. It is no topic's id, so that whoever takes
the shard over meanwhile, also a reader of an older release, begins at the topic's beginning again."""
FOUND_AGAIN = "UPDATE shards SET topic_ids = topic_ids || $3 WHERE generation = $1 AND shard = $2"
MOVE = """
UPDATE shards SET next = $4, newest = $5, version = version + 1, updated_at = parkunion_now()
WHERE generation = $1 AND shard = $2 AND version = $3
"""
FORGET_HELD = """
DELETE FROM held USING unnest($2::int[], $3::text[]) AS a(shard, topic)
WHERE held.generation = $1 AND held.shard = a.shard AND held.topic = a.topic
"""
HALT = "UPDATE shards SET halted = $3 WHERE generation = $1 AND shard = ANY($2::int[])"
WANTED = """
UPDATE held SET retry_wanted = false FROM shards AS s
WHERE held.generation = $1 AND held.retry_wanted AND s.generation = $1 AND s.shard = held.shard AND s.owner = $2
RETURNING held.shard, held.topic, held."offset"
"""
GIVE_UP = "UPDATE shards SET owner = NULL WHERE generation = $1 AND shard = ANY($2::int[]) AND owner = $3"
REPORT = """
UPDATE shards AS s SET ends = r.ends, current_at = CASE WHEN r.current THEN parkunion_now() ELSE s.current_at END
FROM unnest($3::int[], $4::jsonb[], $5::bool[]) AS r(shard, ends, current)
WHERE s.generation = $1 AND s.owner = $2 AND s.shard = r.shard
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
), 0)
"""
WITHDRAWN = "SELECT DISTINCT source, subject, sequence, first, last, event_id FROM withdrawn"
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


async def take_over(
    conn: Connection,
    generation: int,
    me: str,
    numbers: Sequence[int],
    topics: Mapping[str, Topic],
    extents: Mapping[Place, Extent],
    limit: int,
) -> list[Shard]:
    """Become the owner of shards: end the sessions of whoever was, raise the versions, and say where to read on.

    Raises Halted if a topic no longer begins where we stand. A topic that was made anew, or that ends before our position (it lost its tail),
    is read from its beginning, and known events are dropped by sequence; what was held of it comes again if its source still knows it, so it
    is forgotten with the old offsets. Until that was read again, the shard says that something is lost (`LOST`).
    """
    await conn.execute(CREATE, generation, numbers)
    # Without this a frozen owner's open transaction blocks its successor; no idle timeout covers a stall inside COPY.
    if owners := [row["owner"] for row in await conn.fetch(OWNERS, generation, numbers, me)]:
        await conn.execute(END_SESSIONS, owners)
    async with conn.transaction():
        rows = await conn.fetch(POSITIONS, generation, numbers)
        again = [(row["shard"], topic) for row in rows for topic in topics if _begins_again(row, topic, topics, extents)]
        shards = [
            Shard(
                number=row["shard"],
                version=row["version"] + 1,
                next=_position(row, topics, extents),
                newest={topic: datetime.fromisoformat(time) for topic, time in row["newest"].items()},
                ends={topic: extents[topic, row["shard"]].end for topic in topics},
                limit=limit,
                pending={topic: deque() for topic in topics},
                topic_ids={topic: found.id for topic, found in topics.items()},
                lost={topic for topic in topics if (row["shard"], topic) in again and topic in row["newest"]},
                closings=_days(row["closings"]),
                closed=row["closed"],
            )
            for row in rows
        ]
        told = [(shard.number, shard.next, {**shard.topic_ids, **dict.fromkeys(shard.lost, LOST)}) for shard in shards]
        await conn.execute(OWN, generation, me, *_columns(told))
        if again:
            log.critical(
                "reader.topic_made_anew", reader=me, topics=sorted({topic for _, topic in again}), shards=len({n for n, _ in again})
            )
            await conn.execute(FORGET_HELD, generation, *_columns(again))
            await _open_again(conn, generation, shards, again)
    for shard in shards:
        shard.streams = await load_streams(conn, generation, shard)
    return shards


async def _open_again(conn: Connection, generation: int, shards: Sequence[Shard], again: Sequence[tuple[int, str]]) -> None:
    """What was held of a topic kept its days open and comes again: only the days that are closed in the shard stay closed of the topic."""
    for shard in shards:
        for topic in {topic for number, topic in again if number == shard.number} & shard.closings.keys():
            if shard.closed is None:
                del shard.closings[topic]
            else:
                shard.closings[topic] = shard.closed
        await close(conn, generation, shard.number, shard.closings, shard.closed)


async def read_again(conn: Connection, generation: int, shard: Shard, limit: int) -> Shard:
    """The shard as it stands in the database now."""
    row = await conn.fetchrow(
        "SELECT next, newest, topic_ids, version, closings, closed FROM shards WHERE generation = $1 AND shard = $2",
        generation,
        shard.number,
    )
    if row is None:
        raise Halted(f"the row of shard {shard.number} is gone")
    found = Shard(
        number=shard.number,
        version=row["version"],
        next={topic: row["next"].get(topic, 0) for topic in shard.next},
        newest={topic: datetime.fromisoformat(time) for topic, time in row["newest"].items()},
        ends=shard.ends,
        limit=limit,
        pending={topic: deque() for topic in shard.pending},
        topic_ids=shard.topic_ids,
        lost={topic for topic in shard.topic_ids if row["topic_ids"].get(topic) == LOST},
        closings=_days(row["closings"]),
        closed=row["closed"],
    )
    found.streams = await load_streams(conn, generation, found)
    return found


def _position(row: Record, topics: Mapping[str, Topic], extents: Mapping[Place, Extent]) -> dict[str, int]:
    position: dict[str, int] = dict(row["next"])
    for topic in topics:
        begin = extents[topic, row["shard"]].begin
        position[topic] = 0 if _begins_again(row, topic, topics, extents) else position.get(topic, 0)
        if (at := position[topic]) < begin:
            raise Halted(f"{topic}/{row['shard']} begins at {begin} but we have read only up to {at}: events were deleted from the log")
    return position


def _begins_again(row: Record, topic: str, topics: Mapping[str, Topic], extents: Mapping[Place, Extent]) -> bool:
    """Whether the offsets that a shard keeps of a topic are not those of what lies in the log: another topic of the same name, or a lost tail."""
    made_anew: bool = row["topic_ids"].get(topic, topics[topic].id) != topics[topic].id
    at: int = row["next"].get(topic, 0)
    return made_anew or at > extents[topic, row["shard"]].end


async def found_again(conn: Connection, generation: int, shard: Shard, topics: Collection[str]) -> None:
    """Say that the log holds again what was read of topics before."""
    await conn.execute(FOUND_AGAIN, generation, shard.number, {topic: shard.topic_ids[topic] for topic in topics})


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
    found = restored(streams.heads, held, gone, shard.tried)
    found.closings = dict(shard.closings)
    return found


async def withdrawn(conn: Connection) -> dict[Stream, dict[int, Withdrawal]]:
    """{stream: {sequence of a withdrawal: what it names}}: whatever a reader of this service has ever accepted."""
    found: dict[Stream, dict[int, Withdrawal]] = {}
    for row in await conn.fetch(WITHDRAWN):
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
        await conn.execute(ACCEPT, generation, shard, *_columns(accepted))
    if plan.released:
        await conn.execute(RELEASE, generation, shard, *_columns(plan.released))
    if plan.park:
        await conn.execute(PARK, generation, shard, *_columns(held_row(parked, day_of) for parked in plan.park.values()))


def held_row(parked: Parked, day_of: Callable[[datetime], date] | None) -> tuple[object, ...]:
    """A row of `held` from its topic on, as PARK and a rebuild write it."""
    record = parked.record
    known = day_of(record.time) if day_of is not None and record.time is not None else None
    return (
        *(record.topic, record.offset, *record.stream, record.sequence, record.event_id),
        *(parked.kind, parked.error.replace("\x00", "") if parked.error else None, record.raw, known),
    )


def _days(stored: Mapping[str, str]) -> dict[str, date]:
    return {topic: date.fromisoformat(day) for topic, day in stored.items()}


async def oldest_held(conn: Connection, generation: int, shard: int) -> date | None:
    """The earliest known day of what a shard holds (NO_DAY if one does not tell its day); None: it holds nothing."""
    day: date | None = await conn.fetchval(OLDEST_HELD, generation, shard, NO_DAY)
    return day


async def close(conn: Connection, generation: int, shard: int, closings: Mapping[str, date], closed: date | None) -> None:
    """Write which days are closed in a shard."""
    await conn.execute(CLOSE, generation, shard, dict(closings), closed)


def _columns(rows: Iterable[tuple[object, ...] | At]) -> list[list[object]]:
    return [list(column) for column in zip(*rows, strict=True)]


async def give_up(conn: Connection, generation: int, me: str, numbers: Sequence[int]) -> None:
    """Say that nobody needs to end our sessions."""
    await conn.execute(GIVE_UP, generation, numbers, me)


async def report(conn: Connection, generation: int, me: str, shards: Sequence[tuple[int, Mapping[str, int], bool]]) -> None:
    """Tell how far the logs of our shards reach, and which of them lack nothing at this moment."""
    await conn.execute(REPORT, generation, me, *_columns(shards))


async def wanted_again(conn: Connection, generation: int, me: str) -> dict[int, set[At]]:
    """{shard of ours: held events that somebody asks to be tried again}; asked once."""
    found: dict[int, set[At]] = {}
    for row in await conn.fetch(WANTED, generation, me):
        found.setdefault(row["shard"], set()).add((row["topic"], row["offset"]))
    return found


async def halt(conn: Connection, generation: int, numbers: Sequence[int], reason: str) -> None:
    """Tell in the database that shards are not read any more until a person has looked."""
    await conn.execute(HALT, generation, list(numbers), reason[:500])
