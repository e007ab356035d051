"""Which reader owns a shard: how one takes it over from another, gives it up and reports its progress (tables: shared/sql/reading.sql)."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import structlog

from shared.broker.protocol import Extent, Place, Topic
from shared.process.db import Connection, Record
from shared.reading.config import ReaderConfig
from shared.reading.store import close, columns_of, days_of, load_streams
from shared.sequencing.shard import Shard

log = structlog.get_logger(__name__)


class ReaderHaltedError(Exception):
    """The reader must not go on by itself; a person has to look. Nothing is lost: the position stays where it is."""


CREATE = "INSERT INTO shards (generation, shard) SELECT $1, unnest($2::int[]) ON CONFLICT DO NOTHING"
OWNERS = "SELECT DISTINCT owner FROM shards WHERE generation = $1 AND shard = ANY($2::int[]) AND owner <> $3"
END_SESSIONS = """
SELECT count(pg_terminate_backend(pid, 2000)) FROM pg_stat_activity
WHERE application_name = ANY($1::text[]) AND datname = current_database() AND pid <> pg_backend_pid()
"""
SHARD = "SELECT * FROM shards WHERE generation = $1 AND shard = $2"
POSITIONS = "SELECT * FROM shards WHERE generation = $1 AND shard = ANY($2::int[]) ORDER BY shard FOR UPDATE"
OWN = """
UPDATE shards AS s SET owner = $2, version = version + 1, next = n.next, topic_ids = n.ids, updated_at = parkunion_now(), halted = NULL
FROM unnest($3::int[], $4::jsonb[], $5::jsonb[]) AS n(shard, next, ids) WHERE s.generation = $1 AND s.shard = n.shard
"""
LOST = ""
"""In `topic_ids`: the topic's log does not yet hold again what was read before. Since it is no topic's id, any reader that takes the shard
over meanwhile, of an older release too, begins at the topic's beginning again."""
DELETE_HELD = """
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
    conn: Connection, config: ReaderConfig, numbers: Sequence[int], topics: Mapping[str, Topic], extents: Mapping[Place, Extent]
) -> list[Shard]:
    """Become the owner of shards: end the previous owner's sessions, raise the versions, and return where to read on.

    Raises ReaderHaltedError if a topic no longer begins at our position or before it. A topic that was deleted and created again, or that
    ends before our position (it lost its tail), is read from its beginning, and known events are dropped by sequence. What was held of it
    is deleted with the old offsets: it comes again if its source still has it. Until it was read again, `topic_ids` says `LOST`.
    """
    await conn.execute(CREATE, config.generation, numbers)
    # Without this a frozen owner's open transaction blocks its successor; no idle timeout covers a stall inside COPY.
    if owners := [row["owner"] for row in await conn.fetch(OWNERS, config.generation, numbers, config.owner)]:
        await conn.execute(END_SESSIONS, owners)
    async with conn.transaction():
        rows = await conn.fetch(POSITIONS, config.generation, numbers)
        again = {(row["shard"], topic) for row in rows for topic in topics if _begins_again(row, topic, topics, extents)}
        shards = []
        for row in rows:
            number = row["shard"]
            ends = {topic: extents[topic, number].end for topic in topics}
            lost = {topic for topic in topics if (number, topic) in again and topic in row["newest"]}
            ids = {topic: found.id for topic, found in topics.items()}
            shards.append(_shard(row, config, row["version"] + 1, _position(row, topics, extents), ends, ids, lost))
        owned = [(shard.number, shard.next, {**shard.topic_ids, **dict.fromkeys(shard.lost, LOST)}) for shard in shards]
        await conn.execute(OWN, config.generation, config.owner, *columns_of(owned))
        if again:
            log.critical(
                "reader.topic_made_anew",
                reader=config.owner,
                topics=sorted({topic for _, topic in again}),
                shards=len({n for n, _ in again}),
            )
            await conn.execute(DELETE_HELD, config.generation, *columns_of(again))
            await _reopen_days(conn, config.generation, shards, again)
    for shard in shards:
        shard.streams = await load_streams(conn, config, shard)
    return shards


async def _reopen_days(conn: Connection, generation: int, shards: Sequence[Shard], again: Collection[tuple[int, str]]) -> None:
    """Held events of a topic kept its days open, and come again: of its closed days only those that are closed in the shard stay so."""
    for shard in shards:
        for topic in {topic for number, topic in again if number == shard.number} & shard.closings.keys():
            if shard.closed is None:
                del shard.closings[topic]
            else:
                shard.closings[topic] = shard.closed
        await close(conn, generation, shard.number, shard.closings, shard.closed)


async def read_again(conn: Connection, config: ReaderConfig, shard: Shard) -> Shard:
    """The shard as it stands in the database now."""
    row = await conn.fetchrow(SHARD, config.generation, shard.number)
    if row is None:
        raise ReaderHaltedError(f"the row of shard {shard.number} is gone")
    position = {topic: row["next"].get(topic, 0) for topic in shard.next}
    lost = {topic for topic in shard.topic_ids if row["topic_ids"].get(topic) == LOST}
    found = _shard(row, config, row["version"], position, shard.ends, shard.topic_ids, lost)
    found.streams = await load_streams(conn, config, found)
    return found


def _shard(
    row: Record, config: ReaderConfig, version: int, position: dict[str, int], ends: dict[str, int], ids: dict[str, str], lost: set[str]
) -> Shard:
    return Shard(
        number=row["shard"],
        version=version,
        next=position,
        newest={topic: datetime.fromisoformat(time) for topic, time in row["newest"].items()},
        ends=ends,
        limit=config.batch,
        pending={topic: deque() for topic in ids},
        topic_ids=ids,
        lost=lost,
        closings=days_of(row["closings"]),
        closed=row["closed"],
    )


def _position(row: Record, topics: Mapping[str, Topic], extents: Mapping[Place, Extent]) -> dict[str, int]:
    position: dict[str, int] = dict(row["next"])
    for topic in topics:
        begin = extents[topic, row["shard"]].begin
        position[topic] = 0 if _begins_again(row, topic, topics, extents) else position.get(topic, 0)
        if (at := position[topic]) < begin:
            raise ReaderHaltedError(
                f"{topic}/{row['shard']} begins at {begin} but we have read only up to {at}: events were deleted from the log"
            )
    return position


def _begins_again(row: Record, topic: str, topics: Mapping[str, Topic], extents: Mapping[Place, Extent]) -> bool:
    """Whether the stored offsets of a topic are not those of the log: it was deleted and created again, or lost its tail."""
    other_topic: bool = row["topic_ids"].get(topic, topics[topic].id) != topics[topic].id
    at: int = row["next"].get(topic, 0)
    return other_topic or at > extents[topic, row["shard"]].end


async def give_up(conn: Connection, config: ReaderConfig, numbers: Sequence[int]) -> None:
    """Give shards up, so that the next owner need not end our sessions."""
    await conn.execute(GIVE_UP, config.generation, numbers, config.owner)


async def report(conn: Connection, config: ReaderConfig, shards: Sequence[tuple[int, Mapping[str, int], bool]]) -> None:
    """Write for our shards how far the logs reach ({topic: end}) and whether nothing is missing now."""
    await conn.execute(REPORT, config.generation, config.owner, *columns_of(shards))


async def halt(conn: Connection, config: ReaderConfig, numbers: Sequence[int], reason: str) -> None:
    """Write that shards are not read until a person has looked. Taking them over clears it."""
    await conn.execute(HALT, config.generation, list(numbers), reason[:500])
