"""Closing days: a source publishes to every partition of its topic that it records nothing more on a day or before it (`day-closed`).

Runs beside the relay, from 00:05 of the deployment's zone on, for the day before. After an outage of days only the latest day is published,
which closes the earlier ones too (docs/design/ENGINE.md, Closing days).

Why nothing can be recorded on a closed day, whatever the clock does:
1. The day is *fenced*: `days_closed.opens`, below which `journal.append` records nothing, is raised in a transaction of its own.
2. An id X is drawn from PostgreSQL's transaction counter. Every append holds such an id, from the locks on its streams, before it reads clock
   and fence. With an id above X it was drawn after the fence was committed, so the append sees the fence. Transactions with an id up to X may
   not have seen it; they are awaited (60 s at most: `transaction_timeout`).
3. Now everything recorded on the day is committed, with ids up to the journal's last one. When the outbox holds nothing up to that id,
   `day-closed` is appended: it gets a later id and is published after every fact of the day.
The clock only decides *when* a day is fenced. If it jumps back, events are recorded at the fence; if that is more than a minute ahead of the
clock, commands are refused (503) until the clock has come as far. A process that dies between the steps leaves a fenced day; the next one
continues with step 2.
"""

from __future__ import annotations

import asyncio
from datetime import date, datetime, timedelta

import asyncpg
import structlog

from shared.contracts.streams import DayClosed, day_subject
from shared.journal import journal
from shared.journal.journal import Actor, Draft
from shared.process import db, faults
from shared.process.clock import Clock
from shared.process.pause import pause, repeat

GRACE = timedelta(minutes=5)
"""After midnight, so that a clock that is set back a little refuses no command."""
CHECK_EVERY = 1.0
POLL = 0.05
LONGEST_BACKOFF = 5.0
ACTOR = Actor("closing", "api")

STATE = "SELECT day, said, parkunion_now() AS now FROM days_closed WHERE one"
FENCE = "UPDATE days_closed SET day = $1, opens = $2 WHERE one AND (day IS NULL OR day < $1)"
DRAW_ID = "SELECT pg_current_xact_id()::text"
ENDED = "SELECT pg_snapshot_xmin(pg_current_snapshot()) > $1::text::xid8"
LAST_ID = "SELECT coalesce(max(id), 0) FROM journal"
SENT = "SELECT coalesce(min(id) > $1, true) FROM outbox"
LOCK_STATE = "SELECT day, said FROM days_closed WHERE one FOR UPDATE"
PUBLISHED = "UPDATE days_closed SET said = $1 WHERE one"

OUTAGES: tuple[type[Exception], ...] = (*db.OUTAGES, journal.ClockAheadError)

log = structlog.get_logger(__name__)


def due(now: datetime, clock: Clock) -> date:
    """The last day that may be closed at an instant: from 00:05 on yesterday, before that the day before yesterday."""
    return clock.day_of(now - GRACE) - timedelta(days=1)


class DayCloser:
    """Closes the days of the source at `dsn` (the service's own role) in `partitions` partitions. Several may run: one of them publishes."""

    def __init__(self, dsn: str, clock: Clock, partitions: int) -> None:
        self._dsn = dsn
        self._clock = clock
        self._partitions = partitions

    async def run(self, stop: asyncio.Event) -> None:
        """Close days until `stop`, through outages of the database."""

        async def step(conn: asyncpg.Connection[asyncpg.Record]) -> None:
            await self.close_due(conn, stop)

        await repeat(step, self._connect, stop, name="closing", every=CHECK_EVERY, longest=LONGEST_BACKOFF, outages=OUTAGES)

    async def _connect(self) -> asyncpg.Connection[asyncpg.Record]:
        conn = await db.connect(self._dsn, application_name="closing", settings=db.BY_KEY)
        try:
            await db.assert_safe(conn)
        except BaseException:
            conn.terminate()
            raise
        return conn

    async def close_due(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> date | None:
        """Close the day that is due; returns it, or None if it was closed before, or `stop` came first."""
        found = await conn.fetchrow(STATE)
        assert found is not None, "closing.sql puts the row there"
        day = max(due(found["now"], self._clock), found["day"] or date.min)
        if found["said"] is not None and found["said"] >= day:
            return None
        if found["day"] is None or found["day"] < day:
            await conn.execute(FENCE, day, self._clock.opens_after(day))
            faults.reached("closing.fenced")
        if not await _wait_until(conn, stop, ENDED, await conn.fetchval(DRAW_ID)):
            return None
        if not await _wait_until(conn, stop, SENT, await conn.fetchval(LAST_ID)):
            return None
        return day if await self._publish(conn, day) else None

    async def _publish(self, conn: asyncpg.Connection[asyncpg.Record], day: date) -> bool:
        """Append `day-closed` for every partition; false if another process did, or has fenced a later day meanwhile."""
        async with conn.transaction():
            found = await conn.fetchrow(LOCK_STATE)
            if found is None or found["day"] != day or (found["said"] is not None and found["said"] >= day):
                return False
            drafts = [Draft(day_subject(partition), DayClosed(day=day), day, partition=partition) for partition in range(self._partitions)]
            await journal.lock(conn, [draft.subject for draft in drafts])
            await journal.append(conn, drafts, ACTOR)
            await conn.execute(PUBLISHED, day)
            faults.reached("closing.said")
        log.info("closing.closed", day=day.isoformat())
        return True


async def _wait_until(conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event, statement: str, argument: object) -> bool:
    """Poll until the statement is true; false if stopped before."""
    while not await conn.fetchval(statement, argument):
        await pause(stop, POLL)
        if stop.is_set():
            return False
    return True
