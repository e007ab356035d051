"""Runs one reader per active generation of this release's fold_version.

Readers share only the process: each has its own positions, caches, database sessions and consumer group. A failed reader is restarted; the
failure of the serving generation's reader ends the process.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass

import structlog

from services.metrics.folding.columns.facts import FRAMED
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from services.metrics.folding.projector import Projector
from services.metrics.generations import lifecycle
from services.metrics.settings import Settings
from services.metrics.tables.heads import heads_of_facts
from shared.broker.protocol import Broker
from shared.process import db
from shared.process.db import Pool
from shared.process.logs import described
from shared.reading.reader import Reader

POLL_EVERY = 1.0
RESTART_AFTER = 5.0
"""Seconds before a failed reader is restarted."""
READER_CONNECTIONS = 3
STOP_WITHIN = 3.0
SESSION = "metrics.folding"
"""Up to 0.2 it was metrics.projector; migration 0008 waits until no session is called so."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class RunningReader:
    """The task of one generation's reader, and the event that stops it."""

    task: asyncio.Task[None]
    stop: asyncio.Event


class GenerationReaders:
    """`run(stop)` keeps one reader per active generation; `broker()` makes a broker client for each."""

    def __init__(self, settings: Settings, broker: Callable[[], Broker]) -> None:
        self._settings = settings
        self._broker = broker
        self._readers: dict[int, RunningReader] = {}
        self._not_before: dict[int, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Raises the error that ended the serving generation's reader."""
        pool = await db.create_pool(self._settings.dsn, application_name=SESSION, max_size=1)
        try:
            while not stop.is_set():
                with contextlib.suppress(*db.OUTAGES):
                    await self._reconcile(pool)
                await self._wait(stop)
        finally:
            await asyncio.gather(*(self._stop_reader(generation) for generation in list(self._readers)), return_exceptions=True)
            pool.terminate()

    async def _reconcile(self, pool: Pool) -> None:
        """Start the missing readers and stop those of generations that are no longer active."""
        async with pool.acquire(timeout=5) as conn:
            active = await lifecycle.active(conn)
        for generation, reader in list(self._readers.items()):
            if reader.task.done():
                self._handle_ended(generation, serving=active.get(generation) == "serving")
            elif generation not in active:
                log.info("feeding.ends", generation=generation)
                await self._stop_reader(generation)
        for generation in active:
            if generation not in self._readers and time.monotonic() >= self._not_before.get(generation, 0.0):
                log.info("feeding.begins", generation=generation)
                stop = asyncio.Event()
                self._readers[generation] = RunningReader(asyncio.create_task(self._run_reader(generation, stop)), stop)

    def _handle_ended(self, generation: int, *, serving: bool) -> None:
        task = self._readers.pop(generation).task
        error = task.exception() if not task.cancelled() else None
        if serving and error is not None:
            raise error
        self._not_before[generation] = time.monotonic() + RESTART_AFTER
        log.error("feeding.failed", generation=generation, error=described(error) if error else None)

    async def _wait(self, stop: asyncio.Event) -> None:
        """Until the next poll, the end of a reader, or `stop`."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            tasks = [reader.task for reader in self._readers.values()]
            await asyncio.wait([stopping, *tasks], timeout=POLL_EVERY, return_when="FIRST_COMPLETED")
        finally:
            stopping.cancel()

    async def _stop_reader(self, generation: int) -> None:
        reader = self._readers.pop(generation)
        reader.stop.set()
        await asyncio.wait([reader.task], timeout=STOP_WITHIN)
        if not reader.task.done():
            reader.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reader.task

    async def _run_reader(self, generation: int, stop: asyncio.Event) -> None:
        settings = self._settings
        broker = self._broker()
        pool = await db.create_pool(settings.dsn, application_name=SESSION, by_key=True, max_size=READER_CONNECTIONS)
        try:
            projector = Projector(pool, settings.clock, generation)
            reader = Reader(
                pool,
                broker,
                name=f"{settings.topic_prefix}metrics",
                topics=settings.topics,
                partitions=settings.partitions,
                generation=generation,
                apply=projector.apply,
                on_reset=projector.on_reset,
                after_commit=projector.after_commit,
                clock=settings.clock,
                on_closed=projector.on_closed,
                batch=settings.fold_batch,
                columns=TYPES_AS_COLUMNS,
                framed=FRAMED,
                joins=lambda _: True,  # what a fold locks has the number of its shard
                heads_elsewhere=heads_of_facts(generation),
                span="metrics.project",
            )
            await reader.run(stop)
        finally:
            await broker.close()
            await pool.close()
