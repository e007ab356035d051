"""One transaction of a shard, or of some of which few events came: sort the records, move the position, apply the events, write. The only place where events take effect."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple, TypeAlias

import asyncpg
import structlog
from opentelemetry.trace import SpanKind

from shared.broker.protocol import BrokerUnavailableError
from shared.journal.journal import ClockAheadError
from shared.process import db, faults
from shared.process.clock import utc_now
from shared.process.db import Connection
from shared.process.telemetry import commands_reached
from shared.reading import head_store, ownership, store
from shared.reading.config import ReaderConfig
from shared.reading.due import Due
from shared.reading.ownership import ReaderHaltedError
from shared.sequencing.closed_days import closed_day
from shared.sequencing.columnar.columns import Item
from shared.sequencing.columnar.heads import HeadColumns
from shared.sequencing.columnar.sorting import Gathered, gather, sort_gathered
from shared.sequencing.parked_reasons import reason_for
from shared.sequencing.plan import PARKED_KINDS, BatchPlan
from shared.sequencing.records import NO_STREAM, Received, ShardBatch, Stream
from shared.sequencing.shard import Shard, drop_applied, weight_of
from shared.sequencing.sorting import sort_records
from shared.sequencing.withdrawals import withdrawal_of

MOST_PARKED = 20
FEW = 100
"""Records of a shard up to which it may share a transaction."""
WITHIN = 60.0
"""Seconds in which at most MOST_PARKED streams may be newly parked."""
MOST_STATES = 5_000
"""Streams of a shard that are kept in memory, about 0.6 KB each. More are looked up again for every batch."""
Closed: TypeAlias = tuple[dict[str, date], date | None]
"""(closings, closed day) of a shard after a batch."""

log = structlog.get_logger(__name__)


class TooManyParkedError(ReaderHaltedError):
    """More than 20 streams were newly parked within a minute: the program is at fault, not the events."""


class ShardFencedError(Exception):
    """Another instance has moved the shard: the state in memory is stale."""


class ObjectsNeededError(Exception):
    """Columns hold something unusual, or `apply` refused something in them: the records must be read again, as objects."""


class _RefusedError(Exception):
    """`apply` refused an event of the batch."""

    def __init__(self, plan: BatchPlan, reason: str) -> None:
        super().__init__(reason)
        self.plan = plan
        self.reason = reason


class _Sorted(NamedTuple):
    """What becomes of the records of a shard. `first` = their streams of which no event was applied before."""

    shard: Shard
    plan: BatchPlan
    first: set[Stream]


def is_outage(error: BaseException) -> bool:
    """Whether an error of `apply` says nothing about the events: the batch is then tried again, and nothing is parked."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] not in ("22", "23", "P0")
    return isinstance(error, (*db.OUTAGES, BrokerUnavailableError, ClockAheadError, MemoryError)) or getattr(error, "status", None) == 503


class BatchApplier:
    """Applies the pending records of shards, one transaction at a time. `counts`: applied, duplicates, parked, withdrawn."""

    def __init__(self, config: ReaderConfig) -> None:
        self._config = config
        self.counts: Counter[str] = Counter()
        self._parked_at: deque[float] = deque()
        self._alone: set[int] = set()
        self.due = Due(config)

    def reset(self, shard: int) -> None:
        """Drop everything kept of a shard."""
        self.due.reset(shard)
        self._alone.discard(shard)
        self._config.on_reset(shard)

    async def apply_next(self, conn: Connection, shard: Shard, lagging: set[str]) -> bool:
        """Apply the next batch of a shard; false if nothing may be applied now. `lagging` = topics of which the log holds more.

        Raises ShardFencedError, TooManyParkedError, or the database's error: then nothing was applied and `shard` must be thrown away.
        Raises ObjectsNeededError after loading the shard's streams again: nothing was applied.
        """
        records = self.due.records(shard, lagging)
        columns = {} if records else self.due.columns(shard, lagging)
        if not records and not columns and not shard.streams.ready:
            return False
        began, started = utc_now(), time.monotonic()
        taken = sum(map(weight_of, columns.values())) if columns else len(records)
        try:
            if columns:
                plan, batch, closed = await self._transaction_of_columns(conn, shard, columns)
            else:
                ((plan, batch, closed),) = await self._transaction(conn, [(shard, records)])
        except db.OUTAGES:
            self.due.failed(taken)
            raise
        except (_RefusedError, ObjectsNeededError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            self._config.on_reset(shard.number)
            if isinstance(error, _RefusedError):
                _narrow(shard, error.plan, error.reason)
            shard.streams = await store.load_streams(conn, self._config.generation, shard)
            if isinstance(error, ObjectsNeededError):
                raise
            return True
        self.due.measured(taken, time.monotonic() - started)
        self._committed(shard, plan, batch, closed)
        self._trace(batch, began)
        self._alone.discard(shard.number)
        return True

    def may_join(self, shard: Shard) -> bool:
        """Whether what is pending of a shard may be applied in a transaction with that of others: few ordinary events, and nothing else is to do."""
        if self._config.joins is None or shard.number in self._alone or any(shard.columns.values()):
            return False
        if not 0 < sum(map(len, shard.pending.values())) <= FEW or shard.streams.ready or shard.refused or shard.lost:
            return False
        records = [record for waiting in shard.pending.values() for record in waiting]
        return all(record.ordinary for record in records) and self._config.joins(records)

    async def apply_together(self, conn: Connection, shards: Sequence[tuple[Shard, set[str]]]) -> bool:
        """As `apply_next` for several (shard, lagging) that may join; false if nothing was applied.

        If anything is wrong with one of them, nothing is applied of any, and each is due alone. Raises the database's error.
        """
        parts = [(shard, records) for shard, lagging in shards if (records := self.due.records(shard, lagging))]
        if not parts:
            return False
        began = utc_now()
        try:
            found = await self._transaction(conn, parts)
        except (_RefusedError, ShardFencedError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            for shard, _ in parts:
                self._alone.add(shard.number)
                self._config.on_reset(shard.number)
                shard.streams = await store.load_streams(conn, self._config.generation, shard)
            return False
        for (shard, _), (plan, batch, closed) in zip(parts, found, strict=True):
            self._committed(shard, plan, batch, closed)
            self._trace(batch, began)
        return True

    async def _transaction(
        self, conn: Connection, parts: Sequence[tuple[Shard, list[Received]]]
    ) -> list[tuple[BatchPlan, ShardBatch, Closed]]:
        async with conn.transaction():
            plans = [await self._sorted(conn, shard, records) for shard, records in parts]
            applied = await self._apply(conn, plans)
        faults.reached("batch.committed")
        return [(one.plan, *done) for one, done in zip(plans, applied, strict=True)]

    async def _sorted(self, conn: Connection, shard: Shard, records: list[Received]) -> _Sorted:
        generation, streams = self._config.generation, shard.streams
        wanted = {record.stream for record in records} - {NO_STREAM}
        first = await self._look_up(conn, shard, wanted)
        # A withdrawal may unblock its stream.
        reopened = {record.stream for record in records if not record.ordinary and withdrawal_of(record) is not None}
        behind = {s for s in wanted if (state := streams.states[s]).waiting and (not state.blocked or s in reopened)}
        kept = await store.kept_events(conn, generation, shard.number, behind | streams.ready.keys())
        plan = sort_records(streams, records, kept, shard.refused, shard.limit, day_of=self._config.late_day_of)
        return _Sorted(shard, plan, first)

    async def _look_up(self, conn: Connection, shard: Shard, wanted: set[Stream]) -> set[Stream]:
        """Add the wanted streams that are not in memory to the shard's; returns those that are not in the tables either."""
        found = await head_store.heads(conn, self._config.generation, shard.number, wanted - shard.streams.states.keys())
        shard.streams.add(found)
        return {stream for stream, head in found.items() if head is None}

    async def _transaction_of_columns(
        self, conn: Connection, shard: Shard, columns: Mapping[str, Sequence[Item]]
    ) -> tuple[BatchPlan, ShardBatch, Closed]:
        async with conn.transaction():
            plan = await self._sorted_columns(conn, shard, columns) if not shard.refused else None
            if plan is None:
                raise ObjectsNeededError
            try:
                ((batch, closed),) = await self._apply(conn, [_Sorted(shard, plan, set())])
            except _RefusedError as error:
                log.info("reader.objects_needed", shard=shard.number, reason=error.reason)
                raise ObjectsNeededError from error
        faults.reached("batch.committed")
        return plan, batch, closed

    async def _sorted_columns(self, conn: Connection, shard: Shard, columns: Mapping[str, Sequence[Item]]) -> BatchPlan | None:
        """None: something in them is unusual."""
        gathered, heads = dict[str, Gathered](), dict[str, HeadColumns]()
        for topic, items in columns.items():
            if (one := gather(items)) is None:
                return None
            gathered[topic] = one
            await self._look_up(conn, shard, {record.stream for record in one.between})
            if one.columns is not None:
                heads[topic] = await head_store.head_columns(conn, self._config.generation, shard.number, one.columns.source, one.subjects)
        return sort_gathered(shard.streams, gathered, heads, self._config.late_day_of)

    async def _apply(self, conn: Connection, plans: Sequence[_Sorted]) -> list[tuple[ShardBatch, Closed]]:
        """Do what plans say, in the caller's transaction. All shards are moved, and so locked, before anything is applied."""
        moves = [
            store.Move(shard, {**shard.next, **plan.next}, _newest(shard, plan), shard.streams.heads(plan.changed), first)
            for shard, plan, first in plans
        ]
        self._require_few_parked([one.plan for one in plans])
        moved = await store.move(conn, self._config.generation, moves)
        for shard, *_ in plans:
            if shard.number not in moved:
                raise ShardFencedError(f"shard {shard.number} is no longer at version {shard.version}")
        for shard, plan, _ in plans:
            for heads in plan.heads:
                await head_store.see(conn, self._config.generation, shard.number, heads)
        faults.reached("batch.moved")
        return [await self._apply_moved(conn, shard, plan, one.next) for (shard, plan, _), one in zip(plans, moves, strict=True)]

    async def _apply_moved(self, conn: Connection, shard: Shard, plan: BatchPlan, position: Mapping[str, int]) -> tuple[ShardBatch, Closed]:
        generation = self._config.generation
        if found := _found_again(shard, plan):
            await ownership.found_again(conn, generation, shard, found)
        batch = ShardBatch(generation, shard.number, shard.version + 1, plan.runs, position, shard.closed, plan.columns)
        if batch.runs or batch.columns:
            try:
                await self._config.apply(conn, batch)
            except Exception as error:
                if is_outage(error):
                    raise
                raise _RefusedError(plan, reason_for(error)) from error
        faults.reached("batch.applied")
        await store.write(conn, generation, shard.number, plan, self._config.day_of)
        closed = await self._close(conn, shard)
        faults.reached("batch.before_commit")
        return batch, closed

    async def _close(self, conn: Connection, shard: Shard) -> Closed:
        """Close the days that all sources have closed and of which nothing is held. A closed day stays closed."""
        closings, closed = dict(shard.streams.closings), shard.closed
        may_close = closed_day(closings, shard.pending, None)
        if may_close is not None and (closed is None or may_close > closed):
            held = await store.oldest_held(conn, self._config.generation, shard.number)
            found = closed_day(closings, shard.pending, held)
            if found is not None and (closed is None or found > closed):
                closed = found
                if self._config.on_closed is not None:
                    await self._config.on_closed(conn, shard.number, found)
                log.info("reader.closed", shard=shard.number, day=found.isoformat())
        if (closings, closed) != (shard.closings, shard.closed):
            await store.close(conn, self._config.generation, shard.number, closings, closed)
        return closings, closed

    def _require_few_parked(self, plans: Sequence[BatchPlan]) -> None:
        now = time.monotonic()
        while self._parked_at and now - self._parked_at[0] > WITHIN:
            self._parked_at.popleft()
        if len(self._parked_at) + sum(len(plan.blocking) for plan in plans) > MOST_PARKED:
            reasons = sorted({one.error or one.kind for plan in plans for one in plan.park.values() if one.kind in PARKED_KINDS})
            raise TooManyParkedError(f"more than {MOST_PARKED} streams were parked within a minute: {'; '.join(reasons[:3])}")

    def _committed(self, shard: Shard, plan: BatchPlan, batch: ShardBatch, closed: Closed) -> None:
        """Update memory only after the commit."""
        shard.closings, shard.closed = closed
        shard.lost -= _found_again(shard, plan)
        shard.newest = _newest(shard, plan)
        shard.version, shard.next = batch.version, dict(batch.next)
        for topic, count in plan.taken.items():
            pending = shard.pending[topic]
            for _ in range(count):
                pending.popleft()
        shard.limit = min(self._config.batch, shard.limit * 2)
        for key in (*plan.park, *plan.released):
            if shard.refused.pop(key, None) is not None:
                shard.limit = self._config.batch
        for key, parked in plan.park.items():
            if parked.kind in PARKED_KINDS:
                # An early event has not been tried: when the streams are loaded again it may be the next.
                shard.tried.add(key)
                record = parked.record
                log.error("reader.parked", kind=parked.kind, stream=record.stream, sequence=record.sequence, at=key, error=parked.error)
        shard.tried.difference_update(plan.released)
        self._parked_at.extend([time.monotonic()] * len(plan.blocking))
        self.counts.update(applied=plan.applied, duplicates=plan.duplicates, parked=len(plan.park), withdrawn=plan.withdrawn)
        if plan.heads or len(shard.streams.states) > MOST_STATES:
            # The heads of columns have moved in the tables alone.
            shard.streams.forget_idle()
        drop_applied(shard)
        if batch.runs or batch.columns:
            self._config.after_commit(batch)

    def _trace(self, batch: ShardBatch, began: datetime) -> None:
        """Add this transaction to the traces of the commands behind its events."""
        attributes = {"parkunion.shard": batch.shard, "parkunion.version": batch.version, "parkunion.events": len(batch)}
        commands_reached(batch.traceparents(), self._config.span, SpanKind.CONSUMER, began, attributes)


def _narrow(shard: Shard, plan: BatchPlan, reason: str) -> None:
    """Search the refused event: halve the batch, until the event is the only one."""
    if plan.applied > 1:
        shard.limit = plan.applied // 2
    else:
        shard.refused[plan.apply[0].key] = reason


def _found_again(shard: Shard, plan: BatchPlan) -> set[str]:
    """Lost topics of which the log holds again, after the batch, all that was read before: the latest time ever read is reached."""
    return {topic for topic in shard.lost & plan.newest.keys() if plan.newest[topic] >= shard.newest[topic]}


def _newest(shard: Shard, plan: BatchPlan) -> dict[str, datetime]:
    """{topic: greatest time read} after the batch."""
    newest = dict(shard.newest)
    for topic, when in plan.newest.items():
        newest[topic] = max(when, newest.get(topic, when))
    return newest
