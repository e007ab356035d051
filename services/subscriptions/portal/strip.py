"""The strip of a subscription's last days: one bar a day, of how many numbers were assigned and what became of them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from services.subscriptions.portal.store import STATES

DAYS = 14
HEIGHT = 24
STEP = 8
WIDTH = DAYS * STEP
LEAST = 1.5
"""The least height of what there is: one parked number of a thousand must be seen."""
ORDER = ("delivered", "queued", "withheld", "parked")
"""From the bottom up."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a bar, in the units of the drawing."""

    state: str
    x: float
    y: float
    height: float


@dataclass(frozen=True, slots=True)
class Day:
    """The numbers of a day by state."""

    day: date
    counts: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True, slots=True)
class Strip:
    """The last DAYS days, the oldest first."""

    days: Sequence[Day]
    pieces: Sequence[Piece]

    def count(self, state: str) -> int:
        """Of all days."""
        return sum(day.counts[state] for day in self.days)

    @property
    def total(self) -> int:
        return sum(day.total for day in self.days)


def first_day(today: date) -> date:
    """The first day of a strip that ends today."""
    return today - timedelta(days=DAYS - 1)


def strip_of(counts: Mapping[date, Mapping[str, int]], today: date) -> Strip:
    """The strip of a subscription from {day: {state: numbers}}. The highest bar fills the height."""
    none = dict.fromkeys(STATES, 0)
    days = [Day(day, counts.get(day, none)) for day in (first_day(today) + timedelta(days=n) for n in range(DAYS))]
    highest = max((day.total for day in days), default=0)
    return Strip(days, [piece for n, day in enumerate(days) for piece in _bar(n, day, highest)])


def _bar(n: int, day: Day, highest: int) -> list[Piece]:
    shown = [state for state in ORDER if day.counts[state]]
    # What is too small to be seen is drawn larger, at the cost of the rest.
    full = HEIGHT * day.total / highest if day.total else 0
    heights = {state: max(LEAST, full * day.counts[state] / day.total) for state in shown}
    if (whole := sum(heights.values())) > HEIGHT:
        heights = {state: height * HEIGHT / whole for state, height in heights.items()}
    pieces, y = [], float(HEIGHT)
    for state in shown:
        y -= heights[state]
        pieces.append(Piece(state, n * STEP, round(y, 2), round(heights[state], 2)))
    return pieces
