"""Rows as bytes: what COPY reads is what PostgreSQL's own types say (read back here by hand; tests/integration/metrics writes them)."""

from __future__ import annotations

import struct
from datetime import date

from services.metrics.measures import MEASURES, vector
from services.metrics.tables import row_bytes
from services.metrics.tables.rows import Cell

CELL: Cell = ("P1", "C", "small", None)
DAY = date(2024, 2, 29)


def fields(row: bytes) -> list[bytes | None]:
    (count,), at, found = struct.unpack_from(">h", row), 2, list[bytes | None]()
    for _ in range(count):
        (length,) = struct.unpack_from(">i", row, at)
        at += 4
        found.append(None if length < 0 else row[at : at + length])
        at += max(length, 0)
    assert at == len(row)
    return found


def test_a_row_of_the_ledger() -> None:
    figures = {(CELL, DAY.toordinal(), DAY.toordinal()): vector(members=-3, workers=2**40), (CELL, 1, 1): 0}
    (row,) = row_bytes.ledger_rows(figures, 7, {CELL: 41})
    shard, cell, effective, known, *measures = fields(row)
    assert (shard, cell) == (struct.pack(">i", 7), struct.pack(">i", 41))
    assert effective == known == struct.pack(">i", (DAY - date(2000, 1, 1)).days)
    assert dict(zip(MEASURES, measures, strict=True)) == {
        **dict.fromkeys(MEASURES),
        "members": struct.pack(">i", -3),
        "workers": struct.pack(">q", 2**40),
    }


def test_a_row_of_the_durations() -> None:
    counts = {(CELL, DAY.toordinal(), DAY.toordinal(), "founded", 12): 2, (CELL, DAY.toordinal(), DAY.toordinal(), "waiting", 3): 0}
    (row,) = row_bytes.duration_rows(counts, 0, {CELL: 1})  # type: ignore[arg-type]
    assert fields(row)[4:] == [b"founded", struct.pack(">i", 12), struct.pack(">i", 2)]
