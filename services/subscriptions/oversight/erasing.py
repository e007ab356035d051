"""An erasure, in two transactions: the first has contents that are stored from now on lose their data, the second removes what is stored.

So the table of contents is locked for a moment only, and nothing that is being stored meanwhile is missed. If the process dies between the
two, nothing was acknowledged; the caller asks again, and both are done again.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from services.subscriptions.commands.once import Answer
from services.subscriptions.oversight import store
from services.subscriptions.oversight.bodies import ErasureBody
from shared.contracts.ids import uuid7
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Connection, Pool


class Erasure:
    """One erasure: `begin` before the transaction in which `finish` works."""

    def __init__(self, pool: Pool, clock: Clock, body: ErasureBody, by: str) -> None:
        self._pool = pool
        self._clock = clock
        self._body = body
        self._by = by
        self._id = UUID(int=0)

    async def begin(self) -> None:
        """Contents that are stored from now on lose their data."""
        self._id = uuid7()

        async def put(conn: Connection) -> bool:
            await store.put_erasure(conn, self._id, self._body.id, self._body.reason, self._by, await self._clock.now(conn))
            return True

        async def happened(conn: Connection, _done: bool) -> bool:
            return await store.has_erasure(conn, self._id)

        await db.run_command(self._pool, put, areas=None, happened=happened)

    async def finish(self, conn: Connection, _now: datetime) -> Answer:
        """Remove what is stored."""
        done = await store.erase(conn, self._id, self._body.id)
        return Answer({"id": self._id, "contents": done.contents, "deliveries": done.deliveries, "queued": done.queued}, 201)
