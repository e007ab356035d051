"""The ledger of a shard by the log, and how its rows are compared: as keys with one number each.

The number of a row is the sum of its measures, each times a random odd number of 64 bits that holds for the process, modulo 2^64. It adds as the
measures do, so sums by key can be compared without 19 columns; two vectors that differ have the same number by chance alone, once in 2^64. What differs
is then read measure by measure.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from services.metrics.folding.plain.sums import Table, grouped, summed
from services.metrics.measures import INDEX, MEASURES, NUMBER, Vector, packed, unpacked
from services.metrics.refolding.member_ledger import Numbers
from services.metrics.refolding.segments import Class
from services.metrics.refolding.shapes import KINDS, VALUE_0
from services.metrics.tables.rows import DurationKey, Key, MemberKey, Rows, TallyKey
from shared.sequencing.columnar.layouts import Longs

Flags: TypeAlias = npt.NDArray[np.bool_]
Measures: TypeAlias = npt.NDArray[np.int64]

KEYS = 3
"""Cell (`Numbers`), effective day, known day."""
DURATION_KEYS = 5
"""The same, kind (`shapes.KINDS`), value and `shapes.VALUE_0`."""
AT_ONCE = 50_000
"""Rows whose measures are summed together; a bound on memory."""
FACTORS = np.array([secrets.randbits(64) | 1 for _ in MEASURES], np.uint64).view(np.int64)


def numbers_of(measures: npt.NDArray[np.int64]) -> Longs:
    """The number of each row; `measures`: rows × measures."""
    with np.errstate(over="ignore"):
        found: Longs = measures @ FACTORS
    return found


def member_numbers(net: Longs, headcount_unknown: Longs, unionised: Longs) -> Longs:
    """The number of each row of members that count in two measures, or do not."""
    members, unknown, in_union = (FACTORS[INDEX[name]] for name in ("members", "members_headcount_unknown", "members_unionised"))
    with np.errstate(over="ignore"):
        found: Longs = net * (members + headcount_unknown * unknown + unionised * in_union)
    return found


class Ledger:
    """The rows of a shard, as arrays: `steps` (not summed) and `durations` as `Shapes` gives them, `members` as `member_ledger.member_rows`;
    `tallies` as rows."""

    def __init__(
        self, figures: Table, durations: Table, members: Table, tallies: Mapping[TallyKey, int], numbers: Numbers, classes: Sequence[Class]
    ) -> None:
        self.members, self.tallies, self.numbers = members, tallies, numbers
        self.durations = _without_zeros(*summed(durations, DURATION_KEYS))
        self.steps, self._classes = figures, classes

    @classmethod
    def empty(cls) -> Ledger:
        """No rows."""
        figures, durations, members = (np.empty((rows, 0), np.int64) for rows in (6, DURATION_KEYS + 1, 5))
        return cls(figures, durations, members, {}, Numbers(), ())

    def table(self) -> Table:
        """The keys of all rows that are not all zero, and the number of each."""
        base, per_worker = (
            (_numbers_of(value) for value in zip(*((one.base, one.per_worker) for one in self._classes), strict=True))
            if (self._classes)
            else (np.zeros(1, np.int64),) * 2
        )
        cell, effective, known, of_class, units, workers = self.steps
        figures = np.stack((cell, effective, known, base[of_class] * units + per_worker[of_class] * workers))
        each = _numbers_of(self.numbers.each)
        cell, effective, known, which, net = self.members
        of_members = np.stack((cell, effective, known, each[which] * net))
        return _without_zeros(*summed(np.concatenate((figures, of_members), axis=1), KEYS))

    def measures(self, figures: Flags, members: Flags) -> Iterator[tuple[Table, Measures]]:
        """(keys, measures: rows × measures) of some of the rows without members and of members, summed, some at a time."""
        base, per_worker = (
            np.array([*map(unpacked, values)], np.int64).reshape(-1, NUMBER)
            for values in (
                (*(one.base for one in self._classes), *self.numbers.each),
                (*(one.per_worker for one in self._classes), *(0 for _ in self.numbers.each)),
            )
        )
        cell, effective, known, which, net = self.members[:, members]
        of_members = np.stack((cell, effective, known, which + len(self._classes), net, np.zeros(len(net), np.int64)))
        together = np.concatenate((self.steps[:, figures], of_members), axis=1)
        keys, order, starts = grouped(together[:KEYS])
        of_class, units, workers = together[KEYS:, order]
        begin = 0
        while begin < len(starts):
            end = max(begin + 1, int(np.searchsorted(starts, starts[begin] + AT_ONCE)))
            rows = slice(int(starts[begin]), int(starts[end]) if end < len(starts) else len(order))
            each = base[of_class[rows]] * units[rows, None] + per_worker[of_class[rows]] * workers[rows, None]
            yield keys[:, begin:end], np.add.reduceat(each, starts[begin:end] - starts[begin])
            begin = end

    def vectors(self, wanted: Iterable[Key]) -> dict[Key, Vector]:
        """The sums of some keys."""
        cells, each = list(self.numbers.cells), list(self.numbers.each)
        found = dict.fromkeys(wanted, 0)
        days = [key[2] for key in found]
        for cell, effective, known, of_class, units, workers in self.steps[:, np.isin(self.steps[2], days)].T.tolist():
            if (key := (cells[cell], effective, known)) in found:
                found[key] += units * self._classes[of_class].base + workers * self._classes[of_class].per_worker
        for cell, effective, known, which, net in self.members[:, np.isin(self.members[2], days)].T.tolist():
            if (key := (cells[cell], effective, known)) in found:
                found[key] += net * each[which]
        return found

    def member_runs(self) -> defaultdict[MemberKey, defaultdict[int, int]]:
        """The members as `Rows.members`."""
        cells, each = list(self.numbers.cells), list(self.numbers.each)
        runs = defaultdict[MemberKey, defaultdict[int, int]](lambda: defaultdict(int))
        order = np.lexsort((self.members[1], self.members[3], self.members[2], self.members[0]))
        cell, effective, known, which, net = self.members[:, order]
        turns = (np.diff(np.stack((cell, known, which)), axis=1) != 0).any(axis=0)
        starts = [0, *(np.flatnonzero(turns) + 1).tolist(), len(cell)] if len(cell) else [0]
        days, nets = effective.tolist(), net.tolist()
        keys = zip(*(column[starts[:-1]].tolist() for column in (cell, known, which)), strict=True)
        for (number, day, kind), begin, end in zip(keys, starts, starts[1:], strict=False):
            runs[cells[number], day, each[kind]].update(zip(days[begin:end], nets[begin:end], strict=True))
        return runs

    def to_write(self) -> Rows:
        """The same as rows for `ledger_store.add_rows`."""
        cells = list(self.numbers.cells)
        figures = defaultdict[Key, Vector](int)
        for keys, measures in self.measures(np.ones(self.steps.shape[1], np.bool_), np.zeros(self.members.shape[1], np.bool_)):
            for (cell, effective, known), values in zip(keys.T.tolist(), measures.tolist(), strict=True):
                figures[cells[cell], effective, known] = packed(values)
        return Rows(figures, self.member_runs(), self.duration_counts(), dict(self.tallies))

    def duration_counts(self) -> dict[DurationKey, int]:
        """The durations as `Rows.durations`, without zeros."""
        cells = list(self.numbers.cells)
        return {
            (cells[cell], effective, known, KINDS[kind], value - VALUE_0): count
            for cell, effective, known, kind, value, count in self.durations.T.tolist()
        }


def _without_zeros(keys: Table, sums: Table) -> Table:
    return np.concatenate((keys, sums))[:, sums[0] != 0]


def _numbers_of(values: Iterable[Vector]) -> Longs:
    return numbers_of(np.array([unpacked(value) for value in values], np.int64).reshape(-1, NUMBER))


def by_measure(vectors: Mapping[Key, Vector], key: Key) -> dict[str, int]:
    """The measures of a row, zeros where there is none."""
    return dict(zip(MEASURES, unpacked(vectors.get(key, 0)), strict=True))
