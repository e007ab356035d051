"""Rows of the ledger as arrays, of a log and of tables: cell (`Numbers`), effective day, known day, then all measures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import numpy as np

from services.metrics.measures import MEASURES, NUMBER, to_bytes, unpacked
from services.metrics.refolding.member_ledger import Numbers
from services.metrics.refolding.sums import Table, summed
from services.metrics.tables.rows import Cell, Key, MemberKey, Rows

KEYS = 3


class Ledger:
    """The rows of a shard: `rows` without members and their cells, `members` as `member_ledger.member_rows` gives them."""

    def __init__(self, rows: Rows, members: Table, numbers: Numbers) -> None:
        self.rows = rows
        self.members = members
        self.numbers = numbers

    @classmethod
    def empty(cls) -> Ledger:
        """No rows."""
        return cls(Rows(), np.empty((5, 0), np.int64), Numbers())

    def table(self) -> Table:
        """The sums of all, without rows that are all zero."""
        number = self.numbers.cell
        figures = [(number(cell), effective, known, value) for (cell, effective, known), value in self.rows.figures.items() if value]
        keys = np.array([row[:KEYS] for row in figures], np.int64).reshape(-1, KEYS).T
        values = np.frombuffer(b"".join([to_bytes(row[KEYS]) for row in figures]), "<i8").reshape(-1, NUMBER).T
        each = np.array([unpacked(value) for value in self.numbers.each], np.int64).reshape(-1, NUMBER)
        cell, effective, known, which, net = self.members
        of_members = np.concatenate((np.stack((cell, effective, known)), each[which].T * net))
        found, sums = summed(np.concatenate((np.concatenate((keys, values)), of_members), axis=1), KEYS)
        some = sums.any(axis=0)
        return np.concatenate((found[:, some], sums[:, some]))

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
        return Rows(self.rows.figures.copy(), runs, self.rows.durations)


def key_of(cells: Sequence[Cell], column: Sequence[int]) -> Key:
    """The key of a row."""
    cell, effective, known = column
    return cells[cell], effective, known


def values_of(table: Table, keys: Table) -> list[dict[str, int]]:
    """The sums of a table for each of these keys, by measure; zeros where it has no such row."""
    wanted: Mapping[tuple[int, ...], int] = {tuple(key): row for row, key in enumerate(keys.T.tolist())}
    found = np.zeros((keys.shape[1], NUMBER), np.int64)
    here = np.isin(table[0], keys[0])
    for column in table[:, here].T.tolist():
        if (row := wanted.get(tuple(column[:KEYS]))) is not None:
            found[row] += column[KEYS:]
    return [dict(zip(MEASURES, row, strict=True)) for row in found.tolist()]
