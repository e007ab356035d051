"""What subscriptions removes while it runs (docs/operations.md)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from services.subscriptions.settings import Settings
from shared.browser import cleaning as browser
from shared.process.cleaning import Cleaner, Trim, deleting
from shared.process.db import Connection

OLD_BODIES = """
UPDATE contents SET data = NULL, gone = 'retention' WHERE id IN (
    SELECT id FROM contents WHERE data IS NOT NULL AND stored_at < parkunion_now() - make_interval(days => $2)
    ORDER BY stored_at LIMIT $1 FOR UPDATE SKIP LOCKED
) RETURNING id
"""
NEVER_FETCHED = """
UPDATE deliveries SET state = 'parked', error = 'RETENTION', settled_at = parkunion_now()
WHERE content = ANY($1::bigint[]) AND state = 'queued' AND NOT pending
"""
"""Numbers of pull subscriptions whose content goes before they were read: their watermark must not stand still for ever."""
OLD_ATTEMPTS = """
DELETE FROM attempts WHERE (subscription, number, id) IN (
    SELECT subscription, number, id FROM attempts WHERE at < parkunion_now() - interval '90 days' ORDER BY at LIMIT $1
)
"""
OLD_REQUESTS = """
DELETE FROM requests WHERE (client, key) IN (
    SELECT client, key FROM requests WHERE at < parkunion_now() - interval '30 days' ORDER BY at LIMIT $1
)
"""


def trims(body_days: int) -> tuple[Trim, ...]:
    """All of the service. `body_days`: for how many days the contents of events are kept; their ids and hashes stay."""

    async def bodies(conn: Connection, most: int) -> int:
        gone = [row["id"] for row in await conn.fetch(OLD_BODIES, most, body_days)]
        if gone:
            await conn.execute(NEVER_FETCHED, gone)
        return len(gone)

    return (
        Trim("contents", bodies),
        Trim("attempts", _running(OLD_ATTEMPTS)),
        Trim("requests", _running(OLD_REQUESTS)),
        *browser.TRIMS,
        deleting("probes", "id", "asked_at < parkunion_now() - interval '30 days'"),
    )


def _running(statement: str) -> Callable[[Connection, int], Awaitable[int]]:
    async def batch(conn: Connection, most: int) -> int:
        return int((await conn.execute(statement, most)).split()[-1])

    return batch


def cleaner_of(settings: Settings) -> Cleaner:
    """For a process with these settings."""
    return Cleaner(settings.dsn, "subscriptions", trims(settings.body_days))
