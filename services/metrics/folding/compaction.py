"""Compaction of closed known days: the rows in the open tables are summed and moved into the tables that have a key.

Runs in the reader's transaction that raises the shard's closed day, so once per shard and day. Sums over both tables do not change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from services.metrics.folding.measures import MEASURES
from shared.process.db import Connection


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tables of a generation: `open` is append-only, `closed` has the key (shard, *key) and the sums of `amounts`."""

    open: str
    closed: str
    key: Sequence[str]
    amounts: Sequence[str]

    def statement(self, generation: int) -> str:
        """Move the known days of shard $1 up to $2. Rows whose sums are 0 are left out, zeros are NULL."""
        key, amounts = ", ".join(self.key), ", ".join(self.amounts)
        sums = ", ".join(f"nullif(sum({name}), 0)" for name in self.amounts)
        some = " OR ".join(f"sum({name}) <> 0" for name in self.amounts)
        return f"""
WITH moved AS (DELETE FROM g{generation}.{self.open} WHERE shard = $1 AND known_day <= $2 RETURNING {key}, {amounts})
INSERT INTO g{generation}.{self.closed} (shard, {key}, {amounts})
SELECT $1, {key}, {sums} FROM moved GROUP BY {key} HAVING {some} ORDER BY {key}
"""


PAIRS = (
    Pair("ledger_open", "ledger", ("cell", "effective_day", "known_day"), MEASURES),
    Pair("durations_open", "durations", ("cell", "effective_day", "known_day", "kind", "value"), ("count",)),
)


async def close_days(conn: Connection, generation: int, shard: int, day: date) -> None:
    """Compact every known day of a shard up to `day`. No row of these days will be added later."""
    for pair in PAIRS:
        await conn.execute(pair.statement(generation), shard, day)
