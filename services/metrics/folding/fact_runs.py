"""Events of one stream that are stored together."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from typing import NamedTuple
from uuid import UUID

from services.metrics.folding.store import FactRow


class FactRun(NamedTuple):
    """Events of one stream, type, known day, actor and reason in one row."""

    shard: int
    subject: str
    source: str
    type: str
    known_day: date
    actor: str | None
    reason: str | None
    sequences: list[int]
    event_ids: list[UUID]
    occurred: list[date]
    recorded: list[datetime]

    def rows(self) -> Iterator[FactRow]:
        """The events one by one."""
        for sequence, event_id, occurred, recorded in zip(self.sequences, self.event_ids, self.occurred, self.recorded, strict=True):
            yield FactRow(
                self.shard, self.subject, self.source, sequence, event_id, self.type, occurred, self.known_day, recorded, None,
                self.actor, self.reason,
            )  # fmt: skip
