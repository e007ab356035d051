"""How much of a shard the next transaction takes: as much as is quick, and of all topics, so that no far backlog is folded twice."""

from __future__ import annotations

import time
from collections.abc import Collection

from shared.reading.config import ReaderConfig
from shared.sequencing.columnar.columns import Item
from shared.sequencing.records import Received
from shared.sequencing.shard import Shard, due_columns, merged, weight_of

COLUMNS_BATCH = 130_000
"""The most records of a transaction if they may be columns, of all topics together and by weight. A set of facts costs the same in a batch of 5 of
its events as of 50, and what a worker holds of a batch grows with its records and their subjects: a shard of 33,000 enterprises with 83,000 events
weighs 125,000."""
FIRST_BATCH, LEAST_BATCH = 20_000, 500
"""Events of the first transaction of a backlog, and of the smallest to which slow ones are cut."""
MOST_GROWTH = 8
"""How many times larger than its predecessor a batch may be."""
LONGEST_BATCH = 8.0
"""Seconds that a transaction should take at most: so much work is lost with a process, and other shards wait so long."""
PATIENCE = 1.0
"""Seconds for which a topic without records delays the others."""


class Due:
    """Chooses what is due of a shard. `most`: how many records one transaction may take now, by how long the last ones took; rows of columns are
    counted by their weight (`shard.weight_of`)."""

    def __init__(self, config: ReaderConfig) -> None:
        self._batch = config.batch
        self._starved: dict[int, float] = {}
        self._largest = max(config.batch, COLUMNS_BATCH) if config.columns else config.batch
        self.most = min(FIRST_BATCH, self._largest)

    def reset(self, shard: int) -> None:
        """Forget how long a shard has waited."""
        self._starved.pop(shard, None)

    def failed(self, taken: int) -> None:
        """Take less after a transaction of so many records that the database did not let end."""
        self.most = max(LEAST_BATCH, min(self.most, taken) // 2)

    def measured(self, taken: int, seconds: float) -> None:
        """Take more at once while that is quick, less where it is slow."""
        if seconds > LONGEST_BATCH:
            self.most = max(LEAST_BATCH, min(self.most, int(taken * LONGEST_BATCH / seconds)))
        elif taken >= self.most // 2 and seconds < LONGEST_BATCH / 2:
            self.most = min(self._largest, int(self.most * min(MOST_GROWTH, LONGEST_BATCH / 2 / seconds)))

    def records(self, shard: Shard, lagging: set[str]) -> list[Received]:
        """The records to apply, in merged order, which is for speed only: a lagging topic that has no records for PATIENCE is not waited for any longer."""
        behind, limit = [topic for topic in lagging if not shard.columns.get(topic)], min(self._batch, self.most)
        records = merged(shard.pending, behind, limit)
        if not records and any(shard.pending.values()) and self._waited(shard):
            records = merged(shard.pending, (), limit)
        if records or not shard.count():
            self._starved.pop(shard.number, None)
        return records

    def columns(self, shard: Shard, lagging: set[str]) -> dict[str, list[Item]]:
        """As `records`: {topic: what may be applied}. Columns come after the records that are pending."""
        if any(shard.pending.values()) or not any(shard.columns.values()):
            return {}
        shard.join_columns()
        columns = _at_most(shard, lagging, self.most)
        if not columns and self._waited(shard):
            columns = _at_most(shard, (), self.most)
        if columns:
            self._starved.pop(shard.number, None)
        return columns

    def _waited(self, shard: Shard) -> bool:
        """Whether a shard has waited long enough for a topic."""
        return time.monotonic() - self._starved.setdefault(shard.number, time.monotonic()) > PATIENCE


def _at_most(shard: Shard, lagging: Collection[str], most: int) -> dict[str, list[Item]]:
    """What may be applied of the columns, at most `most` of all topics together; what a topic does not use of its equal share is for the others."""
    columns = due_columns(shard, lagging, most)
    left = most
    for taken, weight in enumerate(sorted(map(weight_of, columns.values()))):
        share = left // (len(columns) - taken)
        if weight > share:
            return due_columns(shard, lagging, share)
        left -= weight
    return columns
