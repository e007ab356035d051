"""Reads what PostgreSQL's binary COPY wrote ("File Formats" of COPY in its manual) into arrays (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from struct import Struct
from typing import NamedTuple

import numpy as np

from services.metrics.folding.member_columns import POSTGRES_EPOCH
from services.metrics.folding.plain.sums import Table
from services.metrics.refolding.digests import MASK, Digests, halves, mixed, texts_of
from services.metrics.tables.fact_runs import heads_of_arrays
from services.metrics.tables.row_bytes import DAY_0, HEADER

TYPES = {"int": (">i4", 4), "bigint": (">i8", 8), "date": (">i4", 4), "boolean": ("i1", 1)}
_SIZE = Struct(">i").unpack_from
_FIELDS = Struct(">h").unpack_from
_INT, _LONG = Struct(">i").unpack, Struct(">q").unpack
_TRAILER = 2
LAST_DAY = date.max.toordinal()
_ARRAY_HEAD = 20
_SIZED_LONG, _SIZED_INT, _SIZED_ID = (np.dtype([("size", ">i4"), ("value", *kind)]) for kind in ((">i8",), (">i4",), ("u1", 16)))


def fixed(data: bytes, types: Sequence[str]) -> Table:
    """Rows of columns that are never NULL and of these types of fixed size, as columns of numbers. Days are ordinals; one that Python has no date for
    (infinity) is the first or last that it has. Raises ValueError for other columns."""
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for column, name in enumerate(types):
        fields += [(f"size_{column}", ">i4"), (f"value_{column}", TYPES[name][0])]
    layout = np.dtype(fields)
    rows = np.frombuffer(data, layout, (len(data) - len(HEADER) - _TRAILER) // layout.itemsize, len(HEADER))
    found = np.empty((len(types), len(rows)), np.int64)
    for column, name in enumerate(types):
        if (rows[f"size_{column}"] != TYPES[name][1]).any():
            raise ValueError(f"column {column} is not always {name}")
        found[column] = rows[f"value_{column}"]
        if name == "date":
            found[column] = np.clip(found[column] + DAY_0, 1, LAST_DAY)
    return found


class _Run(NamedTuple):
    """One row of `fact_runs`, as bytes."""

    subject: bytes
    source: bytes
    type: bytes
    known: bytes
    actor: bytes | None
    reason: bytes | None
    first: bytes
    newest: bytes
    sequences: bytes
    event_ids: bytes
    occurred: bytes
    recorded: bytes


RUN_COLUMNS = (*_Run._fields[:3], "known_day", *_Run._fields[4:])
"""The columns of `fact_runs` in the order of what `add_runs` reads."""


def _rows(data: bytes) -> Iterator[list[bytes | None]]:
    at = len(HEADER)
    while True:
        (fields,) = _FIELDS(data, at)
        if fields < 0:
            return
        at += 2
        row: list[bytes | None] = []
        for _ in range(fields):
            (size,) = _SIZE(data, at)
            at += 4
            if size < 0:
                row.append(None)
            else:
                row.append(data[at : at + size])
                at += size
        yield row


def add_runs(digests: Digests, data: bytes, *, attributed: bool) -> None:
    """Add rows of `fact_runs` (RUN_COLUMNS) to digests. A row whose arrays do not belong together, or whose bounds are not theirs, equals no facts."""
    subjects, counts, texts, bounds = list[str](), list[int](), list[int](), list[bytes]()
    arrays: tuple[list[bytes], ...] = ([], [], [], [])
    known_texts = dict[tuple[bytes | None, ...], int]()
    for row in _rows(data):
        run = _Run(*row)  # type: ignore[arg-type]
        (count,) = _SIZE(run.sequences, 12) if len(run.sequences) >= _ARRAY_HEAD else (0,)
        four = run[8:]
        if not count or any(given[:_ARRAY_HEAD] != head[4:] for given, head in zip(four, heads_of_arrays(count), strict=True)):
            name = run.subject.decode()
            digests.sums[name] = (digests.sums.get(name, 0) + hash(run)) & MASK
            continue
        shared = run[1:6]
        if (found := known_texts.get(shared)) is None:
            actor, reason = (None if one is None else one.decode() for one in (run.actor, run.reason))
            known = date.fromordinal(_INT(run.known)[0] + DAY_0)
            found = texts_of(run.source.decode(), run.type.decode(), known, actor, reason, None, attributed=attributed)
            known_texts[shared] = found
        subjects.append(run.subject.decode())
        counts.append(count)
        texts.append(found)
        bounds.append(run.first + run.newest)
        for kept, given in zip(arrays, four, strict=True):
            kept.append(given[_ARRAY_HEAD:])
    if not subjects:
        return
    sequence, occurred, recorded = (
        np.frombuffer(b"".join(arrays[at]), kind)["value"].astype(np.int64)
        for at, kind in ((0, _SIZED_LONG), (2, _SIZED_INT), (3, _SIZED_LONG))
    )
    ids = np.frombuffer(b"".join(arrays[1]), _SIZED_ID)["value"]
    starts = np.cumsum([0, *counts[:-1]])
    first, newest = np.frombuffer(b"".join(bounds), ">i8").reshape(-1, 2).T
    wrong = (np.minimum.reduceat(sequence, starts) != first) | (np.maximum.reduceat(recorded, starts) != newest)
    of_row = np.repeat(np.array(texts, np.uint64) + wrong.astype(np.uint64), counts)
    numbers = dict[str, int]()
    subject = np.repeat(np.array([numbers.setdefault(name, len(numbers)) for name in subjects], np.int64), counts)
    found_digests = mixed(of_row, sequence, *halves(ids), occurred + DAY_0, recorded + POSTGRES_EPOCH)
    digests.add(list(numbers), subject, found_digests)
