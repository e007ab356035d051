"""When the relay looks into the outbox: at fixed intervals while events come, and when a command says so while none do (docs/adr/0030).

A relay for which nothing has come for QUIET falls asleep: it holds the lock ASLEEP. Whoever appends takes that lock shared until the end of
its transaction (`shared.journal.journal`); where it cannot, it sends a notification with its commit. So the relay cannot fall asleep while
something is being appended, and what is appended afterwards wakes it. It takes one more look after it has taken the lock.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import asyncpg

from shared.journal.journal import ASLEEP, QUEUED_CHANNEL
from shared.process.pause import pause

SEVERAL, MANY = 3, 30
"""Events of a batch from which on more are on their way, so that the next look waits twice as long and twice as many travel together; and from
which on they are so many that a look costs nothing any more."""
QUIET = 0.1
"""Seconds without an event after which the relay falls asleep."""
LOOK_ASLEEP = 0.25
"""Seconds between two looks of a relay that sleeps, for what is queued without a notification: by `reconcile`, or by an earlier release."""
FALL_ASLEEP = f"SELECT pg_try_advisory_lock({ASLEEP})"
WAKE_UP = f"SELECT pg_advisory_unlock({ASLEEP})"


class Pacing:
    """The looks of one session. `idle` = seconds between two looks while events come one by one, `asleep` while it sleeps.

    Call `wait` before each look and `saw` after it. `clock` tells seconds.
    """

    def __init__(
        self,
        conn: asyncpg.Connection[asyncpg.Record],
        idle: float,
        *,
        asleep: float = LOOK_ASLEEP,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._conn = conn
        self._idle, self._look_asleep, self._clock = idle, asleep, clock
        self._woken = asyncio.Event()
        self._next = self._began = self._came_at = clock()
        self.asleep = False

    async def listen(self) -> None:
        """Hear the notifications of those who append."""
        await self._conn.add_listener(QUEUED_CHANNEL, lambda *_: self._woken.set())

    async def wait(self, stop: asyncio.Event) -> None:
        """Until the next look is due, or until stopped."""
        seconds = self._next - self._clock()
        if self.asleep and seconds > 0:
            await _first_of(seconds, stop, self._woken)
        else:
            await pause(stop, seconds)
        self._began = self._clock()

    async def saw(self, events: int, *, full: bool) -> None:
        """The look found so many events, which are published; `full`: there may be more of them."""
        if events:
            self._next = 0.0 if full else self._began + (2 * self._idle if SEVERAL <= events < MANY else self._idle)
            self._came_at = self._clock()
            if self.asleep:
                self.asleep = False
                await self._conn.execute(WAKE_UP)
        elif self.asleep:
            self._next = self._began + self._look_asleep
        elif self._clock() - self._came_at < QUIET:
            self._next = self._began + self._idle
        else:
            self._woken.clear()
            self.asleep = bool(await self._conn.fetchval(FALL_ASLEEP))
            self._next = 0.0 if self.asleep else self._began + self._idle


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of them is set, `seconds` at most."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
