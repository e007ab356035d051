"""The statements of the relay (tables: shared/sql/journal.sql and shared/sql/relaying.sql)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, TypeAlias

from shared.broker.protocol import DAY, partition_for
from shared.process.db import Connection, Record
from shared.relaying.log_entries import LogEntry
from shared.relaying.messages import COLUMNS

Marks: TypeAlias = dict[int, "Mark"]


class Mark(NamedTuple):
    """The last event published to a partition: its offset, its id in the journal, and the id of the topic (None: unknown)."""

    offset: int
    journal_id: int
    topic_id: str | None


class State(NamedTuple):
    """`stopped`: why the relay does not publish (None: it does). `republishing`: a republish has begun and not ended."""

    stopped: str | None
    republishing: bool


SCAN = 5000
LATEST_COMMIT = timedelta(minutes=3)
"""Transactions end within 60 s, and a stream's `recorded_at` is at most a minute ahead of the clock."""

LOCK = "relay "
"""Prefix of the advisory lock's name; the topic follows."""
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
OLDEST = f"""
SELECT {COLUMNS}, o.partition FROM (SELECT id, partition FROM outbox ORDER BY id LIMIT $1) AS o
CROSS JOIN LATERAL (SELECT * FROM journal WHERE journal.id = o.id OFFSET 0) AS j
ORDER BY o.id
"""
DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"
MARK = """
INSERT INTO relay_marks (partition, "offset", journal_id, topic_id)
SELECT *, $4 FROM unnest($1::int[], $2::bigint[], $3::bigint[])
ON CONFLICT (partition) DO UPDATE SET "offset" = excluded."offset", journal_id = excluded.journal_id, topic_id = excluded.topic_id
"""
MARKS = 'SELECT partition, "offset", journal_id, topic_id FROM relay_marks'
DELETE_MARKS = "DELETE FROM relay_marks"
STATE = "SELECT stopped, republishing FROM relay_state"
STOP = """
UPDATE relay_state SET stopped = $1, since = CASE WHEN stopped IS NULL THEN parkunion_now() ELSE since END
WHERE stopped IS DISTINCT FROM $1
"""
RESUME = "UPDATE relay_state SET stopped = NULL, since = NULL WHERE stopped IS NOT NULL"
SET_REPUBLISHING = "UPDATE relay_state SET republishing = $1"
KNOWN = """
SELECT e.n, j.id, j.recorded_at FROM unnest($1::text[], $2::bigint[], $3::uuid[]) WITH ORDINALITY AS e(subject, sequence, event_id, n)
CROSS JOIN LATERAL (
    SELECT id, recorded_at FROM journal
    WHERE journal.event_id = e.event_id AND journal.subject = e.subject AND journal.sequence = e.sequence OFFSET 0
) AS j
"""
BEFORE = "SELECT id, recorded_at FROM journal WHERE id <= $1 ORDER BY id DESC LIMIT $2"
AFTER = "SELECT id, subject, partition_key FROM journal WHERE id >= $1 ORDER BY id LIMIT $2"
QUEUE = "INSERT INTO outbox (id, partition) SELECT * FROM unnest($1::bigint[], $2::int[]) ON CONFLICT (id) DO NOTHING"


async def marks(conn: Connection) -> Marks:
    """The mark of every partition that has one."""
    return {row["partition"]: Mark(row["offset"], row["journal_id"], row["topic_id"]) for row in await conn.fetch(MARKS)}


async def state(conn: Connection) -> State:
    """The state of this database's relay."""
    row = await conn.fetchrow(STATE)
    return State(row["stopped"], row["republishing"]) if row is not None else State(None, False)


async def set_stopped(conn: Connection, reason: str) -> bool:
    """Write that the relay does not publish; whether the reason is a new one."""
    return str(await conn.execute(STOP, reason)) == "UPDATE 1"


async def set_publishing(conn: Connection) -> None:
    """Write that the relay publishes."""
    await conn.execute(RESUME)


async def set_republishing(conn: Connection, begun: bool) -> None:
    """Write that a republish has begun, or has ended."""
    await conn.execute(SET_REPUBLISHING, begun)


async def oldest(conn: Connection, limit: int) -> list[Record]:
    """The first rows of the outbox: what `messages` makes records of."""
    return list(await conn.fetch(OLDEST, limit))


async def delete_sent(conn: Connection, ids: Sequence[int], last: Mapping[int, Mark]) -> None:
    """Delete from the outbox what the log holds, and set the marks."""
    async with conn.transaction():
        # If a crash of the database loses this, recovery finds it in the log. Waiting for the disk would delay every event behind it.
        await conn.execute("SET LOCAL synchronous_commit = off")
        await conn.execute(DELETE, ids)
        await set_marks(conn, last)


async def set_marks(conn: Connection, last: Mapping[int, Mark]) -> None:
    """Set the marks of partitions."""
    if last:
        topic_id = next(iter(last.values())).topic_id
        await conn.execute(MARK, list(last), [m.offset for m in last.values()], [m.journal_id for m in last.values()], topic_id)


class KnownEvent(NamedTuple):
    """An event of the journal."""

    journal_id: int
    recorded_at: datetime


async def find_known(conn: Connection, entries: Sequence[LogEntry]) -> list[KnownEvent | None]:
    """The journal's event of each entry; None: the journal has no such event with that sequence of that stream."""
    found: list[KnownEvent | None] = [None] * len(entries)
    columns = [list(column) for column in zip(*(entry[2:] for entry in entries), strict=True)] or [[], [], []]
    for row in await conn.fetch(KNOWN, *columns):
        found[row["n"] - 1] = KnownEvent(row["id"], row["recorded_at"])
    return found


async def safe_start(conn: Connection, last: KnownEvent) -> int:
    """A journal id before which everything was published before `last`. A transaction that commits late is published after higher ids."""
    start = last.journal_id
    while rows := await conn.fetch(BEFORE, start, SCAN):
        start = rows[-1]["id"]
        if max(row["recorded_at"] for row in rows) < last.recorded_at - LATEST_COMMIT or len(rows) < SCAN:
            break
    return int(start)


async def queue_again(conn: Connection, starts: Mapping[int, int], partitions: int, but: Collection[int]) -> int:
    """Queue the journal's events from `starts` = {partition: journal id} on, except the ids `but`; how many rows."""
    at, count = min(starts.values()), 0
    while rows := await conn.fetch(AFTER, at, SCAN):
        at = rows[-1]["id"] + 1
        count += await queue(
            conn,
            (
                (row["id"], row["subject"], row["partition_key"])
                for row in rows
                if row["id"] not in but
                and (partition := partition_for(row["subject"], row["partition_key"], partitions)) in starts
                and row["id"] >= starts[partition]
            ),
            partitions,
        )
    return count


async def queue(conn: Connection, rows: Iterable[tuple[int, str, str]], partitions: int) -> int:
    """Put rows of the journal (id, subject, partition key) into the outbox; how many were not in it."""
    listed = list(rows)
    if not listed:
        return 0
    # As `journal.append` writes it: None where the key decides.
    given = [partition_for(subject, key, partitions) if subject.startswith(f"{DAY}/") else None for _, subject, key in listed]
    return int(str(await conn.execute(QUEUE, [row[0] for row in listed], given)).rpartition(" ")[2])
