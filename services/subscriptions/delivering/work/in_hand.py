"""What the tasks of a process share: the deliveries that it has taken, and outcomes that are not written yet."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from services.subscriptions.delivering.breaker import Breaker
from services.subscriptions.delivering.claims import ANY_TIME, Head
from services.subscriptions.delivering.outcomes import Outcome
from services.subscriptions.delivering.slots import Slots


class InHand:
    """`woken`: set when there may be new deliveries. `revisit`: queues in which something has ended, so that more may be taken. `breakers`: of
    endpoints that fail. `done`: outcomes to be written. `epoch`: the platform's clock at the last claim, and the process's then."""

    def __init__(self, slots: Slots[Head]) -> None:
        self.slots = slots
        self.woken = asyncio.Event()
        self.revisit: set[UUID] = set()
        self.breakers: dict[UUID, Breaker] = {}
        self.done: asyncio.Queue[Outcome] = asyncio.Queue()
        self.epoch = (ANY_TIME, 0.0)

    def now(self) -> datetime:
        """The platform's clock, as it was at the last claim, and the time since."""
        now, at = self.epoch
        return now + timedelta(seconds=time.monotonic() - at)

    def give_back(self, heads: Sequence[Head]) -> None:
        """Settle deliveries that were taken and not tried: they are due as before."""
        for head in heads:
            self.done.put_nowait(Outcome(head.lane, None, again_at=self.now()))
