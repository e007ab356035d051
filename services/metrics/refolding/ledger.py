"""The ledger of a shard by the log, and how its rows are compared: as keys with one number each.

The number of a row is the sum of its measures, each times a random odd number of 64 bits that holds for the process, modulo 2^64. It adds as the
measures do, so sums by key can be compared without 19 columns; two vectors that differ have the same number by chance alone, once in 2^64. What differs
is then read measure by measure.
"""

from __future__ import annotations

import secrets
from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np
import numpy.typing as npt

from services.metrics.folding.plain.sums import Table, summed
from services.metrics.measures import INDEX, MEASURES, NUMBER, Vector, to_bytes, unpacked
from services.metrics.refolding.member_ledger import Numbers
from services.metrics.tables.rows import Key, MemberKey, Rows
from shared.sequencing.columnar.layouts import Longs

KEYS = 3
"""Cell (`Numbers`), effective day, known day."""
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
    """The rows of a shard: `rows` without members, with the durations, and `members` as `member_ledger.member_rows` gives them."""

    def __init__(self, rows: Rows, members: Table, numbers: Numbers) -> None:
        self.rows = rows
        self.members = members
        self.numbers = numbers

    @classmethod
    def empty(cls) -> Ledger:
        """No rows."""
        return cls(Rows(), np.empty((5, 0), np.int64), Numbers())

    def table(self) -> Table:
        """The keys of all rows that are not all zero, and the number of each."""
        number = self.numbers.cell
        figures = [(number(cell), effective, known, value) for (cell, effective, known), value in self.rows.figures.items() if value]
        keys = np.array([row[:KEYS] for row in figures], np.int64).reshape(-1, KEYS).T
        values = np.frombuffer(b"".join([to_bytes(row[KEYS]) for row in figures]), "<i8").reshape(-1, NUMBER)
        each = numbers_of(np.array([unpacked(value) for value in self.numbers.each], np.int64).reshape(-1, NUMBER))
        cell, effective, known, which, net = self.members
        of_members = np.stack((cell, effective, known, each[which] * net))
        found, sums = summed(np.concatenate((np.concatenate((keys, [numbers_of(values)])), of_members), axis=1), KEYS)
        return np.concatenate((found, sums))[:, sums[0] != 0]

    def vectors(self, wanted: Iterable[Key]) -> dict[Key, Vector]:
        """The sums of some keys."""
        cells, each = list(self.numbers.cells), list(self.numbers.each)
        found = {key: self.rows.figures.get(key, 0) for key in wanted}
        for cell, effective, known, which, net in self.members[:, np.isin(self.members[2], [key[2] for key in found])].T.tolist():
            if (key := (cells[cell], effective, known)) in found:
                found[key] += net * each[which]
        return found

    def to_write(self) -> Rows:
        """The same as rows for `ledger_store.add_rows`."""
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
        return Rows(self.rows.figures.copy(), runs, self.rows.durations, self.rows.tallies)


def by_measure(vectors: Mapping[Key, Vector], key: Key) -> dict[str, int]:
    """The measures of a row, zeros where there is none."""
    return dict(zip(MEASURES, unpacked(vectors.get(key, 0)), strict=True))
