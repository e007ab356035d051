"""Lets other tasks run while a long computation holds a transaction, and keeps the database from ending its session."""

from __future__ import annotations

import asyncio
import time

from shared.process.db import Connection

SLICE = 0.02
"""Seconds after which other tasks run: the heartbeats of the group must go on."""
SIGN_EVERY = 3.0
"""Seconds between two statements that say nothing. The database ends a session that sends none for 10 s inside a transaction
(`idle_in_transaction_session_timeout`), since it may be frozen; this one computes."""


class Pace:
    """`if pace.over(): await pace.rest()` inside a loop of a transaction on `conn`."""

    def __init__(self, conn: Connection) -> None:
        self._conn = conn
        now = time.perf_counter()
        self._until, self._sign_at = now + SLICE, now + SIGN_EVERY

    def over(self) -> bool:
        """Whether the slice of time has passed."""
        return time.perf_counter() > self._until

    async def rest(self) -> None:
        """Let other tasks run; tell the database from time to time that the process lives. Raises the database's errors."""
        if time.perf_counter() > self._sign_at:
            await self._conn.execute("SELECT 1")
            self._sign_at = time.perf_counter() + SIGN_EVERY
        else:
            await asyncio.sleep(0)
        self._until = time.perf_counter() + SLICE
