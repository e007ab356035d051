"""Attempts: each is a task of its own, and ends with an outcome."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import structlog

from services.subscriptions.delivering.claims import Head
from services.subscriptions.delivering.messages import message_of, request_headers
from services.subscriptions.delivering.outcomes import DELIVERED, PARKED, WITHHELD, Made, Outcome
from services.subscriptions.delivering.schedule import next_attempt, retry_after_of
from services.subscriptions.delivering.work.in_hand import InHand
from services.subscriptions.egress.sending import Answer, Sender
from services.subscriptions.matching.current import CurrentCache
from services.subscriptions.signing.ring import OpenedKeys
from shared.process import db, faults

POSTPONED = timedelta(seconds=1)
"""For an attempt that was not made because the database or the state of grants could not be asked."""

log = structlog.get_logger(__name__)


class Attempts:
    """The attempts of a process. `open`: those that have not ended."""

    def __init__(self, hand: InHand, sender: Sender, current: CurrentCache, keys: OpenedKeys, chance: Callable[[], float]) -> None:
        self._hand = hand
        self._sender = sender
        self._current = current
        self._keys = keys
        self._chance = chance
        self.open: set[asyncio.Task[None]] = set()

    def begin(self, subscription: UUID) -> None:
        """Begin as many attempts of a subscription as may be open."""
        while (following := self._hand.slots.next_of(subscription, time.monotonic())) is not None:
            number, head = following
            task = asyncio.create_task(self._attempt(number, head))
            self.open.add(task)
            task.add_done_callback(self.open.discard)

    async def _attempt(self, number: int, head: Head) -> None:
        outcome = Outcome(head.lane, None, again_at=self._hand.now() + POSTPONED)
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
            self._hand.slots.ended(head.lane.subscription, number, time.monotonic(), success=success)
            self._hand.done.put_nowait(outcome)
            self.begin(head.lane.subscription)

    async def _try(self, head: Head) -> Outcome:
        """One attempt. Grants are asked right before it begins."""
        current = await self._current.get()
        at = self._hand.now()
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
        again = next_attempt(head.lane.attempts + 1, self._hand.now(), self._chance, retry_after_of(answer.retry_after, self._hand.now()))
        gone = answer.status == 410
        if again is None:
            return Outcome(head.lane, made, PARKED, made.error, gone=gone)
        return Outcome(head.lane, made, again_at=again, gone=gone)

    async def end(self, patience: float) -> None:
        """Give back what waits, and cancel attempts that do not end in time."""
        self._hand.give_back(self._hand.slots.all_waiting())
        if self.open and patience:
            await asyncio.wait(list(self.open), timeout=patience)
        if open_ones := list(self.open):
            for task in open_ones:
                task.cancel()
            await asyncio.wait(open_ones)


def error_of(answer: Answer) -> str | None:
    """Why an attempt failed: an error of the sender, or `STATUS_<n>`; None: it succeeded."""
    if answer.status is None:
        return answer.error
    return None if 200 <= answer.status < 300 else f"STATUS_{answer.status}"
