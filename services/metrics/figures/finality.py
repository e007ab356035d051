"""Whether a figure may still change, and why. Each code has sentences in `shared.problems.provisional`.

The deployment's closed day is the least over the shards; there is none while a shard has none (docs/design/ENGINE.md, Closing days). A figure
known at it or before never changes (invariant I4); any other is provisional.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.metrics.figures.freshness import StaleReason


class Provisional(StrEnum):
    """Why a figure may still change, in addition to `freshness.StaleReason`."""

    NO_CLOSED_DAYS = "NO_CLOSED_DAYS"
    """No day is closed yet."""
    DAY_NOT_CLOSED = "DAY_NOT_CLOSED"
    """The figure's known day is later than the closed day."""
    HELD_EVENTS = "HELD_EVENTS"
    """An event that is known by that day, or whose day is unknown, is held and not counted."""
    FUTURE = "FUTURE"
    """The business day is later than today: an outlook. Known at a closed day the figure itself does not change any more."""


@dataclass(frozen=True, slots=True)
class Finality:
    """`oldest_held`: the least known day of the held events, `date.min` if one has none, None if nothing is held. `reason`: why the data is
    stale, None while it is fresh."""

    closed_day: date | None = None
    oldest_held: date | None = None
    reason: StaleReason | None = None

    def provisional(self, as_of: date, known_at: date, today: date) -> list[str]:
        """Why figures as of a day and known at a day may still change or are an outlook; empty: they are final."""
        reasons: list[str] = [Provisional.FUTURE] if as_of > today else []
        if self.closed_day is not None and known_at <= self.closed_day:
            return [str(reason) for reason in reasons]
        reasons += [Provisional.NO_CLOSED_DAYS if self.closed_day is None else Provisional.DAY_NOT_CLOSED]
        if self.oldest_held is not None and self.oldest_held <= known_at:
            reasons.append(Provisional.HELD_EVENTS)
        if self.reason is not None:
            reasons.append(self.reason)
        return [str(reason) for reason in reasons]
