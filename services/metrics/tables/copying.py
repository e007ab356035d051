"""Rows in the binary form of PostgreSQL's COPY, sent to it (the form: row_bytes)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from services.metrics.tables import row_bytes
from shared.process import db
from shared.process.db import Connection


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
