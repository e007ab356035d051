"""Whether a figure may still change, and why: from the deployment's closed day, what is held, and how fresh the data is.

The deployment's closed day is the least over the shards; there is none while a shard has none (docs/design/ENGINE.md, Closing days). A figure
known at it or before is the same for ever (invariant I4); any other is provisional.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from services.metrics.figures.freshness import Reason


class Provisional(StrEnum):
    """Why a figure may still change; beside these the reasons for which the data is not fresh (`freshness.Reason`)."""

    NO_CLOSED_DAYS = "NO_CLOSED_DAYS"
    """No day is closed yet."""
    DAY_NOT_CLOSED = "DAY_NOT_CLOSED"
    """The day at which it is known is later than the closed day: more may become known on it."""
    HELD_EVENTS = "HELD_EVENTS"
    """Something that is known by that day, or does not tell its day, is held and not counted."""


@dataclass(frozen=True, slots=True)
class Finality:
    """`closed_day` None: none; `oldest_held` = the least known day of what is held (`date.min`: one does not tell it), None: nothing is held;
    `reason` why the data is not fresh, None while it is."""

    closed_day: date | None = None
    oldest_held: date | None = None
    reason: Reason | None = None

    def provisional(self, known_at: date) -> list[str]:
        """Why figures known at a day may still change; empty: they are the same for ever."""
        if self.closed_day is not None and known_at <= self.closed_day:
            return []
        found: list[str] = [Provisional.NO_CLOSED_DAYS if self.closed_day is None else Provisional.DAY_NOT_CLOSED]
        if self.oldest_held is not None and self.oldest_held <= known_at:
            found.append(Provisional.HELD_EVENTS)
        if self.reason is not None:
            found.append(self.reason)
        return [str(reason) for reason in found]
