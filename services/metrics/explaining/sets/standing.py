"""The sets of some parks as known at a day, from their steps as columns (folding/steps.py); those that the steps do not tell are named.

Steps of a park are kept as of a closed known day D (generations/closed/stepping.py). They tell of a set what is known at k if nothing was learned about it after
D up to k, and nothing of what they hold was learned after k. Every other set is read by its state, so old or missing steps change no answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Hashable, Iterable, Mapping, Sequence
from datetime import date
from typing import NamedTuple

import numpy as np

from services.metrics.explaining.sets.columns import Mask, Sets
from services.metrics.explaining.sets.known import exact
from services.metrics.figures.rolled.statements import FEW_PARKS
from services.metrics.figures.snapshots import Snapshot
from services.metrics.figures.stores import set_store
from services.metrics.figures.visibility import unrestricted
from services.metrics.folding.facts import FactSet
from services.metrics.folding.steps import Steps, Subjects
from shared.process.db import Record

FEW_SETS = 20
"""So many are read rather than looked up."""
SIZE_OF_SET = 30
"""Rows of `KeptResults` that a set is as large as."""


class Standing(NamedTuple):
    """The sets as columns; `told`: which of them these tell; `rest`: the subjects of the others, in ascending order."""

    sets: Sets
    told: Mask
    rest: Sequence[str]


def key_of(generation: int, row: Record) -> Hashable:
    """The key in `KeptSteps` of a row of `set_store.steps_kept`."""
    return generation, row["park"], row["day"], row["version"]


async def standing(snapshot: Snapshot, parks: Collection[str] | None, as_of: date, known_at: date) -> Standing:
    """All sets that were ever in one of `parks` (None: in any), as of a day and as known at a day."""
    found = await standing_if_few(snapshot, parks, as_of, known_at, None)
    assert found is not None
    return found


async def standing_if_few(
    snapshot: Snapshot, parks: Collection[str] | None, as_of: date, known_at: date, most: int | None
) -> Standing | None:
    """As `standing`; None if more than `most` sets would have to be read by state, which on the day of an import are tens of thousands.

    `most` None: no limit. No steps are read once it is known that there are more.
    """

    def too_many(subjects: Collection[str]) -> bool:
        return most is not None and len(subjects) > most

    conn, generation = snapshot.conn, snapshot.generation
    # Of many parks, more sets are read by state than need be: fewer than it takes to look for theirs.
    of = None if parks is None or len(parks) > FEW_PARKS else parks
    rows = await set_store.steps_kept(conn, generation, parks)
    keys = {row["park"]: key_of(generation, row) for row in sorted(rows, key=lambda row: row["park"])}
    limit = None if most is None else most + 1
    async with unrestricted(snapshot):
        oldest = min((row["day"] for row in rows), default=known_at)
        changed = await set_store.subjects_changed(conn, generation, oldest, known_at, of, limit) if oldest < known_at else []
    if too_many(changed):
        return None
    rest = {*changed, *(await set_store.subjects_without_steps(conn, generation, parks, list(keys)))}
    if too_many(rest):
        return None
    sets = await _sets(snapshot, keys, as_of)
    told = sets.newest <= known_at.toordinal()
    if not told.all():
        rest.update(one.decode() for one in sets.subjects[~told].tolist())
    if too_many(rest):
        return None
    others = sorted(rest)
    if others:
        for some, wanted in sets.among(as_subjects(others)):
            told[some] &= ~wanted
            await asyncio.sleep(0)
    return Standing(sets, told, others)


async def _sets(snapshot: Snapshot, keys: Mapping[str, Hashable], as_of: date) -> Sets:
    """The sets in the steps of some parks; those that were asked for last are kept."""
    place, basis = ("sets", snapshot.generation, tuple(keys), as_of), tuple(keys.values())
    found: Sets | None = snapshot.results.get(place, basis)
    if found is None:
        steps = await _steps(snapshot, keys)
        found = Sets({park: steps[park] for park in keys if park in steps}, as_of.toordinal())
        snapshot.results.keep(place, basis, found, len(found))
    return found


async def _steps(snapshot: Snapshot, keys: Mapping[str, Hashable]) -> dict[str, Steps]:
    found = {park: steps for park, key in keys.items() if (steps := snapshot.steps.get(key)) is not None}
    if unread := [park for park in keys if park not in found]:
        for row in await set_store.steps(snapshot.conn, snapshot.generation, unread):
            found[row["park"]] = snapshot.steps.keep(keys[row["park"]], Steps.load(row["steps"]), len(row["steps"]))
    return found


async def read(snapshot: Snapshot, subjects: Sequence[str], known_at: date) -> AsyncIterator[tuple[str, FactSet]]:
    """Sets by their states, as known at a day. They may be shared and must not be changed."""
    for start in range(0, len(subjects), set_store.STATES_AT_ONCE):
        for found in (await exact(snapshot, await _loaded(snapshot, subjects[start : start + set_store.STATES_AT_ONCE]), known_at)).items():
            yield found


async def _loaded(snapshot: Snapshot, subjects: Sequence[str]) -> dict[str, FactSet]:
    """Sets as they are stored, by subject. Those that were read before, of some that changed today, are kept until they are written again."""
    conn, generation = snapshot.conn, snapshot.generation
    if len(subjects) <= FEW_SETS:
        return {subject: FactSet.load(state) for subject, state in (await set_store.states_of(conn, generation, subjects)).items()}
    found, versions = dict[str, FactSet](), await set_store.versions_of(conn, generation, subjects)
    for subject, version in versions.items():
        if (facts := snapshot.results.get(("set", generation, subject), version)) is not None:
            found[subject] = facts
    states = await set_store.states_of(conn, generation, [subject for subject in versions if subject not in found])
    for subject, state in states.items():
        found[subject] = FactSet.load(state)
        snapshot.results.keep(("set", generation, subject), versions[subject], found[subject], SIZE_OF_SET)
    return {subject: found[subject] for subject in sorted(found)}


def as_subjects(wanted: Iterable[str]) -> Subjects:
    """Texts, which ascend, as subjects: UTF-8 keeps their order."""
    return np.array([one.encode() for one in wanted], "S")
