"""Every SQL statement of subscriptions and their states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from shared.process.db import Connection

COLUMNS = """
s.id, s.grant_id, s.client, s.types, s.filter, s.kind, s.url, s.signature, s.status, s.status_reason, s.status_at, s.failing_since,
s.last_success_at, s.last_error, s.last_error_at, s.confirmed_to, s.created_at, g.purpose,
(SELECT v.areas FROM grant_versions AS v WHERE v.grant_id = s.grant_id ORDER BY v.revision DESC LIMIT 1) AS granted_areas,
q.next_number - 1 AS assigned_to, coalesce(f.number, q.next_number) - 1 AS delivered_to, f.assigned_at AS waiting_since,
(SELECT count(*) FROM deliveries AS d WHERE d.subscription = s.id AND d.state = 'parked') AS parked
"""
FROM = """
FROM subscriptions AS s JOIN grants AS g ON g.id = s.grant_id JOIN queues AS q ON q.subscription = s.id
LEFT JOIN LATERAL (
    SELECT d.number, d.assigned_at FROM deliveries AS d WHERE d.subscription = s.id AND d.state = 'queued' ORDER BY d.number LIMIT 1
) AS f ON true
"""
ONE = f"SELECT {COLUMNS} {FROM} WHERE s.id = $1"
LISTED = f"""
SELECT {COLUMNS} {FROM}
WHERE s.id > $1 AND ($2::text IS NULL OR s.client = $2) AND ($3::uuid IS NULL OR s.grant_id = $3) AND ($4::text IS NULL OR s.status = $4)
    AND ($5::text[] IS NULL OR $5 @> (SELECT v.areas FROM grant_versions AS v WHERE v.grant_id = s.grant_id ORDER BY v.revision DESC LIMIT 1))
ORDER BY s.id LIMIT $6
"""
PUT = """
INSERT INTO subscriptions (id, grant_id, client, types, filter, kind, url, signature, status, status_at, opened_revision, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $10)
"""
PUT_QUEUE = "INSERT INTO queues (subscription) VALUES ($1)"
PUT_CHANGE = "INSERT INTO subscription_changes (subscription, at, status, reason, changed_by) VALUES ($1, $2, $3, $4, $5)"
SET_STATUS = """
UPDATE subscriptions SET status = $2, status_reason = $3, status_at = $4, failing_since = CASE WHEN $2 = 'active' THEN NULL ELSE failing_since END,
    ended_revision = CASE WHEN $2 = 'ended' THEN $5 ELSE ended_revision END
WHERE id = $1 AND status = $6
"""
CHANGES = "SELECT at, status, reason, changed_by FROM subscription_changes WHERE subscription = $1 ORDER BY id DESC LIMIT 50"
KEYS = """
SELECT CASE WHEN k.version = 'v1a' THEN k.kid END AS kid, k.version, u.since, u.until
FROM subscription_keys AS u JOIN signing_keys AS k USING (kid) WHERE u.subscription = $1 AND (u.until IS NULL OR u.until > $2)
ORDER BY u.since DESC, k.created_at DESC
"""
PROBES = """
SELECT id, kind, asked_at, done_at, succeeded, status, error, answer, duration_ms FROM probes WHERE subscription = $1
ORDER BY asked_at DESC, id DESC LIMIT 10
"""
OPEN_PROBE = "SELECT id FROM probes WHERE subscription = $1 AND kind = $2 AND done_at IS NULL ORDER BY asked_at LIMIT 1"
PUT_PROBE = "INSERT INTO probes (id, subscription, kind, challenge, asked_at, asked_by) VALUES ($1, $2, $3, $4, $5, $6)"
CLOSE_PROBES = "UPDATE probes SET done_at = $2, succeeded = false, error = 'ENDED' WHERE subscription = $1 AND done_at IS NULL"
LOCK_QUEUE = "SELECT FROM queues WHERE subscription = $1 FOR UPDATE"
HASTEN_LANES = "UPDATE lanes SET due_at = least(due_at, $2) WHERE subscription = $1"
HASTEN = """
UPDATE queues SET due_at = least(due_at, $2)
WHERE subscription = $1 AND EXISTS (SELECT FROM lanes WHERE lanes.subscription = $1)
"""
DROP_LANES = "DELETE FROM lanes WHERE subscription = $1"
LEAVE_PENDING = """
UPDATE deliveries SET pending = false, state = CASE WHEN state = 'queued' THEN 'parked' ELSE state END,
    settled_at = CASE WHEN state = 'queued' THEN $2 ELSE settled_at END, error = CASE WHEN state = 'queued' THEN 'ENDED' ELSE error END
WHERE subscription = $1 AND pending
"""
NOTIFY = "SELECT pg_notify('deliveries', '')"


class StatusChangedError(asyncpg.SerializationError):
    """A delivery has changed the state meanwhile: the command begins again."""


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription with how far it is. `granted_areas`, `purpose`: those of its grant. `delivered_to`: every number up to it is delivered,
    parked or withheld; `waiting_since`: when the next one was assigned."""

    id: UUID
    grant_id: UUID
    client: str
    types: Sequence[str] | None
    filter: Mapping[str, Any]
    kind: str
    url: str | None
    signature: str | None
    status: str
    status_reason: str | None
    status_at: datetime
    failing_since: datetime | None
    last_success_at: datetime | None
    last_error: str | None
    last_error_at: datetime | None
    confirmed_to: int
    created_at: datetime
    purpose: str
    granted_areas: Sequence[str]
    assigned_to: int
    delivered_to: int
    waiting_since: datetime | None
    parked: int


@dataclass(frozen=True, slots=True)
class New:
    """A subscription to be. `url`, `signature`: of a webhook."""

    id: UUID
    grant_id: UUID
    client: str
    types: Sequence[str] | None
    filter: Mapping[str, Any]
    kind: str
    url: str | None
    signature: str | None

    @property
    def status(self) -> str:
        """Its first state: an endpoint has to answer first."""
        return "verifying" if self.kind == "webhook" else "active"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of state: by whom, when, and in which revision."""

    status: str
    by: str
    at: datetime
    revision: int
    reason: str | None = None


async def one(conn: Connection, subscription: UUID) -> Subscribed | None:
    """A subscription; None: there is none."""
    row = await conn.fetchrow(ONE, subscription)
    return None if row is None else Subscribed(**dict(row))


async def listed(
    conn: Connection, after: UUID, client: str | None, grant: UUID | None, status: str | None, inside: Sequence[str] | None, most: int
) -> list[Subscribed]:
    """Subscriptions by age. `inside`: only those whose grant has no area outside of these."""
    return [Subscribed(**dict(row)) for row in await conn.fetch(LISTED, after, client, grant, status, inside, most)]


async def put(conn: Connection, new: New, by: str, at: datetime, revision: int) -> None:
    """A new subscription with its empty queue."""
    own = (new.id, new.grant_id, new.client, new.types, dict(new.filter), new.kind, new.url, new.signature)
    await conn.execute(PUT, *own, new.status, at, revision)
    await conn.execute(PUT_QUEUE, new.id)
    await conn.execute(PUT_CHANGE, new.id, at, new.status, None, by)


async def set_status(conn: Connection, subscription: UUID, before: str, change: Change) -> None:
    """The next state. Queue and lanes are locked before, in the order of those who deliver. Raises StatusChangedError."""
    done: str = await conn.execute(SET_STATUS, subscription, change.status, change.reason, change.at, change.revision, before)
    if not done.endswith(" 1"):
        raise StatusChangedError("the state has changed meanwhile")
    await conn.execute(PUT_CHANGE, subscription, change.at, change.status, change.reason, change.by)


async def hasten(conn: Connection, subscription: UUID, at: datetime) -> None:
    """What is pending is due at once."""
    await conn.execute(LOCK_QUEUE, subscription)
    await conn.execute(HASTEN_LANES, subscription, at)
    await conn.execute(HASTEN, subscription, at)
    await conn.execute(NOTIFY)


async def stop(conn: Connection, subscription: UUID, at: datetime) -> None:
    """Nothing is sent any more: what was never sent is parked, and stays readable."""
    await conn.execute(LOCK_QUEUE, subscription)
    await conn.execute(DROP_LANES, subscription)
    await conn.execute(LEAVE_PENDING, subscription, at)
    await conn.execute(CLOSE_PROBES, subscription, at)


async def changes(conn: Connection, subscription: UUID) -> list[dict[str, Any]]:
    """Its last states, the newest first."""
    return [dict(row) for row in await conn.fetch(CHANGES, subscription)]


async def keys(conn: Connection, subscription: UUID, at: datetime) -> list[dict[str, Any]]:
    """The keys that sign at this moment, the newest first, without anything secret."""
    return [dict(row) for row in await conn.fetch(KEYS, subscription, at)]


async def probes(conn: Connection, subscription: UUID) -> list[dict[str, Any]]:
    """The last verifications and tests, the newest first."""
    return [dict(row) for row in await conn.fetch(PROBES, subscription)]


async def open_probe(conn: Connection, subscription: UUID, kind: str) -> UUID | None:
    """The probe of a kind that is still to be sent."""
    found: UUID | None = await conn.fetchval(OPEN_PROBE, subscription, kind)
    return found


async def put_probe(conn: Connection, probe: UUID, subscription: UUID, kind: str, challenge: str | None, by: str, at: datetime) -> None:
    """Have a verification or a test sent at once."""
    await conn.execute(PUT_PROBE, probe, subscription, kind, challenge, at, by)
    await conn.execute(NOTIFY)
