"""Limits of requests: how often, how large, and how many at once. Each client has its own, so that none starves another (invariant I6)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from math import ceil
from typing import Any

from starlette.exceptions import HTTPException

from shared.problems.errors import TooLarge, TooManyRequests

MIB = 1024 * 1024
BODY_LIMIT = MIB
"""Bytes of a request's body, unless its route allows more."""
MOST_CLIENTS = 10_000

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]


class BodyTooLargeError(HTTPException):
    """A body exceeded its limit while it was read. An HTTPException, because FastAPI turns every other error of reading into 400."""

    def __init__(self, most: int) -> None:
        super().__init__(413)
        self.most = most

    def problem(self) -> TooLarge:
        """The problem to answer with."""
        return TooLarge("BODY_TOO_LARGE", params={"most": self.most})


def counted(receive: Receive, most: int) -> Receive:
    """`receive` that raises BodyTooLargeError past `most` bytes, whatever Content-Length said."""
    received = 0

    async def receive_counted() -> Message:
        nonlocal received
        message = await receive()
        if message["type"] == "http.request":
            received += len(message.get("body", b""))
            if received > most:
                raise BodyTooLargeError(most)
        return message

    return receive_counted


class Buckets:
    """A token bucket per client: `burst` requests at once, `rate` per second sustained."""

    def __init__(self, rate: float, burst: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._clock = clock
        self._left: dict[str, tuple[float, float]] = {}
        self.policy = f'"default";q={burst};w={ceil(burst / rate)}'.encode()
        """The RateLimit-Policy header (draft-ietf-httpapi-ratelimit-headers): the quota and the seconds in which it refills."""

    def take(self, client: str) -> tuple[bool, int, int]:
        """(whether the request is granted, how many are left, in how many seconds the next one is available)."""
        now = self._clock()
        left, at = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        granted = left >= 1.0
        if granted:
            left -= 1.0
        if len(self._left) >= MOST_CLIENTS:
            del self._left[next(iter(self._left))]
        self._left[client] = (left, now)
        return granted, int(left), ceil(max(0.0, 1.0 - left) / self._rate)


class Turns:
    """At most `most` pieces of work of one client at once. More of the same client wait for their turn, `patience` seconds at most."""

    def __init__(self, most: int, patience: float) -> None:
        self._most = most
        self._patience = patience
        self._clients: dict[str, tuple[asyncio.Semaphore, int]] = {}

    @asynccontextmanager
    async def turn(self, client: str) -> AsyncIterator[None]:
        """Wait for a turn and take it. Raises TOO_MANY_AT_ONCE (429)."""
        semaphore, users = self._clients.get(client) or (asyncio.Semaphore(self._most), 0)
        self._clients[client] = semaphore, users + 1
        try:
            try:
                async with asyncio.timeout(self._patience):
                    await semaphore.acquire()
            except TimeoutError:
                raise TooManyRequests("TOO_MANY_AT_ONCE", params={"most": self._most}, headers={"Retry-After": "1"}) from None
            try:
                yield
            finally:
                semaphore.release()
        finally:
            semaphore, users = self._clients.pop(client)
            if users > 1:
                self._clients[client] = semaphore, users - 1


def limit_of(path: str, limits: Mapping[str, int]) -> int:
    """The body's limit in bytes on a path."""
    return limits.get(path, BODY_LIMIT)
