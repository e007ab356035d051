"""C and D of a shard in arrays are those of one enterprise after the other, at every known day, by any rules."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import numpy as np
import pytest

from services.metrics.attributes import (
    AttributeContent,
    Classification,
    Closure,
    CoverageEnd,
    CoverageStart,
    Dissolution,
    Founding,
    Headcount,
    Move,
    Registration,
)
from services.metrics.folding.coverage import FOREVER, AttributeFact, Rules, Segment, segments
from services.metrics.folding.durations import add_durations
from services.metrics.folding.facts import FactSet
from services.metrics.measures import unpacked
from services.metrics.refolding import written
from services.metrics.refolding.ledger import Ledger
from services.metrics.refolding.member_facts import Counts
from services.metrics.refolding.member_ledger import Numbers, member_rows
from services.metrics.refolding.shapes import Shapes
from services.metrics.tables import row_bytes
from tests.unit.metrics.rows import all_figures

DAY = 738_000
RULES = (Rules(), Rules(grace_days=30), Rules(grace_days=400, ge25=3, stale_months=6))
KINDS = ("enterprise_union", "joint_union", "park_union", "regional_federation", "another")


def content(random_: random.Random) -> AttributeContent:
    def text(*values: str) -> str | None:
        return random_.choice((None, *values))

    made: tuple[Any, ...] = (
        Registration(park=random_.choice("AB"), industry=text("C", "D"), ownership=text("state")),
        Headcount(workers=random_.choice((0, 1, 2, 24, 25, 26, 300)), size=text("small", "large")),
        Headcount(workers=random_.choice((0, 24, 25)), size=None),
        Move(park=random_.choice("BC")),
        Classification(industry=text("E"), ownership=text("private"), size=text("micro")),
        CoverageStart(union_id=random_.choice("xyz"), kind=random_.choice(KINDS)),
        CoverageStart(union_id=random_.choice("xyz"), kind=random_.choice(KINDS)),
        CoverageEnd(union_id=random_.choice("xyz"), kind=random_.choice(KINDS)),
    )
    chance = random_.random()
    if chance < 0.05:
        return random_.choice((Closure(), Founding(seat_area=random_.choice("AB")), Dissolution()))
    found: AttributeContent = random_.choice(made)
    return found


def facts_of(random_: random.Random) -> FactSet:
    days = sorted(random_.sample(range(DAY, DAY + 40), random_.randint(1, 4)))
    facts = FactSet()
    for rank in range(random_.randint(0, 12)):
        known = random_.choice(days)
        later = [day for day in days if day > known]
        until = random_.choice((FOREVER, FOREVER, FOREVER, *later))
        facts.attributes.append(AttributeFact("any", DAY - 900 + random_.randint(0, 900), rank + 1, known, until, content(random_)))
    return facts


def by_definition(facts: FactSet, rules: Rules, members: dict[int, dict[int, int]]) -> tuple[Counter[Any], Counter[Any]]:
    """The steps of C and of D, each step function taken from the one before it, value by value."""
    figures, durations = Counter[Any](), dict[Any, int]()
    before: list[Segment] = []
    known_members: dict[int, int] = {}
    for known in sorted({*facts.attribute_days(), *members}):
        earlier = dict(known_members)
        for day, net in members.get(known, {}).items():
            known_members[day] = known_members.get(day, 0) + net
        after = segments(facts.in_force(known), rules)
        for shape, counts, sign in ((before, earlier, -1), (after, known_members, 1)):
            for index, segment in enumerate(shape):
                end = shape[index + 1].start if index + 1 < len(shape) else FOREVER
                if segment.cell is None:
                    continue
                figures[segment.cell, segment.start, known] += sign * segment.base
                figures[segment.cell, end, known] -= sign * segment.base
                for day, net in counts.items():
                    if day < end:
                        figures[segment.cell, max(day, segment.start), known] += sign * net * segment.each
                        figures[segment.cell, end, known] -= sign * net * segment.each
        add_durations(before, after, known, durations)
        before = after
    return figures, Counter(durations)


def ledger_of(sets: dict[str, FactSet], members: dict[str, dict[int, dict[int, int]]], rules: Rules) -> Ledger:
    numbers, subjects = Numbers(), list(members)
    shapes = Shapes.of(sets, numbers, rules)
    rows = [
        (subjects.index(subject), known, day, net) for subject in subjects for known in members[subject] for day, net in members[subject][known].items()
    ]  # fmt: skip
    counts = Counts(subjects, *np.array(sorted(rows), np.int64).reshape(-1, 4).T)
    of_members = member_rows(counts, shapes.member_versions(subjects, numbers))
    return Ledger(shapes.steps(), shapes.durations(), of_members, {}, numbers, shapes.classes)


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("rules", RULES)
@pytest.mark.parametrize("seed", range(60))
def test_a_shard_in_arrays_is_the_sum_of_its_sets(seed: int, rules: Rules) -> None:
    random_ = random.Random(seed)
    sets = {f"enterprise/{number}": facts_of(random_) for number in range(random_.randint(0, 8))}
    members = {
        subject: {
            DAY + random_.randint(0, 40): {DAY - random_.randint(0, 900): random_.choice((-1, 1, 2)) for _ in range(3)} for _ in range(2)
        }
        for subject in sets
        if random_.random() < 0.7
    }
    figures, durations = Counter[Any](), Counter[Any]()
    for subject, facts in sets.items():
        own, waited = by_definition(facts, rules, members.get(subject, {}))
        for key, value in own.items():
            figures[key] += value
        durations.update(waited)
    ledger = ledger_of(sets, members, rules)
    rows = ledger.to_write()
    found = {key: unpacked(value) for key, value in all_figures(rows).items() if value}
    wanted = {key: unpacked(value) for key, value in figures.items() if value and key[1] < FOREVER}
    assert found == wanted
    assert rows.durations == {key: count for key, count in durations.items() if count}
    assert ledger.table().shape[1] == len(wanted)
    vectors = ledger.vectors(wanted)
    assert {key: unpacked(value) for key, value in vectors.items()} == wanted


@pytest.mark.parametrize("seed", range(5))
def test_what_is_copied_are_the_same_rows(seed: int) -> None:
    random_ = random.Random(seed)
    sets = {f"enterprise/{number}": facts_of(random_) for number in range(30)}
    members = {subject: {DAY + 3: {DAY - 9: 2, DAY - 8: -1}, DAY + 50: {DAY: 1}} for subject in sets}
    ledger = ledger_of(sets, members, RULES[0])
    rows, shard = ledger.to_write(), 3
    cells = list(ledger.numbers.cells)
    ids = {cell: 100 + number for number, cell in enumerate(cells)}
    of_numbers = np.array([ids[cell] for cell in cells], np.int64)

    def parts(data: bytes, expected: list[bytes]) -> None:
        assert data.startswith(row_bytes.HEADER)
        assert data.endswith(row_bytes.TRAILER)
        assert len(data) == sum(map(len, expected)) + len(row_bytes.HEADER) + len(row_bytes.TRAILER)
        for row in expected:
            assert row in data

    none = np.zeros(ledger.members.shape[1], np.bool_)
    ((keys, measures),) = ledger.measures(np.ones(ledger.steps.shape[1], np.bool_), none)
    parts(written.ledger_rows(keys, measures, shard, of_numbers), row_bytes.ledger_rows(rows.figures, shard, ids))
    parts(written.duration_rows(ledger.durations, shard, of_numbers), row_bytes.duration_rows(rows.durations, shard, ids))
    parts(
        written.member_runs(ledger.members, list(ledger.numbers.each), shard, of_numbers), row_bytes.ledger_runs(rows.members, shard, ids)
    )
    everything = list(ledger.measures(np.ones(ledger.steps.shape[1], np.bool_), ~none))
    summed = {
        (cells[cell], *days): tuple(row)
        for keys, measures in everything
        for (cell, *days), row in zip(keys.T.tolist(), measures.tolist(), strict=True)
    }
    assert {key: row for key, row in summed.items() if any(row)} == {
        key: unpacked(value) for key, value in all_figures(rows).items() if value
    }
