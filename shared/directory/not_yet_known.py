"""Whether an id that is unknown here may still come: its event is recorded by the registry and not read yet (docs/adr/0006)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from shared.broker.protocol import partition_of
from shared.contracts.ids import uuid7_time
from shared.directory import store
from shared.directory.known import Known
from shared.process.db import Connection

LONGEST_TRANSACTION = timedelta(seconds=60)
"""An id is made at most so long before its event is recorded: transactions end within 60 s (docs/design/ENGINE.md)."""

NEWEST = """
SELECT shard, (newest->>$1)::timestamptz AS newest, (SELECT shift FROM clock_shift) AS shift
FROM shards WHERE generation = 1 AND shard = ANY($2::int[])
"""
BEHIND = """
SELECT count(*) < $2 OR bool_or(coalesce((ends->>$1)::bigint, 1) > coalesce((next->>$1)::bigint, 0)) OR NOT bool_or(newest ? $1)
    OR bool_or(current_at < parkunion_now() - interval '5 s')
FROM shards WHERE generation = 1
"""
"""The reader writes `current_at` once a second while nothing is missing. If it does not, the log may hold more than the reader has seen."""


async def complete(
    conn: Connection, known: Known, enterprises: Collection[UUID], areas: Collection[str], *, topic: str, partitions: int
) -> None:
    """Load the paths of `areas` into `known`, and which of those `enterprises` and areas that it lacks may still come.

    `known.enterprises` must be loaded already. `topic` is the registry's, with so many `partitions`.
    """
    if unknown := {one for one in enterprises if one not in known.enterprises}:
        known.expected = await may_follow(conn, unknown, topic, partitions)
    known.areas = await store.paths(conn, areas)
    if strange := {area for area in areas if area not in known.areas}:
        known.areas_may_follow = await areas_may_follow(conn, strange, topic, partitions)


async def may_follow(conn: Connection, ids: Collection[UUID], topic: str, partitions: int) -> set[UUID]:
    """Those of the enterprises, unknown when the caller looked, whose event may still come, or came since.

    An id holds the time at which it was made (UUIDv7). It is missing for good only after its partition was read past that time and
    LONGEST_TRANSACTION. An id of another version was not made by the registry.
    """
    made = {unknown: time for unknown in ids if (time := uuid7_time(unknown)) is not None}
    if not made:
        return set()
    shard_of = {unknown: partition_of(str(unknown), partitions) for unknown in made}
    rows = await conn.fetch(NEWEST, topic, sorted(set(shard_of.values())))
    newest = {row["shard"]: (row["newest"], row["shift"]) for row in rows}
    found = set()
    for unknown, time in made.items():
        read_to, shift = newest.get(shard_of[unknown], (None, timedelta(0)))
        if read_to is None or time + shift + LONGEST_TRANSACTION > read_to:
            found.add(unknown)
    if missing := made.keys() - found:
        found |= (await store.enterprises(conn, missing)).keys()
    return found


async def areas_may_follow(conn: Connection, codes: Collection[str], topic: str, partitions: int) -> bool:
    """Whether areas, unknown when the caller looked, may still come, or came since.

    They may while registry events are unread, none was read yet, or the reader has not confirmed for seconds that nothing is missing.
    """
    return bool(await conn.fetchval(BEHIND, topic, partitions)) or bool(await store.paths(conn, codes))
