"""What follows if `apply` raises: the event that it refuses is searched, the records are read again as objects, or the batch is tried again."""

from __future__ import annotations

import asyncpg

from shared.broker.protocol import BrokerUnavailableError
from shared.journal.journal import ClockAheadError
from shared.process import db
from shared.sequencing.plan import BatchPlan
from shared.sequencing.shard import Shard


class ObjectsNeededError(Exception):
    """Columns hold something unusual, or `apply` refused something in them: the records must be read again, as objects."""


class RefusedError(Exception):
    """`apply` refused an event of the batch."""

    def __init__(self, plan: BatchPlan, reason: str) -> None:
        super().__init__(reason)
        self.plan = plan
        self.reason = reason


def is_outage(error: BaseException) -> bool:
    """Whether an error of `apply` says nothing about the events: the batch is then tried again, and nothing is parked."""
    if isinstance(error, asyncpg.PostgresError):
        return (error.sqlstate or "")[:2] not in ("22", "23", "P0")
    return isinstance(error, (*db.OUTAGES, BrokerUnavailableError, ClockAheadError, MemoryError)) or getattr(error, "status", None) == 503


def narrow(shard: Shard, plan: BatchPlan, reason: str) -> None:
    """Search the refused event: halve the batch, until the event is the only one."""
    if plan.applied > 1:
        shard.limit = plan.applied // 2
    else:
        shard.refused[plan.apply[0].key] = reason
