"""What is counted: the measures, and a vector of them that adds, and is multiplied, as one integer.

Each measure has 64 bits of a Python integer. Sums of vectors are sums of measures as long as every measure stays below 2^63, which the
limit on a headcount (`facts.MOST_WORKERS`) ensures.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

MEASURES = (
    "units",
    "units_headcount_known",
    "units_headcount_stale",
    "should_organise_all",
    "covered_all",
    "should_organise_ge25",
    "covered_ge25",
    "covered_units",
    "workers",
    "members",
    "members_headcount_unknown",
    "workers_unionised",
    "members_unionised",
    "covered_all_own",
    "covered_all_joint",
    "covered_all_federation",
    "second_covered",
    "in_grace",
    "unions",
)
"""The columns of the ledger, in order. Definitions: services/metrics/figures/definitions.py."""

INDEX = {name: index for index, name in enumerate(MEASURES)}
NUMBER = len(MEASURES)

RATES = {
    "unit_founding_rate_all": ("covered_all", "should_organise_all"),
    "unit_founding_rate_ge25": ("covered_ge25", "should_organise_ge25"),
    "worker_joining_rate_all": ("members", "workers"),
    "worker_joining_rate_unionised": ("members_unionised", "workers_unionised"),
}
"""{rate: (numerator, denominator)}; rates are made at the edge, never stored."""

PUBLISHED = MEASURES[: INDEX["members_unionised"] + 1]
"""The counts of a row of the coverage answer, in its order."""

Vector: TypeAlias = int
"""All measures in one integer; 0 is the vector of zeros."""

BITS = 64
_SHIFTS = {name: index * BITS for name, index in INDEX.items()}
_SIGNS = sum(1 << (index * BITS + BITS - 1) for index in range(NUMBER))
_LAYOUT = struct.Struct(f"<{NUMBER}q")


def vector(**measures: int) -> Vector:
    """A vector of some measures, the others 0."""
    return sum(value << _SHIFTS[name] for name, value in measures.items())


def packed(values: Iterable[int]) -> Vector:
    """A vector from all measures in their order."""
    return (int.from_bytes(_LAYOUT.pack(*values), "little") ^ _SIGNS) - _SIGNS


def packed_rows(measures: npt.NDArray[np.int64]) -> list[Vector]:
    """The vector of each row of all measures in their order."""
    data, size = measures.astype("<i8").tobytes(), _LAYOUT.size
    return [(int.from_bytes(data[at : at + size], "little") ^ _SIGNS) - _SIGNS for at in range(0, len(data), size)]


def unpacked(value: Vector) -> tuple[int, ...]:
    """All measures in their order; each may be negative."""
    return _LAYOUT.unpack(to_bytes(value))


def to_bytes(value: Vector) -> bytes:
    """All measures in their order, 8 bytes each, little-endian."""
    return ((value + _SIGNS) ^ _SIGNS).to_bytes(_LAYOUT.size, "little")


def measure(value: Vector, name: str) -> int:
    """One measure of a vector."""
    return unpacked(value)[INDEX[name]]
