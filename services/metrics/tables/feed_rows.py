"""The rows of a batch as the change feed says them: without their known days, by cell id. Pure.

Of a small batch: `deltas` = [(cell, effective day, all measures)], as msgpack. Of a large one: `packed`, four columns of equal length and the vectors
that they name, little-endian: how many rows, vectors and measures (int32 each); per row its cell, its effective day, its vector's number and how
many times that is added (int32 each, column by column); per vector its measures (int64). Days are ordinals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from struct import Struct
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from services.metrics.measures import NUMBER, Vector, packed_rows, to_bytes, unpacked
from services.metrics.tables.rows import Cell, Rows

SMALL = 200
"""Rows of a batch up to which it is in `deltas`, which costs less then."""
Ints: TypeAlias = npt.NDArray[np.int32]

_encode, _decode = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(list[tuple[int, int, msgspec.Raw]]).decode
_HEAD = Struct("<iii")


class FeedRows:
    """The rows of a batch, added part by part. `packs` False: for a release that knows no `packed`. Up to SMALL rows are kept one by one, more as columns:
    arrays of a single event would cost more than the event."""

    def __init__(self, packs: bool) -> None:
        self._packs = packs
        self._few = list[tuple[int, int, Vector]]()
        self._vectors = _Numbers()
        self._columns = list[Ints]()

    def add(self, rows: Rows, ids: Mapping[Cell, int]) -> None:
        """Add the ledger rows of a part."""
        found = [(ids[cell], effective, value) for (cell, effective, _), value in rows.figures.items() if value]
        members = [(ids[cell], each, counts) for (cell, _, each), counts in rows.members.items() if any(counts.values())]
        if not self._columns:
            if len(self._few) + len(found) + sum(len(counts) for _, _, counts in members) <= SMALL:
                self._few += found
                self._few += [(cell, day, times * each) for cell, each, counts in members for day, times in counts.items() if times]
                return
            found = self._few + found
            self._few = []
        cells, days, values = [list(column) for column in zip(*found, strict=True)] if found else ([], [], [])
        which, times = list(map(self._vectors.__getitem__, values)), [1] * len(found)
        for cell, each, counts in members:
            cells += [cell] * len(counts)
            which += [self._vectors[each]] * len(counts)
            days += counts
            times += counts.values()
        if cells:
            self._columns.append(np.array((cells, days, which, times), "<i4"))

    @property
    def cells(self) -> list[int]:
        """The cells that changed, ascending."""
        return sorted({*np.unique(self._joined()[0]).tolist()} if self._columns else {cell for cell, *_ in self._few})

    @property
    def deltas(self) -> bytes:
        """As in the table."""
        if self._columns:
            return _encode([] if self._packs else list(self._each()))
        return _encode([(cell, day, _encoded(value)) for cell, day, value in self._few])

    @property
    def packed(self) -> bytes | None:
        """As in the table; None: the rows are in `deltas`."""
        if not (self._columns and self._packs):
            return None
        columns = self._joined()
        return _HEAD.pack(columns.shape[1], len(self._vectors), NUMBER) + columns.tobytes() + b"".join(map(to_bytes, self._vectors))

    def _joined(self) -> Ints:
        """Cells, days, numbers of vectors, and how often each is added."""
        return np.concatenate(self._columns, axis=1)

    def _each(self) -> Iterator[tuple[int, int, msgspec.Raw]]:
        vectors = list(self._vectors)
        for cell, day, which, times in self._joined().T.tolist():
            if times:
                yield cell, day, _encoded(times * vectors[which])


class _Numbers(dict[Vector, int]):
    """The number of each vector, by the order in which they came."""

    def __missing__(self, vector: Vector) -> int:
        number = self[vector] = len(self)
        return number


@lru_cache(maxsize=4096)
def _encoded(value: Vector) -> msgspec.Raw:
    """Most rows of a batch are the same few vectors."""
    return msgspec.Raw(_encode(unpacked(value)))


class PackedRows(NamedTuple):
    """What `packed` holds: `measures` has a row for each vector, in the order of MEASURES."""

    cells: Ints
    days: Ints
    which: Ints
    times: Ints
    measures: npt.NDArray[np.int64]

    @classmethod
    def of(cls, data: bytes) -> PackedRows:
        """Read what `FeedRows.packed` wrote."""
        rows, vectors, measures = _HEAD.unpack_from(data)
        cells, days, which, times = columns = np.frombuffer(data, "<i4", 4 * rows, _HEAD.size).reshape(4, rows)
        found = np.frombuffer(data, "<i8", vectors * measures, _HEAD.size + columns.nbytes).reshape(vectors, measures)
        return cls(cells, days, which, times, found)

    def on(self, day: int) -> dict[int, Vector]:
        """{cell: change of its figures on a business day}"""
        kept = self.days <= day
        # What is added of one vector to one cell is counted first: there are far fewer of these pairs than rows, and a vector is long.
        pairs, of_rows = np.unique(self.cells[kept].astype(np.int64) * len(self.measures) + self.which[kept], return_inverse=True)
        if not len(pairs):
            return {}
        times = np.zeros(len(pairs), np.int64)
        np.add.at(times, of_rows, self.times[kept])
        cells, which = np.divmod(pairs, len(self.measures))
        begins = np.flatnonzero(np.concatenate(([True], cells[1:] != cells[:-1])))
        sums = np.add.reduceat(self.measures[which] * times[:, None], begins, axis=0)
        return dict(zip(cells[begins].tolist(), packed_rows(sums), strict=True))


def deltas_of(data: bytes) -> Sequence[tuple[int, int, msgspec.Raw]]:
    """Read `deltas`; each vector as it is stored."""
    return _decode(data)
