"""Rows in the binary form of PostgreSQL's COPY, sent to it (the form: row_bytes)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence

from services.metrics.tables import row_bytes
from shared.process import db
from shared.process.db import Connection

MOST_BUFFERED = 2_097_152
"""Bytes of one table that are kept before they are sent: 10,000 to 50,000 rows. A projector writes to eight tables in this way: some 20 MB in all, 32 at most."""
FACT_ROWS = "fact_rows"
SET_STAYS = "SELECT set_config('parkunion.stays', $1, true)"
"""'written': no stay follows from the rows of `fact_rows` in the next statement, or their writer writes it; '': the trigger on that table keeps the stays
(migrations/0022_stays_by_the_writer.sql). It ends with the transaction."""


class CopyBuffer:
    """Rows of several tables of one generation, kept over the parts of a batch and appended by few COPY statements.

    Each COPY first makes up to 1,000 buffers for rows (`CopyMultiInsertBuffer` in PostgreSQL), so one of 1,000 rows costs half as much again
    as the tenth part of one of 10,000. Rows are in the table after `send` at the latest; until then no statement sees them.
    For rows of `fact_rows` the trigger that keeps the stays does not fire: whoever adds them adds the stays that follow from them.
    """

    def __init__(self, conn: Connection, generation: int) -> None:
        self._conn, self._generation = conn, generation
        self._parts = defaultdict[tuple[str, tuple[str, ...]], list[bytes]](list)

    async def add(self, table: str, columns: Sequence[str], rows: Iterable[bytes]) -> None:
        """Append rows in COPY's binary form, without header and trailer."""
        key = (table, tuple(columns))
        if data := b"".join(rows):
            self._parts[key].append(data)
            if sum(map(len, self._parts[key])) >= MOST_BUFFERED:
                await self._send(*key)

    async def send(self) -> None:
        """Send all rows that are left."""
        for key in list(self._parts):
            await self._send(*key)

    async def _send(self, table: str, columns: tuple[str, ...]) -> None:
        parts = self._parts.pop((table, columns))
        if table == FACT_ROWS:
            await self._conn.fetchval(SET_STAYS, "written")
        await copy_parts(self._conn, self._generation, table, columns, parts)
        if table == FACT_ROWS:
            await self._conn.fetchval(SET_STAYS, "")


async def copy_rows(conn: Connection, generation: int, table: str, columns: Sequence[str], rows: Sequence[bytes]) -> None:
    """Append rows in COPY's binary form."""
    if rows:
        await copy_bytes(conn, generation, table, columns, row_bytes.stream(rows))


async def copy_bytes(conn: Connection, generation: int, table: str, columns: Sequence[str], data: bytes) -> None:
    """Append what is in COPY's binary form already, header and trailer included."""
    await copy_into(conn, f"g{generation}", table, columns, data)


async def copy_into(conn: Connection, schema: str, table: str, columns: Sequence[str], data: bytes) -> None:
    """The same for a table of any schema."""
    await conn.copy_to_table(table, schema_name=schema, columns=columns, source=_pieces(data), format="binary")


async def copy_parts(conn: Connection, generation: int, table: str, columns: Sequence[str], parts: Iterable[bytes]) -> None:
    """Append rows in COPY's binary form, sent as their parts are made."""
    await db.copy_parts(conn, f"g{generation}", table, columns, parts)


async def _pieces(data: bytes) -> AsyncIterator[bytes]:
    """What asyncpg sends at a time. From a file it would read each in a thread, which costs more than what is read."""
    for begin in range(0, len(data), db.PIECE):
        yield data[begin : begin + db.PIECE]
