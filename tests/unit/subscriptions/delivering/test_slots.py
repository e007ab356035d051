"""How many deliveries a process takes: bounded in all, few of endpoints that have not proven themselves."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

from services.subscriptions.delivering.slots import AHEAD, FEW, LONGEST_WAIT, PROVEN, SLOW, SUSPECT, UNKNOWN, Slots

A, B = UUID(int=1), UUID(int=2)


def proven(slots: Slots[str], key: UUID, took: float = 0.01) -> None:
    slots.take(key, "first", 0.0)
    begun = slots.next_of(key, 0.0)
    assert begun is not None
    slots.ended(key, begun[0], took, success=True)
    slots.give_back(Counter([key]))


def test_an_endpoint_without_a_success_gets_few_and_one_with_a_fast_success_many() -> None:
    slots: Slots[str] = Slots(100, 4)
    assert slots.free_of(A, 0.0) == FEW[UNKNOWN]
    proven(slots, A)
    assert slots.free_of(A, 1.0) == 4 * AHEAD
    proven(slots, A, took=10.0)
    assert slots.free_of(A, 20.0) == 4


def test_attempts_at_once_are_limited_and_the_rest_waits_its_turn() -> None:
    slots: Slots[str] = Slots(100, 2)
    proven(slots, A)
    for name in "xyz":
        slots.take(A, name, 1.0)
    first, second = slots.next_of(A, 1.0), slots.next_of(A, 1.0)
    assert first is not None
    assert second is not None
    assert [first[1], second[1]] == ["x", "y"]
    assert slots.next_of(A, 1.0) is None
    slots.ended(A, first[0], 1.1, success=True)
    third = slots.next_of(A, 1.1)
    assert third is not None
    assert third[1] == "z"
    assert slots.taken == 3
    slots.give_back(Counter({A: 3}))
    assert slots.free == 100


def test_an_endpoint_that_hangs_loses_its_standing_and_all_such_have_half_of_the_process() -> None:
    slots: Slots[str] = Slots(8, 4)
    proven(slots, A)
    slots.take(A, "x", 10.0)
    assert slots.next_of(A, 10.0) is not None
    assert slots.standing(A, 10.0 + SLOW) == PROVEN
    now = 10.1 + SLOW
    assert slots.standing(A, now) == SUSPECT
    assert slots.shares(now) == {PROVEN: 7, UNKNOWN: 2, SUSPECT: 3}
    for key in range(10, 12):
        slots.take(UUID(int=key), "y", now)
    assert slots.shares(now) == {PROVEN: 5, UNKNOWN: 0, SUSPECT: 3}
    for _ in range(3):
        slots.take(A, "z", now)
    shares = slots.shares(now)
    assert shares == {PROVEN: 2, UNKNOWN: 0, SUSPECT: 0}
    assert A in slots.full(now, shares)


def test_a_failure_takes_the_standing_and_an_attempt_that_was_not_made_does_not() -> None:
    slots: Slots[str] = Slots(100, 4)
    proven(slots, A)
    for success, standing in ((None, PROVEN), (False, SUSPECT), (True, PROVEN)):
        slots.take(A, "x", 1.0)
        begun = slots.next_of(A, 1.0)
        assert begun is not None
        slots.ended(A, begun[0], 1.0, success=success)
        slots.give_back(Counter([A]))
        assert slots.standing(A, 1.0) == standing
    assert slots.known() == {A}


def test_what_waits_too_long_is_taken_out() -> None:
    slots: Slots[str] = Slots(100, 1)
    proven(slots, A)
    slots.take(A, "x", 1.0)
    slots.take(A, "y", 1.0)
    assert slots.next_of(A, 1.0) is not None
    assert slots.too_long(1.0 + LONGEST_WAIT) == []
    assert slots.too_long(1.1 + LONGEST_WAIT) == ["y"]
    assert slots.full(1.0, slots.shares(1.0)) == set()
    assert slots.free_of(B, 1.0) == 1
