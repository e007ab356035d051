"""The relay publishes the outbox to the service's topic in the order of the journal, and deletes it when all is acknowledged.

One relay per service is active: it holds an advisory lock, on the connection with which it polls. After taking the lock it reads the log from
its marks (`shared.relaying.recovery`), so that a crash between acknowledgement and deletion sends nothing twice. It does so again if its
events did not land right behind its marks: another process has written to the topic, or it was created again (docs/design/ENGINE.md, Relay;
invariants I1 and I2).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
import structlog
from opentelemetry.trace import SpanKind

from shared.broker.protocol import Broker, BrokerUnavailableError, Message, OffsetLostError, Producer
from shared.process import db, faults
from shared.process.clock import utc_now
from shared.process.pause import backoff, pause
from shared.process.telemetry import commands_reached
from shared.relaying import store
from shared.relaying.messages import messages
from shared.relaying.pacing import LOOK_ASLEEP, Pacing
from shared.relaying.recovery import RelayStoppedError, Source, recover
from shared.relaying.store import Mark, Marks

T = TypeVar("T")

SESSION = {**db.BY_KEY, "idle_session_timeout": "10s"}
PING = 3.0
"""Seconds between two statements that keep the session alive."""
LOCK_POLL = 0.5
RECOVER_EVERY = 1.0
"""Seconds between two recoveries while the relay is stopped."""
LONGEST_BACKOFF = 2.0
LARGEST_BATCH = 8000
LARGEST_SHARED = 2000
"""Events of a batch while commands are to find CPU beside it and its readers."""
LARGE = 4_000_000
"""Bytes of a batch after which the next one is no larger."""

OUTAGES: tuple[type[Exception], ...] = (*db.OUTAGES, BrokerUnavailableError, OffsetLostError)

log = structlog.get_logger(__name__)


class Relay:
    """Publishes the outbox of the database at `dsn` (the service's own role) to `topic`, which must have `partitions` partitions.

    `source` is the CloudEvents source. `batch` = events published at a time, more while the outbox is long; `idle` = seconds between two looks
    into an outbox that held less than a batch, so that what is written meanwhile travels together; `asleep` = those between two looks while
    nothing comes (`shared.relaying.pacing`). `producer`: the broker's own unless given.
    `leading`: this process holds the lock. `published` counts events. `stopped`: why nothing is published (None: it is).
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
        asleep: float = LOOK_ASLEEP,
        producer: Producer | None = None,
    ) -> None:
        self._dsn = dsn
        self._broker = broker
        self._producer = producer or broker.producer()
        self._source = Source(source, topic, partitions)
        self._topic = topic
        self._batch = self._size = batch
        self._idle, self._asleep = idle, asleep
        self._topic_id = ""
        self._marks: Marks = {}
        self.leading = False
        self.published = 0
        self.stopped: str | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Relay until `stop`; waits for the lock, and through outages of database and broker. Raises PartitionCountError."""
        failures = 0
        try:
            while not stop.is_set():
                try:
                    async with self._session() as conn:
                        if await self._lock(conn, stop):
                            await db.assert_safe(conn)
                            pacing = Pacing(conn, self._idle, asleep=self._asleep)
                            await pacing.listen()
                            while await self._recovered(conn, stop):
                                self.leading = True
                                log.info("relay.leads", topic=self._topic)
                                while not stop.is_set() and await self._step(conn, pacing, stop):
                                    failures = 0
                                self.leading = False
                except OUTAGES as error:
                    failures += 1
                    log.warning("relay.waits", topic=self._topic, reason=repr(error))
                    await pause(stop, backoff(failures, LONGEST_BACKOFF))
                finally:
                    self.leading = False
        finally:
            await self._producer.close()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncpg.Connection[asyncpg.Record]]:
        """A frozen relay's session ends after 10 s (idle, or idle in a transaction), and with it the lock."""
        conn = await db.connect(self._dsn, application_name=f"relay {self._topic}"[:63], settings=SESSION)
        try:
            yield conn
        finally:
            conn.terminate()

    async def _lock(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> bool:
        """Wait for the lock; false if stopped before."""
        while not await conn.fetchval(store.TRY_LOCK, store.LOCK + self._topic):
            await pause(stop, LOCK_POLL)
            if stop.is_set():
                return False
        return True

    async def _recovered(self, conn: asyncpg.Connection[asyncpg.Record], stop: asyncio.Event) -> bool:
        """Recover, again and again while log and journal hold different histories; false if stopped before."""

        async def keep_alive(work: Awaitable[T]) -> T:
            return await self._keep_alive(conn, work, stop)

        while not stop.is_set():
            try:
                self._topic_id, self._marks = await recover(conn, self._broker, self._source, keep_alive)
            except RelayStoppedError as error:
                self.stopped = str(error)
                if await store.set_stopped(conn, self.stopped):
                    log.critical("relay.stopped", topic=self._topic, reason=self.stopped, then="run parkunion reconcile")
                await pause(stop, RECOVER_EVERY)
            else:
                self.stopped = None
                await store.set_publishing(conn)
                return True
        return False

    async def _step(self, conn: asyncpg.Connection[asyncpg.Record], pacing: Pacing, stop: asyncio.Event) -> bool:
        """Publish a batch; false if it did not land right behind the marks, and recovery is needed."""
        await pacing.wait(stop)
        rows = await store.oldest(conn, self._size)
        if not rows:
            await pacing.saw(0, full=False)
            return True
        full = len(rows) == self._size
        faults.reached("relay.read")
        began = utc_now()
        records = messages(rows, self._source.name, self._source.partitions)
        self._size = self._next_size(records, full, pacing.sharing)
        offsets = await self._keep_alive(conn, self._producer.publish(self._topic, records), stop)
        faults.reached("relay.acked")
        if not self._landed_behind_marks(records, offsets):
            return False
        last = {record.partition: row["id"] for record, row in zip(records, rows, strict=True)}
        marks = {number: Mark(offset, last[number], self._topic_id) for number, offset in offsets.items() if offset >= 0}
        await store.delete_sent(conn, [row["id"] for row in rows], marks)
        self._marks.update(marks)
        faults.reached("relay.deleted")
        self.published += len(rows)
        await pacing.saw(len(rows), full=full, last=rows[-1]["id"])
        commands = (row["traceparent"] for row in rows)
        commands_reached(commands, f"{self._topic} publish", SpanKind.PRODUCER, began, {"parkunion.events": len(rows)})
        return True

    def _next_size(self, records: Sequence[Message], full: bool, sharing: bool) -> int:
        """The limit of the next batch: what a batch costs by itself is divided by more events while there are more than one holds."""
        if not full:
            return self._batch
        grows = sum(len(record.value) for record in records) < LARGE
        return min(self._size * 2 if grows else self._size, max(LARGEST_SHARED if sharing else LARGEST_BATCH, self._batch))

    def _landed_behind_marks(self, records: Sequence[Message], offsets: Mapping[int, int]) -> bool:
        """Whether every partition's events lie right behind its mark; false also where the broker does not return offsets."""
        counts = Counter(record.partition for record in records)
        for number, offset in offsets.items():
            if offset < 0:
                log.warning("relay.offset_unknown", topic=self._topic, partition=number)
                return False
            mark = self._marks.get(number)
            if (expected := mark.offset + 1 if mark is not None else 0) != offset - counts[number] + 1:
                log.warning("relay.gap", topic=self._topic, partition=number, expected=expected, last=offset, events=counts[number])
                return False
        return True

    @staticmethod
    async def _keep_alive(conn: asyncpg.Connection[asyncpg.Record], work: Awaitable[T], stop: asyncio.Event) -> T:
        """Await `work` and keep the session alive. If the session is lost, so is the lock: the work is cancelled."""
        task = asyncio.ensure_future(work)
        stopping = asyncio.ensure_future(stop.wait())
        try:
            while not task.done():
                await asyncio.wait({task, stopping}, timeout=PING, return_when=asyncio.FIRST_COMPLETED)
                if task.done():
                    break
                if stopping.done():
                    raise BrokerUnavailableError("stopped before the broker acknowledged")
                await conn.execute("SELECT 1")
            return await task
        finally:
            stopping.cancel()
            if not task.done():
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError, Exception):
                    await task


async def relay_check(conn: db.Connection) -> str:
    """The relay's check for /readyz, whichever process it runs in: `ok`, or why it has stopped and what to do."""
    found = await store.state(conn)
    return f"stopped: {found.stopped}; run parkunion reconcile" if found.stopped else "ok"
