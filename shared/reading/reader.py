"""The reader: goes on through rebalances, restarts and outages, and halts only where going on would do harm."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import time
from collections.abc import Callable, Sequence

import structlog

from shared.broker.protocol import Broker, BrokerUnavailableError, OffsetLostError, PartitionCountError, Topic
from shared.contracts.ids import uuid7
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool
from shared.process.pause import backoff, pause
from shared.reading.batches.applying import BatchApplier
from shared.reading.config import Apply, Joins, OnClosed, ReaderConfig
from shared.reading.heads import HeadsElsewhere
from shared.reading.ownership import ReaderHaltedError
from shared.reading.session import ConsumerStalledError, Session
from shared.sequencing.frames import Framed
from shared.sequencing.records import ShardBatch

LONGEST_BACKOFF = 3.0
STEADY = 30.0
"""Seconds after which a session that ends counts as no failure."""

OUTAGES: tuple[type[Exception], ...] = (*db.OUTAGES, BrokerUnavailableError, OffsetLostError, ConsumerStalledError)

log = structlog.get_logger(__name__)


def _ignore(_: object) -> None:
    """For a reader without caches."""


class Reader:
    """Reads `topics` into the database of `pool`, one transaction per shard and batch, or for the few events of several shards (docs/design/ENGINE.md, Reading 1 to 5, 7 to 9).

    `apply(conn, batch)` does the work inside the transaction. If it raises an outage (`shared.reading.batches.refusing.is_outage`), the batch is tried
    again. Any other error is about an event: it is searched by halving the batch, parked, and its stream held. A batch that is tried again may
    be cut otherwise, so `apply` must not change memory: that is for `after_commit(batch)`. `on_reset(shard)`: drop everything kept of a shard.
    An `event-withdrawn` that is applied may name events that `apply` was never given; it takes back those that it was.

    `batch` is the most events of a transaction, `span` the name of its span in traces (default: `<name> process`). `clock` gives the known day of held events; without it no day closes while anything is held.
    `on_closed(conn, shard, day)` is called in the transaction in which a shard's closed day rises to `day`; without it, as without a clock, no
    event is too late.

    `columns`: the types of events that `apply` also takes as columns (`ShardBatch.columns`), as they come when a shard is far behind; `framed`: further
    ones, whose rows have `Columns.data`.
    `heads_elsewhere`: where `apply` keeps the events that it takes as columns (`HeadsElsewhere`).
    `joins(records)`: whether the few events of a shard may share a transaction with those of other shards (`ReaderConfig.joins`).

    `halted` = why this reader has stopped for good (None: it goes on); `counts`: applied, duplicates, parked, withdrawn.
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
        on_reset: Callable[[int], None] = _ignore,
        after_commit: Callable[[ShardBatch], None] = _ignore,
        clock: Clock | None = None,
        on_closed: OnClosed | None = None,
        batch: int = 5000,
        span: str | None = None,
        columns: Sequence[str] = (),
        framed: Framed | None = None,
        joins: Joins | None = None,
        heads_elsewhere: HeadsElsewhere | None = None,
    ) -> None:
        self._pool = pool
        self._broker = broker
        self._config = ReaderConfig(
            owner=f"{name} {uuid7().hex[-12:]}"[-63:],
            span=span or f"{name} process",
            group=f"{name}.g{generation}",
            topics=list(topics),
            partitions=partitions,
            generation=generation,
            batch=batch,
            apply=apply,
            on_reset=on_reset,
            after_commit=after_commit,
            day_of=clock.day_of if clock else None,
            on_closed=on_closed,
            columns=columns,
            framed=framed,
            joins=joins,
            heads_elsewhere=heads_elsewhere,
        )
        self._applier = BatchApplier(self._config)
        self.counts = self._applier.counts
        self.halted: str | None = None
        self.session: Session | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Read until `stop`. Raises PartitionCountError at start."""
        failures = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self._run_session(stop)
            except ReaderHaltedError as error:
                self.halted = str(error)
                log.critical("reader.halted", reader=self._config.owner, reason=self.halted)
                await stop.wait()
            except OUTAGES as error:
                log.warning("reader.waits", reader=self._config.owner, reason=repr(error))
            except PartitionCountError:
                raise
            except Exception:
                log.exception("reader.failed", reader=self._config.owner)
            failures = 0 if time.monotonic() - started > STEADY else failures + 1
            await pause(stop, backoff(failures, LONGEST_BACKOFF))

    async def _run_session(self, stop: asyncio.Event) -> None:
        topics = await self._topics(stop)
        if topics is None:
            return
        conn = await self._pool.acquire(timeout=db.CONNECT_TIMEOUT)
        try:
            # The next owner of our shards finds this session by its name, and ends it.
            await conn.execute("SELECT set_config('application_name', $1, false)", self._config.owner)
            self.session = Session(self._config, conn, self._broker, topics, self._applier)
            await self.session.run(stop)
        finally:
            self.session = None
            # A session and its tasks refer to each other; what they hold of the log must not wait for a collection of all generations.
            gc.collect()
            try:
                with contextlib.suppress(*db.OUTAGES):
                    await conn.reset(timeout=5)
            finally:
                with contextlib.suppress(*db.OUTAGES):
                    await self._pool.release(conn, timeout=5)

    async def _topics(self, stop: asyncio.Event) -> dict[str, Topic] | None:
        """Wait until all topics exist; None if stopped before."""
        wanted = self._config.topics
        while not stop.is_set():
            found = await self._broker.describe(wanted)
            if wrong := {name: topic.partitions for name, topic in found.items() if topic.partitions != self._config.partitions}:
                raise PartitionCountError(f"{self._config.partitions} partitions expected: {wrong}")
            if len(found) == len(wanted):
                return found
            log.warning("reader.waits", reader=self._config.owner, missing=sorted(name for name in {*wanted} if name not in found))
            await pause(stop, 1)
        return None
