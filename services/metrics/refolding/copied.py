"""Reads what PostgreSQL's binary COPY wrote ("File Formats" of COPY in its manual) into arrays (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from struct import Struct
from typing import Any

import msgspec
import numpy as np

from services.metrics.folding.columns.members import POSTGRES_EPOCH
from services.metrics.folding.plain.sums import Longs, Table
from services.metrics.refolding.digests import MASK, Digests, Words, halves, mixed, texts_of
from services.metrics.tables.fact_runs import heads_of_arrays
from services.metrics.tables.row_bytes import DAY_0, HEADER

TYPES = {"int": (">i4", 4), "bigint": (">i8", 8), "date": (">i4", 4), "boolean": ("i1", 1)}
_SIZE = Struct(">i").unpack_from
_FIELDS = Struct(">h").unpack_from
_INT = Struct(">i").unpack
_TRAILER = 2
LAST_DAY = date.max.toordinal()
_ARRAY_HEAD, _HEADS = 20, 24
"""Bytes before the elements of an array, without and with its length."""
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


_SHARED = "ROW(source, type, actor, reason)"
FACTS = f"sequence, event_id, occurred_on, known_day, recorded_at, subject, {_SHARED}, says"
"""What `add_facts` reads, of `facts` and `fact_rows`."""
RUNS = f"sequences, event_ids, occurred, recorded, first, newest, known_day, subject, {_SHARED}"
"""What `add_runs` reads, of `fact_runs`."""
_HEAD = np.dtype(
    [("fields", ">i2"), ("s0", ">i4"), ("sequence", ">i8"), ("s1", ">i4"), ("id", "u1", 16), ("s2", ">i4"), ("occurred", ">i4"), ("s3", ">i4"),
     ("known", ">i4"), ("s4", ">i4"), ("recorded", ">i8")]
)  # fmt: skip
_KNOWN_AT = 46
"""Where in the head of a fact its known day stands."""
_TAIL = Struct(">iqiqii").unpack_from
_TAIL_SIZE = 36
_ELEMENTS = (12, 20, 8, 12)
"""Bytes of an element of each array of a run, its length included."""


class _Texts:
    """What the texts of rows add to their digests; alike rows are read once."""

    def __init__(self, *, attributed: bool) -> None:
        self._attributed = attributed
        self._found = dict[tuple[bytes, bytes | int, bytes | None], int]()
        self._shared = dict[bytes, tuple[str, str, str | None, str | None]]()

    def of(self, shared: bytes, known: bytes | int, says: bytes | None) -> int:
        """Of a row: source, type, actor and reason as a record, its known day (as four bytes, or a number), what it says as jsonb."""
        key = (shared, known, says)
        found = self._found.get(key)
        if found is None:
            source, type_, actor, reason = self._read(shared)
            day = date.fromordinal((known if isinstance(known, int) else _INT(known)[0]) + DAY_0)
            told = None if says is None else msgspec.json.decode(says[1:])
            found = self._found[key] = texts_of(source, type_, day, actor, reason, told, attributed=self._attributed)
        return found

    def _read(self, shared: bytes) -> tuple[str, str, str | None, str | None]:
        if (known := self._shared.get(shared)) is None:
            texts, at = list[str | None](), 4
            for _ in range(4):
                (size,) = _SIZE(shared, at + 4)
                texts.append(None if size < 0 else shared[at + 8 : at + 8 + size].decode())
                at += 8 + max(size, 0)
            source, type_, actor, reason = texts
            known = self._shared[shared] = source or "", type_ or "", actor, reason
        return known


def add_facts(digests: Digests, data: bytes, *, attributed: bool) -> None:
    """Add rows of single facts (FACTS) to digests."""
    subjects, texts, heads = list[bytes](), list[int](), list[bytes]()
    of, at, size_of, size = _Texts(attributed=attributed).of, len(HEADER), _SIZE, _HEAD.itemsize
    end = len(data) - _TRAILER
    while at < end:
        head = data[at : at + size]
        begin = at + size + 4
        middle = begin + size_of(data, begin - 4)[0]
        last = middle + 4 + size_of(data, middle)[0]
        (length,) = size_of(data, last)
        at = last + 4 + max(length, 0)
        heads.append(head)
        subjects.append(data[begin:middle])
        texts.append(of(data[middle + 4 : last], head[_KNOWN_AT : _KNOWN_AT + 4], None if length < 0 else data[last + 4 : at]))
    if not subjects:
        return
    rows = np.frombuffer(b"".join(heads), _HEAD)
    numbers = (rows["sequence"].astype(np.int64), *halves(rows["id"]), *(rows[name].astype(np.int64) for name in ("occurred", "recorded")))
    _add(digests, subjects, np.array(texts, np.uint64), numbers, np.ones(len(subjects), np.int64))


def _add(digests: Digests, subjects: Sequence[bytes], texts: Words, numbers: Sequence[Any], counts: Longs) -> None:
    """Add facts; `subjects`: of each row, `counts`: its facts; all else: of each fact. Days and instants count from 2000."""
    sequence, first, second, occurred, recorded = numbers
    known = dict[bytes, int]()
    subject = np.repeat(np.array([known.setdefault(name, len(known)) for name in subjects], np.int64), counts)
    found = mixed(texts, sequence, first, second, occurred + DAY_0, recorded + POSTGRES_EPOCH)
    digests.add([name.decode() for name in known], subject, found)


def add_runs(digests: Digests, data: bytes, *, attributed: bool) -> None:
    """Add rows of `fact_runs` (RUNS) to digests. A row whose arrays do not belong together, or whose bounds are not theirs, equals no facts."""
    subjects, counts, texts, bounds = list[bytes](), list[int](), list[int](), list[tuple[int, int]]()
    sequences, event_ids, occurred, recorded = list[bytes](), list[bytes](), list[bytes](), list[bytes]()
    of, at, end = _Texts(attributed=attributed).of, len(HEADER), len(data) - _TRAILER
    while at < end:
        begin = at + 2
        count = max(0, (_SIZE(data, begin)[0] - _ARRAY_HEAD) // _ELEMENTS[0])
        ids = begin + _HEADS + _ELEMENTS[0] * count
        days = ids + _HEADS + _ELEMENTS[1] * count
        instants = days + _HEADS + _ELEMENTS[2] * count
        tail = instants + _HEADS + _ELEMENTS[3] * count
        one, two, three, four = heads_of_arrays(count)
        if not count or not (
            data.startswith(one, begin) and data.startswith(two, ids) and data.startswith(three, days) and data.startswith(four, instants)
        ):
            at, name, odd = _odd(data, at)
            digests.sums[name] = (digests.sums.get(name, 0) + hash(odd)) & MASK
            continue
        _, first, _, newest, _, known = _TAIL(data, tail)
        name_at = tail + _TAIL_SIZE
        shared = name_at + _SIZE(data, name_at - 4)[0]
        at = shared + 4 + _SIZE(data, shared)[0]
        subjects.append(data[name_at:shared])
        counts.append(count)
        bounds.append((first, newest))
        texts.append(of(data[shared + 4 : at], known, None))
        sequences.append(data[begin + _HEADS : ids])
        event_ids.append(data[ids + _HEADS : days])
        occurred.append(data[days + _HEADS : instants])
        recorded.append(data[instants + _HEADS : tail])
    if not subjects:
        return
    sequence, day, instant = (
        np.frombuffer(b"".join(parts), kind)["value"].astype(np.int64)
        for parts, kind in ((sequences, _SIZED_LONG), (occurred, _SIZED_INT), (recorded, _SIZED_LONG))
    )
    ids_of = np.frombuffer(b"".join(event_ids), _SIZED_ID)["value"]
    starts = np.cumsum([0, *counts[:-1]])
    lowest, greatest = np.array(bounds, np.int64).T
    wrong = (np.minimum.reduceat(sequence, starts) != lowest) | (np.maximum.reduceat(instant, starts) != greatest)
    of_row = np.repeat(np.array(texts, np.uint64) + wrong.astype(np.uint64), counts)
    _add(digests, subjects, of_row, (sequence, *halves(ids_of), day, instant), np.array(counts, np.int64))


def _odd(data: bytes, at: int) -> tuple[int, str, tuple[bytes | None, ...]]:
    """(where the next row begins, its subject, its fields) of a row of `fact_runs` that is in no order."""
    (fields,) = _FIELDS(data, at)
    at += 2
    row = list[bytes | None]()
    for _ in range(fields):
        (size,) = _SIZE(data, at)
        row.append(None if size < 0 else data[at + 4 : at + 4 + size])
        at += 4 + max(size, 0)
    return at, (row[-2] or b"").decode(), tuple(row)
