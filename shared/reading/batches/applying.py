"""A batch of a shard, or the few events of some, in one transaction. The only place where events take effect: planned, moved, applied, parked, closed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

import asyncpg
import structlog

from shared.process import db, faults
from shared.process.clock import utc_now
from shared.process.db import Connection
from shared.process.memory import give_back_free
from shared.reading import store
from shared.reading.batches import committed, moving, parking, planning
from shared.reading.batches.closing import close_days
from shared.reading.batches.committed import Applied
from shared.reading.batches.due import Due
from shared.reading.batches.moving import ShardFencedError
from shared.reading.batches.planning import Planned
from shared.reading.batches.refusing import ObjectsNeededError, RefusedError, is_outage, narrow
from shared.reading.config import ReaderConfig
from shared.sequencing.columnar.columns import Item
from shared.sequencing.parked_reasons import reason_for
from shared.sequencing.records import Received, ShardBatch
from shared.sequencing.shard import Shard, weight_of

FEW = 100
"""Records of a shard up to which it may share a transaction."""

LARGE = 50_000
"""Records of a batch, by weight, around which free memory is given back: what has arrived in pieces leaves holes when they are joined, and the batch
leaves its own."""

log = structlog.get_logger(__name__)


class BatchApplier:
    """Applies the pending records of shards, one transaction at a time. `counts`: applied, duplicates, parked, withdrawn."""

    def __init__(self, config: ReaderConfig) -> None:
        self._config = config
        self.counts: Counter[str] = Counter()
        self._alarm = parking.Alarm()
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
        large = taken > LARGE
        try:
            if large:
                give_back_free()
            if columns:
                applied = await self._transaction_of_columns(conn, shard, columns)
            else:
                (applied,) = await self._transaction(conn, [(shard, records)])
        # A deadlock is an outage for commands, too; here the batch is tried again at once.
        except (RefusedError, ObjectsNeededError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError) as error:
            self._config.on_reset(shard.number)
            if isinstance(error, RefusedError):
                narrow(shard, error.plan, error.reason)
            shard.streams = await store.load_streams(conn, self._config, shard)
            if isinstance(error, ObjectsNeededError):
                raise
            return True
        except db.OUTAGES:
            self.due.failed(taken)
            raise
        self.due.measured(taken, time.monotonic() - started)
        self._committed(applied, began)
        self._alone.discard(shard.number)
        if large:
            give_back_free()
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
        except (RefusedError, ShardFencedError, asyncpg.DeadlockDetectedError, asyncpg.SerializationError):
            for shard, _ in parts:
                self._alone.add(shard.number)
                self._config.on_reset(shard.number)
                shard.streams = await store.load_streams(conn, self._config, shard)
            return False
        for applied in found:
            self._committed(applied, began)
        return True

    async def _transaction(self, conn: Connection, parts: Sequence[tuple[Shard, list[Received]]]) -> list[Applied]:
        async with conn.transaction():
            plans = [await planning.plan_records(conn, self._config, shard, records) for shard, records in parts]
            applied = await self._carry_out(conn, plans)
        faults.reached("batch.committed")
        return applied

    async def _transaction_of_columns(self, conn: Connection, shard: Shard, columns: Mapping[str, Sequence[Item]]) -> Applied:
        async with conn.transaction():
            planned = await planning.plan_columns(conn, self._config, shard, columns) if not shard.refused else None
            if planned is None:
                raise ObjectsNeededError
            try:
                (applied,) = await self._carry_out(conn, [planned])
            except (RefusedError, asyncpg.UniqueViolationError) as error:
                log.info("reader.objects_needed", shard=shard.number, reason=getattr(error, "reason", type(error).__name__))
                raise ObjectsNeededError from error
        faults.reached("batch.committed")
        return applied

    async def _carry_out(self, conn: Connection, plans: Sequence[Planned]) -> list[Applied]:
        """Do what plans say, in the caller's transaction. All shards are moved, and so locked, before anything is applied."""
        self._alarm.require_few([one.plan for one in plans])
        positions = await moving.move_on(conn, self._config.generation, plans, await self._config.elsewhere(conn))
        faults.reached("batch.moved")
        return [await self._apply(conn, planned, position) for planned, position in zip(plans, positions, strict=True)]

    async def _apply(self, conn: Connection, planned: Planned, position: Mapping[str, int]) -> Applied:
        (shard, plan, _), generation = planned, self._config.generation
        batch = ShardBatch(generation, shard.number, shard.version + 1, plan.runs, position, shard.closed, plan.columns, plan.before)
        if batch.runs or batch.columns:
            try:
                await self._config.apply(conn, batch)
            except Exception as error:
                if is_outage(error):
                    raise
                raise RefusedError(plan, reason_for(error)) from error
        faults.reached("batch.applied")
        await parking.write(conn, generation, shard.number, plan, self._config.day_of)
        closed = await close_days(conn, self._config, shard)
        faults.reached("batch.before_commit")
        return Applied(shard, plan, batch, closed)

    def _committed(self, applied: Applied, began: datetime) -> None:
        """Memory changes only after the commit. `began`: when the transaction did."""
        plan = applied.plan
        self._alarm.committed(plan)
        self.counts.update(applied=plan.applied, duplicates=plan.duplicates, parked=len(plan.park), withdrawn=plan.withdrawn)
        committed.remember(self._config, applied)
        committed.trace(self._config, applied, began)
