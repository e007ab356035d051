"""Waiting that ends with the process's `stop`."""

from __future__ import annotations

import asyncio
import contextlib


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait `seconds`, or until `stop` is set."""
    if seconds > 0:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await stop.wait()


def backoff(failures: int, longest: float) -> float:
    """Seconds before the next try after so many failures in a row: 0.1, doubled each time, `longest` at most."""
    return min(longest, 0.1 * 2.0 ** min(failures, 6))
