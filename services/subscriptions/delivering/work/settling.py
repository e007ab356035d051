"""Outcomes: written as many together as there are, and what follows from them."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from datetime import datetime

import structlog

from services.subscriptions.delivering import outcomes
from services.subscriptions.delivering.breaker import Breaker
from services.subscriptions.delivering.claims import Lane
from services.subscriptions.delivering.disabling import FAILING, FAILING_FOR, GONE, disable
from services.subscriptions.delivering.outcomes import Outcome
from services.subscriptions.delivering.work.in_hand import InHand
from shared.process import db
from shared.process.db import Pool
from shared.process.pause import backoff

GATHER = 0.01
"""Seconds for which a busy process gathers outcomes: a transaction for one costs as much as for fifty."""
BUSY = 32
SETTLED = 500
"""Outcomes of one transaction."""
LONGEST_BACKOFF = 5.0
MOST_BREAKERS = 50_000

log = structlog.get_logger(__name__)


class Settling:
    """`name`: the process's in leases."""

    def __init__(self, pool: Pool, hand: InHand, name: str) -> None:
        self._pool = pool
        self._hand = hand
        self._name = name

    async def run(self, ended: asyncio.Event) -> None:
        """Write outcomes until `ended`, and then those that are left, once."""
        failures = 0
        waiting: list[Outcome] = []
        while not (ended.is_set() and not waiting and self._hand.done.empty()):
            if not waiting and self._hand.done.empty():
                getting = asyncio.create_task(self._hand.done.get())
                ending = asyncio.create_task(ended.wait())
                await asyncio.wait([getting, ending], return_when=asyncio.FIRST_COMPLETED)
                ending.cancel()
                if getting.done():
                    waiting.append(getting.result())
                else:
                    getting.cancel()
            if self._hand.slots.taken > BUSY and not ended.is_set():
                await asyncio.sleep(GATHER)
            while len(waiting) < SETTLED and not self._hand.done.empty():
                waiting.append(self._hand.done.get_nowait())
            if not waiting:
                continue
            try:
                now = self._hand.now()
                async with db.transaction(self._pool) as conn:
                    await outcomes.settle(conn, waiting, self._name, now, again=failures > 0)
                settled, waiting, failures = waiting, [], 0
                await self._settled(settled, now)
            except db.OUTAGES as error:
                failures += 1
                log.warning("deliveries.unsettled", reason=repr(error), outcomes=len(waiting))
                if ended.is_set():
                    return
                await asyncio.sleep(backoff(failures, LONGEST_BACKOFF))

    async def _settled(self, batch: Sequence[Outcome], now: datetime) -> None:
        """What follows from outcomes once they are committed. What the database does not take here is noted with the next failure."""
        for one in batch:
            if one.attempt is not None:
                self._note(one.lane, now, success=one.attempt.error is None)
        self._hand.revisit.update(one.lane.subscription for one in batch)
        self._hand.slots.give_back(Counter(one.lane.subscription for one in batch))
        self._hand.woken.set()
        async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
            failing = await outcomes.note_health(conn, batch, now)
        ends = {key: FAILING for key, since in failing.items() if now - since >= FAILING_FOR}
        ends |= {one.lane.subscription: GONE for one in batch if one.gone}
        for key, reason in ends.items():
            async with db.transaction(self._pool) as conn:
                if await disable(conn, key, reason, now):
                    log.warning("subscription.disabled", subscription=str(key), reason=reason)

    def _note(self, lane: Lane, now: datetime, *, success: bool) -> None:
        breaker = self._hand.breakers.get(lane.subscription)
        if breaker is None:
            if success or len(self._hand.breakers) >= MOST_BREAKERS:
                return
            breaker = self._hand.breakers[lane.subscription] = Breaker()
        breaker.record(now.timestamp(), success=success)
        if breaker.idle:
            del self._hand.breakers[lane.subscription]
