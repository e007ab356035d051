"""The relay: sends what the outbox holds to the service's topic, in the order of the journal, and deletes it when all is acknowledged.

One per service, by an advisory lock on a connection of its own, which is also the one that polls. Having taken the lock it first reads the
log from its marks (`shared.relaying.recovery`), so that a crash between the acknowledgement and the deletion sends nothing twice; the same
when its events did not land right behind its marks: somebody else has written to the topic, or it was made anew. Nothing is lost and no
stream's order is changed (docs/design/ENGINE.md, Relay; invariants I1 and I2).
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog
from opentelemetry.trace import SpanKind

from shared.broker.protocol import Broker, BrokerUnavailable, Message, OffsetLost, Producer
from shared.journal.journal import JournalRow, cloud_event
from shared.process import db, faults
from shared.process.clock import utc_now
from shared.process.telemetry import commands_reached
from shared.relaying import store
from shared.relaying.recovery import Source, Stopped, recover
from shared.relaying.store import Mark, Marks

T = TypeVar("T")

SESSION = {**db.BY_KEY, "idle_session_timeout": "10s"}
PING = 3.0
LOCK_POLL = 0.5
LOOK_AGAIN = 1.0
"""Seconds between two looks whether what stopped the relay is mended."""
LONGEST_BACKOFF = 2.0

AWAY: tuple[type[Exception], ...] = (*db.OUTAGES, BrokerUnavailable, OffsetLost)

log = structlog.get_logger(__name__)


class Relay:
    """Relays the journal of the database at `dsn` (the service's own role) to `topic`, whose `partitions` are asserted by the service.

    `source` is the CloudEvents source, `batch` how many events are published at a time, `idle` the seconds between two looks into
    an outbox that held less than a batch: what is written meanwhile travels together (docs/adr/0008); `producer` is one of the broker's
    unless given. `leading` is true while this process is the one that relays; `published` counts events; `stopped` says why nothing is
    published (None: it is).
    """

    def __init__(
        self,
        dsn: str,
        broker: Broker,
        source: str,
        topic: str,
        partitions: int,
        *,
        batch: int = 1000,
        idle: float = 0.025,
        producer: Producer | None = None,
    ) -> None:
        self._dsn = dsn
        self._broker = broker
        self._producer = producer or broker.producer()
        self._source = Source(source, topic, partitions)
        self._topic = topic
        self._batch = batch
        self._idle = idle
        self._topic_id = ""
        self._marks: Marks = {}
        self._next_look = 0.0
        self.leading = False
        self.published = 0
        self.stopped: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`. Waits for the lock, and for a database or a broker that is away, by itself. Raises PartitionsDiffer."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    async with self._session() as conn:
                        if await self._lock(conn, stop):
                            await db.assert_safe(conn)
                            while await self._recovered(conn, stop):
                                self.leading = True
                                log.info("relay.leads", topic=self._topic)
                                while not stop.is_set() and await self._step(conn, stop):
                                    failures = 0
                                self.leading = False
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
        while not await conn.fetchval(store.TRY_LOCK, store.LOCK + self._topic):
            await _pause(stop, LOCK_POLL)
            if stop.is_set():
                return False
        return True

    async def _recovered(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> bool:
        """Know where the log stands, as soon as log and journal tell one history; false if stopped before."""

        async def pinging(work: Awaitable[T]) -> T:
            return await self._pinging(conn, work, stop)

        while not stop.is_set():
            try:
                self._topic_id, self._marks = await recover(conn, self._broker, self._source, pinging)
            except Stopped as why:
                self.stopped = str(why)
                if await store.stop(conn, self.stopped):
                    log.critical("relay.stopped", topic=self._topic, reason=self.stopped, then="run parkunion reconcile")
                await _pause(stop, LOOK_AGAIN)
            else:
                self.stopped = None
                await store.go_on(conn)
                return True
        return False

    async def _step(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> bool:
        """Send what waits; false if it did not land where it should, and the log must be looked at."""
        await _pause(stop, self._next_look - time.monotonic())
        self._next_look = time.monotonic() + self._idle
        rows = await store.oldest(conn, self._batch)
        if not rows:
            return True
        if len(rows) == self._batch:
            self._next_look = 0.0
        faults.reached("relay.read")
        began = utc_now()
        messages = [self._message(row) for row in rows]
        offsets = await self._pinging(conn, self._producer.publish(self._topic, messages), stop)
        faults.reached("relay.acked")
        if not self._followed(messages, offsets):
            return False
        last = {message.partition: row["id"] for message, row in zip(messages, rows, strict=True)}
        marks = {number: Mark(offset, last[number], self._topic_id) for number, offset in offsets.items() if offset >= 0}
        await store.sent(conn, [row["id"] for row in rows], marks)
        self._marks.update(marks)
        faults.reached("relay.deleted")
        self.published += len(rows)
        commands = (row["traceparent"] for row in rows)
        commands_reached(commands, f"{self._topic} publish", SpanKind.PRODUCER, began, {"parkunion.events": len(rows)})
        return True

    def _followed(self, messages: Sequence[Message], offsets: Mapping[int, int]) -> bool:
        """Whether every partition's events lie right behind its mark; where the broker does not say, the next recovery sees."""
        counts = Counter(message.partition for message in messages)
        for number, offset in offsets.items():
            if offset < 0:
                log.warning("relay.offset_unknown", topic=self._topic, partition=number)
                return False
            mark = self._marks.get(number)
            if (expected := mark.offset + 1 if mark is not None else 0) != offset - counts[number] + 1:
                log.warning("relay.gap", topic=self._topic, partition=number, expected=expected, last=offset, events=counts[number])
                return False
        return True

    def _message(self, row: asyncpg.Record) -> Message:
        event = JournalRow(*row[:-1])
        given = row["partition"]
        partition = given if given is not None else self._source.place(event.subject, event.partition_key)
        return Message(partition, event.partition_key.encode(), cloud_event(event, self._source.name))

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


async def relaying(conn: db.Connection) -> str:
    """What a readiness says of the relay, whichever process it runs in: `ok`, or why it has stopped and what to do."""
    found = await store.state(conn)
    return f"stopped: {found.stopped}; run parkunion reconcile" if found.stopped else "ok"
