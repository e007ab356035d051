"""When known days close in a shard, what was appended to their open tables is summed and written once into the tables that have a key.

In the reader's transaction in which the shard's closed day rises, so once per shard and day; the sums of both tables together stay.
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
        """Moves the known days of shard $1 up to $2; rows that come to nothing are left out, zeros are NULL."""
        key, amounts = ", ".join(self.key), ", ".join(self.amounts)
        sums = ", ".join(f"nullif(sum({name}), 0)" for name in self.amounts)
        some = " OR ".join(f"sum({name}) <> 0" for name in self.amounts)
        return f"""
WITH gone AS (DELETE FROM g{generation}.{self.open} WHERE shard = $1 AND known_day <= $2 RETURNING {key}, {amounts})
INSERT INTO g{generation}.{self.closed} (shard, {key}, {amounts})
SELECT $1, {key}, {sums} FROM gone GROUP BY {key} HAVING {some} ORDER BY {key}
"""


PAIRS = (
    Pair("ledger_open", "ledger", ("cell", "effective_day", "known_day"), MEASURES),
    Pair("durations_open", "durations", ("cell", "effective_day", "known_day", "kind", "value"), ("count",)),
)


async def close_days(conn: Connection, generation: int, shard: int, day: date) -> None:
    """Close every known day of a shard up to `day`: nothing will be added to them any more."""
    for pair in PAIRS:
        await conn.execute(pair.statement(generation), shard, day)
