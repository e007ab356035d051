"""Waiting, and work that is repeated, until the process's `stop`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from typing import Any

import asyncpg
import structlog

from shared.process import db

log = structlog.get_logger(__name__)


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait `seconds`, or until `stop` is set."""
    if seconds > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()


def backoff(failures: int, longest: float) -> float:
    """Seconds before the next try after so many failures in a row: 0.1, doubled each time, `longest` at most."""
    return min(longest, 0.1 * 2.0 ** min(failures, 6))


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run `work` inside the block; it is cancelled at the block's end."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def repeat(
    step: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[object]],
    connect: Callable[[], Awaitable[asyncpg.Connection[asyncpg.Record]]],
    stop: asyncio.Event,
    *,
    name: str,
    every: float,
    longest: float,
    outages: tuple[type[Exception], ...] = db.OUTAGES,
) -> None:
    """Call `step` every `every` seconds until `stop`, on a connection that is opened again after a failure.

    One of `outages` is logged as `<name>.waits`, any other error as `<name>.failed`. Tries are at most `longest` seconds apart.
    """
    failures = 0
    while not stop.is_set():
        try:
            conn = await connect()
            try:
                while not stop.is_set():
                    await step(conn)
                    failures = 0
                    await pause(stop, every)
            finally:
                conn.terminate()
        except outages as error:
            log.warning(f"{name}.waits", reason=repr(error))
        except Exception:
            log.exception(f"{name}.failed")
        failures += 1
        await pause(stop, backoff(failures, longest))
