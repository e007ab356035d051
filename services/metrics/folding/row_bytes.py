"""Rows of the ledger and of the durations as PostgreSQL's binary COPY reads them.

Source: PostgreSQL documentation, COPY, "Binary Format": a header, per row the number of fields and per field its length and bytes, big-endian;
length -1 is NULL. A day is an int4: days since 2000-01-01.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from datetime import date
from functools import lru_cache

from services.metrics.folding import durations, ledger
from services.metrics.folding.coverage import Cell
from services.metrics.measures import MEASURES, Vector, unpacked

HEADER = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
TRAILER = struct.pack(">h", -1)
WIDE = frozenset(("workers", "workers_unionised"))
"""The measures whose columns are bigint; the others are int."""

DAY_0 = date(2000, 1, 1).toordinal()
_INT = struct.Struct(">ii").pack
_BIGINT = struct.Struct(">iq").pack
NULL = struct.pack(">i", -1)
_LEDGER_KEY = struct.Struct(">h" + "ii" * 4).pack
_DURATION_KEY = struct.Struct(">h" + "ii" * 4).pack
_LEDGER_FIELDS = 4 + len(MEASURES)
_DURATION_FIELDS = 7


@lru_cache(maxsize=16_384)
def _measures(value: Vector) -> bytes:
    """The fields of all measures; zeros are NULL. Cached: most rows of a batch are the same few vectors."""
    return b"".join(
        NULL if not count else _BIGINT(8, count) if name in WIDE else _INT(4, count)
        for name, count in zip(MEASURES, unpacked(value), strict=True)
    )


def ledger_rows(figures: Mapping[ledger.Key, Vector], shard: int, ids: Mapping[Cell, int]) -> list[bytes]:
    """The rows of `ledger_open` (columns as in store.LEDGER_COLUMNS) that are not all zero."""
    return [
        _LEDGER_KEY(_LEDGER_FIELDS, 4, shard, 4, ids[cell], 4, effective - DAY_0, 4, known - DAY_0) + _measures(deltas)
        for (cell, effective, known), deltas in figures.items()
        if deltas
    ]


def duration_rows(counts: Mapping[durations.Key, int], shard: int, ids: Mapping[Cell, int]) -> list[bytes]:
    """The rows of `durations_open` (columns as in store.DURATION_COLUMNS) that are not zero."""
    return [
        _DURATION_KEY(_DURATION_FIELDS, 4, shard, 4, ids[cell], 4, effective - DAY_0, 4, known - DAY_0)
        + text(kind)
        + _INT(4, value)
        + _INT(4, count)
        for (cell, effective, known, kind, value), count in counts.items()
        if count
    ]


def text(value: str) -> bytes:
    """A field of text: its length and its bytes."""
    encoded = value.encode()
    return struct.pack(">i", len(encoded)) + encoded


def stream(rows: Iterable[bytes]) -> bytes:
    """What COPY reads."""
    return HEADER + b"".join(rows) + TRAILER
