"""Claims: the deliveries that are due, as many as may be taken."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from uuid import UUID

import structlog

from services.subscriptions.delivering import claims
from services.subscriptions.delivering.claims import ANY_TIME
from services.subscriptions.delivering.outcomes import Outcome
from services.subscriptions.delivering.slots import UNKNOWN
from services.subscriptions.delivering.work.in_hand import InHand
from services.subscriptions.signing.ring import OpenedKeys
from shared.process import db, faults
from shared.process.db import Pool
from shared.process.pause import backoff, pause

QUEUES = 200
"""Queues that are taken in one claim."""
POLL = 0.5
"""Seconds between two looks at the queues, when nobody tells of new deliveries."""
CROWDED = 0.01
"""The same, while a queue with something due is locked by another transaction."""
LONGEST_BACKOFF = 5.0

log = structlog.get_logger(__name__)


class Claiming:
    """`begin(subscription)` is called with every subscription of which something was taken. `name`: the process's in leases."""

    def __init__(self, pool: Pool, hand: InHand, keys: OpenedKeys, name: str, begin: Callable[[UUID], None]) -> None:
        self._pool = pool
        self._hand = hand
        self._keys = keys
        self._name = name
        self._begin = begin

    async def run(self, stop: asyncio.Event) -> None:
        """Claim what is due until `stop`, through outages of the database."""
        failures = 0
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._hand.woken.clear()
                self._hand.give_back(self._hand.slots.too_long(time.monotonic()))
                try:
                    taken = await self._claim() if self._hand.slots.free > 0 else 0
                    failures = 0
                except db.OUTAGES as error:
                    failures += 1
                    log.warning("deliveries.wait", reason=repr(error))
                    await pause(stop, backoff(failures, LONGEST_BACKOFF))
                    continue
                if not taken:
                    patience = CROWDED if self._hand.slots.free > 0 and await self._others_hold() else POLL
                    waking = asyncio.create_task(self._hand.woken.wait())
                    await asyncio.wait([stopping, waking], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                    waking.cancel()
        finally:
            stopping.cancel()

    async def _others_hold(self) -> bool:
        """Whether something is due in a queue that was locked just now: the fan-out numbers an event, and the notice of the one before has come."""
        at = time.monotonic()
        shares = self._hand.slots.shares(at)
        if not shares[UNKNOWN] > 0:
            return False
        try:
            async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
                return await claims.any_due(conn, sorted(self._hand.slots.full(at, shares)))
        except db.OUTAGES:
            return False

    async def _claim(self) -> int:
        """Take what is due and begin its attempts; returns how many."""
        at = time.monotonic()
        shares = self._hand.slots.shares(at)
        full = self._hand.slots.full(at, shares)
        woken = sorted(self._hand.revisit - full)[:QUEUES]
        async with db.transaction(self._pool) as conn:
            anybody = shares[UNKNOWN] > 0
            now, queues = await claims.take_queues(
                conn,
                full=sorted(full),
                anybody=anybody,
                known=() if anybody else sorted(self._hand.slots.known()),
                woken=woken,
                most=QUEUES,
            )
            if now is None:
                return 0
            self._hand.epoch = (now, at)
            limits, not_before = self._limits(queues, at, now, shares)
            lanes = await claims.lease_lanes(conn, {key: limit for key, limit in limits.items() if limit > 0}, now, self._name)
            for key in {lane.subscription for lane in lanes}:
                if (breaker := self._hand.breakers.get(key)) is not None and breaker.half_open:
                    not_before[key] = _instant(breaker.probing(now.timestamp()))
            await claims.set_due(conn, not_before, now)
        self._hand.revisit.difference_update(queues)
        faults.reached("deliveries.claimed")
        async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
            heads, empty = await claims.heads(conn, lanes, now)
            await self._keys.load(conn, {kid for head in heads for kid in head.channel.kids})
        for lane in empty:
            # Its head was delivered by the worker that had the lane before.
            self._hand.slots.take_done(lane.subscription)
            self._hand.done.put_nowait(Outcome(lane, None))
        for head in heads:
            self._hand.slots.take(head.lane.subscription, head, at)
        for key in {head.lane.subscription for head in heads}:
            self._begin(key)
        return len(lanes)

    def _limits(
        self, queues: Sequence[UUID], at: float, now: datetime, shares: dict[str, int]
    ) -> tuple[dict[UUID, int], dict[UUID, datetime]]:
        """How many lanes of each queue are taken, and when its next attempt may begin at the earliest."""
        free, limits = self._hand.slots.free, dict[UUID, int]()
        not_before = dict.fromkeys(queues, ANY_TIME)
        fair = max(1, -(-free // len(queues)))
        for key in queues:
            standing = self._hand.slots.standing(key, at)
            limit = max(0, min(free, fair, self._hand.slots.free_of(key, at), shares[standing]))
            if limit > 0 and (breaker := self._hand.breakers.get(key)) is not None and breaker.half_open:
                until = breaker.refuses_until(now.timestamp())
                limit = 1 if until is None else 0
                if until is not None:
                    not_before[key] = _instant(until)
            limits[key] = limit
            free -= limit
            shares[standing] -= limit
        return limits, not_before


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
