"""How rows of the ledger, of the durations and of the tallies are written, and closed days moved (migrations/0014_ledger_runs.sql, docs/adr/0022-ledger-in-runs.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from services.metrics.measures import MEASURES, unpacked
from services.metrics.tables import row_bytes
from services.metrics.tables.copying import CopyBuffer
from services.metrics.tables.rows import Cell, Rows
from services.metrics.tables.store import FEW, has_table, insert_rows
from shared.process.db import Connection

LEDGER_COLUMNS = ("shard", "cell", "effective_day", "known_day", *MEASURES)
RUN_COLUMNS = ("shard", "cell", "known_day", "headcount_unknown", "unionised", "effective", "net")
DURATION_COLUMNS = ("shard", "cell", "effective_day", "known_day", "kind", "value", "count")
TALLY_COLUMNS = ("shard", "cell", "effective_day", "known_day", "name", "code", "value", "count")
SPREAD = 50
"""Days of members in one batch; so many become rows of their own, since runs would be as many."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Tables of a generation: `open` is append-only, `closed` has the key (shard, *key) and the sums of `amounts`.

    `runs`: the statement that deletes and opens the runs beside `open`; None if there are none.
    """

    open: str
    closed: str
    key: Sequence[str]
    amounts: Sequence[str]
    runs: str | None = None

    def statement(self, generation: int) -> str:
        """Move the known days of shard $1 up to $2. Rows whose sums are 0 are left out, zeros are NULL."""
        key, amounts = ", ".join(self.key), ", ".join(self.amounts)
        sums = ", ".join(f"nullif(sum({name}), 0)" for name in self.amounts)
        some = " OR ".join(f"sum({name}) <> 0" for name in self.amounts)
        runs = self.runs.format(g=generation) if self.runs else ", moved AS (TABLE single)"
        return f"""
WITH single AS (DELETE FROM g{generation}.{self.open} WHERE shard = $1 AND known_day <= $2 RETURNING {key}, {amounts}){runs}
INSERT INTO g{generation}.{self.closed} (shard, {key}, {amounts})
SELECT $1, {key}, {sums} FROM moved GROUP BY {key} HAVING {some} ORDER BY {key}
"""


MOVE_RUNS = """, runs AS (
    DELETE FROM g{g}.ledger_runs WHERE shard = $1 AND known_day <= $2
    RETURNING cell, known_day, headcount_unknown, unionised, effective, net
), opened AS (
    SELECT cell, unnest(effective) AS effective_day, known_day, unnest(net) AS members, headcount_unknown, unionised FROM runs
), moved AS (
    TABLE single UNION ALL SELECT {opened} FROM opened
)"""
_OPENED = {
    "members": "members",
    "members_headcount_unknown": "CASE WHEN headcount_unknown THEN members END",
    "members_unionised": "CASE WHEN unionised THEN members END",
}
_LEDGER_KEY = ("cell", "effective_day", "known_day")
OPENED = ", ".join((*_LEDGER_KEY, *(_OPENED.get(name, "NULL") for name in MEASURES)))
UNPACKED_LEDGER = Pair("ledger_open", "ledger", _LEDGER_KEY, MEASURES)
"""Before migration 0014."""
LEDGER = Pair("ledger_rows", "ledger", _LEDGER_KEY, MEASURES, MOVE_RUNS.replace("{opened}", OPENED))
DURATIONS = Pair("durations_open", "durations", ("cell", "effective_day", "known_day", "kind", "value"), ("count",))
TALLIES = Pair("tallies_open", "tallies", ("cell", "effective_day", "known_day", "name", "code", "value"), ("count",))


async def add_rows(conn: Connection, generation: int, shard: int, rows: Rows, ids: Mapping[Cell, int], buffer: CopyBuffer) -> None:
    """Append the rows of ledger, durations and tallies that are not all zero; a measure of 0 is written as NULL. `rows` may be changed: its sums
    stay. Where there are many they are added to `buffer`, which the caller sends."""
    migrated = await has_table(conn, generation, "ledger_runs")
    rows.spread_members(SPREAD if migrated else None)
    table = "ledger_rows" if migrated else "ledger_open"
    if rows.members:
        await buffer.add("ledger_runs", RUN_COLUMNS, row_bytes.ledger_runs(rows.members, shard, ids))
    if len(rows.figures) > FEW:
        await buffer.add(table, LEDGER_COLUMNS, row_bytes.ledger_rows(rows.figures, shard, ids))
    else:
        figures = (
            (shard, ids[cell], date.fromordinal(effective), date.fromordinal(known), *(value or None for value in unpacked(deltas)))
            for (cell, effective, known), deltas in rows.figures.items()
            if deltas
        )
        await insert_rows(conn, generation, table, LEDGER_COLUMNS, figures)
    if len(rows.durations) > FEW:
        await buffer.add("durations_open", DURATION_COLUMNS, row_bytes.duration_rows(rows.durations, shard, ids))
    else:
        durations = (
            (shard, ids[cell], date.fromordinal(effective), date.fromordinal(known), kind, value, count)
            for (cell, effective, known, kind, value), count in rows.durations.items()
            if count
        )
        await insert_rows(conn, generation, "durations_open", DURATION_COLUMNS, durations)
    if rows.tallies:
        await buffer.add("tallies_open", TALLY_COLUMNS, row_bytes.tally_rows(rows.tallies, shard, ids))


async def close_days(conn: Connection, generation: int, shard: int, day: date) -> None:
    """Move every known day of a shard up to `day` from the open tables to those with a key; sums over both do not change.

    In the reader's transaction that raises the shard's closed day: no row of these days will be added later.
    """
    for pair in (LEDGER if await has_table(conn, generation, "ledger_runs") else UNPACKED_LEDGER, DURATIONS, TALLIES):
        await conn.execute(pair.statement(generation), shard, day)
