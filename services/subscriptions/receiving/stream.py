"""The open answer of `GET /v1/subscriptions/{id}/stream`: every event once, in order, each as soon as it is numbered.

A stream holds the events of one page at most, and reads the next when the client has accepted it: a slow client costs no memory, and one that
accepts nothing for SEND_WITHIN seconds is disconnected. It resumes behind the last number that it has (Last-Event-ID).
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import replace

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from services.subscriptions.receiving.reading import Ask, Page, PageReader
from services.subscriptions.receiving.waking import Waiter, Waker
from shared.http.auth import Caller
from shared.process import db
from shared.process.clock import utc_now

BATCH = 50
"""Events that are read at a time."""
BATCH_BYTES = 64 * 1024
"""Of their contents: what a stream may hold."""
KEEPALIVE = 15.0
"""Seconds without an event after which a comment is sent."""
SEND_WITHIN = 20.0
AGAIN_AFTER = 1.0
"""Seconds after which is read again what an outage of the database has prevented."""
COMMENT = b": \n\n"
RETRY = b"retry: 1000\n\n"


class EventStream(Response):
    """Sends the first page and what follows. `ask`: the one of the first page."""

    media_type = "text/event-stream"

    def __init__(self, reader: PageReader, waker: Waker, caller: Caller, ask: Ask, first: Page) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._reader = reader
        self._waker = waker
        self._caller = caller
        self._ask = replace(ask, opens=False, received=None, logs_empty=False)
        self._page: Page | None = first

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        with self._waker.waiting(self._caller.client, self._ask.subscription, self._ask.after) as waiter:
            leaving = asyncio.create_task(_close_when_left(receive, waiter))
            try:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                with contextlib.suppress(TimeoutError, OSError):
                    await self._send(send, RETRY)
                    while not waiter.closed:
                        await self._send(send, await self._next(waiter))
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
            finally:
                leaving.cancel()

    @staticmethod
    async def _send(send: Send, body: bytes) -> None:
        if body:
            async with asyncio.timeout(SEND_WITHIN):
                await send({"type": "http.response.body", "body": body, "more_body": True})

    async def _next(self, waiter: Waiter) -> bytes:
        """What is to be sent next; empty: nothing yet."""
        page, self._page = self._page, None
        if page is not None:
            waiter.wake()  # for what was numbered after it was read
        else:
            woken = await waiter.woken(min(KEEPALIVE, self._seconds_left))
            if (reason := await self._ended()) is not None:
                return _end(waiter, reason)
            if waiter.closed:
                return b""
            waiter.look()
            try:
                page = await self._reader.page(replace(self._ask, after=waiter.after))
            except db.OUTAGES:
                await asyncio.sleep(AGAIN_AFTER)
                waiter.wake()
                return COMMENT
            if not page.events and page.removed is None:
                return b"" if woken else COMMENT
        if page.removed is not None:
            return _end(waiter, "EVENTS_REMOVED")
        waiter.after = page.last
        if page.assigned_to > page.last:
            waiter.wake()
        return b"".join([b"id: %d\ndata: %b\n\n" % event for event in page.events])

    @property
    def _seconds_left(self) -> float:
        return max(0.0, self._caller.expires_at - utc_now().timestamp())

    async def _ended(self) -> str | None:
        """Why the stream is the caller's no longer; None: it is. Which of its events are granted is decided with each page."""
        if not self._seconds_left:
            return "TOKEN_EXPIRED"
        return None if await self._caller.still_in() else "SIGNED_OUT"


async def _close_when_left(receive: Receive, waiter: Waiter) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    waiter.close()


def _end(waiter: Waiter, reason: str) -> bytes:
    waiter.close()
    return b"event: end\ndata: %b\n\n" % json.dumps({"reason": reason}).encode()
