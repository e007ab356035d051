"""In which form a process stores idempotency keys: hashed; besides as they are sent, while a process of a release up to 0.2 takes commands.

Such a process looks for keys as they are sent. It is known by its session's name, `<service>.api`; this release has another. An old process
is looked for once a second, and keys are stored in both forms for ten minutes after one was seen, so that one release can be replaced by the
other, and back (docs/how-to/upgrade.md).
"""

from __future__ import annotations

import asyncio
import time

from shared.journal.idempotency import Keys, hash_plain
from shared.process.db import Connection, Pool

LOOK_EVERY = 1.0
"""Seconds."""
SEEN = """
UPDATE idempotency_form SET old_seen_at = clock_timestamp() WHERE EXISTS (
    SELECT FROM pg_stat_activity WHERE datname = current_database() AND usename = current_user AND application_name = $1
)
"""
MAY_LOOK = "SELECT old_seen_at > clock_timestamp() - interval '10 minutes' FROM idempotency_form"


def old_name(service: str) -> str:
    """What the sessions of API processes of releases up to 0.2 are called."""
    return f"{service}.api"


def api_name(service: str) -> str:
    """What those of this release are called."""
    return f"{service}.commands"


class KeyForm:
    """The form for one service's process. `secret` is the key of the hashes."""

    def __init__(self, secret: bytes, service: str) -> None:
        self._hashed = Keys(secret)
        self._both = Keys(secret, also_plain=True)
        self._old_name = old_name(service)
        self._lock = asyncio.Lock()
        self._keys: Keys | None = None
        self._looked_at = float("-inf")

    async def keys(self, pool: Pool) -> Keys:
        """The form for a command now. Raises an error of db.OUTAGES."""
        async with self._lock:
            if self._keys is None or time.monotonic() - self._looked_at > LOOK_EVERY:
                async with pool.acquire(timeout=10) as conn:
                    self._keys = await self.look(conn)
                self._looked_at = time.monotonic()
            return self._keys

    async def look(self, conn: Connection) -> Keys:
        """The form by what the database knows now."""
        await conn.execute(SEEN, self._old_name)
        return self._both if await conn.fetchval(MAY_LOOK) else self._hashed

    async def hash_plain(self, conn: Connection, most: int) -> int:
        """Hash keys that an old process has stored, once none can look for them; how many."""
        keys = await self.look(conn)
        return 0 if keys.also_plain else await hash_plain(conn, most, keys=keys)
