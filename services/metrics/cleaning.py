"""What metrics removes while it runs (docs/operations.md)."""

from __future__ import annotations

from typing import cast

from services.metrics.settings import Settings
from shared.browser import cleaning as browser
from shared.process.cleaning import BATCH, Cleaner, Trim, deleting
from shared.process.db import Connection


async def _drop_generation(conn: Connection, _most: int) -> int:
    """One generation at a time; its locks are not waited for longer than a second, and asked for again in the next round."""
    return BATCH if cast("int | None", await conn.fetchval("SELECT drop_unused_generation()")) is not None else 0


TRIMS = (
    *browser.TRIMS,
    deleting("reports", "id", "kind = 'audit' AND at < parkunion_now() - interval '400 days'"),
    Trim("generations", _drop_generation),
)


def cleaner_of(settings: Settings) -> Cleaner:
    """For a process with these settings."""
    return Cleaner(settings.dsn, "metrics", TRIMS)
