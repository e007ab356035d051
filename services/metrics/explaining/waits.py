"""Questions about the time to found: how many waited how long, by group, and the enterprises behind it.

Read in one snapshot with the figures (questions.py). The ledger stores integers alone; curve and median are computed here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

import numpy as np

from services.metrics.explaining.sets.standing import Standing, read, standing_if_few
from services.metrics.figures.labels import label
from services.metrics.figures.questions import ALL, key_of, name_of
from services.metrics.figures.scope import Scope, time_to_found_on
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import figure_store
from services.metrics.figures.survival import Median, Step, curve, median
from services.metrics.figures.tree import UNKNOWN, Tree
from services.metrics.folding.durations import days_of
from services.metrics.folding.steps import KINDS, Ints
from services.metrics.tables.rows import FOUNDED, Kind
from shared.problems.errors import Unavailable

MOST_READ = 500
"""Sets that are read by state; of more, reading the rows of `durations` is quicker."""
VALUE_BITS = 33
GROUP_BITS = VALUE_BITS + 2
VALUE_OFFSET, VALUE_MASK = 1 << 32, (1 << VALUE_BITS) - 1
FIRST_FOLD_VERSION = 2
"""A generation folded by less has no durations."""

NoMedian = Literal["NO_BASE", "NOT_REACHED"]
Count = tuple[str, Kind, int, int]
"""(group, kind, days, enterprises)"""


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

    def median(self, steps: Sequence[Step] | None = None) -> tuple[Median, NoMedian | None]:
        """The median and its interval, and the code of the reason if there is no median. `steps`: the curve, if it is there."""
        found = median(self.curve() if steps is None else steps)
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
    total = Waits(ALL, tree.display_name(area) if area else label(ALL, ALL, language))
    groups: defaultdict[str, list[Count]] = defaultdict(list)
    found = await _counted(snapshot, Scope.of(tree, area, by), as_of, known_at)
    for one in await _by_rows(snapshot, tree, by, parks, as_of, known_at) if found is None else found:
        group, kind, days, count = one
        total.add(kind, days, count)
        if by:
            groups[group].append(one)
    return Answer([_group(code, name_of(by, code, tree, language), groups[code]) for code in sorted(groups)], total)


async def _by_rows(
    snapshot: Snapshot, tree: Tree, by: str | None, parks: Collection[str] | None, as_of: date, known_at: date
) -> list[Count]:
    """Who waited or waits, by the rows of `durations`."""
    key = key_of(by) if by else figure_store.NO_KEY
    rows = await figure_store.durations_by_key(snapshot.conn, snapshot.generation, key, as_of, known_at, parks)
    found = list[Count]()
    for row in rows:
        group = tree.district(row["key"]) if by == "district" else row["key"] or UNKNOWN
        found.append((group if by else ALL, row["kind"], days_of(row["kind"], row["value"], as_of), row["count"]))
    return found


async def _counted(snapshot: Snapshot, scope: Scope, as_of: date, known_at: date) -> list[Count] | None:
    """Who waited or waits in a scope, by the sets behind the rows of `durations`; None if more than MOST_READ sets would have to be read by state."""
    sets = await standing_if_few(snapshot, scope.parks, as_of, known_at, MOST_READ)
    if sets is None:
        return None
    found = list[Count]()
    codes, keys = _keys(sets, scope)
    distinct, counts = np.unique(keys, return_counts=True)
    for key, count in zip(distinct.tolist(), counts.tolist(), strict=True):
        group, waits, value = key >> GROUP_BITS, key >> VALUE_BITS & 3, (key & VALUE_MASK) - VALUE_OFFSET
        kind = KINDS[waits]
        assert kind is not None
        found.append((codes[group], kind, days_of(kind, value, as_of), count))
    async for _, facts in read(snapshot, sets.rest, known_at):
        duration = time_to_found_on(facts, as_of, known_at)
        if duration is not None and scope.holds(duration.cell):
            group_code = scope.group_of(duration.cell) if scope.by else ALL
            found.append((group_code, duration.kind, days_of(duration.kind, duration.value, as_of), 1))
    return found


def _keys(found: Standing, scope: Scope) -> tuple[Sequence[str], Ints]:
    """The codes of groups; and of each set that waits or was founded (number of the group, kind, value) as one integer."""
    sets = found.sets
    at = np.flatnonzero(found.told & sets.counting(scope) & (sets.waits != 0))
    keys: Ints = (sets.waits[at].astype(np.int64) << VALUE_BITS) + sets.values[at] + VALUE_OFFSET
    if not scope.by:
        return [ALL], keys
    codes, numbers = sets.groups(scope)
    return codes, keys + (numbers[sets.cells[at]] << GROUP_BITS)


def _group(code: str, name: str, counts: Sequence[Count]) -> Waits:
    group = Waits(code, name)
    for _, kind, days, count in counts:
        group.add(kind, days, count)
    return group
