"""The steps of sets as columns say on any day what the sets themselves say, also after they were stored, and after some were replaced."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import pytest

from services.metrics.explaining.sets import columns
from services.metrics.explaining.sets.columns import Sets
from services.metrics.explaining.sets.standing import as_subjects
from services.metrics.figures.scope import contribution_on, counts_of, time_to_found_on
from services.metrics.folding.facts import FactSet
from services.metrics.folding.findings import before_settled
from services.metrics.folding.steps import KINDS, NEVER, NO_CELL, Counts, Ints, OnDay, Steps, Subjects, without_union
from services.metrics.measures import MEASURES
from tests import oracle
from tests.histories import history, interleaved, refused
from tests.unit.metrics.folding.arriving import Arriving, Hearing

LAST = date(2030, 1, 1)
DAYS = [date(2022, 12, 1) + timedelta(days=17 * number) for number in range(70)]


def sets_of(seed: int, enterprises: int = 12, length: int = 24) -> dict[str, FactSet]:
    """The sets of a history with mistakes."""
    events = interleaved(history(seed, enterprises=enterprises, length=length, mistakes=True), seed)
    hearing, found = Hearing(), defaultdict[str, FactSet](FactSet)
    for event in Arriving().take(oracle.counted(events, refused)):
        changes = hearing.changes(event)
        if event.subject.startswith(("enterprise/", "union/")):
            found[event.subject].add(changes)
    return dict(found)


def require_equal(steps: Steps, sets: Mapping[str, FactSet]) -> None:
    assert [subject.decode() for subject in steps.columns.subjects.tolist()] == sorted(sets)
    assert steps.columns.newest.tolist() == [sets[subject].newest for subject in sorted(sets)]
    for day in DAYS:
        on = OnDay(steps, day.toordinal())
        counts = {name: values.tolist() for name, values in Counts(on).items()}
        for at, subject in enumerate(sorted(sets)):
            facts = sets[subject]
            cell, value = contribution_on(facts, day, LAST)
            assert (None if on.cells[at] == NO_CELL else steps.cells[on.cells[at]]) == cell
            assert {name: values[at] for name, values in counts.items()} == counts_of(value)
            duration = time_to_found_on(facts, day, LAST)
            assert (KINDS[on.waits[at]], on.values[at]) == ((duration.kind, duration.value) if duration else (None, 0))
            early = int(steps.columns.early[at])
            assert (early != NEVER and early <= day.toordinal()) == before_settled(facts.in_force(), day.toordinal())
            since = [step.since for step in without_union(facts.shape) if step.start <= day.toordinal()]
            assert on.since[at] == (since[-1] if since else NEVER)


@pytest.mark.parametrize("seed", range(6))
def test_steps_say_what_the_sets_say_on_any_day(seed: int) -> None:
    sets = sets_of(seed)
    steps = Steps.of(sets)
    assert tuple(Counts(OnDay(steps, 1))) == MEASURES
    require_equal(steps, sets)
    require_equal(Steps.load(steps.dump()), sets)


@pytest.mark.parametrize("seed", range(6))
def test_replaced_steps_are_those_of_the_sets_as_they_are_then(seed: int) -> None:
    random_, sets, other = random.Random(seed), sets_of(seed), sets_of(seed + 100)
    renamed = dict(zip(random_.sample(sorted(sets), len(sets) // 2), other.values(), strict=False))
    added = dict(list(other.items())[:3])
    steps = Steps.load(Steps.of(sets).dump()).replaced(Steps.of(renamed | added))
    require_equal(steps, sets | renamed | added)
    require_equal(Steps.load(steps.dump()).replaced(Steps.of({})), sets | renamed | added)


def test_no_sets_have_steps_too() -> None:
    empty = Steps.of({})
    assert (
        len(empty),
        OnDay(empty, 1).measure("units").tolist(),
        [mask.tolist() for _, mask in Sets({"P": empty}, 1).among(as_subjects(["enterprise/x"]))],
    ) == (0, [], [])
    sets = sets_of(1)
    require_equal(Steps.load(empty.dump()).replaced(Steps.of(sets)), sets)


def test_a_set_without_a_step_counts_nowhere() -> None:
    steps = Steps.of({"enterprise/a": FactSet(newest=5), **sets_of(2)})
    on = OnDay(steps, LAST.toordinal())
    assert (on.cells[0], on.measure("units")[0], on.waits[0]) == (NO_CELL, 0, 0)


def test_the_subjects_among_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "AT_ONCE", 4)
    sets = sets_of(3)
    wanted = {*random.Random(3).sample(sorted(sets), 4), "enterprise/0", "union/zzz"}
    together = Sets({"P1": Steps.of(sets), "P2": Steps.of({}), "P3": Steps.of(dict(list(sets.items())[:3]))}, 1)
    for some in (wanted, {*list(wanted)[:1]}, {*sets}, {"enterprise/0"}, set[str]()):
        found = np.zeros(len(together), np.bool_)
        for rows, mask in together.among(as_subjects(sorted(some))):
            found[rows] |= mask
        assert found.tolist() == [subject.decode() in some for subject in together.subjects.tolist()]


def test_many_subjects_are_not_looked_for_in_each_of_many_parks(monkeypatch: pytest.MonkeyPatch) -> None:
    sets = sets_of(3)
    together = Sets({f"P{number}": Steps.of(dict([one])) for number, one in enumerate(sorted(sets.items()))}, 1)
    looks = list[int]()

    def look(subjects: Subjects, wanted: Subjects) -> Ints:
        looks.append(len(wanted))
        return np.array([], np.int64)

    monkeypatch.setattr(columns, "_places", look)
    [*together.among(as_subjects(sorted(sets)))]
    assert not looks
    [*together.among(as_subjects(sorted(sets)[:1]))]
    assert looks == [1] * len(sets)
