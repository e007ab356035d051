"""What members add to the ledger, by definition, for all enterprises of a shard at once.

The rows of known day k are the steps of C(F_k) less those of C(F_k−1), and C is linear in members (`folding.ledger`). So each number of members that
became known on a day counts, at that known day, by the shape of the enterprise that holds then; and at each later known day on which the shape turns, by
the new shape less the old one. By a shape, members who joined on a day take a step on that day, and further ones where their cell, or what one of
them adds, changes later. Nothing of the projector's faster ways (`ledger.fold`) is used here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from services.metrics.folding.coverage import FOREVER
from services.metrics.folding.plain.sums import Table, summed
from services.metrics.measures import Vector
from services.metrics.refolding.member_facts import Counts
from services.metrics.tables.rows import Cell
from shared.sequencing.columnar.layouts import Longs

DAYS = 2**22
"""More than there are ordinals of days."""
MOST_AT_ONCE = 500_000
"""Steps that are computed together; a bound on memory."""

ROW = ("cell", "effective", "known", "each", "net")
KEYS = 4


class MemberVersions(NamedTuple):
    """The shapes by which the members of subjects (numbers of `Counts.subjects`) count, each from one known day to before the next.

    Of versions: `subject`, `known`, `until`, and `begin` and `end` of their segments. Of segments, in order: `version`, `start` (the first day), `cell`
    and `each` (`Numbers`); the last of a version is without end.
    """

    subject: Longs
    known: Longs
    until: Longs
    begin: Longs
    end: Longs
    version: Longs
    start: Longs
    cell: Longs
    each: Longs


@dataclass(slots=True)
class Numbers:
    """Numbers of cells and of what one member adds; -1 is no cell."""

    cells: dict[Cell, int] = field(default_factory=dict)
    each: dict[Vector, int] = field(default_factory=dict)

    def cell(self, cell: Cell | None) -> int:
        """The number of a cell, a new one if it has none."""
        return -1 if cell is None else self.cells.setdefault(cell, len(self.cells))

    def of_each(self, each: Vector) -> int:
        """The number of what one member adds, a new one if it has none."""
        return self.each.setdefault(each, len(self.each))


def member_rows(counts: Counts, versions: MemberVersions) -> Table:
    """The rows of the ledger that members make: cell, effective day, known day, what one member adds (`Numbers`), and the net number of members.

    Before its first version, and without any, nobody of a subject counts. No net number is 0.
    """
    found = [np.empty((KEYS + 1, 0), np.int64)]
    for part in _Versions(counts, versions).parts():
        keys, net = summed(part, KEYS)
        found.append(np.concatenate((keys, net)))
    keys, net = summed(np.concatenate(found, axis=1), KEYS)
    kept = net[0] != 0
    return np.concatenate((keys[:, kept], net[:, kept]))


class _Versions:
    """Versions, with the counts of each that became known before it ends."""

    def __init__(self, counts: Counts, versions: MemberVersions) -> None:
        self._counts = counts
        self.subject, self.known, self.until, self._begin, self.end, self._version, self._start, self._cell, self._each = versions
        place = counts.subject * DAYS + counts.known
        self._first = np.searchsorted(place, self.subject * DAYS)
        self._after = np.searchsorted(place, self.subject * DAYS + self.until)

    def parts(self) -> Iterator[Table]:
        """The rows of all versions, MOST_AT_ONCE or a little more at a time."""
        steps = (self._after - self._first) * 2 * (self.end - self._begin + 1)
        total, begin = np.cumsum(steps), 0
        while begin < len(steps):
            before = int(total[begin - 1]) if begin else 0
            end = max(begin + 1, int(np.searchsorted(total, before + MOST_AT_ONCE, side="right")))
            yield from self._rows(np.arange(begin, end))
            begin = end

    def _rows(self, versions: Longs) -> Iterator[Table]:
        """What is known before a version ends counts by it, from its first day or from the day on which it became known; and no longer from its end on."""
        version, entry = expanded(versions, self._first[versions], self._after[versions])
        known, net = np.maximum(self._counts.known[entry], self.known[version]), self._counts.net[entry]
        yield from self._steps(version, self._counts.occurred[entry], known, net)
        ends = self.until[version] < FOREVER
        version, entry = version[ends], entry[ends]
        yield from self._steps(version, self._counts.occurred[entry], self.until[version], -net[ends])

    def _steps(self, version: Longs, occurred: Longs, known: Longs, net: Longs) -> Iterator[Table]:
        """The steps of C by a version for each number of members that joined on a day."""
        at = np.searchsorted(self._version * DAYS + self._start, version * DAYS + occurred, side="right") - 1
        inside = at >= self._begin[version]
        yield self._in_cells(at[inside], occurred[inside], known[inside], net[inside])
        row, later = expanded(np.arange(len(at)), at + 1, self.end[version])
        day = self._start[later]
        yield self._in_cells(later, day, known[row], net[row])
        follows = later > self._begin[version[row]]
        row, later, day = row[follows], later[follows], day[follows]
        yield self._in_cells(later - 1, day, known[row], -net[row])

    def _in_cells(self, segment: Longs, day: Longs, known: Longs, net: Longs) -> Table:
        counts = self._cell[segment] >= 0
        segment = segment[counts]
        return np.stack((self._cell[segment], day[counts], known[counts], self._each[segment], net[counts]))


def expanded(rows: Longs, begins: Longs, ends: Longs) -> tuple[Longs, Longs]:
    """(row, number) for each number from `begins` to before `ends` of each row."""
    lengths = np.maximum(ends - begins, 0)
    starts = np.cumsum(lengths) - lengths
    return np.repeat(rows, lengths), np.arange(int(lengths.sum())) - np.repeat(starts - begins, lengths)
