"""Every SQL statement of the fan-out on what it writes: contents, numbers, deliveries, lanes, what waits, and its batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.subscriptions.fanout.known import Decisions, Got
from shared.process.db import Connection, text_array

CHANNEL = "deliveries"
"""NOTIFY after each transaction that assigned numbers."""

BY_EVENT = """
SELECT c.event_id, c.fact_type, c.places, d.subscription, d.number FROM contents AS c JOIN deliveries AS d ON d.content = c.id
WHERE c.event_id = ANY($1::uuid[]) ORDER BY d.subscription, d.number
"""
BY_PLACE = """
SELECT c.event_id, c.fact_type, c.places, c.sequence, c.source, c.subject, d.subscription, d.number
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS w(source, subject, first, last)
JOIN contents AS c ON c.subject = w.subject AND c.source = w.source AND c.sequence BETWEEN w.first AND w.last
JOIN deliveries AS d ON d.content = c.id ORDER BY d.subscription, d.number
"""
CONTENT_IDS = "SELECT array_agg(nextval('contents_id_seq')) FROM generate_series(1, $1)"
LOCK_QUEUES = "SELECT FROM queues WHERE subscription = ANY($1::uuid[]) ORDER BY subscription FOR UPDATE"
ASSIGN = """
UPDATE queues AS q SET next_number = q.next_number + n.count, due_at = CASE WHEN n.sent THEN least(q.due_at, $4) ELSE q.due_at END
FROM unnest($1::uuid[], $2::bigint[], $3::bool[]) AS n(subscription, count, sent) WHERE q.subscription = n.subscription
RETURNING q.subscription, q.next_number - n.count AS first
"""
PUT_LANES = """
INSERT INTO lanes (subscription, subject, due_at)
SELECT subscription, subject, $3 FROM unnest($1::text::uuid[], $2::text::text[]) AS n(subscription, subject)
ORDER BY subscription, subject
ON CONFLICT (subscription, subject) DO UPDATE SET subject = excluded.subject
"""
"""A lane that exists is locked, so that a worker that empties it at the same time sees the new delivery first."""
PUT_BATCH = "INSERT INTO batches (shard, at, revision, next, released) VALUES ($1, $2, $3, $4, $5) RETURNING id"
PUT_QUIET_BATCH = """
INSERT INTO batches (shard, at, revision, next) SELECT $1, parkunion_now(), number, $3
FROM revision WHERE number = $2 AND NOT EXISTS (SELECT FROM waiting WHERE shard = $1)
"""
NOTIFY = f"SELECT pg_notify('{CHANNEL}', '')"
WAITING_HOLDERS = "SELECT DISTINCT holder FROM waiting WHERE shard = $1 AND holder = ANY($2::text[])"
OLDEST_WAITING = "SELECT id, holder, event_id, raw FROM waiting WHERE shard = $1 ORDER BY id LIMIT $2"
WAITING_AFTER = "SELECT id, holder, event_id, raw FROM waiting WHERE shard = $1 AND id > $2 ORDER BY id LIMIT $3"
WAITING_OF = "SELECT id, holder, event_id, raw FROM waiting WHERE shard = $1 AND holder = ANY($2::text[]) ORDER BY id LIMIT $3"
PUT_WAITING = """
INSERT INTO waiting (shard, holder, event_id, raw, since)
SELECT $1, holder, event_id, raw, $5 FROM unnest($2::text[], $3::uuid[], $4::bytea[]) WITH ORDINALITY AS w(holder, event_id, raw, n) ORDER BY n
"""
DROP_WAITING = "DELETE FROM waiting WHERE shard = $1 AND id = ANY($2::bigint[])"
SHARDS_WAITING = "SELECT DISTINCT shard FROM waiting"
LOCK_SHARD = "SELECT next FROM shards WHERE generation = 1 AND shard = $1 FOR UPDATE"
ANY_ERASED = "SELECT EXISTS (SELECT FROM erasures)"
ERASED = "SELECT erased FROM erasures WHERE erased = ANY($1::uuid[])"
ERASE = "UPDATE contents SET data = NULL, gone = 'erasure' WHERE id = ANY($1::bigint[])"
CONTENT_COLUMNS = (
    *("id", "event_id", "source", "subject", "sequence", "type", "fact_type", "time", "occurredon", "places", "data", "hash", "stored_at"),
)
DELIVERY_COLUMNS = ("subscription", "number", "content", "subject", "batch", "day", "assigned_at", "corrects", "pending")


@dataclass(frozen=True, slots=True)
class Waiting:
    """One row of `waiting`."""

    id: int
    holder: str
    event_id: UUID
    raw: bytes


async def got_by_event(conn: Connection, events: Collection[UUID]) -> dict[UUID, list[Got]]:
    """{event: its deliveries}; an entry for each event asked for."""
    found: dict[UUID, list[Got]] = {event: [] for event in events}
    for row in await conn.fetch(BY_EVENT, list(events)) if events else ():
        found[row["event_id"]].append(Got(row["subscription"], row["number"], row["event_id"], row["fact_type"], row["places"]))
    return found


async def got_by_place(conn: Connection, ranges: Sequence[tuple[str, str, int, int]]) -> dict[tuple[str, str], list[tuple[int, Got]]]:
    """{(source, subject): (sequence, delivery)} of the events first to last of these streams."""
    found: dict[tuple[str, str], list[tuple[int, Got]]] = {(source, subject): [] for source, subject, _, _ in ranges}
    columns = [list(column) for column in zip(*ranges, strict=True)]
    for row in await conn.fetch(BY_PLACE, *columns) if ranges else ():
        got = Got(row["subscription"], row["number"], row["event_id"], row["fact_type"], row["places"])
        found[row["source"], row["subject"]].append((row["sequence"], got))
    return found


async def write(conn: Connection, decisions: Decisions, batch: int, at: datetime, day: date) -> list[int]:
    """Assign the numbers and store contents, deliveries and lanes; returns the ids of the contents.

    Numbers of a subscription follow on each other, in the order of the decisions.
    """
    ids: list[int] = await conn.fetchval(CONTENT_IDS, len(decisions.contents))
    stored_at = at.isoformat()
    contents = [
        f"{key}\t{one.content.event_id}\t{_text(one.content.source)}\t{_text(one.content.subject)}\t{one.sequence}\t{one.content.type}\t{one.content.fact_type}"
        f"\t{one.content.time.isoformat()}\t{one.content.occurredon}\t{_array(one.content.places)}\t\\\\x{(one.content.data or b'').hex()}"
        f"\t\\\\x{one.hash.hex()}\t{stored_at}\n"
        for key, one in zip(ids, decisions.contents, strict=True)
    ]
    await _copy(conn, "contents", contents, CONTENT_COLUMNS)
    numbers = await _assign(conn, decisions, at)
    rows, assigned, lanes = [], dict[tuple[UUID, UUID], int](), dict[tuple[str, str], None]()
    for owed in decisions.owed:
        subscription, stored = owed.subscription, decisions.contents[owed.content].content
        number = numbers[subscription.id]
        numbers[subscription.id] = number + 1
        assigned[subscription.id, stored.event_id] = number
        corrects = sorted([one.number or assigned[subscription.id, one.event_id] for one in owed.corrects])
        key, sent = str(subscription.id), subscription.kind == "webhook"
        rows.append(
            f"{key}\t{number}\t{ids[owed.content]}\t{_text(stored.subject)}\t{batch}\t{day}\t{stored_at}\t"
            f"{_array(map(str, corrects)) if corrects else NULL}\t{'t' if sent else 'f'}\n"
        )
        if sent:
            lanes[key, stored.subject] = None
    await _copy(conn, "deliveries", rows, DELIVERY_COLUMNS)
    if lanes:
        await conn.execute(PUT_LANES, text_array([key for key, _ in lanes]), text_array([subject for _, subject in lanes]), at)
    await conn.execute(NOTIFY)
    return ids


NULL = "\\N"


ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def _text(value: str) -> str:
    """A text in a row of COPY."""
    return value if value.isprintable() and "\\" not in value else value.translate(ESCAPES)


def _array(values: Iterable[str]) -> str:
    """An array in a row of COPY."""
    return _text("{" + ",".join(['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]) + "}")


async def _copy(conn: Connection, table: str, rows: Sequence[str], columns: Sequence[str]) -> None:
    """COPY in text: asyncpg takes several times as long to write a row of values."""
    content = "".join(rows).encode()

    async def once() -> AsyncIterator[bytes]:
        yield content

    await conn.copy_to_table(table, source=once(), columns=columns)


async def _assign(conn: Connection, decisions: Decisions, at: datetime) -> dict[UUID, int]:
    """{subscription: its first number here}. The queues are locked in one order, so that batches do not wait for each other in a circle."""
    counts: dict[UUID, int] = {}
    sent: dict[UUID, bool] = {}
    for owed in decisions.owed:
        counts[owed.subscription.id] = counts.get(owed.subscription.id, 0) + 1
        sent[owed.subscription.id] = owed.subscription.kind == "webhook"
    keys = sorted(counts)
    await conn.execute(LOCK_QUEUES, keys)
    rows = await conn.fetch(ASSIGN, keys, [counts[key] for key in keys], [sent[key] for key in keys], at)
    return {row["subscription"]: row["first"] for row in rows}


async def put_batch(
    conn: Connection, shard: int, at: datetime, revision: int, following: Mapping[str, int], released: Sequence[UUID]
) -> int:
    """The row of one transaction; returns its id."""
    key: int = await conn.fetchval(PUT_BATCH, shard, at, revision, dict(following), list(released))
    return key


async def put_quiet_batch(conn: Connection, shard: int, revision: int, following: Mapping[str, int]) -> bool:
    """The row of a transaction in which nothing is decided; false, and no row, if the revision is another by now or an event of the shard waits."""
    status: str = await conn.execute(PUT_QUIET_BATCH, shard, revision, dict(following))
    return status == "INSERT 0 1"


async def any_erased(conn: Connection) -> bool:
    """Whether anything was ever erased.

    To be asked after the contents were written: an erasure locks their table, so either it sees them, or this sees the erasure.
    """
    return bool(await conn.fetchval(ANY_ERASED))


async def erase_again(conn: Connection, named: Mapping[UUID, Iterable[int]]) -> None:
    """Remove the data of contents that name erased ids; `named` = {id: contents that name it}."""
    erased = [row["erased"] for row in await conn.fetch(ERASED, list(named))] if named else []
    if erased:
        await conn.execute(ERASE, sorted({content for key in erased for content in named[key]}))


async def waiting_holders(conn: Connection, shard: int, holders: Collection[str]) -> set[str]:
    """Those of which something waits."""
    return {row["holder"] for row in await conn.fetch(WAITING_HOLDERS, shard, list(holders))} if holders else set()


async def waiting(conn: Connection, shard: int, holders: Collection[str], most: int) -> list[Waiting]:
    """What waits for these holders and the oldest of all others, in the order of the log; of each holder from its first event on."""
    rows = {row["id"]: Waiting(*row) for row in await conn.fetch(OLDEST_WAITING, shard, most)}
    if rows and holders:
        rows |= {row["id"]: Waiting(*row) for row in await conn.fetch(WAITING_OF, shard, list(holders), most)}
    return [rows[key] for key in sorted(rows)]


async def waiting_after(conn: Connection, shard: int, after: int, most: int) -> list[Waiting]:
    """What waits behind a row, in the order of the log."""
    return [Waiting(*row) for row in await conn.fetch(WAITING_AFTER, shard, after, most)]


async def put_waiting(conn: Connection, shard: int, events: Sequence[tuple[str, UUID, bytes]], at: datetime) -> None:
    """Keep (holder, event id, raw event) in this order."""
    columns: list[list[Any]] = [list(column) for column in zip(*events, strict=True)]
    await conn.execute(PUT_WAITING, shard, *columns, at)


async def drop_waiting(conn: Connection, shard: int, keys: Sequence[int]) -> None:
    """Remove rows of `waiting`."""
    await conn.execute(DROP_WAITING, shard, list(keys))


async def shards_waiting(conn: Connection) -> list[int]:
    """The shards of which something waits."""
    return [row["shard"] for row in await conn.fetch(SHARDS_WAITING)]


async def lock_shard(conn: Connection, shard: int) -> dict[str, int]:
    """Keep the reader of a shard from its next batch; returns {topic: offset of the next record}."""
    return dict(await conn.fetchval(LOCK_SHARD, shard))
