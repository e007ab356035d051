"""Sums of rows by key, in arrays: columns of keys first, then columns of amounts, one array a column."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Table: TypeAlias = npt.NDArray[np.int64]
"""Columns × rows."""


def summed(table: Table, keys: int) -> tuple[Table, Table]:
    """(the distinct keys in ascending order, the sums of the other columns); `keys` = how many columns are keys. Sums of 0 are among them."""
    if not table.shape[1]:
        return table[:keys], table[keys:]
    order = np.lexsort(table[:keys][::-1])
    ordered = table[:, order]
    starts = np.flatnonzero(np.concatenate(([True], (ordered[:keys, 1:] != ordered[:keys, :-1]).any(axis=0))))
    return ordered[:keys, starts], np.add.reduceat(ordered[keys:], starts, axis=1)


def differing(served: Table, expected: Table, keys: int) -> Table:
    """The keys for which the sums of two tables of the same columns differ; no row is a sum of 0."""
    both = np.concatenate((served, expected), axis=1)
    both[keys:, : served.shape[1]] *= -1
    found, sums = summed(both, keys)
    return found[:, sums.any(axis=0)]
