"""What a reader is configured with; the same through all its sessions."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypeAlias

from shared.process.db import Connection
from shared.reading.heads import HeadsElsewhere
from shared.sequencing.closed_days import DayOf
from shared.sequencing.frames import Framed
from shared.sequencing.records import Received, ShardBatch

Apply: TypeAlias = Callable[[Connection, ShardBatch], Awaitable[None]]
Joins: TypeAlias = Callable[[Sequence[Received]], bool]
OnClosed: TypeAlias = Callable[[Connection, int, date], Awaitable[None]]
"""(connection in the batch's transaction, shard, its new closed day)"""


@dataclass(frozen=True, slots=True)
class ReaderConfig:
    """`owner` is the application_name of the reader's database session, `batch` the most events of a transaction,
    `span` the name of the span that an applied batch adds to the traces of the commands behind its events.

    The callbacks and `day_of` (None: no clock) are those of `Reader`.
    """

    owner: str
    span: str
    group: str
    topics: Sequence[str]
    partitions: int
    generation: int
    batch: int
    apply: Apply
    on_reset: Callable[[int], None]
    after_commit: Callable[[ShardBatch], None]
    day_of: DayOf | None = None
    on_closed: OnClosed | None = None
    columns: Sequence[str] = ()
    """The types of events that `apply` takes as columns when a shard is far behind; what they say must be ids alone."""
    framed: Framed | None = None
    """Further types that it takes as columns then."""
    joins: Joins | None = None
    """Whether these few events of a shard may be applied in one transaction with those of other shards: then `apply` locks nothing that a
    transaction of another process may lock together with something of another shard. None: each shard has its own."""

    heads_elsewhere: HeadsElsewhere | None = None
    """Where `apply` keeps the events that it takes as columns; None: every stream has a row of `seen`."""

    async def elsewhere(self, conn: Connection) -> HeadsElsewhere | None:
        """`heads_elsewhere`, once a migration has made its relations."""
        return None if self.heads_elsewhere is None else await self.heads_elsewhere.if_made(conn)

    @property
    def late_day_of(self) -> DayOf | None:
        """The known day by which lateness is judged; None: nothing is late for a reader without closed figures."""
        return self.day_of if self.on_closed is not None else None
