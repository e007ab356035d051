"""One transaction of one shard: sort, move the position, apply, write. The only place where events take effect."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from datetime import date, datetime
from typing import TypeAlias

import asyncpg
import structlog

from shared.broker.protocol import BrokerUnavailable
from shared.journal.journal import ClockAhead
from shared.process import db, faults
from shared.process.db import Connection
from shared.reading import owning, store
from shared.reading.owning import Halted
from shared.sequencing.closed_days import closed_day
from shared.sequencing.parked_reasons import reason_of
from shared.sequencing.records import NO_STREAM, Received, ShardBatch, Stream
from shared.sequencing.shard import Shard, merged
from shared.sequencing.sorting import sort_out
from shared.sequencing.streams import PARKING, Sorted
from shared.sequencing.withdrawals import withdrawal_of

MOST_PARKED = 20
WITHIN = 60.0
MOST_HEADS = 50_000
PATIENCE = 1.0

Apply: TypeAlias = Callable[[Connection, ShardBatch], Awaitable[None]]
OnClosed: TypeAlias = Callable[[Connection, int, date], Awaitable[None]]
"""(connection in the batch's transaction, shard, its new closed day)"""
Closed: TypeAlias = tuple[dict[str, date], date | None]
"""(closings, closed day) of a shard after a batch."""

log = structlog.get_logger(__name__)


class TooManyParked(Halted):
    """More than 20 streams were newly parked within a minute: the fault is ours, not the events'."""


class Fenced(Exception):
    """Another instance has moved the shard: what this one knows of it is old."""


class _Refused(Exception):
    """`apply` raised something about the events, not about the database or the network."""

    def __init__(self, plan: Sorted, reason: str) -> None:
        super().__init__(reason)
        self.plan = plan
        self.reason = reason


def is_outage(error: BaseException) -> bool:
    """Whether an error of `apply` says nothing about the event: the batch is then aborted and tried again, nothing is parked."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] not in ("22", "23", "P0")
    return isinstance(error, (*db.OUTAGES, BrokerUnavailable, ClockAhead, MemoryError)) or getattr(error, "status", None) == 503


class Folder:
    """Applies what has arrived in shards, one transaction at a time. `counts` counts applied, duplicate and parked events."""

    def __init__(
        self,
        generation: int,
        batch: int,
        apply: Apply,
        on_reset: Callable[[int], None],
        after_commit: Callable[[ShardBatch], None],
        parked_at: deque[float],
        counts: Counter[str],
        day_of: Callable[[datetime], date] | None = None,
        on_closed: OnClosed | None = None,
    ) -> None:
        self._generation = generation
        self._batch = batch
        self._apply = apply
        self._on_reset = on_reset
        self._after_commit = after_commit
        self._parked_at = parked_at
        self.counts = counts
        self._day_of = day_of
        self._on_closed = on_closed
        self._starved: dict[int, float] = {}

    def reset(self, shard: int) -> None:
        """Everything kept of a shard is void."""
        self._starved.pop(shard, None)
        self._on_reset(shard)

    async def fold(self, conn: Connection, shard: Shard, lagging: set[str]) -> bool:
        """Apply the next batch of a shard; false if there is nothing that may be applied now.

        Raises Fenced, TooManyParked, or what the database said; then nothing was applied and `shard` is of no more use.
        """
        records = self._next_records(shard, lagging)
        if not records and not shard.streams.ready:
            return False
        try:
            plan, batch, closed = await self._transaction(conn, shard, records)
        except (_Refused, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            self._on_reset(shard.number)
            if isinstance(error, _Refused):
                self._narrow(shard, error.plan, error.reason)
            shard.streams = await store.load_streams(conn, self._generation, shard)
            return True
        self._committed(shard, plan, batch)
        shard.closings, shard.closed = closed
        return True

    def _next_records(self, shard: Shard, lagging: set[str]) -> list[Received]:
        """In merged order. A topic that stays away for a second is not waited for: the order between topics is for speed only."""
        records = merged(shard.pending, lagging, self._batch)
        if records or not shard.count():
            self._starved.pop(shard.number, None)
            return records
        since = self._starved.setdefault(shard.number, time.monotonic())
        return merged(shard.pending, (), self._batch) if time.monotonic() - since > PATIENCE else []

    async def _transaction(self, conn: Connection, shard: Shard, records: list[Received]) -> tuple[Sorted, ShardBatch, Closed]:
        streams, generation = shard.streams, self._generation
        async with conn.transaction():
            wanted = {record.stream for record in records}
            await store.look_up(conn, generation, shard.number, streams, wanted - streams.heads.keys() - {NO_STREAM})
            # A withdrawal may set a blocked stream free.
            reopened = {record.stream for record in records if withdrawal_of(record) is not None}
            behind: set[Stream] = {s for s in wanted & streams.waiting.keys() if s not in streams.blocked or s in reopened}
            kept = await store.kept_events(conn, generation, shard.number, behind | streams.ready.keys())
            # Who has no closed figures has nothing that comes too late for them.
            late = self._day_of if self._on_closed is not None else None
            plan = sort_out(streams, records, kept, shard.refused, shard.limit, day_of=late)
            self._mind_parking(plan)
            position = {**shard.next, **plan.next}
            if not await store.move(conn, generation, shard.number, shard.version, position, _newest(shard, plan)):
                raise Fenced(f"shard {shard.number} is no longer at version {shard.version}")
            if found := _found_again(shard, plan):
                await owning.found_again(conn, generation, shard, found)
            faults.reached("batch.moved")
            events = [record.event for record in plan.apply if record.event is not None]
            batch = ShardBatch(generation, shard.number, shard.version + 1, events, position, shard.closed)
            if events:
                try:
                    await self._apply(conn, batch)
                except Exception as error:
                    if is_outage(error):
                        raise
                    raise _Refused(plan, reason_of(error)) from error
            faults.reached("batch.applied")
            await store.write(conn, generation, shard.number, plan, streams.heads, self._day_of)
            closed = await self._close(conn, shard)
            faults.reached("batch.before_commit")
        faults.reached("batch.committed")
        return plan, batch, closed

    async def _close(self, conn: Connection, shard: Shard) -> Closed:
        """Close the days that the sources have closed, as soon as nothing of them is held. A day that is closed stays so."""
        closings, closed = dict(shard.streams.closings), shard.closed
        may_close = closed_day(closings, shard.pending, None)
        if may_close is not None and (closed is None or may_close > closed):
            held = await store.oldest_held(conn, self._generation, shard.number)
            found = closed_day(closings, shard.pending, held)
            if found is not None and (closed is None or found > closed):
                closed = found
                if self._on_closed is not None:
                    await self._on_closed(conn, shard.number, found)
                log.info("reader.closed", shard=shard.number, day=found.isoformat())
        if (closings, closed) != (shard.closings, shard.closed):
            await store.close(conn, self._generation, shard.number, closings, closed)
        return closings, closed

    def _mind_parking(self, plan: Sorted) -> None:
        now = time.monotonic()
        while self._parked_at and now - self._parked_at[0] > WITHIN:
            self._parked_at.popleft()
        if len(self._parked_at) + len(plan.blocking) > MOST_PARKED:
            reasons = sorted({parked.error or parked.kind for parked in plan.park.values() if parked.kind in PARKING})
            raise TooManyParked(f"more than {MOST_PARKED} streams were parked within a minute: {'; '.join(reasons[:3])}")

    def _narrow(self, shard: Shard, plan: Sorted, reason: str) -> None:
        """Search the refused event: half of the batch next time, until it is the only one."""
        if len(plan.apply) > 1:
            shard.limit = len(plan.apply) // 2
        else:
            record = plan.apply[0]
            shard.refused[record.topic, record.offset] = reason

    def _committed(self, shard: Shard, plan: Sorted, batch: ShardBatch) -> None:
        """Now, and not before, what was learnt is true."""
        shard.lost -= _found_again(shard, plan)
        shard.newest = _newest(shard, plan)
        shard.version, shard.next = batch.version, dict(batch.next)
        for topic, count in plan.taken.items():
            waiting = shard.pending[topic]
            for _ in range(count):
                waiting.popleft()
        shard.limit = min(self._batch, shard.limit * 2)
        for at, parked in plan.park.items():
            if parked.kind in PARKING:
                # An early one has not been tried: when the streams are loaded again it may be the next.
                shard.tried.add(at)
            if shard.refused.pop(at, None) is not None:
                shard.limit = self._batch
            if parked.kind in PARKING:
                record = parked.record
                log.error("reader.parked", kind=parked.kind, stream=record.stream, sequence=record.sequence, at=at, error=parked.error)
        for at in plan.released:
            shard.tried.discard(at)
            if shard.refused.pop(at, None) is not None:
                shard.limit = self._batch
        self._parked_at.extend([time.monotonic()] * len(plan.blocking))
        self.counts.update(applied=len(plan.apply), duplicates=plan.duplicates, parked=len(plan.park), withdrawn=plan.withdrawn)
        if len(shard.streams.heads) > MOST_HEADS:
            shard.streams.heads = {stream: shard.streams.heads[stream] for stream in shard.streams.waiting}
        if batch.events:
            self._after_commit(batch)


def _found_again(shard: Shard, plan: Sorted) -> set[str]:
    """The topics of which the log holds again, after the batch, what was read before: it has come to the latest time that was ever read."""
    return {topic for topic in shard.lost & plan.newest.keys() if plan.newest[topic] >= shard.newest[topic]}


def _newest(shard: Shard, plan: Sorted) -> dict[str, datetime]:
    """{topic: greatest time consumed} after the batch."""
    newest = dict(shard.newest)
    for topic, when in plan.newest.items():
        newest[topic] = max(when, newest.get(topic, when))
    return newest
