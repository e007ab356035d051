"""Which day is closed in a shard: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, timedelta

NO_DAY = date.min
"""The known day of what does not tell when it was recorded: before every day."""


def closed_day(closings: Mapping[str, date], topics: Iterable[str], oldest_held: date | None) -> date | None:
    """The last day on which nothing more can become known in a shard; None if there is none.

    `closings` = {topic: the last day closed by its source}, `topics` all that are read, `oldest_held` the earliest known day of what is
    held (None: nothing is held).
    """
    days = [closings.get(topic) for topic in topics]
    if not days or oldest_held == NO_DAY:
        return None
    closed = min(day or NO_DAY for day in days)
    if oldest_held is not None:
        closed = min(closed, oldest_held - timedelta(days=1))
    return None if closed == NO_DAY else closed
