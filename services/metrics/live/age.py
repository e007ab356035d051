"""The age of the figures as it is at any moment, also while the database does not answer.

A watch of its own connection reads the freshness once a second. Between two answers the age grows by this process's monotonic clock, and after
SILENT_AFTER seconds without an answer the database is told as unreachable, whatever a query that hangs may say later. Seconds in which this
process itself stood still do not count as its silence.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable
from dataclasses import replace

import structlog

from services.metrics.figures.freshness import Freshness, FreshnessProbe, StaleReason
from services.metrics.figures.stores import generation_store
from shared.process import db
from shared.process.logs import described

READ_EVERY = 1.0
ANSWER_WITHIN = 5.0
"""Seconds for a connection and for each answer; then another connection is tried."""
SILENT_AFTER = 4.0
FIRST_WITHIN = 10.0
TELL_EVERY = 2.0
"""Seconds between two messages of the age to open streams; a page that hears nothing for longer says so (dashboard.js)."""
LOOK_EVERY = 0.25

OUTAGES: tuple[type[Exception], ...] = (*db.OUTAGES, generation_store.NoServingGeneration)

log = structlog.get_logger(__name__)


class AgeWatch:
    """`run(stop)` watches; `at_present()` is the freshness at this moment. `on_age()` is called when it has news, `on_silence()` when the database
    has become silent."""

    def __init__(self, dsn: str, kafka: str, shards: int, on_age: Callable[[], None], on_silence: Callable[[], None]) -> None:
        self._dsn = dsn
        self._probe = FreshnessProbe(kafka, shards)
        self._on_age = on_age
        self._on_silence = on_silence
        self._last: Freshness | None = None
        self._read_at = float("-inf")
        self._looks = 0
        """How often `_tell` has looked since the last answer."""
        self._known = asyncio.Event()

    async def first_answer(self) -> None:
        """Wait until the freshness is known. Raises TimeoutError."""
        async with asyncio.timeout(FIRST_WITHIN):
            await self._known.wait()

    def at_present(self) -> Freshness | None:
        """The freshness with the age of this moment; None: nothing was ever read."""
        if self._last is None:
            return None
        reason = StaleReason.DATABASE_UNREACHABLE if self.unreachable else self._last.reason
        return replace(self._last, age=self._last.age + time.monotonic() - self._read_at, reason=reason)

    @property
    def unreachable(self) -> bool:
        """Whether the database has answered before and is silent now."""
        return self._last is not None and self._looks * LOOK_EVERY > SILENT_AFTER

    async def run(self, stop: asyncio.Event) -> None:
        """Read and tell until `stop`."""
        reading = asyncio.create_task(self._read_on())
        try:
            await self._tell(stop)
        finally:
            reading.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reading

    async def _read_on(self) -> None:
        while True:
            try:
                await self._read_over_one_connection()
            except OUTAGES as error:
                log.warning("age.unknown", error=described(error))
            except Exception:
                log.exception("age.failed")
            await asyncio.sleep(LOOK_EVERY)

    async def _read_over_one_connection(self) -> None:
        async with asyncio.timeout(ANSWER_WITHIN):
            conn = await db.connect(self._dsn, application_name="metrics.age")
        try:
            while True:
                async with asyncio.timeout(ANSWER_WITHIN):
                    asked = time.monotonic()
                    row = await self._probe.ask(conn, (await generation_store.serving(conn))["id"])
                self._looks = 0
                self._last, self._read_at = await self._probe.told(row), asked
                self._known.set()
                await asyncio.sleep(READ_EVERY)
        finally:
            conn.terminate()

    async def _tell(self, stop: asyncio.Event) -> None:
        told_at, before, silent = float("-inf"), None, False
        while not stop.is_set():
            self._looks += 1
            now = self.at_present()
            news = None if now is None else (now.reason, now.closed_day)
            if news != before or time.monotonic() - told_at >= TELL_EVERY:
                told_at, before = time.monotonic(), news
                self._on_age()
            if self.unreachable and not silent:
                self._on_silence()
            silent = self.unreachable
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await stop.wait()
