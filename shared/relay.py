"""The relay: sends what the outbox holds to the service's topic, in the order of the journal, and deletes it when all is acknowledged.

One per service, by an advisory lock on a connection of its own, which is also the one that polls. A crash between the acknowledgement and
the deletion sends events twice, at later offsets; readers drop them by sequence. Nothing is lost and no stream's order is changed
(docs/design/ENGINE.md, Relay; invariants I1 and I2).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog
from opentelemetry.trace import SpanKind

from shared import db
from shared.broker import BrokerUnavailable, Message, PartitionsDiffer, Producer, partition_of
from shared.clock import utc_now
from shared.journal import COLUMNS, JournalRow, cloud_event
from shared.telemetry import commands_reached

T = TypeVar("T")

SESSION = {**db.BY_KEY, "idle_session_timeout": "10s"}
PING = 3.0
LOCK_POLL = 0.5
LONGEST_BACKOFF = 2.0

OLDEST = f"""
SELECT {", ".join(f"j.{name}" for name in COLUMNS.split(", "))}, o.partition
FROM (SELECT id, partition FROM outbox ORDER BY id LIMIT $1) AS o
CROSS JOIN LATERAL (SELECT {COLUMNS} FROM journal WHERE journal.id = o.id OFFSET 0) AS j
ORDER BY o.id
"""
DELETE = "DELETE FROM outbox WHERE id = ANY($1::bigint[])"
MARK = """
INSERT INTO relay_marks (partition, "offset", journal_id)
SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[])
ON CONFLICT (partition) DO UPDATE SET "offset" = excluded."offset", journal_id = excluded.journal_id
"""

AWAY: tuple[type[Exception], ...] = (*db.OUTAGES, BrokerUnavailable)

log = structlog.get_logger(__name__)


class Relay:
    """Relays the journal of the database at `dsn` (the service's own role) to `topic`, whose `partitions` are asserted by the service.

    `source` is the CloudEvents source, `batch` how many events are published at a time, `idle` the seconds between two looks into
    an outbox that held less than a batch: what is written meanwhile travels together (docs/adr/0008). `leading` is true while this process
    is the one that relays; `published` counts events.
    """

    def __init__(
        self, dsn: str, producer: Producer, source: str, topic: str, partitions: int, *, batch: int = 1000, idle: float = 0.025
    ) -> None:
        self._dsn = dsn
        self._producer = producer
        self._source = source
        self._topic = topic
        self._partitions = partitions
        self._batch = batch
        self._idle = idle
        self._next_look = 0.0
        self.leading = False
        self.published = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`. Waits for the lock, and for a database or a broker that is away, by itself. Raises PartitionsDiffer."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    async with self._session() as conn:
                        if await self._lock(conn, stop):
                            await db.assert_safe(conn)
                            await self._assert_partitions(conn, stop)
                            self.leading = True
                            log.info("relay.leads", topic=self._topic)
                            while not stop.is_set():
                                await self._step(conn, stop)
                                failures = 0
                except AWAY as error:
                    failures += 1
                    log.warning("relay.waits", topic=self._topic, reason=repr(error))
                    await _pause(stop, min(LONGEST_BACKOFF, 0.1 * 2 ** min(failures, 6)))
                finally:
                    self.leading = False
        finally:
            await self._producer.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A frozen relay is idle, or idle in a transaction: either way its session ends after 10 s, and with it the lock."""
        conn = await db.connect(self._dsn, application_name=f"relay {self._topic}"[:63], settings=SESSION)
        try:
            yield conn
        finally:
            conn.terminate()

    async def _lock(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> bool:
        """Wait to be the one; false if stopped before."""
        while not await conn.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 0))", f"relay {self._topic}"):
            await _pause(stop, LOCK_POLL)
            if stop.is_set():
                return False
        return True

    async def _assert_partitions(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> None:
        found = await self._pinging(conn, self._producer.partitions(self._topic), stop)
        if found != self._partitions:
            raise PartitionsDiffer(f"{self._topic} has {found} partitions, {self._partitions} are configured")

    async def _step(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> None:
        await _pause(stop, self._next_look - time.monotonic())
        self._next_look = time.monotonic() + self._idle
        rows = await conn.fetch(OLDEST, self._batch)
        if not rows:
            return
        if len(rows) == self._batch:
            self._next_look = 0.0
        began = utc_now()
        messages = [self._message(row) for row in rows]
        offsets = await self._pinging(conn, self._producer.publish(self._topic, messages), stop)
        last = {message.partition: row["id"] for message, row in zip(messages, rows, strict=True)}
        known = [partition for partition in offsets if offsets[partition] >= 0]
        async with conn.transaction():
            # Lost in a crash of the database, it is only sent again; waiting for the disk here would delay every event behind it.
            await conn.execute("SET LOCAL synchronous_commit = off")
            await conn.execute(DELETE, [row["id"] for row in rows])
            await conn.execute(MARK, known, [offsets[partition] for partition in known], [last[partition] for partition in known])
        self.published += len(rows)
        commands = (row["traceparent"] for row in rows)
        commands_reached(commands, f"{self._topic} publish", SpanKind.PRODUCER, began, {"parkunion.events": len(rows)})

    def _message(self, row: asyncpg.Record) -> Message:
        event = JournalRow(*row[:-1])
        partition = row["partition"] if row["partition"] is not None else partition_of(event.partition_key, self._partitions)
        return Message(partition, event.partition_key.encode(), cloud_event(event, self._source))

    @staticmethod
    async def _pinging(conn: asyncpg.Connection[asyncpg.Record], work: Awaitable[T], stop: asyncio.Event) -> T:
        """Await `work` and keep the session alive meanwhile. If the session is lost, so is the lock: the work is cancelled."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not task.done():
                await asyncio.wait({task, stopping}, timeout=PING, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    break
                if stopping.done():
                    raise BrokerUnavailable("stopped before the broker acknowledged")
                await conn.execute("SELECT 1")
            return await task
        finally:
            stopping.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    if seconds <= 0:
        return
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await stop.wait()
