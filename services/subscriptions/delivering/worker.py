"""The delivery process: claims, attempts, settles, claims again.

One task claims what is due, each attempt is a task of its own, and one task writes outcomes, as many together as there are. A delivery counts
against the limits (slots.py) from its claim until its outcome is committed, so what a process holds in memory is bounded, also while the
database does not answer. A process that is killed leaves leases behind, which end; an attempt may then be made again under the same id.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from services.subscriptions.delivering import claims, outcomes
from services.subscriptions.delivering.breaker import Breaker
from services.subscriptions.delivering.claims import ANY_TIME, Head, Lane
from services.subscriptions.delivering.disabling import FAILING, FAILING_FOR, GONE, disable
from services.subscriptions.delivering.messages import message_of, request_headers
from services.subscriptions.delivering.outcomes import DELIVERED, PARKED, WITHHELD, Made, Outcome
from services.subscriptions.delivering.schedule import next_attempt, retry_after_of
from services.subscriptions.delivering.slots import UNKNOWN, Slots
from services.subscriptions.egress.sending import Answer, Sender
from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.signing.ring import OpenedKeys
from shared.process import db, faults
from shared.process.db import Pool
from shared.process.pause import backoff, pause

QUEUES = 200
"""Queues that are taken in one claim."""
GATHER = 0.01
"""Seconds for which a busy process gathers outcomes: a transaction for one costs as much as for fifty."""
BUSY = 32
SETTLED = 500
"""Outcomes of one transaction."""
POLL = 0.5
"""Seconds between two looks at the queues, when nobody tells of new deliveries."""
CROWDED = 0.01
"""The same, while a queue with something due is locked by another transaction."""
POSTPONED = timedelta(seconds=1)
"""For an attempt that was not made because the database or the state of grants could not be asked."""
LONGEST_BACKOFF = 5.0
LAST_ATTEMPTS = 2.0
"""Seconds that open attempts have, once the process is told to stop."""
MOST_BREAKERS = 50_000

log = structlog.get_logger(__name__)


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
        self._sender = sender
        self._current = current
        self._keys = keys
        self._slots = slots
        self._name = name
        self._chance = chance
        self.woken = asyncio.Event()
        self._revisit: set[UUID] = set()
        self._breakers: dict[UUID, Breaker] = {}
        self._attempts: set[asyncio.Task[None]] = set()
        self._done: asyncio.Queue[Outcome] = asyncio.Queue()
        self._epoch = (ANY_TIME, 0.0)

    async def run(self, stop: asyncio.Event) -> None:
        """Deliver until `stop`; then end what is open, as far as it ends soon, and give the rest back."""
        async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
            await claims.release(conn, self._name)
            self._epoch = (await conn.fetchval("SELECT parkunion_now()"), time.monotonic())
        ended = asyncio.Event()
        settling = asyncio.create_task(self._settle_all(ended))
        claiming = asyncio.create_task(self._claim_all(stop))
        try:
            await asyncio.wait([settling, claiming], return_when=asyncio.FIRST_COMPLETED)
            if claiming.done():
                await self._end_attempts(LAST_ATTEMPTS)
                await claiming
        finally:
            claiming.cancel()
            await asyncio.wait([claiming])
            await self._end_attempts(0)
            ended.set()
            await settling
        with contextlib.suppress(*db.OUTAGES):
            async with self._pool.acquire(timeout=1) as conn:
                await claims.release(conn, self._name)

    async def _end_attempts(self, patience: float) -> None:
        """Give back what waits, and cancel attempts that do not end in time."""
        self._give_back(self._slots.all_waiting())
        if self._attempts and patience:
            await asyncio.wait(list(self._attempts), timeout=patience)
        if open_ones := list(self._attempts):
            for task in open_ones:
                task.cancel()
            await asyncio.wait(open_ones)

    # Claims

    async def _claim_all(self, stop: asyncio.Event) -> None:
        failures = 0
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self.woken.clear()
                self._give_back(self._slots.too_long(time.monotonic()))
                try:
                    taken = await self._claim() if self._slots.free > 0 else 0
                    failures = 0
                except db.OUTAGES as error:
                    failures += 1
                    log.warning("deliveries.wait", reason=repr(error))
                    await pause(stop, backoff(failures, LONGEST_BACKOFF))
                    continue
                if not taken:
                    patience = CROWDED if self._slots.free > 0 and await self._others_hold() else POLL
                    waking = asyncio.create_task(self.woken.wait())
                    await asyncio.wait([stopping, waking], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
                    waking.cancel()
        finally:
            stopping.cancel()

    async def _others_hold(self) -> bool:
        """Whether something is due in a queue that was locked just now: the fan-out numbers an event, and the notice of the one before has come."""
        at = time.monotonic()
        shares = self._slots.shares(at)
        if not shares[UNKNOWN] > 0:
            return False
        try:
            async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
                return await claims.any_due(conn, sorted(self._slots.full(at, shares)))
        except db.OUTAGES:
            return False

    async def _claim(self) -> int:
        """Take what is due and begin its attempts; returns how many."""
        at = time.monotonic()
        shares = self._slots.shares(at)
        full = self._slots.full(at, shares)
        woken = sorted(self._revisit - full)[:QUEUES]
        async with db.transaction(self._pool) as conn:
            anybody = shares[UNKNOWN] > 0
            now, queues = await claims.take_queues(
                conn, full=sorted(full), anybody=anybody, known=() if anybody else sorted(self._slots.known()), woken=woken, most=QUEUES
            )
            if now is None:
                return 0
            self._epoch = (now, at)
            limits, not_before = self._limits(queues, at, now, shares)
            lanes = await claims.lease_lanes(conn, {key: limit for key, limit in limits.items() if limit > 0}, now, self._name)
            for key in {lane.subscription for lane in lanes}:
                if (breaker := self._breakers.get(key)) is not None and breaker.half_open:
                    not_before[key] = _instant(breaker.probing(now.timestamp()))
            await claims.set_due(conn, not_before, now)
        self._revisit.difference_update(queues)
        faults.reached("deliveries.claimed")
        async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
            heads, empty = await claims.heads(conn, lanes, now)
            await self._keys.load(conn, {kid for head in heads for kid in head.channel.kids})
        for lane in empty:
            # Its head was delivered by the worker that had the lane before.
            self._slots.take_done(lane.subscription)
            self._done.put_nowait(Outcome(lane, None))
        for head in heads:
            self._slots.take(head.lane.subscription, head, at)
        for key in {head.lane.subscription for head in heads}:
            self._begin(key)
        return len(lanes)

    def _limits(
        self, queues: Sequence[UUID], at: float, now: datetime, shares: dict[str, int]
    ) -> tuple[dict[UUID, int], dict[UUID, datetime]]:
        """How many lanes of each queue are taken, and when its next attempt may begin at the earliest."""
        free, limits = self._slots.free, dict[UUID, int]()
        not_before = dict.fromkeys(queues, ANY_TIME)
        fair = max(1, -(-free // len(queues)))
        for key in queues:
            standing = self._slots.standing(key, at)
            limit = max(0, min(free, fair, self._slots.free_of(key, at), shares[standing]))
            if limit > 0 and (breaker := self._breakers.get(key)) is not None and breaker.half_open:
                until = breaker.refuses_until(now.timestamp())
                limit = 1 if until is None else 0
                if until is not None:
                    not_before[key] = _instant(until)
            limits[key] = limit
            free -= limit
            shares[standing] -= limit
        return limits, not_before

    # Attempts

    def _begin(self, subscription: UUID) -> None:
        """Begin as many attempts of a subscription as may be open."""
        while (following := self._slots.next_of(subscription, time.monotonic())) is not None:
            number, head = following
            task = asyncio.create_task(self._attempt(number, head))
            self._attempts.add(task)
            task.add_done_callback(self._attempts.discard)

    async def _attempt(self, number: int, head: Head) -> None:
        outcome = Outcome(head.lane, None, again_at=self._now() + POSTPONED)
        success: bool | None = None
        try:
            outcome = await self._try(head)
            if outcome.attempt is not None:
                success = outcome.attempt.error is None
        except db.OUTAGES as error:
            log.warning("deliveries.postponed", reason=repr(error))
        except Exception:
            log.exception("deliveries.failed", subscription=str(head.lane.subscription), number=head.number)
        finally:
            self._slots.ended(head.lane.subscription, number, time.monotonic(), success=success)
            self._done.put_nowait(outcome)
            self._begin(head.lane.subscription)

    async def _try(self, head: Head) -> Outcome:
        """One attempt. Grants are asked right before it begins."""
        current = await self._current.get()
        at = self._now()
        known = current.subscriptions.get(head.lane.subscription)
        if known is None:
            # Younger than the state in the cache, which is a second old at most.
            return Outcome(head.lane, None, again_at=at + POSTPONED)
        message = message_of(head, known.terms, at)
        if message.withheld:
            latest = (await self._current.get(latest=True)).subscriptions.get(head.lane.subscription, known)
            message = message_of(head, latest.terms, at)
        signed = request_headers(self._keys.of(head.channel.kids), head.lane.subscription, head.number, message.body)
        answer = await self._sender.send(head.channel.url, signed, message.body)
        faults.reached("deliveries.sent")
        made = Made(head.number, at, round(answer.seconds * 1000), answer.status, error_of(answer), answer.body)
        if made.error is None:
            return Outcome(head.lane, made, WITHHELD if message.withheld else DELIVERED, None, hash=message.hash)
        again = next_attempt(head.lane.attempts + 1, self._now(), self._chance, retry_after_of(answer.retry_after, self._now()))
        gone = answer.status == 410
        if again is None:
            return Outcome(head.lane, made, PARKED, made.error, gone=gone)
        return Outcome(head.lane, made, again_at=again, gone=gone)

    def _now(self) -> datetime:
        """The platform's clock, as it was at the last claim, and the time since."""
        now, at = self._epoch
        return now + timedelta(seconds=time.monotonic() - at)

    def _give_back(self, heads: Sequence[Head]) -> None:
        """Settle deliveries that were taken and not tried: they are due as before."""
        for head in heads:
            self._done.put_nowait(Outcome(head.lane, None, again_at=self._now()))

    # Outcomes

    async def _settle_all(self, ended: asyncio.Event) -> None:
        """Write outcomes until `ended`, and then those that are left, once."""
        failures = 0
        waiting: list[Outcome] = []
        while not (ended.is_set() and not waiting and self._done.empty()):
            if not waiting and self._done.empty():
                getting = asyncio.create_task(self._done.get())
                ending = asyncio.create_task(ended.wait())
                await asyncio.wait([getting, ending], return_when=asyncio.FIRST_COMPLETED)
                ending.cancel()
                if getting.done():
                    waiting.append(getting.result())
                else:
                    getting.cancel()
            if self._slots.taken > BUSY and not ended.is_set():
                await asyncio.sleep(GATHER)
            while len(waiting) < SETTLED and not self._done.empty():
                waiting.append(self._done.get_nowait())
            if not waiting:
                continue
            try:
                now = self._now()
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
        self._revisit.update(one.lane.subscription for one in batch)
        self._slots.give_back(Counter(one.lane.subscription for one in batch))
        self.woken.set()
        async with self._pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn:
            failing = await outcomes.note_health(conn, batch, now)
        ends = {key: FAILING for key, since in failing.items() if now - since >= FAILING_FOR}
        ends |= {one.lane.subscription: GONE for one in batch if one.gone}
        for key, reason in ends.items():
            async with db.transaction(self._pool) as conn:
                if await disable(conn, key, reason, now):
                    log.warning("subscription.disabled", subscription=str(key), reason=reason)

    def _note(self, lane: Lane, now: datetime, *, success: bool) -> None:
        breaker = self._breakers.get(lane.subscription)
        if breaker is None:
            if success or len(self._breakers) >= MOST_BREAKERS:
                return
            breaker = self._breakers[lane.subscription] = Breaker()
        breaker.record(now.timestamp(), success=success)
        if breaker.idle:
            del self._breakers[lane.subscription]


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def error_of(answer: Answer) -> str | None:
    """Why an attempt failed: an error of the sender, or `STATUS_<n>`; None: it succeeded."""
    if answer.status is None:
        return answer.error
    return None if 200 <= answer.status < 300 else f"STATUS_{answer.status}"
