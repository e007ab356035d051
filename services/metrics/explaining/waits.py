"""Questions about the time to found: how many waited how long, by group, and the enterprises behind it.

Read in one snapshot with the figures (questions.py). The ledger stores integers alone; curve and median are computed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from services.metrics.figures import sql
from services.metrics.figures.labels import label
from services.metrics.figures.questions import ALL, Snapshot, key_of, name_of
from services.metrics.figures.survival import Median, Step, curve, median
from services.metrics.figures.tree import UNKNOWN
from services.metrics.folding.durations import days_of
from services.metrics.tables.rows import FOUNDED, Kind
from shared.problems.errors import Unavailable

FIRST_FOLD_VERSION = 2
"""A generation folded by less has no durations."""

NoMedian = Literal["NO_BASE", "NOT_REACHED"]


@dataclass(frozen=True, slots=True)
class Waits:
    """One group: {days: how many} of those that were founded and of those that are waiting; built by `add`."""

    code: str
    name: str = ""
    founded: dict[int, int] = field(default_factory=dict)
    waiting: dict[int, int] = field(default_factory=dict)

    def add(self, kind: Kind, days: int, count: int) -> None:
        """So many more of one kind with so many days."""
        counts = self.founded if kind == FOUNDED else self.waiting
        counts[days] = counts.get(days, 0) + count

    @property
    def numbers(self) -> tuple[int, int]:
        """How many are founded, and how many waiting."""
        return sum(self.founded.values()), sum(self.waiting.values())

    def curve(self) -> list[Step]:
        """The Kaplan–Meier curve."""
        return curve(self.founded, self.waiting)

    def median(self) -> tuple[Median, NoMedian | None]:
        """The median and its interval, and the code of the reason if there is no median."""
        found = median(self.curve())
        if found.days is not None:
            return found, None
        return found, "NOT_REACHED" if any(self.numbers) else "NO_BASE"


@dataclass(frozen=True, slots=True)
class Answer:
    """`rows` by code (none without `by`); `total` of the scope."""

    rows: Sequence[Waits]
    total: Waits


def require_durations(snapshot: Snapshot) -> None:
    """Raises REBUILD_NEEDED (503) for a generation that was folded before there were durations."""
    if snapshot.fold_version < FIRST_FOLD_VERSION:
        raise Unavailable("REBUILD_NEEDED", params={"fold_version": snapshot.fold_version})


async def durations(
    snapshot: Snapshot, *, area: str | None = None, by: str | None = None, as_of: date, known_at: date, language: str = "zh"
) -> Answer:
    """The waits of an area (None: of everything), grouped by one of BY. The area must be one that the caller may ask about."""
    tree = snapshot.areas.at(as_of, known_at)
    parks = None if area is None else tree.under(area)
    found = await sql.durations_by_key(snapshot.conn, snapshot.generation, key_of(by) if by else sql.NO_KEY, as_of, known_at, parks)
    total = Waits(ALL, tree.display_name(area) if area else label(ALL, ALL, language))
    groups: defaultdict[str, list[tuple[Kind, int, int]]] = defaultdict(list)
    for key, kind, value, count in found:
        days = days_of(kind, value, as_of)
        total.add(kind, days, count)
        groups[tree.district(key) if by == "district" else key or UNKNOWN].append((kind, days, count))
    return Answer([_group(code, name_of(by, code, tree, language), groups[code]) for code in sorted(groups)] if by else [], total)


def _group(code: str, name: str, counts: Sequence[tuple[Kind, int, int]]) -> Waits:
    group = Waits(code, name)
    for kind, days, count in counts:
        group.add(kind, days, count)
    return group
