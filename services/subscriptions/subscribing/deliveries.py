"""Every SQL statement on the numbers of one subscription: their list, and having them sent again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

from services.subscriptions.subscribing.store import LOCK_QUEUE, NOTIFY
from shared.process.db import Connection

LISTED = """
SELECT d.number, d.state, d.pending, d.attempts, d.day, d.assigned_at, d.settled_at, d.corrects, d.error, c.event_id, c.subject, c.type,
    c.fact_type, c.time, c.occurredon, c.places, c.gone
FROM deliveries AS d JOIN contents AS c ON c.id = d.content
WHERE d.subscription = $1 AND d.number > $2 AND ($3::text IS NULL OR d.state = $3) ORDER BY d.number LIMIT $4
"""
ATTEMPTS = """
SELECT number, at, duration_ms, status, error, answer FROM attempts WHERE subscription = $1 AND number = ANY($2::bigint[]) ORDER BY number, id
"""
HEADS = """
SELECT l.subject, l.due_at, (
    SELECT d.number FROM deliveries AS d WHERE d.subscription = l.subscription AND d.subject = l.subject AND d.pending ORDER BY d.number LIMIT 1
) AS number
FROM lanes AS l WHERE l.subscription = $1 AND l.subject = ANY($2::text[])
"""
KEPT = """
SELECT d.number, d.day, d.state, c.gone, c.stored_at FROM deliveries AS d JOIN contents AS c ON c.id = d.content
WHERE d.subscription = $1 AND d.number = $2
"""
FIRST_SINCE = """
SELECT number FROM deliveries WHERE subscription = $1 AND day >= $2 AND assigned_at >= $3 ORDER BY day, number LIMIT 1
"""
FIRST_KEPT = """
SELECT d.number, d.day, d.state, c.gone, c.stored_at FROM deliveries AS d JOIN contents AS c ON c.id = d.content
WHERE d.subscription = $1 AND d.number >= $2 AND c.gone IS DISTINCT FROM 'erasure' ORDER BY d.number LIMIT 1
"""
AGAIN = """
UPDATE deliveries SET pending = true WHERE subscription = $1 AND number BETWEEN $2 AND $3 AND NOT pending
"""
PUT_LANES = """
INSERT INTO lanes (subscription, subject, due_at)
SELECT DISTINCT d.subscription, d.subject, $4::timestamptz FROM deliveries AS d WHERE d.subscription = $1 AND d.number BETWEEN $2 AND $3
ORDER BY 2
ON CONFLICT (subscription, subject) DO UPDATE SET subject = excluded.subject
"""
"""A lane that exists is locked, so that a worker that empties it at the same time sees what is pending again."""
LAST = "SELECT next_number - 1 FROM queues WHERE subscription = $1"
HASTEN = "UPDATE queues SET due_at = least(due_at, $2) WHERE subscription = $1"


@dataclass(frozen=True, slots=True)
class Number:
    """One number, and whether its content is still there. `gone`: why it is not."""

    number: int
    day: date
    state: str
    gone: str | None
    stored_at: datetime

    def outside(self, now: datetime, body_days: int) -> bool:
        """Whether the time of retention is over."""
        return self.gone == "retention" or self.stored_at < now - timedelta(days=body_days)


async def listed(conn: Connection, subscription: UUID, after: int, state: str | None, most: int) -> list[dict[str, Any]]:
    """Numbers behind `after`, each with what is known of its content."""
    return [dict(row) for row in await conn.fetch(LISTED, subscription, after, state, most)]


async def attempts(conn: Connection, subscription: UUID, numbers: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """{number: its attempts, the first one first}"""
    found: dict[int, list[dict[str, Any]]] = {number: [] for number in numbers}
    for row in await conn.fetch(ATTEMPTS, subscription, list(numbers)):
        found[row["number"]].append({name: value for name, value in row.items() if name != "number"})
    return found


async def due(conn: Connection, subscription: UUID, subjects: Sequence[str]) -> dict[int, datetime]:
    """{number: when it is tried next} of the numbers at the head of the lanes of these subjects; those behind wait for them."""
    rows = await conn.fetch(HEADS, subscription, list(set(subjects)))
    return {row["number"]: row["due_at"] for row in rows if row["number"] is not None}


async def one(conn: Connection, subscription: UUID, number: int) -> Number | None:
    """A number; None: it is not assigned."""
    row = await conn.fetchrow(KEPT, subscription, number)
    return None if row is None else Number(**dict(row))


async def first_since(conn: Connection, subscription: UUID, at: datetime, day: date) -> int | None:
    """The first number that was assigned at an instant, which is of `day`, or later."""
    found: int | None = await conn.fetchval(FIRST_SINCE, subscription, day, at)
    return found


async def first_kept(conn: Connection, subscription: UUID, number: int) -> Number | None:
    """The first number from this one on that was not erased: retention is over for it first."""
    row = await conn.fetchrow(FIRST_KEPT, subscription, number)
    return None if row is None else Number(**dict(row))


async def lock_queue(conn: Connection, subscription: UUID) -> int:
    """Keep the fan-out and the workers from the queue; returns the last number, 0 also of a subscription that does not exist."""
    await conn.execute(LOCK_QUEUE, subscription)
    last: int | None = await conn.fetchval(LAST, subscription)
    return last or 0


async def send_again(conn: Connection, subscription: UUID, first: int, last: int, at: datetime) -> None:
    """These numbers are pending again, each behind the earlier ones of its subject. The queue is locked."""
    await conn.execute(PUT_LANES, subscription, first, last, at)
    await conn.execute(AGAIN, subscription, first, last)
    await conn.execute(HASTEN, subscription, at)
    await conn.execute(NOTIFY)
