"""Closing days: a source says to every partition of its topic that it will record nothing more on a day or before it.

Beside the relay, from 00:05 of the deployment's zone on, for the day before; after days of standing still only the latest is said, which
closes those before it too (docs/design/ENGINE.md, Closing days).

Why nothing can be recorded on a day of which this was said, whatever the clock does:
1. The day is *fenced* first: `days_closed.opens`, below which `journal.append` records nothing, is raised in a transaction of its own.
2. Then an id X is drawn from PostgreSQL's counter of transactions. Every appender holds such an id, from the locks on its streams, before
   its append looks at clock and fence. An id above X was drawn after the fence was committed, so that append sees the fence; whoever has
   an id up to X may not have seen it, and is waited for until it has ended (60 s at most: `transaction_timeout`).
3. So by then all that was ever recorded on the day is committed, and in the journal below the last id that is seen now. `day-closed` is said
   once the outbox holds nothing up to that id: it gets a later id, and goes out behind every fact of the day.
The clock decides only *when* a day is fenced. If it jumps back, or is turned in the middle of commands, what is appended meanwhile is
recorded at the fence; if that is more than a minute ahead of the clock, the command is refused (503) until the clock has come as far.
A process that dies between the steps leaves a day that is fenced and not yet said, and the next one begins with step 2.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, datetime, timedelta

import asyncpg
import structlog

from shared.contracts.streams import DayClosed, day_subject
from shared.journal import journal
from shared.journal.journal import Actor, Draft
from shared.process import db, faults
from shared.process.clock import Clock

GRACE = timedelta(minutes=5)
"""After midnight: so a clock that is set back a little refuses nothing."""
LOOK_EVERY = 1.0
WAIT = 0.05
LONGEST_BACKOFF = 5.0
ACTOR = Actor("closing", "api")

LOOK = "SELECT day, said, parkunion_now() AS now FROM days_closed WHERE one"
FENCE = "UPDATE days_closed SET day = $1, opens = $2 WHERE one AND (day IS NULL OR day < $1)"
DRAW = "SELECT pg_current_xact_id()::text"
ENDED = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8"
LAST = "SELECT coalesce(max(id), 0) FROM journal"
SENT = "SELECT coalesce(min(id) > $1, true) FROM outbox"
TURN = "SELECT day, said FROM days_closed WHERE one FOR UPDATE"
SAID = "UPDATE days_closed SET said = $1 WHERE one"

AWAY: tuple[type[Exception], ...] = (*db.OUTAGES, journal.ClockAheadError)

log = structlog.get_logger(__name__)


def due(now: datetime, clock: Clock) -> date:
    """The last day that may be closed at an instant: yesterday, from 00:05 on."""
    return clock.day_of(now - GRACE) - timedelta(days=1)


class Closer:
    """Closes the days of the source at `dsn` (the service's own role) in `partitions` partitions. Several may run: one says it."""

    def __init__(self, dsn: str, clock: Clock, partitions: int) -> None:
        self._dsn = dsn
        self._clock = clock
        self._partitions = partitions

    @asynccontextmanager
    async def beside(self, stop: asyncio.Event) -> AsyncIterator[None]:
        """At work inside the block."""
        task = asyncio.create_task(self.run(stop))
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def run(self, stop: asyncio.Event) -> None:
        """Close days until `stop`. Waits for a database that is away by itself."""
        failures = 0
        while not stop.is_set():
            try:
                conn = await db.connect(self._dsn, application_name="closing", settings=db.BY_KEY)
                try:
                    await db.assert_safe(conn)
                    while not stop.is_set():
                        await self.look(conn, stop)
                        failures = 0
                        await _pause(stop, LOOK_EVERY)
                finally:
                    conn.terminate()
            except AWAY as error:
                log.warning("closing.waits", reason=repr(error))
            except Exception:
                log.exception("closing.failed")
            failures += 1
            await _pause(stop, min(LONGEST_BACKOFF, 0.1 * 2 ** min(failures, 6)))

    async def look(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> date | None:
        """Close the day that is due, if it is not closed; which one was."""
        found = await conn.fetchrow(LOOK)
        assert found is not None, "closing.sql puts the row there"
        day = max(due(found["now"], self._clock), found["day"] or date.min)
        if found["said"] is not None and found["said"] >= day:
            return None
        if found["day"] is None or found["day"] < day:
            await conn.execute(FENCE, day, self._clock.opens_after(day))
            faults.reached("closing.fenced")
        if not await _becomes_true(conn, stop, ENDED, await conn.fetchval(DRAW)):
            return None
        if not await _becomes_true(conn, stop, SENT, await conn.fetchval(LAST)):
            return None
        return day if await self._say(conn, day) else None

    async def _say(self, conn: asyncpg.Connection[asyncpg.Record], day: date) -> bool:
        """Say it to every partition; false if another process said it, or has fenced a later day meanwhile."""
        async with conn.transaction():
            found = await conn.fetchrow(TURN)
            if found is None or found["day"] != day or (found["said"] is not None and found["said"] >= day):
                return False
            drafts = [Draft(day_subject(partition), DayClosed(day=day), day, partition=partition) for partition in range(self._partitions)]
            await journal.lock(conn, [draft.subject for draft in drafts])
            await journal.append(conn, drafts, ACTOR)
            await conn.execute(SAID, day)
            faults.reached("closing.said")
        log.info("closing.closed", day=day.isoformat())
        return True


async def _becomes_true(conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event, statement: str, argument: object) -> bool:
    """Ask until it is so; false if stopped before."""
    while not await conn.fetchval(statement, argument):
        await _pause(stop, WAIT)
        if stop.is_set():
            return False
    return True


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
