"""Who reads a shard: every statement by which one reader succeeds another, and tells how far it is (tables: shared/sql/reading.sql)."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog

from shared.broker.protocol import Extent, Place, Topic
from shared.process.db import Connection, Record
from shared.reading.store import close, columns_of, days_of, load_streams
from shared.sequencing.shard import Shard

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
FORGET_HELD = """
DELETE FROM held USING unnest($2::int[], $3::text[]) AS a(shard, topic)
WHERE held.generation = $1 AND held.shard = a.shard AND held.topic = a.topic
"""
HALT = "UPDATE shards SET halted = $3 WHERE generation = $1 AND shard = ANY($2::int[])"
GIVE_UP = "UPDATE shards SET owner = NULL WHERE generation = $1 AND shard = ANY($2::int[]) AND owner = $3"
REPORT = """
UPDATE shards AS s SET ends = r.ends, current_at = CASE WHEN r.current THEN parkunion_now() ELSE s.current_at END
FROM unnest($3::int[], $4::jsonb[], $5::bool[]) AS r(shard, ends, current)
WHERE s.generation = $1 AND s.owner = $2 AND s.shard = r.shard
"""


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
                closings=days_of(row["closings"]),
                closed=row["closed"],
            )
            for row in rows
        ]
        told = [(shard.number, shard.next, {**shard.topic_ids, **dict.fromkeys(shard.lost, LOST)}) for shard in shards]
        await conn.execute(OWN, generation, me, *columns_of(told))
        if again:
            log.critical(
                "reader.topic_made_anew", reader=me, topics=sorted({topic for _, topic in again}), shards=len({n for n, _ in again})
            )
            await conn.execute(FORGET_HELD, generation, *columns_of(again))
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
        closings=days_of(row["closings"]),
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


async def give_up(conn: Connection, generation: int, me: str, numbers: Sequence[int]) -> None:
    """Say that nobody needs to end our sessions."""
    await conn.execute(GIVE_UP, generation, numbers, me)


async def report(conn: Connection, generation: int, me: str, shards: Sequence[tuple[int, Mapping[str, int], bool]]) -> None:
    """Tell how far the logs of our shards reach, and which of them lack nothing at this moment."""
    await conn.execute(REPORT, generation, me, *columns_of(shards))


async def halt(conn: Connection, generation: int, numbers: Sequence[int], reason: str) -> None:
    """Tell in the database that shards are not read any more until a person has looked."""
    await conn.execute(HALT, generation, list(numbers), reason[:500])
