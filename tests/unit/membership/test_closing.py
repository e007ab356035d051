"""The unit ends → its union ends; and what a closure led to follows the closure's corrections."""

from __future__ import annotations

import random
from datetime import date

from hypothesis import given
from hypothesis import strategies as st

from services.membership.unions.closures import follow_closure
from services.membership.world import World
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageEnded, UnionDissolved, UnionKind
from shared.contracts.streams import FactCorrected
from shared.writing.facts import Fact
from tests.unit.membership.worlds import A, B, C, close, cover, day, dissolve, found, settle_ids, take, world

OWN = UnionKind.ENTERPRISE_UNION


def closed(made: World, enterprise: object, on: str | None) -> list[Fact]:
    event = close(made, enterprise, day(on) if on else None)  # type: ignore[arg-type]
    facts = take(made, follow_closure(made, enterprise, event))  # type: ignore[arg-type]
    settle_ids(made)
    assert all(fact.cause_id == event for fact in facts)
    return facts


def test_when_one_unit_of_a_joint_union_closes_only_its_coverage_ends() -> None:
    made = world()
    union = found(made, A, B)
    facts = closed(made, A, "2022-03-01")
    assert [(type(f.data), f.on, f.subject) for f in facts] == [(CoverageEnded, day("2022-03-01"), f"enterprise/{A}")]
    assert made.unions[union].dissolved is None


def test_the_union_ends_with_its_last_unit_on_the_last_day_of_any() -> None:
    made = world()
    union = found(made, A, B)
    closed(made, A, "2022-06-01")
    facts = closed(made, B, "2022-03-01")
    assert [(type(f.data), f.on) for f in facts] == [(CoverageEnded, day("2022-03-01")), (UnionDissolved, day("2022-06-01"))]
    assert made.unions[union].dissolved is not None


def test_a_closure_before_the_founding_ends_coverage_on_the_day_it_began() -> None:
    made = world()
    found(made, A, kind=OWN, on="2021-05-01")
    assert [f.on for f in closed(made, A, "2021-04-01")] == [day("2021-05-01"), day("2021-05-01")]


def test_asked_again_nothing_more_follows() -> None:
    made = world()
    found(made, A, kind=OWN)
    found(made, A, B)
    assert len(closed(made, A, "2022-03-01")) == 3
    assert follow_closure(made, A, uuid7()) == []


def test_another_date_of_the_closure_corrects_what_it_led_to() -> None:
    made = world()
    union = found(made, A, kind=OWN)
    closed(made, A, "2022-03-01")
    facts = closed(made, A, "2022-04-01")
    assert all(isinstance(f.data, FactCorrected) for f in facts)
    assert {f.data.fact for f in facts if isinstance(f.data, FactCorrected)} == {
        "parkunion.coverage-ended.v1",
        "parkunion.union-dissolved.v1",
    }
    assert {f.on for f in facts} == {day("2022-04-01")}
    ended = made.unions[union].dissolved
    assert ended is not None
    assert ended.on == day("2022-04-01")


def test_a_closure_withdrawn_brings_coverage_and_union_back() -> None:
    made = world()
    union = found(made, A, kind=OWN)
    closed(made, A, "2022-03-01")
    facts = closed(made, A, None)
    assert [f.data.replacement for f in facts if isinstance(f.data, FactCorrected)] == [None, None]
    assert made.unions[union].dissolved is None
    assert [f.started for f in made.coverage[A]] == [True]


def test_what_was_ended_otherwise_is_left_alone() -> None:
    made = world()
    union, joint = found(made, A, kind=OWN), found(made, A, B)
    dissolve(made, union, "2021-06-01")
    cover(made, joint, A, "2021-07-01", started=False)
    assert closed(made, A, "2022-03-01") == []
    assert closed(made, A, None) == []


def test_if_the_union_was_dissolved_meanwhile_the_coverage_ends_with_it_and_does_not_come_back() -> None:
    made = world()
    union = found(made, A, B)
    closed(made, A, "2022-03-01")
    dissolve(made, union, "2022-06-01")
    facts = closed(made, A, None)
    assert len(facts) == 1
    assert [(f.started, f.on, f.reason) for f in made.coverage[A]][1:] == [(False, day("2022-06-01"), "union_dissolved")]


@given(st.integers(0, 2**32 - 1))
def test_the_order_in_which_closures_become_known_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    final = {e: None if rng.random() < 0.3 else date(2022, rng.randint(1, 12), 1) for e in (A, B, C)}

    def play(order: random.Random) -> tuple[object, ...]:
        made = world()
        unions = [found(made, A, B, C), found(made, A, kind=OWN), found(made, B, C)]
        for _ in range(order.randint(0, 5)):
            closed(made, order.choice((A, B, C)), order.choice(("2021-05-01", "2023-02-01", None)))
        for e in order.sample(list(final), 3):
            on = final[e]
            closed(made, e, on.isoformat() if on else None)
        ends = [(u.dissolved.on, u.dissolved.reason) if u.dissolved else None for u in (made.unions[i] for i in unions)]
        periods = [
            [(unions.index(f.union_id), f.on, f.started) for f in sorted(made.coverage[e], key=lambda f: (f.on, f.union_id))]
            for e in (A, B, C)
        ]
        return ends, periods

    assert play(random.Random(seed + 1)) == play(random.Random(seed + 2))
