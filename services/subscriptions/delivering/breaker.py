"""The circuit breaker of one endpoint: after many failures it is asked by single attempts only, until it answers again. Pure."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

WINDOW = 300.0
"""Seconds that an outcome counts."""
FEWEST = 10
FAILING = 0.7
"""With FEWEST outcomes or more, of which this part or more are failures, the breaker opens."""
PROBE_EVERY = 30.0
"""Seconds between two attempts while it is open."""


@dataclass(slots=True)
class Breaker:
    """Times are seconds of the platform's clock. `open_until`: when the next single attempt may be made; None: it is closed."""

    outcomes: deque[tuple[float, bool]] = field(default_factory=deque)
    open_until: float | None = None
    failures: int = 0

    def refuses_until(self, now: float) -> float | None:
        """None: attempts may begin (one only, if `half_open`); else when the next may be made."""
        return self.open_until if self.open_until is not None and now < self.open_until else None

    @property
    def half_open(self) -> bool:
        """Whether only a single attempt may begin: a probe."""
        return self.open_until is not None

    def probing(self, now: float) -> float:
        """A probe begins; returns when the next one may."""
        self.open_until = now + PROBE_EVERY
        return self.open_until

    def record(self, now: float, *, success: bool) -> None:
        """Take note of an attempt's outcome. A success while it is open closes it, and forgets what was before."""
        if self.open_until is not None:
            if success:
                self.open_until = None
                self.outcomes.clear()
                self.failures = 0
            return
        self.outcomes.append((now, success))
        self.failures += not success
        while self.outcomes and self.outcomes[0][0] <= now - WINDOW:
            _, succeeded = self.outcomes.popleft()
            self.failures -= not succeeded
        if len(self.outcomes) >= FEWEST and self.failures >= FAILING * len(self.outcomes):
            self.open_until = now + PROBE_EVERY

    @property
    def idle(self) -> bool:
        """Whether it can be forgotten: it is closed, and no failure counts."""
        return self.open_until is None and self.failures == 0
