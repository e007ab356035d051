"""What is told of all sets of a shard at once leaves out none of which something is to be noted."""

from __future__ import annotations

import random

import pytest

from services.metrics.folding.facts import FactSet
from services.metrics.folding.findings import noted
from services.metrics.refolding.noting import may_be_noted
from services.metrics.refolding.segments import Facts
from tests.unit.metrics.refolding.test_shapes import DAY, facts_of


def sets_of(seed: int) -> dict[str, FactSet]:
    random_ = random.Random(seed)
    sets = {f"enterprise/{number}": facts_of(random_) for number in range(40)}
    for facts in sets.values():
        for _ in range(random_.choice((0, 0, 3, 30))):
            facts.count(DAY + random_.randint(0, 40), {DAY - random_.randint(0, 900): random_.choice((-1, 1, 2))})
    return sets


def by_rows(sets: dict[str, FactSet]) -> set[str]:
    return may_be_noted(sets, Facts(list(sets.values())))


@pytest.mark.parametrize("seed", range(40))
def test_a_set_that_is_left_out_has_nothing_to_note(seed: int) -> None:
    sets = sets_of(seed)
    found = by_rows(sets)
    assert {subject for subject, facts in sets.items() if noted(facts)} <= found


def test_some_are_left_out_and_some_are_not() -> None:
    for seed in range(40):
        sets = sets_of(seed)
        assert 0 < len(by_rows(sets)) < len(sets)


def test_no_set_is_nothing() -> None:
    assert by_rows({}) == set()
    assert by_rows({"enterprise/1": FactSet()}) == set()
