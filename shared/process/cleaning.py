"""Removes rows that are of no more use, while the service runs; docs/operations.md lists every table and what trims it.

Runs beside a background role of each process. What is due is told by the platform's clock (`parkunion_now()`), once an hour of it: so a clock
that is turned on cleans at once. A batch is a transaction of its own of a few milliseconds; where commands use the same rows, it skips those
that they hold. Several processes may clean at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import asyncpg
import structlog

from shared.process import db
from shared.process.db import Connection
from shared.process.pause import pause, repeat

EVERY = timedelta(hours=1)
"""Of the platform's clock, between two rounds."""
LOOK_EVERY = 3.0
"""Seconds between two looks at the clock."""
BATCH = 1000
"""Rows removed at a time."""
BETWEEN = 0.05
"""Seconds between two batches: commands come first."""
LONGEST_BACKOFF = 30.0

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Trim:
    """How one table is trimmed: `batch(conn, most)` removes rows in the open transaction, and returns how many."""

    table: str
    batch: Callable[[Connection, int], Awaitable[int]]


def deleting(table: str, key: str, due: str) -> Trim:
    """Rows for which `due`, a condition in SQL, is true; `key`: the primary key's column."""
    statement = f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE {due} LIMIT $1)"

    async def batch(conn: Connection, most: int) -> int:
        return int((await conn.execute(statement, most)).split()[-1])

    return Trim(table, batch)


class Cleaner:
    """Trims the tables of the database at `dsn` (the service's own role)."""

    def __init__(self, dsn: str, service: str, trims: Sequence[Trim]) -> None:
        self._dsn = dsn
        self._service = service
        self._trims = trims
        self._last: datetime | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Clean until `stop`, through outages of the database."""

        async def connect() -> asyncpg.Connection[asyncpg.Record]:
            return await db.connect(self._dsn, application_name=f"{self._service}.cleaning")

        async def step(conn: Connection) -> None:
            await self._when_due(conn, stop)

        await repeat(step, connect, stop, name="cleaning", every=LOOK_EVERY, longest=LONGEST_BACKOFF)

    async def _when_due(self, conn: Connection, stop: asyncio.Event) -> None:
        now: datetime = await conn.fetchval("SELECT parkunion_now()")
        if self._last is None or abs(now - self._last) >= EVERY:
            await self.clean(conn, stop)
            self._last = now

    async def clean(self, conn: Connection, stop: asyncio.Event) -> dict[str, int]:
        """One round: {table: rows removed}."""
        removed: dict[str, int] = {}
        for trim in self._trims:
            while not stop.is_set():
                async with conn.transaction():
                    count = await trim.batch(conn, BATCH)
                removed[trim.table] = removed.get(trim.table, 0) + count
                if count < BATCH:
                    break
                await pause(stop, BETWEEN)
        if any(removed.values()):
            log.info("cleaning.done", **removed)
        return removed
