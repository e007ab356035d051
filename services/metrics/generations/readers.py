"""Who is fed: every generation of this release's fold_version that is built and not of no more use, each by a reader of its own.

The readers share nothing but the process: positions, caches, database sessions and groups are the generation's. One that fails is started
again; only the serving one's failure ends the process, as it did before there were others.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog

from services.metrics.folding.projector import Projector
from services.metrics.generations import store as generations
from services.metrics.settings import Settings
from shared.broker.protocol import Broker
from shared.process import db
from shared.process.db import Pool
from shared.process.logs import described
from shared.reading.reader import Reader

LOOK_EVERY = 1.0
AGAIN_AFTER = 5.0
"""Seconds before a reader that failed is started again."""
READER_CONNECTIONS = 3
END_WITHIN = 3.0

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Fed:
    """The reader of one generation at work."""

    task: asyncio.Task[None]
    stop: asyncio.Event = field(default_factory=asyncio.Event)


class Feeding:
    """`run(stop)` keeps one reader per generation that is to be fed, until `stop`; `broker()` makes the way to the log for each."""

    def __init__(self, settings: Settings, broker: Callable[[], Broker]) -> None:
        self._settings = settings
        self._broker = broker
        self._readers: dict[int, Fed] = {}
        self._not_before: dict[int, float] = {}

    async def run(self, stop: asyncio.Event) -> None:
        """Raises what ended the reader of the serving generation."""
        pool = await db.create_pool(self._settings.dsn, application_name="metrics.projector", max_size=1)
        try:
            while not stop.is_set():
                with contextlib.suppress(*db.OUTAGES):
                    await self._look(pool)
                await self._wait(stop)
        finally:
            await asyncio.gather(*(self._let_go(generation) for generation in list(self._readers)), return_exceptions=True)
            pool.terminate()

    async def _look(self, pool: Pool) -> None:
        """Start the readers that are missing, and end those whose generation is fed no longer."""
        async with pool.acquire(timeout=5) as conn:
            wanted = await generations.fed(conn)
        for generation in list(self._readers):
            reader = self._readers[generation]
            if reader.task.done():
                self._ended(generation, serving=wanted.get(generation) == "serving")
            elif generation not in wanted:
                log.info("feeding.ends", generation=generation)
                await self._let_go(generation)
        for generation in wanted:
            if generation not in self._readers and time.monotonic() >= self._not_before.get(generation, 0.0):
                log.info("feeding.begins", generation=generation)
                stop = asyncio.Event()
                self._readers[generation] = Fed(asyncio.create_task(self._feed(generation, stop)), stop)

    def _ended(self, generation: int, *, serving: bool) -> None:
        task = self._readers.pop(generation).task
        error = task.exception() if not task.cancelled() else None
        if serving and error is not None:
            raise error
        self._not_before[generation] = time.monotonic() + AGAIN_AFTER
        log.error("feeding.failed", generation=generation, error=described(error) if error else None)

    async def _wait(self, stop: asyncio.Event) -> None:
        """For the next look, for a reader that ends, or for `stop`."""
        stopping = asyncio.ensure_future(stop.wait())
        try:
            await asyncio.wait([stopping, *(fed.task for fed in self._readers.values())], timeout=LOOK_EVERY, return_when="FIRST_COMPLETED")
        finally:
            stopping.cancel()

    async def _let_go(self, generation: int) -> None:
        fed = self._readers.pop(generation)
        fed.stop.set()
        await asyncio.wait([fed.task], timeout=END_WITHIN)
        if not fed.task.done():
            fed.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await fed.task

    async def _feed(self, generation: int, stop: asyncio.Event) -> None:
        settings = self._settings
        broker = self._broker()
        pool = await db.create_pool(settings.dsn, application_name="metrics.projector", by_key=True, max_size=READER_CONNECTIONS)
        try:
            work = Projector(pool, settings.clock, generation)
            reader = Reader(
                pool,
                broker,
                name=f"{settings.topic_prefix}metrics",
                topics=settings.topics,
                partitions=settings.partitions,
                generation=generation,
                apply=work.apply,
                on_reset=work.on_reset,
                after_commit=work.after_commit,
                clock=settings.clock,
                on_closed=work.on_closed,
                batch=settings.fold_batch,
            )
            await reader.run(stop)
        finally:
            await broker.close()
            await pool.close()
