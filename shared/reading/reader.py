"""The reader: lives through rebalances, restarts and outages, and stops only where going on would do harm."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter, deque
from collections.abc import Callable, Sequence

import structlog

from shared.broker.protocol import Broker, BrokerUnavailable, OffsetLost, PartitionsDiffer, Topic
from shared.contracts.ids import uuid7
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool
from shared.reading.folding import Apply, Folder, OnClosed
from shared.reading.owning import Halted
from shared.reading.session import Session, Setting, Stalled
from shared.sequencing.records import ShardBatch

LONGEST_BACKOFF = 3.0
STEADY = 30.0

AWAY: tuple[type[Exception], ...] = (*db.OUTAGES, BrokerUnavailable, OffsetLost, Stalled)

log = structlog.get_logger(__name__)


def _nothing(_: object) -> None:
    """No caches, nothing to drop or to keep."""


class Reader:
    """Reads `topics` into the database of `pool`, one transaction per shard and batch (docs/design/ENGINE.md, Reading 1 to 5, 7 to 9).

    `apply(conn, batch)` does the work inside the transaction. What it raises decides: an outage (`shared.reading.folding.is_outage`) aborts
    the batch, which is tried again; anything else is about an event, which is searched by halving the batch, parked, and its stream held.
    A batch that is tried again may be cut otherwise, so nothing may be kept in memory but in `after_commit(batch)`, which is called when the
    commit is known; `on_reset(shard)` says that everything kept of a shard is void. `batch` is the most events of a transaction.
    An `event-withdrawn` that is applied names events that `apply` was given before, and others that it never was: it takes back the former.

    `clock` tells the known day of what is held; without it no day closes while anything is. `on_closed(conn, shard, day)` is called in the
    transaction in which a shard's closed day rises to `day`; without it, as without a clock, no event is too late.

    `halted` = why it has stopped for good in this process (None: it goes on); `counts` = applied, duplicates, parked.
    """

    def __init__(
        self,
        pool: Pool,
        broker: Broker,
        *,
        name: str,
        topics: Sequence[str],
        partitions: int,
        generation: int = 1,
        apply: Apply,
        on_reset: Callable[[int], None] = _nothing,
        after_commit: Callable[[ShardBatch], None] = _nothing,
        clock: Clock | None = None,
        on_closed: OnClosed | None = None,
        batch: int = 5000,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._group = f"{name}.g{generation}"
        self._partitions = partitions
        self._setting = Setting(f"{name} {uuid7().hex[-12:]}"[-63:], list(topics), generation, batch)
        self.counts: Counter[str] = Counter()
        day_of = clock.day_of if clock else None
        self._folder = Folder(generation, batch, apply, on_reset, after_commit, deque(), self.counts, day_of, on_closed)
        self.halted: str | None = None
        self.session: Session | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`. Raises PartitionsDiffer at start."""
        failures = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self._live(stop)
            except Halted as error:
                self.halted = str(error)
                log.critical("reader.halted", reader=self._setting.me, reason=self.halted)
                await stop.wait()
            except AWAY as error:
                log.warning("reader.waits", reader=self._setting.me, reason=repr(error))
            except PartitionsDiffer:
                raise
            except Exception:
                log.exception("reader.failed", reader=self._setting.me)
            failures = 0 if time.monotonic() - started > STEADY else failures + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LONGEST_BACKOFF, 0.1 * 2 ** min(failures, 6))):
                    await stop.wait()

    async def _live(self, stop: asyncio.Event) -> None:
        topics = await self._topics(stop)
        if topics is None:
            return
        conn = await self._pool.acquire(timeout=db.CONNECT_TIMEOUT)
        try:
            # Whoever takes over from us finds our session by this name, and ends it.
            await conn.execute("SELECT set_config('application_name', $1, false)", self._setting.me)
            self.session = Session(self._setting, conn, self._broker, self._group, topics, self._folder)
            await self.session.run(stop)
        finally:
            self.session = None
            try:
                with contextlib.suppress(*db.OUTAGES):
                    await conn.reset(timeout=5)
            finally:
                with contextlib.suppress(*db.OUTAGES):
                    await self._pool.release(conn, timeout=5)

    async def _topics(self, stop: asyncio.Event) -> dict[str, Topic] | None:
        """The topics, once all of them exist; None if stopped before."""
        wanted = self._setting.topics
        while not stop.is_set():
            found = await self._broker.describe(wanted)
            if wrong := {name: topic.partitions for name, topic in found.items() if topic.partitions != self._partitions}:
                raise PartitionsDiffer(f"{self._partitions} partitions expected: {wrong}")
            if len(found) == len(wanted):
                return found
            log.warning("reader.waits", reader=self._setting.me, missing=sorted(set(wanted) - found.keys()))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await stop.wait()
        return None
