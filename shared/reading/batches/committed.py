"""After the commit: memory is told what is in the tables now, and traces what became of their commands."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import structlog
from opentelemetry.trace import SpanKind

from shared.process.telemetry import commands_reached
from shared.reading.batches.closing import Closed
from shared.reading.batches.moving import found_again, newest
from shared.reading.config import ReaderConfig
from shared.sequencing.plan import PARKED_KINDS, BatchPlan
from shared.sequencing.records import ShardBatch
from shared.sequencing.shard import Shard, drop_applied

MOST_STATES = 5_000
"""Streams of a shard that are kept in memory, about 0.6 KB each. More are looked up again for every batch."""

log = structlog.get_logger(__name__)


class Applied(NamedTuple):
    """A batch that is applied."""

    shard: Shard
    plan: BatchPlan
    batch: ShardBatch
    closed: Closed


def remember(config: ReaderConfig, applied: Applied) -> None:
    """Keep in memory what the tables hold now, and tell the service."""
    shard, plan, batch, closed = applied
    shard.closings, shard.closed = closed
    shard.lost -= found_again(shard, plan)
    shard.newest = newest(shard, plan)
    shard.version, shard.next = batch.version, dict(batch.next)
    for topic, count in plan.taken.items():
        pending = shard.pending[topic]
        for _ in range(count):
            pending.popleft()
    shard.limit = min(config.batch, shard.limit * 2)
    for key in (*plan.park, *plan.released):
        if shard.refused.pop(key, None) is not None:
            shard.limit = config.batch
    for key, parked in plan.park.items():
        if parked.kind in PARKED_KINDS:
            # An early event has not been tried: when the streams are loaded again it may be the next.
            shard.tried.add(key)
            record = parked.record
            log.error("reader.parked", kind=parked.kind, stream=record.stream, sequence=record.sequence, at=key, error=parked.error)
    shard.tried.difference_update(plan.released)
    if plan.heads or len(shard.streams.states) > MOST_STATES:
        # The heads of columns have moved in the tables alone.
        shard.streams.forget_idle()
    drop_applied(shard)
    if batch.runs or batch.columns:
        config.after_commit(batch)


def trace(config: ReaderConfig, applied: Applied, began: datetime) -> None:
    """Add a transaction to the traces of the commands behind its events."""
    batch = applied.batch
    attributes = {"parkunion.shard": batch.shard, "parkunion.version": batch.version, "parkunion.events": len(batch)}
    commands_reached(batch.traceparents(), config.span, SpanKind.CONSUMER, began, attributes)
