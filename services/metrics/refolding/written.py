"""Arrays as rows of the tables, as PostgreSQL's binary COPY reads them ("File Formats" of COPY in its manual), header and trailer included (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import Any

import numpy as np
import numpy.typing as npt

from services.metrics.folding.columns.members import POSTGRES_EPOCH
from services.metrics.folding.events.member_events import storable
from services.metrics.measures import MEASURES, Vector, unpacked
from services.metrics.refolding.plain_facts import FactGroup
from services.metrics.refolding.shapes import KINDS, VALUE_0
from services.metrics.tables import row_bytes
from services.metrics.tables.ledger_store import RUN_COLUMNS
from services.metrics.tables.row_bytes import DAY_0, HEADER, NULL, TRAILER, WIDE
from shared.sequencing.columnar.columns import EPOCH_DAY
from shared.sequencing.columnar.layouts import Longs

FACT_COLUMNS = (
    "shard", "sequence", "event_id", "occurred_on", "known_day", "recorded_at", "subject", "source", "type", "says", "actor", "reason",
)  # fmt: skip
_SIZE = Struct(">i").pack
_ARRAY = Struct(">iiiIii").pack


def _layout(*fields: tuple[str, Any, int]) -> np.dtype[Any]:
    """A row: the number of its fields, and of each its length and its value."""
    named: list[Any] = [("fields", ">i2")]
    for name, kind, _ in fields:
        named += [(f"{name}_size", ">i4"), (name, *(kind if isinstance(kind, tuple) else (kind,)))]
    return np.dtype(named)


_FACT = (
    ("shard", ">i4", 4), ("sequence", ">i8", 8), ("event_id", ("u1", 16), 16), ("occurred_on", ">i4", 4), ("known_day", ">i4", 4),
    ("recorded_at", ">i8", 8),
)  # fmt: skip
_KEY = (("shard", ">i4", 4), ("cell", ">i4", 4), ("effective_day", ">i4", 4), ("known_day", ">i4", 4))
_DURATION = (*_KEY, ("kind", ("S7", ()), 7), ("value", ">i4", 4), ("count", ">i4", 4))
_LEDGER = (*_KEY, *((name, ">i8" if name in WIDE else ">i4", 8 if name in WIDE else 4) for name in MEASURES))


def _filled(fields: Sequence[tuple[str, Any, int]], count: int, columns: Mapping[str, Any], in_all: int | None = None) -> npt.NDArray[Any]:
    """`count` rows whose columns have these values; `in_all`: how many fields each has, if more follow."""
    rows = np.empty(count, _layout(*fields))
    rows["fields"] = len(fields) if in_all is None else in_all
    for name, _, size in fields:
        rows[f"{name}_size"], rows[name] = size, columns[name]
    return rows


def _stream(parts: Iterable[bytes]) -> bytes:
    return b"".join((HEADER, *parts, TRAILER))


def fact_rows(groups: Iterable[FactGroup], shard: int) -> bytes:
    """Rows of `fact_rows` (FACT_COLUMNS)."""
    return _stream(part for group in groups for part in _of_group(group, shard))


def _of_group(group: FactGroup, shard: int) -> Iterator[bytes]:
    columns = group.columns
    values = {
        "shard": shard, "sequence": columns.sequence, "event_id": columns.event_id, "occurred_on": columns.occurred + (EPOCH_DAY - DAY_0),
        "known_day": group.known - DAY_0, "recorded_at": columns.recorded - POSTGRES_EPOCH,
    }  # fmt: skip
    heads = _filled(_FACT, len(columns), values, len(FACT_COLUMNS))
    size, data = heads.itemsize, heads.tobytes()
    between = row_bytes.text(columns.source) + row_bytes.text(group.type)
    texts, actors = columns.subjects.texts, [_text(storable(text)) for text in columns.actors.texts]
    for at, (subject, says, actor, reason) in enumerate(
        zip(columns.subject.tolist(), group.says, columns.actor.tolist(), group.reasons, strict=True)
    ):
        named = texts[subject].encode()
        yield data[size * at : size * (at + 1)]
        yield _SIZE(len(named)) + named + between
        # The first byte of jsonb is the number of its form.
        yield NULL if says is None else _SIZE(1 + len(says)) + b"\x01" + says
        yield actors[actor] + (NULL if reason is None else row_bytes.text(reason))


def _text(value: str | None) -> bytes:
    return NULL if value is None else row_bytes.text(value)


def ledger_rows(keys: npt.NDArray[np.int64], measures: npt.NDArray[np.int64], shard: int, ids: Longs) -> bytes:
    """Rows of the ledger (`ledger_store.LEDGER_COLUMNS`) that are not all zero, zeros as NULL; `ids`: of each cell by its number."""
    some = measures.any(axis=1)
    (cell, effective, known), measures = keys[:, some], measures[some]
    values = {"shard": shard, "cell": ids[cell], "effective_day": effective - DAY_0, "known_day": known - DAY_0}
    rows = _filled(_LEDGER, len(cell), values | dict(zip(MEASURES, measures.T, strict=True)))
    layout = rows.dtype
    kept = np.ones((len(rows), layout.itemsize), np.bool_)
    for at, (name, _, size) in enumerate(_LEDGER[len(_KEY) :]):
        nothing = measures[:, at] == 0
        rows[f"{name}_size"][nothing] = -1
        begin = layout.fields[name][1] if layout.fields is not None else 0
        kept[:, begin : begin + size] = ~nothing[:, None]
    return _stream((rows.view(np.uint8).reshape(len(rows), layout.itemsize)[kept].tobytes(),))


def duration_rows(durations: npt.NDArray[np.int64], shard: int, ids: Longs) -> bytes:
    """Rows of the durations (`ledger_store.DURATION_COLUMNS`); `durations` as `Shapes.durations` gives them."""
    cell, effective, known, kind, value, count = durations
    values = {
        "shard": shard, "cell": ids[cell], "effective_day": effective - DAY_0, "known_day": known - DAY_0,
        "kind": np.array([name.encode() for name in KINDS], "S7")[kind], "value": value - VALUE_0, "count": count,
    }  # fmt: skip
    return _stream((_filled(_DURATION, len(cell), values).tobytes(),))


def member_runs(members: npt.NDArray[np.int64], each: Sequence[Vector], shard: int, ids: Longs) -> bytes:
    """Rows of `ledger_runs` (`ledger_store.RUN_COLUMNS`); `members` as `member_ledger.member_rows` gives them."""
    cell, effective, known, which, net = members[:, np.lexsort((members[1], members[3], members[2], members[0]))]
    turns = (np.diff(np.stack((cell, known, which)), axis=1) != 0).any(axis=0)
    begins = np.flatnonzero(np.concatenate(([True], turns))) if len(cell) else np.zeros(0, np.int64)
    ends = [*begins[1:].tolist(), len(cell)]
    sized = np.empty((2, len(cell)), np.dtype([("size", ">i4"), ("value", ">i4")]))
    sized["size"], sized["value"] = 4, np.stack((effective - DAY_0, net))
    days, nets = sized[0].tobytes(), sized[1].tobytes()
    flags = {kind: _flags(each[kind]) for kind in np.unique(which).tolist()}
    values = {"shard": shard, "cell": ids[cell[begins]], "known_day": known[begins] - DAY_0}
    heads = _filled((_KEY[0], _KEY[1], _KEY[3]), len(begins), values, len(RUN_COLUMNS))
    size, data = heads.itemsize, heads.tobytes()
    parts = list[bytes]()
    for at, (begin, end, kind) in enumerate(zip(begins.tolist(), ends, which[begins].tolist(), strict=True)):
        of_days, of_nets = _heads(end - begin)
        parts += (data[size * at : size * (at + 1)], flags[kind], of_days, days[8 * begin : 8 * end], of_nets, nets[8 * begin : 8 * end])
    return _stream(parts)


def _flags(each: Vector) -> bytes:
    """The fields that say how members count: whether the headcount is unknown, whether they are unionised."""
    counts = dict(zip(MEASURES, unpacked(each), strict=True))
    flags = [counts.pop(name) for name in ("members_headcount_unknown", "members_unionised")]
    if counts.pop("members") != 1 or any(counts.values()) or not set(flags) <= {0, 1}:
        raise AssertionError(f"a member adds something for which ledger_runs has no column: {unpacked(each)}")
    return b"".join(_SIZE(1) + bytes([flag]) for flag in flags)


@lru_cache(maxsize=4096)
def _heads(count: int) -> tuple[bytes, bytes]:
    """The heads of the arrays of days and of numbers: length, dimensions, no NULLs, type, count, lower bound."""
    return tuple(_ARRAY(20 + 8 * count, 1, 0, element, count, 1) for element in (row_bytes.DATE, row_bytes.INT4))  # type: ignore[return-value]
