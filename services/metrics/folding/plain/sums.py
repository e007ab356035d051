"""Sums of rows by key, in arrays: columns of keys first, then columns of amounts, one array a column."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Longs: TypeAlias = npt.NDArray[np.int64]
Table: TypeAlias = npt.NDArray[np.int64]
"""Columns × rows. No key is negative."""
BITS = 63


def summed(table: Table, keys: int) -> tuple[Table, Table]:
    """(the distinct keys in ascending order, the sums of the other columns); `keys` = how many columns are keys. Sums of 0 are among them."""
    if not table.shape[1]:
        return table[:keys], table[keys:]
    found, order, starts = grouped(table[:keys])
    return found, np.add.reduceat(table[keys:, order], starts, axis=1)


def grouped(keys: Table) -> tuple[Table, Longs, Longs]:
    """(the distinct keys in ascending order, the rows by key, where in these each key begins)."""
    if not keys.shape[1]:
        return keys, np.zeros(0, np.int64), np.zeros(0, np.int64)
    packed = _packed(keys)
    order = np.lexsort(keys[::-1]) if packed is None else np.argsort(packed)
    turns = packed[order] if packed is not None else keys[:, order]
    changes = turns[..., 1:] != turns[..., :-1]
    starts = np.flatnonzero(np.concatenate(([True], changes if packed is not None else changes.any(axis=0))))
    return keys[:, order[starts]], order, starts


def _packed(keys: Table) -> npt.NDArray[np.int64] | None:
    """Each key as one number of the same order; None if it is too large for one."""
    widths = [int(column.max()).bit_length() for column in keys]
    if sum(widths) > BITS:
        return None
    found: npt.NDArray[np.int64] = keys[0].copy()
    for column, width in zip(keys[1:], widths[1:], strict=True):
        found <<= width
        found |= column
    return found


def differing(served: Table, expected: Table, keys: int) -> Table:
    """The keys for which the sums of two tables of the same columns differ; no row is a sum of 0."""
    both = np.concatenate((served, expected), axis=1)
    both[keys:, : served.shape[1]] *= -1
    found, sums = summed(both, keys)
    return found[:, sums.any(axis=0)]
