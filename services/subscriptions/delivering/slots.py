"""How many deliveries a process has taken of each subscription, and how many more it may take. Pure.

A subscription is PROVEN when its last attempt succeeded, SUSPECT when that failed or one is open for longer than SLOW, else UNKNOWN. Suspects
and unknown ones get few at a time and a bounded share of the process: endpoints that hang or are new never keep others from being served.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

PROVEN, UNKNOWN, SUSPECT = "proven", "unknown", "suspect"
FEW = {UNKNOWN: 2, SUSPECT: 1}
"""Deliveries at once of a subscription that has not proven itself."""
AHEAD = 8
"""The most deliveries of a proven one that are taken, as a multiple of its attempts at once: they wait in the process while others are settled."""
AHEAD_SECONDS = 0.4
"""How long the last of them may have to wait, by the time that the last attempt took."""
SLOW = 1.0
"""Seconds."""
LONGEST_WAIT = 2.0
"""Seconds that a delivery waits in the process for its turn, before it is given back."""

T = TypeVar("T")


@dataclass(slots=True)
class _Line(Generic[T]):
    """One subscription's deliveries. `open`: begun of attempts; `waiting`: (since, delivery)."""

    taken: int = 0
    open: dict[int, float] = field(default_factory=dict)
    waiting: deque[tuple[float, T]] = field(default_factory=deque)


class Slots(Generic[T]):
    """`most`: deliveries that are taken in all; `per_subscription`: attempts at once to one endpoint. Times are seconds of one monotonic clock."""

    def __init__(self, most: int, per_subscription: int) -> None:
        self.most = most
        self._each = per_subscription
        self._lines: dict[UUID, _Line[T]] = {}
        self._proven: dict[UUID, float] = {}
        self._failed: set[UUID] = set()
        self.taken = 0
        self._ids = 0

    @property
    def free(self) -> int:
        """How many deliveries may be taken in all."""
        return self.most - self.taken

    def standing(self, subscription: UUID, now: float) -> str:
        """PROVEN, UNKNOWN or SUSPECT."""
        line = self._lines.get(subscription)
        if subscription in self._failed or (line is not None and any(now - began > SLOW for began in line.open.values())):
            return SUSPECT
        return PROVEN if subscription in self._proven else UNKNOWN

    def shares(self, now: float) -> dict[str, int]:
        """How many deliveries may be taken of subscriptions of each standing; 0 or less: none.

        Suspects have half of the process, unknown ones a quarter, and both together three quarters.
        """
        taken: Counter[str] = Counter()
        for key, line in self._lines.items():
            taken[self.standing(key, now)] += line.taken
        both = max(1, 3 * self.most // 4) - taken[UNKNOWN] - taken[SUSPECT]
        return {
            PROVEN: self.free,
            UNKNOWN: min(self.free, both, max(1, self.most // 4) - taken[UNKNOWN]),
            SUSPECT: min(self.free, both, max(1, self.most // 2) - taken[SUSPECT]),
        }

    def free_of(self, subscription: UUID, now: float) -> int:
        """How many more may be taken of one subscription, without regard to the others."""
        line = self._lines.get(subscription)
        standing = self.standing(subscription, now)
        if standing == PROVEN:
            limit = self._each * max(1, min(AHEAD, int(AHEAD_SECONDS / max(self._proven[subscription], 0.001))))
        else:
            limit = min(FEW[standing], self._each)
        return max(0, limit - (line.taken if line else 0))

    def full(self, now: float, shares: Mapping[str, int]) -> set[UUID]:
        """Subscriptions of which nothing can be taken now."""
        full = {key for key in self._lines if self.free_of(key, now) == 0}
        if shares[SUSPECT] <= 0:
            full |= self._failed | {key for key in self._lines if self.standing(key, now) == SUSPECT}
        return full

    def known(self) -> set[UUID]:
        """Those of which an attempt has ended."""
        return self._failed | self._proven.keys()

    def take(self, subscription: UUID, delivery: T, now: float) -> None:
        """A delivery was taken; it waits for `next_of`."""
        line = self._lines.setdefault(subscription, _Line())
        line.taken += 1
        self.taken += 1
        line.waiting.append((now, delivery))

    def take_done(self, subscription: UUID) -> None:
        """A delivery was taken of which nothing is to be tried."""
        self._lines.setdefault(subscription, _Line()).taken += 1
        self.taken += 1

    def next_of(self, subscription: UUID, now: float) -> tuple[int, T] | None:
        """Begin the attempt of the one that waits longest; None: none waits, or as many as may be are open. The number is for `ended`."""
        line = self._lines.get(subscription)
        if line is None or not line.waiting or len(line.open) >= self._each:
            return None
        _, delivery = line.waiting.popleft()
        self._ids += 1
        line.open[self._ids] = now
        return self._ids, delivery

    def ended(self, subscription: UUID, attempt: int, now: float, *, success: bool | None) -> None:
        """The attempt is over; None: it was not made. The delivery is still taken until `give_back`."""
        began = self._lines[subscription].open.pop(attempt)
        if success:
            self._proven[subscription] = now - began
            self._failed.discard(subscription)
        elif success is not None:
            self._proven.pop(subscription, None)
            self._failed.add(subscription)

    def give_back(self, counts: Counter[UUID]) -> None:
        """So many deliveries of each subscription are settled."""
        for subscription, count in counts.items():
            line = self._lines[subscription]
            line.taken -= count
            self.taken -= count
            if line.taken == 0:
                del self._lines[subscription]

    def too_long(self, now: float) -> list[T]:
        """Take out those that have waited too long: they are to be settled as not tried."""
        found: list[T] = []
        for line in self._lines.values():
            while line.waiting and now - line.waiting[0][0] > LONGEST_WAIT:
                found.append(line.waiting.popleft()[1])
        return found

    def all_waiting(self) -> list[T]:
        """Take out all that wait."""
        found: list[T] = []
        for line in self._lines.values():
            found += [delivery for _, delivery in line.waiting]
            line.waiting.clear()
        return found
