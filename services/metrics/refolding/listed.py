"""Rows of the tables that list what a shard has, one a subject or stream, as PostgreSQL's binary COPY has them (pure).

They are in the order of their keys, as `ORDER BY` gives them, so what is equal is told by the bytes alone, and the same bytes are what a rebuild
writes. A row here is its fields, without their number and without those that all rows of a shard share.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from struct import Struct
from typing import NamedTuple
from uuid import UUID

from services.metrics.folding.facts import Placing
from services.metrics.tables.fact_runs import EPOCH, MICROSECOND
from services.metrics.tables.row_bytes import DAY_0, HEADER, NULL, TRAILER
from services.metrics.tables.store import NameRow, UnionRow
from shared.directory.visibility import stays
from shared.sequencing.records import Stream
from shared.sequencing.streams import Head

COLUMNS: Mapping[str, Sequence[str]] = {
    "enterprises": ("id", "name", "credit_code", "park"),
    "unions": ("id", "name", "seat"),
    "placements": ("park", "subject"),
    "placement_rows": ("park", "subject"),
    "stays": ("subject", "since", "until", "park"),
    "seen": ("source", "subject", "sequence", "event_id"),
}
"""{table or view: the columns of its rows}"""
KEYS: Mapping[str, Sequence[str]] = {
    "enterprises": ("id",),
    "unions": ("id",),
    "placements": ("park", "subject"),
    "stays": ("subject", "since"),
    "seen": ("source", "subject"),
}
_SIZE = Struct(">i").pack
_COUNT = Struct(">h").pack
_DAYS = Struct(">iiii").pack
_HEAD = Struct(">iqi").pack
_TIME = Struct(">iq").pack
_STATE = Struct(">ihiI").pack
_ID = _SIZE(16)
_FIRST, _LAST = -(2**31), 2**31 - 1
"""The days -infinity and infinity."""


class Listed(NamedTuple):
    """The rows of each table. `placement_rows`: those of `placements` that the first stay of their subject does not say (migrations/0024_first_places.sql)."""

    enterprises: Sequence[bytes]
    unions: Sequence[bytes]
    placements: Sequence[bytes]
    stays: Sequence[bytes]
    seen: Sequence[bytes]
    placement_rows: Sequence[bytes]

    @classmethod
    def empty(cls) -> Listed:
        """No rows."""
        return cls((), (), (), (), (), ())

    @classmethod
    def of(
        cls,
        names: Iterable[NameRow],
        unions: Iterable[UnionRow],
        placements: Iterable[tuple[str, str]],
        placings: Mapping[str, Placing],
        heads: Mapping[Stream, Head],
    ) -> Listed:
        """The rows of what a shard has; `placings`: by subject, from which its stays follow."""
        first = {(min(placing)[2], subject) for subject, placing in placings.items() if placing}
        elsewhere = (place for place in placements if place not in first)
        return cls(_enterprises(names), _unions(unions), _placements(placements), _stays(placings), _seen(heads), _placements(elsewhere))


def _enterprises(rows: Iterable[NameRow]) -> list[bytes]:
    return sorted(_ID + UUID(id_).bytes + _text(name) + _text(code) + _text(park) for id_, name, code, park in rows)


def _unions(rows: Iterable[UnionRow]) -> list[bytes]:
    return sorted(_ID + id_.bytes + _text(name) + _text(seat) for id_, name, seat in rows)


def _placements(pairs: Iterable[tuple[str, str]]) -> list[bytes]:
    return [_text(park) + _text(subject) for park, subject in sorted(pairs)]


def _stays(placings: Mapping[str, Placing]) -> list[bytes]:
    return [
        _text(subject) + _DAYS(4, _day(since), 4, _day(until)) + _text(park)
        for subject, placing in sorted(placings.items())
        if placing
        for since, until, park in stays(placing)
    ]


def _seen(heads: Mapping[Stream, Head]) -> list[bytes]:
    return [
        _text(source) + _text(subject) + _HEAD(8, sequence, 16) + event_id.bytes
        for (source, subject), (sequence, event_id, _) in sorted(heads.items())
    ]


def seen_times(heads: Mapping[Stream, Head]) -> list[bytes]:
    """When the last event of each stream was recorded, in the order of `seen`: a field that is written and not compared."""
    return [_TIME(8, (heads[stream].time - EPOCH) // MICROSECOND) for stream in sorted(heads)]


def states(dumped: Iterable[tuple[str, bytes, int]], noted_by: int) -> list[bytes]:
    """Rows of `states`, without the shard, of (subject, state, findings); `noted_by`: the transaction that writes them."""
    return [_text(subject) + _SIZE(len(state)) + state + _STATE(2, findings, 4, noted_by) for subject, state, findings in dumped]


def stream(rows: Sequence[bytes], fields: int, shared: Sequence[int] = ()) -> bytes:
    """What COPY has of rows of so many fields, before which it has integers that all share."""
    head = _COUNT(fields + len(shared)) + b"".join(_SIZE(4) + _SIZE(number) for number in shared)
    return HEADER + head.join((b"", *rows)) + TRAILER


def _text(value: str | None) -> bytes:
    if value is None:
        return NULL
    encoded = value.encode()
    return _SIZE(len(encoded)) + encoded


def _day(day: date) -> int:
    return _FIRST if day == date.min else _LAST if day == date.max else day.toordinal() - DAY_0
