"""Rows of sets of facts of which nothing was stored before, by COPY or by plain INSERT: no row of such a set can be in the way, so none is looked for.

For columns alone: if a row was there after all (UniqueViolationError), their records are read again as objects, whose statements look for rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from struct import Struct

from services.metrics.tables import store
from services.metrics.tables.copying import CopyBuffer
from services.metrics.tables.row_bytes import text
from services.metrics.tables.store import NameRow
from shared.process.db import Connection

STATE_COLUMNS = ("shard", "subject", "state", "findings", "noted_by")
STAY_COLUMNS = ("subject", "since", "until", "park", "shard")
XID = "SELECT pg_current_xact_id()::xid::text::bigint"
_SHARD, _LENGTH, _NOTES = Struct(">hiii").pack, Struct(">i").pack, Struct(">ihiI").pack
_ALWAYS = Struct(">iiii").pack(4, -(2**31), 4, 2**31 - 1)
"""The dates -infinity and infinity, each after its length."""
_FIELDS, _PLACE = Struct(">h").pack, Struct(">ii").pack


async def keep_states(conn: Connection, buffer: CopyBuffer, shard: int, dumped: Mapping[str, tuple[bytes, int]]) -> None:
    """Write sets with what was noted of them (`store.KEEP_STATES`), by subject."""
    xid: int = await conn.fetchval(XID)
    await buffer.add("states", STATE_COLUMNS, _states(shard, dumped, xid))


def _states(shard: int, dumped: Mapping[str, tuple[bytes, int]], xid: int) -> Iterator[bytes]:
    count = len(STATE_COLUMNS)
    for subject in sorted(dumped):
        (state, noted), named = dumped[subject], subject.encode()
        yield _SHARD(count, 4, shard, len(named)) + named + _LENGTH(len(state)) + state + _NOTES(2, noted, 4, xid)


async def keep_stays(buffer: CopyBuffer, shard: int, parks: Mapping[str, str]) -> None:
    """Write the only stay of subjects, without beginning or end: {subject: park}. For subjects whose facts about a place are in the buffer."""
    ends, begin = {park: _ALWAYS + text(park) + _PLACE(4, shard) for park in set(parks.values())}, _FIELDS(len(STAY_COLUMNS))
    rows = (begin + text(subject) + ends[parks[subject]] for subject in sorted(parks))
    await buffer.add("stays", STAY_COLUMNS, rows)


async def keep_names(conn: Connection, generation: int, shard: int, rows: Sequence[NameRow]) -> None:
    """Write rows of `enterprises`. Not by COPY, which PostgreSQL refuses where row-level security is on."""
    await store.keep_names(conn, generation, shard, rows, store.NEW_NAMES)
