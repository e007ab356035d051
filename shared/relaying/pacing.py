"""When the relay looks into the outbox: at fixed intervals while events come, and when a command says so while none do (docs/adr/0030).

After a full batch it looks again at once. But a relay that is far behind while commands go on takes small batches and rests after each: all
readers of the topic work when it does, and together they leave no CPU to the commands (docs/adr/0034).

A relay for which nothing has come for QUIET falls asleep: it holds the lock ASLEEP. Whoever appends takes that lock shared until the end of
its transaction (`shared.journal.journal`); where it cannot, it sends a notification with its commit. So the relay cannot fall asleep while
something is being appended, and what is appended afterwards wakes it. It takes one more look after it has taken the lock.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from datetime import timedelta

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
MANY_FULL = 5_000
"""Events of full batches, one after the other, from which on the relay may be far behind."""
OLD = timedelta(seconds=10)
"""The age of an event just published from which on the relay is far behind. Members that are imported wait for less."""
REST = 2.0
"""Seconds of rest for a second of work of a relay that is far behind while commands go on."""
LONGEST_REST = 1.0
"""Seconds: a batch that took longer waited for the broker."""
GOING_ON = 1.0
"""Seconds since the last new event, less than which commands go on."""
BACKLOG = """
SELECT (SELECT max(id) FROM outbox) AS newest, recorded_at < parkunion_now() - $2::interval AS old FROM journal WHERE id = $1
"""
"""Of the last event published: whether it is old; and the newest one that waits."""
FALL_ASLEEP = f"SELECT pg_try_advisory_lock({ASLEEP})"
WAKE_UP = f"SELECT pg_advisory_unlock({ASLEEP})"


class Pacing:
    """The looks of one session. `idle` = seconds between two looks while events come one by one, `asleep` while it sleeps.

    Call `wait` before each look and `saw` after it. `clock` tells seconds. `sharing`: far behind while commands go on, so that batches are to be
    small: during a large one, readers and all, commands would find no CPU.
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
        self._in_full = 0
        self._newest: int | None = None
        self._appended_at = -math.inf
        self.asleep = self.sharing = False

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

    async def saw(self, events: int, *, full: bool, last: int = 0) -> None:
        """The look found so many events, which are published, `last` as the last one; `full`: there may be more of them."""
        if events:
            self._in_full = self._in_full + events if full else 0
            self.sharing = self._in_full >= MANY_FULL and await self._is_to_share(last)
            if self.sharing:
                now = self._clock()
                self._next = now + min(LONGEST_REST, REST * (now - self._began))
            elif full:
                self._next = 0.0
            else:
                self._next = self._began + (2 * self._idle if SEVERAL <= events < MANY else self._idle)
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

    async def _is_to_share(self, last: int) -> bool:
        """Whether `last` is old, and an event newer than all before has come just now. What is queued again is none: its ids are lower."""
        found, now = await self._conn.fetchrow(BACKLOG, last, OLD), self._clock()
        if found is None or found["newest"] is None:
            return False
        if self._newest is not None and found["newest"] > self._newest:
            self._appended_at = now
        self._newest = found["newest"]
        return bool(found["old"]) and now - self._appended_at < GOING_ON


async def _first_of(seconds: float, *events: asyncio.Event) -> None:
    """Wait until one of them is set, `seconds` at most."""
    tasks = [asyncio.ensure_future(event.wait()) for event in events]
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
