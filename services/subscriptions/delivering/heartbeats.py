"""A numbered event for subscriptions that got none for a day: a receiver can tell "nothing happened" from "nothing arrives"."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from services.subscriptions.matching.outgoing import HEARTBEAT, SOURCE, Content, hash_of
from shared.contracts.ids import uuid7
from shared.manifests.chain import canonical
from shared.process.clock import Clock
from shared.process.db import Connection

SILENT_FOR = timedelta(hours=24)

SILENT = """
SELECT q.subscription FROM queues AS q JOIN subscriptions AS s ON s.id = q.subscription
JOIN LATERAL (SELECT kind, not_after, not_before FROM grant_versions AS v WHERE v.grant_id = s.grant_id ORDER BY revision DESC LIMIT 1) AS g ON true
LEFT JOIN deliveries AS d ON d.subscription = q.subscription AND d.number = q.next_number - 1
WHERE s.status = 'active' AND g.kind <> 'revoked' AND (g.not_after IS NULL OR g.not_after > $1) AND (g.not_before IS NULL OR g.not_before <= $1)
AND coalesce(d.assigned_at, s.created_at) <= $2 AND q.subscription > $3 ORDER BY q.subscription LIMIT $4
"""
LOCK = "SELECT next_number FROM queues WHERE subscription = $1 FOR UPDATE"
LAST = """
SELECT s.kind, s.status, coalesce(d.assigned_at, s.created_at) AS since FROM subscriptions AS s
LEFT JOIN deliveries AS d ON d.subscription = s.id AND d.number = $2 WHERE s.id = $1
"""
PUT_CONTENT = """
INSERT INTO contents (event_id, source, subject, sequence, type, fact_type, time, occurredon, places, data, hash, stored_at)
VALUES ($1, $2, $3, 0, $4, $4, $5, $6, '{}', $7, $8, $5) RETURNING id
"""
PUT_DELIVERY = """
INSERT INTO deliveries (subscription, number, content, subject, day, assigned_at, pending) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
PUT_LANE = """
INSERT INTO lanes (subscription, subject, due_at) VALUES ($1, $2, $3)
ON CONFLICT (subscription, subject) DO UPDATE SET subject = excluded.subject
"""
ASSIGNED = (
    "UPDATE queues SET next_number = next_number + 1, due_at = CASE WHEN $2 THEN least(due_at, $3) ELSE due_at END WHERE subscription = $1"
)
NOTIFY = "SELECT pg_notify('deliveries', '')"


async def silent(conn: Connection, now: datetime, after: UUID, most: int) -> list[UUID]:
    """Active subscriptions that got no number for SILENT_FOR, by id behind `after`."""
    return [row["subscription"] for row in await conn.fetch(SILENT, now, now - SILENT_FOR, after, most)]


async def beat(conn: Connection, subscription: UUID, now: datetime, clock: Clock) -> bool:
    """Give it a heartbeat in the open transaction; False: it has got a number in the meantime, or is not active."""
    number: int | None = await conn.fetchval(LOCK, subscription)
    row = await conn.fetchrow(LAST, subscription, number - 1) if number is not None else None
    if number is None or row is None or row["status"] != "active" or row["since"] > now - SILENT_FOR:
        return False
    subject, day, sent = f"subscription/{subscription}", clock.day_of(now), row["kind"] == "webhook"
    data = {"silent_since": row["since"]}
    encoded = canonical(data)
    content = Content(uuid7(), SOURCE, subject, HEARTBEAT, HEARTBEAT, now, day, (), encoded)
    key = await conn.fetchval(PUT_CONTENT, content.event_id, SOURCE, subject, HEARTBEAT, now, day, encoded, hash_of(content))
    await conn.execute(PUT_DELIVERY, subscription, number, key, subject, day, now, sent)
    if sent:
        await conn.execute(PUT_LANE, subscription, subject, now)
    await conn.execute(ASSIGNED, subscription, sent, now)
    await conn.execute(NOTIFY)
    return True
