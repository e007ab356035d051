"""The rule of what is seen of an enterprise that moved, on plain values."""

from __future__ import annotations

from datetime import date

import pytest

from shared.directory.visibility import EveryArea, Part, Sight, Stay, stays

pytestmark = pytest.mark.invariant("I6")

SETTLED, MOVED, CAME_BACK = date(2024, 1, 10), date(2024, 6, 1), date(2024, 9, 1)
STAYS = stays([(MOVED, 3, "B1"), (SETTLED, 1, "A1"), (CAME_BACK, 7, "A2")])
A, B = Sight(STAYS, frozenset({"A", "A1", "A2"})), Sight(STAYS, frozenset({"B", "B1"}))


def test_stays_follow_each_other_without_beginning_and_end() -> None:
    assert [Stay(date.min, MOVED, "A1"), Stay(MOVED, CAME_BACK, "B1"), Stay(CAME_BACK, date.max, "A2")] == STAYS
    assert stays([]) == []
    assert stays([(SETTLED, 1, "A1"), (SETTLED, 2, "B1")]) == [Stay(date.min, SETTLED, "A1"), Stay(SETTLED, date.max, "B1")]
    assert stays([(SETTLED, 1, "A1"), (MOVED, 2, "B1"), (MOVED, 3, "C1")]) == [
        Stay(date.min, MOVED, "A1"),
        Stay(MOVED, date.max, "C1"),
    ]


@pytest.mark.parametrize(
    ("day", "by_a", "by_b"),
    [
        (date(1990, 1, 1), True, False),
        (date(2024, 5, 31), True, False),
        (MOVED, False, True),
        (date(2024, 8, 31), False, True),
        (CAME_BACK, True, False),
        (date(2124, 1, 1), True, False),
    ],
)
def test_a_day_is_seen_from_where_the_enterprise_was(day: date, by_a: bool, by_b: bool) -> None:
    assert (A.on(day), B.on(day)) == (by_a, by_b)
    headcount = Part("headcount-reported", day, {"workers": 222})
    assert (A.part(headcount), B.part(headcount)) == ({"workers": 222} if by_a else None, {"workers": 222} if by_b else None)


def test_a_move_is_seen_from_both_sides_and_names_the_park_to_its_own() -> None:
    went, returned = (
        Part("enterprise-moved", MOVED, {"park": "B1", "district": "B"}),
        Part("enterprise-moved", CAME_BACK, {"park": "A2", "district": "A"}),
    )
    assert (A.part(went), B.part(went)) == ({}, {"park": "B1", "district": "B"})
    assert (A.part(returned), B.part(returned)) == ({"park": "A2", "district": "A"}, {})
    within = Sight(STAYS, frozenset({"A1"}))
    assert (within.part(went), within.part(returned)) == ({}, None)


def test_a_place_that_was_corrected_is_not_named_to_others() -> None:
    always_b = Sight(stays([(SETTLED, 1, "B1")]), frozenset({"B", "B1"}))
    assert always_b.part(Part("enterprise-registered", SETTLED, {"park": "A1", "district": "A", "industry": "C"})) == {"industry": "C"}


def test_no_stay_is_seen_by_nobody_but_those_with_every_area() -> None:
    nowhere = Sight((), frozenset({"A"}))
    assert (nowhere.on(MOVED), nowhere.ever, Sight((), EveryArea()).on(MOVED), Sight((), EveryArea()).ever) == (False, False, True, True)
    assert (A.ever, B.ever, Sight(STAYS, frozenset()).ever) == (True, True, False)
