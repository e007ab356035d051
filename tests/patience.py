"""How long tests wait for what should come soon, and how they measure a time that is promised."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""Seconds. Waiting ends when the condition holds, so that a large number costs nothing where the machine is fast, and where it has much else to
do no test fails for that."""
ATTEMPTS = 3


async def at_best(attempt: Callable[[], Awaitable[float]], limit: float) -> None:
    """One of a few attempts takes `limit` seconds at most; each returns the seconds it took.

    A time that is promised holds for a machine that does nothing else. One that does is slow now and then, not every time.
    """
    took = list[float]()
    while not took or took[-1] > limit:
        assert len(took) < ATTEMPTS, f"{took} seconds, {limit} are promised"
        took.append(await attempt())
