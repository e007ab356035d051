"""COPY in its binary format: how rows are appended in bulk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence

from shared.process.db.sessions import Connection

COPY_HEADER, COPY_TRAILER = b"PGCOPY\n\xff\r\n\x00" + bytes(8), b"\xff\xff"
"""What stands before and after the rows in COPY's binary format ("File Formats" of COPY in PostgreSQL's manual)."""
PIECE = 524_288
"""Bytes that go to PostgreSQL at a time."""


async def copy_parts(conn: Connection, schema: str, table: str, columns: Sequence[str], parts: Iterable[bytes]) -> None:
    """Append rows in COPY's binary format, sent in pieces as their parts are made: they are never all in memory."""
    await conn.copy_to_table(table, schema_name=schema, columns=columns, source=_pieces(parts), format="binary")


async def _pieces(parts: Iterable[bytes]) -> AsyncIterator[bytes]:
    gathered, size = [COPY_HEADER], 0
    for part in parts:
        gathered.append(part)
        size += len(part)
        if size >= PIECE:
            yield b"".join(gathered)
            gathered, size = [], 0
    yield b"".join((*gathered, COPY_TRAILER))
