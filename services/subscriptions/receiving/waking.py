"""Wakes whoever waits for new numbers: one listening connection per process, and one query for all subscriptions that are waited for."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

import structlog

from services.subscriptions.receiving import store
from shared.problems.errors import TooManyRequests, Unavailable
from shared.process import db
from shared.process.logs import described

CHANNEL = "deliveries"
"""NOTIFY of the fan-out after each transaction that assigned numbers."""
GATHER_FOR = 0.01
"""Seconds between two queries at least, so that one answers for several commits."""
SHARE = 4
"""So many times as long as the query took no other is made: with thousands of waiting clients and a busy fan-out it leaves the database to others."""
LONGEST_GATHER = 0.1
POLL_EVERY = 1.0
"""Seconds after which it is asked without a notification."""
LONGEST_BACKOFF = 5.0
MOST_WAITING = 5_000
MOST_WAITING_OF_CLIENT = 2_500
"""Open streams and waiting requests of the process, and of them those of one client."""
RETRY_AFTER = 30

log = structlog.get_logger(__name__)


class Waiter:
    """One client that waits for numbers of a subscription behind `after`."""

    __slots__ = ("_event", "after", "client", "closed", "sleeps", "subscription")

    def __init__(self, client: str, subscription: UUID, after: int) -> None:
        self.client = client
        self.subscription = subscription
        self.after = after
        self.closed = False
        self.sleeps = False
        """Whether it waits at present, and does not read or send."""
        self._event = asyncio.Event()

    def wake(self) -> None:
        """There may be something."""
        self._event.set()

    def close(self) -> None:
        """Nothing is waited for any more."""
        self.closed = True
        self._event.set()

    def look(self) -> None:
        """To be called before reading: what is committed later wakes."""
        self._event.clear()

    async def woken(self, seconds: float) -> bool:
        """Wait; false: nothing came for so long."""
        self.sleeps = True
        try:
            async with asyncio.timeout(seconds):
                await self._event.wait()
        except TimeoutError:
            return False
        finally:
            self.sleeps = False
        return True


class Waker:
    """`run(stop)` listens; `waiting(…)` is open as long as a client waits. `dsn` is of the service's own role."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._told = asyncio.Event()
        self._waiting: dict[UUID, set[Waiter]] = {}
        self._clients: Counter[str] = Counter()
        self.closed = False

    @property
    def open(self) -> int:
        """How many wait."""
        return self._clients.total()

    @property
    def sleeping(self) -> int:
        """How many of them have read everything."""
        return sum(one.sleeps for ones in self._waiting.values() for one in ones)

    @contextlib.contextmanager
    def waiting(self, client: str, subscription: UUID, after: int) -> Iterator[Waiter]:
        """A waiter. Raises TOO_MANY_STREAMS (429), and UNAVAILABLE (503) when the service stops."""
        if self.closed:
            raise Unavailable("UNAVAILABLE")
        if self._clients[client] >= MOST_WAITING_OF_CLIENT or self.open >= MOST_WAITING:
            most = {"most": MOST_WAITING_OF_CLIENT}
            raise TooManyRequests("TOO_MANY_STREAMS", params=most, headers={"Retry-After": str(RETRY_AFTER)})
        waiter = Waiter(client, subscription, after)
        self._waiting.setdefault(subscription, set()).add(waiter)
        self._clients[client] += 1
        try:
            yield waiter
        finally:
            self._leave(waiter)

    def _leave(self, waiter: Waiter) -> None:
        others = self._waiting[waiter.subscription]
        others.discard(waiter)
        if not others:
            del self._waiting[waiter.subscription]
        self._clients[waiter.client] -= 1
        if not self._clients[waiter.client]:
            del self._clients[waiter.client]

    async def run(self, stop: asyncio.Event) -> None:
        """Listen until `stop`, also after outages; then end all waiting."""
        stopping = asyncio.ensure_future(stop.wait())
        stopping.add_done_callback(lambda _: self._told.set())
        failures = 0
        while not stop.is_set():
            started = time.monotonic()
            try:
                await self._follow(stop)
            except db.OUTAGES as error:
                log.warning("waker.waits", error=described(error))
            except Exception:
                log.exception("waker.failed")
            failures = 0 if time.monotonic() - started > LONGEST_BACKOFF else failures + 1
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(LONGEST_BACKOFF, 0.1 * 2 ** min(failures, 6))):
                    await stop.wait()
        self.closed = True
        for waiters in self._waiting.values():
            for waiter in waiters:
                waiter.close()

    async def _follow(self, stop: asyncio.Event) -> None:
        conn = await db.connect(self._dsn, application_name="subscriptions.waker", settings=db.BY_KEY)
        try:
            conn.add_termination_listener(lambda _: self._told.set())
            await conn.add_listener(CHANNEL, lambda *_: self._told.set())
            while not stop.is_set():
                self._told.clear()
                if self._waiting:
                    asked = time.monotonic()
                    self._wake(await store.newer(conn, {key: min(one.after for one in ones) for key, ones in self._waiting.items()}))
                    await asyncio.sleep(min(LONGEST_GATHER, max(GATHER_FOR, SHARE * (time.monotonic() - asked))))
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_EVERY):
                        await self._told.wait()
        finally:
            conn.terminate()

    def _wake(self, assigned: dict[UUID, int]) -> None:
        for subscription, last in assigned.items():
            for waiter in self._waiting.get(subscription, ()):
                if last > waiter.after:
                    waiter.wake()
