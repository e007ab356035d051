"""The delivery process: claims, attempts, settles, claims again.

One task claims what is due, each attempt is a task of its own, and one task writes outcomes, as many together as there are. A delivery counts
against the limits (../slots.py) from its claim until its outcome is committed, so what a process holds in memory is bounded, also while the
database does not answer. A process that is killed leaves leases behind, which end; an attempt may then be made again under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable

from services.subscriptions.delivering import claims
from services.subscriptions.delivering.claims import Head
from services.subscriptions.delivering.slots import Slots
from services.subscriptions.delivering.work.attempting import Attempts
from services.subscriptions.delivering.work.claiming import Claiming
from services.subscriptions.delivering.work.in_hand import InHand
from services.subscriptions.delivering.work.settling import Settling
from services.subscriptions.egress.sending import Sender
from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.signing.ring import OpenedKeys
from shared.process import db
from shared.process.db import Pool

LAST_ATTEMPTS = 2.0
"""Seconds that open attempts have, once the process is told to stop."""


class Worker:
    """`name`: its name in leases, unlike any other's that runs. `woken`: set when there may be new deliveries."""

    def __init__(
        self,
        pool: Pool,
        sender: Sender,
        current: CurrentCache,
        keys: OpenedKeys,
        slots: Slots[Head],
        name: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._pool = pool
        self._name = name
        self._hand = InHand(slots)
        self.woken = self._hand.woken
        self._attempts = Attempts(self._hand, sender, current, keys, chance)
        self._claiming = Claiming(pool, self._hand, keys, name, self._attempts.begin)
        self._settling = Settling(pool, self._hand, name)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`; then end what is open, as far as it ends soon, and give the rest back."""
        async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
            await claims.release(conn, self._name)
            self._hand.epoch = (await conn.fetchval("SELECT parkunion_now()"), time.monotonic())
        ended = asyncio.Event()
        settling = asyncio.create_task(self._settling.run(ended))
        claiming = asyncio.create_task(self._claiming.run(stop))
        try:
            await asyncio.wait([settling, claiming], return_when=asyncio.FIRST_COMPLETED)
            if claiming.done():
                await self._attempts.end(LAST_ATTEMPTS)
                await claiming
        finally:
            claiming.cancel()
            await asyncio.wait([claiming])
            await self._attempts.end(0)
            ended.set()
            await settling
        with contextlib.suppress(*db.OUTAGES):
            async with self._pool.acquire(timeout=1) as conn:
                await claims.release(conn, self._name)
