"""The sets of some parks as known at a day, from their steps as columns (folding/steps.py); those that the steps do not tell are named.

Steps of a park are kept as of a closed known day D (generations/closed/stepping.py). They tell of a set what is known at k if nothing was learned about it after
D up to k, and nothing of what they hold was learned after k. Every other set is read by its state, so old or missing steps change no answer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Hashable, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from services.metrics.explaining.fact_sets import sets_known
from services.metrics.figures import sql
from services.metrics.figures.questions import Snapshot
from services.metrics.figures.rollups import FEW_PARKS
from services.metrics.figures.scope import Scope
from services.metrics.figures.visibility import unrestricted
from services.metrics.folding.facts import FactSet
from services.metrics.folding.steps import OnDay, Steps, Subjects
from shared.process.db import Record

Mask = npt.NDArray[np.bool_]


class Block(NamedTuple):
    """The steps of the sets that were ever in a park; `told`: which of them they tell."""

    park: str
    steps: Steps
    told: Mask

    def counting(self, on: OnDay, scope: Scope) -> Mask:
        """Which sets count in the scope on a day. A set is in the block of every park in which it was, and counts in one."""
        if not scope.may_hold(self.park) or (scope.parks is not None and self.park not in scope.parks):
            return np.zeros(len(self.steps), np.bool_)
        holds = self.steps.of_cells(("here", self.park), lambda cell: cell[0] == self.park)
        if scope.group is not None and scope.by not in ("district", "park"):
            codes = self.groups(scope)
            holds = [here and code == scope.group for here, code in zip(holds, codes, strict=True)]
        found: Mask = self.told & np.array([*holds, False], np.bool_)[on.cells]
        return found

    def groups(self, scope: Scope) -> Sequence[str]:
        """The code of the scope's row for each cell that counts in the park."""
        if scope.by in ("district", "park"):
            return [scope.group_of((self.park, None, None, None))] * len(self.steps.cells)
        return self.steps.of_cells(("group", scope.by), scope.group_of)


class Standing(NamedTuple):
    """`rest`: the sets of no block that tells them."""

    blocks: Sequence[Block]
    rest: Sequence[str]


def key_of(generation: int, row: Record) -> Hashable:
    """The key in `KeptSteps` of a row of `sql.steps_kept`."""
    return generation, row["park"], row["day"], row["version"]


async def standing(snapshot: Snapshot, parks: Collection[str] | None, known_at: date) -> Standing:
    """All sets that were ever in one of `parks` (None: in any), as known at a day."""
    conn, generation = snapshot.conn, snapshot.generation
    # Of many parks, more sets are read by state than need be: fewer than it takes to look for theirs.
    of = None if parks is None or len(parks) > FEW_PARKS else parks
    rows = await sql.steps_kept(conn, generation, parks)
    keys = {row["park"]: key_of(generation, row) for row in rows}
    kept = {park: steps for park, key in keys.items() if (steps := snapshot.steps.get(key)) is not None}
    if unread := [park for park in keys if park not in kept]:
        for row in await sql.steps(conn, generation, unread):
            kept[row["park"]] = snapshot.steps.keep(keys[row["park"]], Steps.load(row["steps"]), len(row["steps"]))
    async with unrestricted(snapshot):
        oldest = min((row["day"] for row in rows), default=known_at)
        changed = await sql.subjects_changed(conn, generation, oldest, known_at, of) if oldest < known_at else []
    rest = {*changed, *(await sql.subjects_without_steps(conn, generation, parks, list(keys)))}
    blocks = []
    for park, steps in sorted(kept.items()):
        later = steps.columns.newest > known_at.toordinal()
        rest.update(one.decode() for one in steps.columns.subjects[later].tolist())
        blocks.append(Block(park, steps, ~later))
    others = as_subjects(rest)
    return Standing([block._replace(told=block.told & ~among(block.steps.columns.subjects, others)) for block in blocks], sorted(rest))


async def read(snapshot: Snapshot, subjects: Sequence[str], known_at: date) -> AsyncIterator[tuple[str, FactSet]]:
    """Sets by their states, as known at a day."""
    for start in range(0, len(subjects), sql.STATES_AT_ONCE):
        states = await sql.states_of(snapshot.conn, snapshot.generation, subjects[start : start + sql.STATES_AT_ONCE])
        for found in (await sets_known(snapshot, states, known_at)).items():
            yield found


def as_subjects(wanted: Collection[str]) -> Subjects:
    """Texts as subjects, in ascending order."""
    return np.sort(np.array([one.encode() for one in wanted], "S"))


def among(subjects: Subjects, wanted: Subjects) -> npt.NDArray[np.bool_]:
    """Which of the subjects are wanted; both ascend. It costs by the subjects, not by those that are wanted: many parks ask for the same ones."""
    if not (len(subjects) and len(wanted)):
        return np.zeros(len(subjects), np.bool_)
    at = np.minimum(np.searchsorted(wanted, subjects), len(wanted) - 1)
    found: npt.NDArray[np.bool_] = wanted[at] == subjects
    return found
