"""Turns the clock of a demo while its sample is loaded: the sample becomes known over several days, which then close."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date, timedelta

from deploy.local.stack import Stack
from deploy.local.turning import turn

KNOWN_OVER = 3
"""Days before today over which a sample becomes known."""
DAY = timedelta(days=1)
PAUSE = 0.25
"""Seconds between two looks at the progress."""


def days_before(today: date, last_day: date | None) -> int:
    """How many days ago the clock starts: KNOWN_OVER, less if the sample's last day is later, for no fact may lie in the future."""
    return KNOWN_OVER if last_day is None else max(0, min(KNOWN_OVER, (today - last_day).days))


class SampleDays:
    """The days over which the sample becomes known: the clock is one day on after each equal part of `lines`."""

    def __init__(self, stack: Stack, days: int, lines: int) -> None:
        self._stack = stack
        self._days = days
        self._lines = lines

    async def days_back(self) -> int:
        """How many days the clock is behind today."""
        return -(await self._turn(timedelta()) // DAY)

    async def follow(self, lines_done: Callable[[], int]) -> None:
        """Turn the clock while the lines are loaded; ends a day before today."""
        shift = await self._turn(timedelta())
        while shift < -DAY:
            part = self._days + shift // DAY + 1
            if lines_done() * self._days >= part * self._lines:
                shift = await self._turn(DAY)
            else:
                await asyncio.sleep(PAUSE)

    async def end(self) -> bool:
        """Turn the clock to today. False if it was there already, as in a folder that is used again."""
        turned = False
        while await self._turn(timedelta()) < timedelta():
            await self._turn(DAY)
            turned = True
        return turned

    async def _turn(self, step: timedelta) -> timedelta:
        return await turn([self._stack.dsn(service, "owner") for service in self._stack.services], step)
