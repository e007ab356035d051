"""Every SQL statement on numbered deliveries as they are read: by whoever receives, and by the proof and the portal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.subscriptions.matching.outgoing import Content
from shared.process import db
from shared.process.db import Connection, Record

RETENTION, ERASURE = "retention", "erasure"
"""`contents.gone`: why a content is no longer there."""

SUBSCRIBED = """
SELECT s.id, s.client, s.kind, s.status, s.confirmed_to, g.purpose,
    (SELECT v.areas FROM grant_versions AS v WHERE v.grant_id = s.grant_id ORDER BY v.revision LIMIT 1) AS areas
FROM subscriptions AS s JOIN grants AS g ON g.id = s.grant_id WHERE s.id = $1
"""
COLUMNS = """
d.subscription, d.number, d.state, d.pending, d.attempts, d.day, d.assigned_at, d.settled_at, d.corrects, d.error, d.hash AS sent_hash,
c.event_id, c.source, c.subject, c.type, c.fact_type, c.time, c.occurredon, c.places, c.data, c.hash AS stored_hash, c.gone
"""
AFTER = f"""
SELECT w.place, d.* FROM unnest($1::text::uuid[], $2::text::bigint[], $3::text::int[]) WITH ORDINALITY AS w(subscription, after, most, place)
CROSS JOIN LATERAL (
    SELECT {COLUMNS} FROM deliveries AS d JOIN contents AS c ON c.id = d.content
    WHERE d.subscription = w.subscription AND d.number > w.after ORDER BY d.number LIMIT w.most
) AS d ORDER BY w.place, d.number
"""
POSITIONS = """
SELECT q.subscription, q.next_number - 1 AS assigned_to, coalesce(
    (SELECT min(d.number) FROM deliveries AS d WHERE d.subscription = q.subscription AND d.state = 'queued'), q.next_number
) - 1 AS watermark
FROM queues AS q WHERE q.subscription = ANY($1::text::uuid[])
"""
ASSIGNED = "SELECT subscription, next_number - 1 AS assigned_to FROM queues WHERE subscription = ANY($1::text::uuid[])"
NEXT_HELD = """
WITH RECURSIVE half AS (
    SELECT $2::bigint AS low, q.next_number AS high FROM queues AS q WHERE q.subscription = $1
    UNION ALL
    SELECT CASE WHEN m.gone THEN m.number + 1 ELSE h.low END, CASE WHEN m.gone THEN h.high ELSE m.number END
    FROM half AS h CROSS JOIN LATERAL (
        SELECT d.number, c.gone IS NOT DISTINCT FROM 'retention' AS gone FROM deliveries AS d JOIN contents AS c ON c.id = d.content
        WHERE d.subscription = $1 AND d.number = (h.low + h.high) / 2
    ) AS m WHERE h.low < h.high
)
SELECT max(low) FROM half
"""
"""Halves the range from $2 to behind the last number until the first that is held is found: contents go in the order of their numbers."""
NEWER = """
SELECT q.subscription, q.next_number - 1 AS assigned_to FROM unnest($1::text::uuid[], $2::text::bigint[]) AS w(subscription, after)
JOIN queues AS q ON q.subscription = w.subscription WHERE q.next_number - 1 > w.after
"""
DAY_OF = "SELECT day FROM deliveries WHERE subscription = $1 AND number = $2"
LOCK = "SELECT FROM subscriptions WHERE id = ANY($1::text::uuid[]) ORDER BY id FOR NO KEY UPDATE"
CONFIRM = """
UPDATE subscriptions AS s SET confirmed_to = w.number, last_success_at = $3
FROM unnest($1::text::uuid[], $2::text::bigint[]) AS w(subscription, number)
WHERE s.id = w.subscription AND s.kind = 'pull' AND s.confirmed_to < w.number
"""
RECEIVED = """
UPDATE deliveries AS d SET settled_at = $3,
    state = CASE WHEN c.gone = 'retention' THEN 'parked' ELSE 'delivered' END, error = CASE WHEN c.gone = 'retention' THEN 'RETENTION' END
FROM unnest($1::text::uuid[], $2::text::bigint[]) AS w(subscription, number), contents AS c
WHERE d.subscription = w.subscription AND d.number <= w.number AND d.state = 'queued' AND c.id = d.content
"""
"""A number whose content was removed before anybody confirmed it was not received: it is parked."""
SETTLE = """
UPDATE deliveries AS d SET
    state = CASE WHEN w.error = '' THEN d.state ELSE 'withheld' END, error = CASE WHEN w.error = '' THEN d.error ELSE w.error END,
    settled_at = CASE WHEN w.error = '' THEN d.settled_at ELSE $5 END, hash = CASE WHEN w.error = '' THEN w.hash ELSE d.hash END
FROM unnest($1::text::uuid[], $2::text::bigint[], $3::text::text[], $4::text::bytea[]) AS w(subscription, number, error, hash)
WHERE d.subscription = w.subscription AND d.number = w.number AND d.state = 'queued'
"""
PUT_ACCESSES = """
INSERT INTO accesses (at, client, what, subscription, first, last, purpose)
SELECT $1, client, what, subscription, first, last, purpose
FROM unnest($2::text::text[], $3::text::text[], $4::text::uuid[], $5::text::bigint[], $6::text::bigint[], $7::text::text[])
    AS w(client, what, subscription, first, last, purpose)
"""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """Whose a subscription is, and under which grant: its `purpose`, and its `areas` as it was given, before it was narrowed."""

    id: UUID
    client: str
    kind: str
    status: str
    confirmed_to: int
    purpose: str
    areas: Sequence[str]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One number with its content. `gone`: why the content has no data (RETENTION, ERASURE). `sent_hash`: that of what was sent, if it is not
    `stored_hash`."""

    subscription: UUID
    number: int
    state: str
    pending: bool
    attempts: int
    day: date
    assigned_at: datetime
    settled_at: datetime | None
    corrects: Sequence[int] | None
    error: str | None
    sent_hash: bytes | None
    stored_hash: bytes
    gone: str | None
    content: Content


@dataclass(frozen=True, slots=True)
class Position:
    """How far a subscription is. `watermark`: every number up to it is delivered, parked or withheld."""

    assigned_to: int
    watermark: int


@dataclass(frozen=True, slots=True)
class Access:
    """One row of `accesses`, but for its instant."""

    client: str
    what: str
    subscription: UUID
    first: int | None
    last: int | None
    purpose: str


@dataclass(frozen=True, slots=True)
class Settled:
    """What showing a number means for it: withheld for `error`, or (None) shown with this hash."""

    subscription: UUID
    number: int
    error: str | None
    hash: bytes = b""


async def subscribed(conn: Connection, subscription: UUID) -> Subscribed | None:
    """A subscription; None: there is none."""
    row = await conn.fetchrow(SUBSCRIBED, subscription)
    return None if row is None else Subscribed(**dict(row))


async def deliveries_after(conn: Connection, asked: Sequence[tuple[UUID, int, int]]) -> list[list[Delivery]]:
    """For each (subscription, number, most): its deliveries behind that number, in order, at most so many."""
    found: list[list[Delivery]] = [[] for _ in asked]
    keys, after, most = zip(*asked, strict=True)
    for row in await conn.fetch(AFTER, db.array(keys), db.array(after), db.array(most)):
        found[row["place"] - 1].append(delivery_of(row))
    return found


def delivery_of(row: Record | Mapping[str, Any]) -> Delivery:
    """A row with COLUMNS."""
    content = Content(
        row["event_id"], row["source"], row["subject"], row["type"], row["fact_type"], row["time"], row["occurredon"], row["places"],
        row["data"],
    )  # fmt: skip
    return Delivery(
        row["subscription"], row["number"], row["state"], row["pending"], row["attempts"], row["day"], row["assigned_at"], row["settled_at"],
        row["corrects"], row["error"], row["sent_hash"], row["stored_hash"], row["gone"], content,
    )  # fmt: skip


async def positions(conn: Connection, subscriptions: Iterable[UUID]) -> dict[UUID, Position]:
    """{subscription: how far it is}"""
    rows = await conn.fetch(POSITIONS, db.array(subscriptions))
    return {row["subscription"]: Position(row["assigned_to"], row["watermark"]) for row in rows}


async def assigned(conn: Connection, subscriptions: Iterable[UUID]) -> dict[UUID, int]:
    """{subscription: its last number}; 0: none was assigned."""
    return {row["subscription"]: row["assigned_to"] for row in await conn.fetch(ASSIGNED, db.array(subscriptions))}


async def newer(conn: Connection, after: Mapping[UUID, int]) -> dict[UUID, int]:
    """{subscription: its last number} of those that have numbers behind `after` = {subscription: number}."""
    rows = await conn.fetch(NEWER, db.array(after.keys()), db.array(after.values()))
    return {row["subscription"]: row["assigned_to"] for row in rows}


async def next_held(conn: Connection, subscription: UUID, number: int) -> int:
    """The first number from `number` on whose content was not removed by retention; behind the last number if all were."""
    found: int = await conn.fetchval(NEXT_HELD, subscription, number)
    return found


async def day_of(conn: Connection, subscription: UUID, number: int) -> date | None:
    """The day on which a number was assigned; None: it was not."""
    found: date | None = await conn.fetchval(DAY_OF, subscription, number)
    return found


async def confirm(conn: Connection, received: Mapping[UUID, int], at: datetime) -> None:
    """The clients of these pull subscriptions have received everything up to {subscription: number}.

    What had been removed before is parked; what is withheld or was confirmed before stays so.
    """
    keys = sorted(received)
    subscriptions, numbers = db.array(keys), db.array(received[key] for key in keys)
    await conn.execute(LOCK, subscriptions)
    await conn.execute(CONFIRM, subscriptions, numbers, at)
    await conn.execute(RECEIVED, subscriptions, numbers, at)


async def settle(conn: Connection, settled: Iterable[Settled], at: datetime) -> None:
    """Note what showing these numbers means for them, as far as they are queued."""
    rows = sorted({(one.subscription, one.number): one for one in settled}.items())
    if rows:
        ones = [one for _, one in rows]
        errors, hashes = db.text_array(one.error or "" for one in ones), db.bytes_array(one.hash for one in ones)
        await conn.execute(SETTLE, db.array(one.subscription for one in ones), db.array(one.number for one in ones), errors, hashes, at)


async def put_accesses(conn: Connection, accesses: Sequence[Access], at: datetime) -> None:
    """Log what clients were shown."""
    if accesses:
        texts = (db.text_array(one.client for one in accesses), db.text_array(one.what for one in accesses))
        numbers = (db.array(one.first for one in accesses), db.array(one.last for one in accesses))
        subscriptions, purposes = db.array(one.subscription for one in accesses), db.text_array(one.purpose for one in accesses)
        await conn.execute(PUT_ACCESSES, at, *texts, subscriptions, *numbers, purposes)
