"""Ends sending to an endpoint that is gone, or that has not answered for days, and tells the federation."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from services.subscriptions.matching.current import next_revision
from shared.contracts.ids import uuid7
from shared.process.db import Connection

FAILING_FOR = timedelta(days=5)
"""Without any success, after which a subscription is disabled."""
DISABLED = "parkunion.subscription-disabled.v1"
GONE = "GONE"
FAILING = "FAILING"
BY = "system"

LOOK = "SELECT client, kind, url, status, failing_since, last_error FROM subscriptions WHERE id = $1 FOR UPDATE"
DISABLE = "UPDATE subscriptions SET status = 'disabled', status_reason = $2, status_at = $3 WHERE id = $1"
CHANGED = "INSERT INTO subscription_changes (subscription, at, status, reason, changed_by) VALUES ($1, $2, $3, $4, $5)"
NOTICE = "INSERT INTO notices (id, at, type, subscription, data) VALUES ($1, $2, $3, $4, $5)"
STOP = "UPDATE queues SET due_at = 'infinity' WHERE subscription = $1"


async def disable(conn: Connection, subscription: UUID, reason: str, now: datetime) -> bool:
    """Disable an active subscription in the open transaction, with a notice; False: it is not active, or (FAILING) not failing so long.

    `reason`: GONE (the endpoint answered 410), FAILING. Its events are numbered as before, and can be pulled.
    """
    await next_revision(conn)
    row = await conn.fetchrow(LOOK, subscription)
    if row is None or row["status"] != "active":
        return False
    since: datetime | None = row["failing_since"]
    if reason == FAILING and (since is None or now - since < FAILING_FOR):
        return False
    await conn.execute(DISABLE, subscription, reason, now)
    await conn.execute(CHANGED, subscription, now, "disabled", reason, BY)
    data: dict[str, Any] = {
        "subscription": str(subscription),
        "client": row["client"],
        "reason": reason,
        "failing_since": since,
        "last_error": row["last_error"],
    }
    await conn.execute(NOTICE, uuid7(), now, DISABLED, subscription, data)
    await conn.execute(STOP, subscription)
    return True
