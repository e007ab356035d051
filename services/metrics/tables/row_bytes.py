"""Rows of the ledger, of the durations and of the tallies as PostgreSQL's binary COPY reads them.

Source: PostgreSQL documentation, COPY, "Binary Format": a header, per row the number of fields and per field its length and bytes, big-endian;
length -1 is NULL. A day is an int4: days since 2000-01-01.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import lru_cache

from services.metrics.measures import MEASURES, Vector, unpacked
from services.metrics.tables.rows import Cell, DurationKey, Key, MemberKey, TallyKey
from shared.process import db

HEADER, TRAILER = db.COPY_HEADER, db.COPY_TRAILER
WIDE = frozenset(("workers", "workers_unionised"))
"""The measures whose columns are bigint; the others are int."""

DAY_0 = date(2000, 1, 1).toordinal()
_INT = struct.Struct(">ii").pack
_BIGINT = struct.Struct(">iq").pack
NULL = struct.pack(">i", -1)
_LEDGER_KEY = struct.Struct(">h" + "ii" * 4).pack
_DURATION_KEY = struct.Struct(">h" + "ii" * 4).pack
_RUN_KEY = struct.Struct(">h" + "ii" * 3 + "i?" * 2).pack
_RUN_FIELDS = 7
DATE, INT4 = 1082, 23
"""PostgreSQL's ids of the types of the arrays' elements."""
_RUN_OF_ONE = struct.Struct(">h" + "ii" * 3 + "i?" * 2 + "iiiIiiii" * 2).pack
_ONE_DAY, _ONE_NET = (28, 1, 0, DATE, 1, 1, 4), (28, 1, 0, INT4, 1, 1, 4)
"""What stands before the one element of an array (`_ints`)."""
_LEDGER_FIELDS = 4 + len(MEASURES)
_DURATION_FIELDS = 7
_TALLY_FIELDS = 8


@lru_cache(maxsize=16_384)
def _measures(value: Vector) -> bytes:
    """The fields of all measures; zeros are NULL. Cached: most rows of a batch are the same few vectors."""
    return b"".join(
        NULL if not count else _BIGINT(8, count) if name in WIDE else _INT(4, count)
        for name, count in zip(MEASURES, unpacked(value), strict=True)
    )


def ledger_rows(figures: Mapping[Key, Vector], shard: int, ids: Mapping[Cell, int]) -> list[bytes]:
    """The rows of `ledger_open` (columns as in ledger_store.LEDGER_COLUMNS) that are not all zero."""
    return [
        _LEDGER_KEY(_LEDGER_FIELDS, 4, shard, 4, ids[cell], 4, effective - DAY_0, 4, known - DAY_0) + _measures(deltas)
        for (cell, effective, known), deltas in figures.items()
        if deltas
    ]


def ledger_runs(members: Mapping[MemberKey, Mapping[int, int]], shard: int, ids: Mapping[Cell, int]) -> list[bytes]:
    """The rows of `ledger_runs` (columns as in ledger_store.RUN_COLUMNS); days on which nothing changes are left out."""
    found = []
    for (cell, known, each), counts in members.items():
        if len(counts) == 1:
            # Most runs of a log of many enterprises.
            ((day, once),) = counts.items()
            if once:
                found.append(
                    _RUN_OF_ONE(
                        _RUN_FIELDS, 4, shard, 4, ids[cell], 4, known - DAY_0, 1, *_flags(each), *_ONE_DAY, day - DAY_0, *_ONE_NET, once
                    )
                )
            continue
        days, net = zip(*((day - DAY_0, net) for day, net in counts.items() if net), strict=True) if any(counts.values()) else ((), ())
        if days:
            key = _RUN_KEY(_RUN_FIELDS, 4, shard, 4, ids[cell], 4, known - DAY_0, 1, *_flags(each))
            found.append(key + _ints(DATE, days) + _ints(INT4, net))
    return found


@lru_cache(maxsize=64)
def _flags(each: Vector) -> tuple[bool, int, bool]:
    """(whether the headcount is unknown, the length of the next field, whether the member is unionised)"""
    counts = dict(zip(MEASURES, unpacked(each), strict=True))
    flags = [counts.pop(name) for name in ("members_headcount_unknown", "members_unionised")]
    if counts.pop("members") != 1 or any(counts.values()) or not set(flags) <= {0, 1}:
        raise AssertionError(f"a member adds something for which ledger_runs has no column: {unpacked(each)}")
    return bool(flags[0]), 1, bool(flags[1])


def _ints(element: int, values: Sequence[int]) -> bytes:
    """An array of 4-byte numbers without NULLs: its length, dimensions, type, count and lower bound, then each with its length."""
    count = len(values)
    sized = [4] * (2 * count)
    sized[1::2] = values
    return struct.pack(f">iiiIii{2 * count}i", 20 + 8 * count, 1, 0, element, count, 1, *sized)


def duration_rows(counts: Mapping[DurationKey, int], shard: int, ids: Mapping[Cell, int]) -> list[bytes]:
    """The rows of `durations_open` (columns as in ledger_store.DURATION_COLUMNS) that are not zero."""
    return [
        _DURATION_KEY(_DURATION_FIELDS, 4, shard, 4, ids[cell], 4, effective - DAY_0, 4, known - DAY_0)
        + text(kind)
        + _INT(4, value)
        + _INT(4, count)
        for (cell, effective, known, kind, value), count in counts.items()
        if count
    ]


def tally_rows(counts: Mapping[TallyKey, int], shard: int, ids: Mapping[Cell, int]) -> list[bytes]:
    """The rows of `tallies_open` (columns as in ledger_store.TALLY_COLUMNS) that are not zero."""
    return [
        _DURATION_KEY(_TALLY_FIELDS, 4, shard, 4, ids[cell], 4, effective - DAY_0, 4, known - DAY_0)
        + text(name)
        + text(code)
        + _INT(4, value)
        + _BIGINT(8, count)
        for (cell, effective, known, name, code, value), count in counts.items()
        if count
    ]


def text(value: str) -> bytes:
    """A field of text: its length and its bytes."""
    encoded = value.encode()
    return struct.pack(">i", len(encoded)) + encoded


def stream(rows: Iterable[bytes]) -> bytes:
    """What COPY reads."""
    return HEADER + b"".join(rows) + TRAILER
