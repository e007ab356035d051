"""The rows that a fold adds to the ledger, to the durations and to the tallies, in memory. Days are ordinals (`date.toordinal()`). Pure."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from services.metrics.measures import Vector

Cell: TypeAlias = tuple[str | None, str | None, str | None, str | None]
"""(park, industry, size, ownership); None is unknown."""

FOUNDED: Literal["founded"] = "founded"
WAITING: Literal["waiting"] = "waiting"
Kind: TypeAlias = Literal["founded", "waiting"]

DurationKey: TypeAlias = tuple[Cell, int, int, Kind, int]
"""(cell, effective day, known day, kind, value)"""

TallyKey: TypeAlias = tuple[Cell, int, int, str, str, int]
"""(cell, effective day, known day, name, code, value)"""

Key: TypeAlias = tuple[Cell, int, int]
"""(cell, effective day, known day)"""
Figures: TypeAlias = defaultdict[Key, Vector]


MemberKey: TypeAlias = tuple[Cell, int, Vector]
"""(cell, known day, what one member adds)"""


@dataclass(slots=True)
class Rows:
    """Rows of the ledger, of `durations` and of `tallies`. Rows that are all zero may be among them; they mean nothing.

    The ledger's rows are the sum of `figures` and of `members` = {(cell, known day, what one member adds): {effective day: net}}: thousands of
    members that count in one cell are kept without a vector for each day.
    """

    figures: Figures = field(default_factory=lambda: defaultdict(int))
    members: defaultdict[MemberKey, defaultdict[int, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))
    durations: dict[DurationKey, int] = field(default_factory=dict)
    tallies: dict[TallyKey, int] = field(default_factory=dict)

    def cells(self) -> set[Cell]:
        """The cells of the rows that are not all zero."""
        named = {cell for (cell, _, _), deltas in self.figures.items() if deltas}
        named |= {cell for cell, *_ in self.members} | {cell for (cell, *_), count in self.durations.items() if count}
        return named | {cell for (cell, *_), count in self.tallies.items() if count}

    def spread_members(self, most: int | None = None) -> None:
        """Move members to `figures`, if they are at most `most` rows."""
        if most is not None and sum(map(len, self.members.values())) > most:
            return
        for (cell, known, each), counts in self.members.items():
            for effective, net in counts.items():
                self.figures[cell, effective, known] += net * each
        self.members.clear()

    def add(self, other: Rows, sign: int = 1) -> None:
        """Add rows without `members` to these; `sign` -1 subtracts them."""
        for key, deltas in other.figures.items():
            self.figures[key] += sign * deltas
        for duration, count in other.durations.items():
            self.durations[duration] = self.durations.get(duration, 0) + sign * count
        for tally, count in other.tallies.items():
            self.tallies[tally] = self.tallies.get(tally, 0) + sign * count
