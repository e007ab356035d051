"""A person is a member at one union at a time."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.membership.members import rules as members
from services.membership.members import transfers
from services.membership.members.rules import Join
from services.membership.members.transfers import Transfer
from services.membership.world import Joiner
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, MemberLeft
from shared.journal.reasons import Reason
from shared.problems.errors import Notice, Problem
from tests.unit.membership.worlds import ANN, BOB, A, B, C, close, cover, day, dissolve, found, join, leave, take, world


def test_joining_on_the_day_of_the_founding_is_allowed_and_before_it_is_not() -> None:
    made = world()
    union = found(made, A, on="2021-01-01")
    join(made, union, A, ANN, "2021-01-01")
    with pytest.raises(Problem) as refused:
        join(made, union, A, BOB, "2020-12-31")
    assert (refused.value.code, refused.value.status) == ("NOT_COVERED", 422)


def test_only_a_unit_that_the_union_covers_by_that_day_has_members_of_it() -> None:
    made = world()
    union = found(made, A, B)
    cover(made, union, B, "2022-01-01", started=False)
    join(made, union, B, ANN, "2021-12-31")
    for enterprise, on in ((B, "2020-12-31"), (C, "2022-01-01")):
        with pytest.raises(Problem) as refused:
            join(made, union, enterprise, BOB, on)
        assert refused.value.code == "NOT_COVERED"


def test_a_unit_that_the_union_covers_no_longer_has_members_with_a_warning() -> None:
    """The end of the coverage may as well become known after the joining; a closure has a warning of its own."""
    made = world()
    union = found(made, A, B, C)
    cover(made, union, B, "2022-01-01", started=False)
    cover(made, union, B, "2022-02-01", started=True)
    dissolve(made, union, "2023-01-01")
    close(made, C, day("2022-01-01"))
    expected: list[tuple[UUID, str, list[str | Notice]]] = [
        (B, "2021-12-31", []),
        (B, "2022-01-15", [Notice("NO_LONGER_COVERED", {"on": "2022-01-01"})]),
        (B, "2022-02-01", []),
        (A, "2023-01-01", [Notice("NO_LONGER_COVERED", {"on": "2023-01-01"})]),
        (C, "2021-12-31", []),
        (C, "2022-01-01", ["AFTER_CLOSURE"]),
    ]
    made.joiners["sample", "x"] = Joiner(BOB, "sample", "x", b"", b"")
    for enterprise, on, warnings in expected:
        decision = members.decide_join(made, Join(union, enterprise, "sample", "x", day(on)), day("2025-06-01"))
        assert list(decision.warnings) == warnings, (enterprise, on)


@pytest.mark.parametrize("on", ["2020-12-31", "2021-06-01", "2022-01-01"])
def test_a_person_joins_once_also_backdated(on: str) -> None:
    made = world()
    union, other = found(made, A, on="2020-06-01"), found(made, B, on="2020-06-01")
    join(made, union, A, ANN, "2021-01-01")
    with pytest.raises(Problem) as refused:
        join(made, other, B, ANN, on)
    assert (refused.value.code, refused.value.status, refused.value.errors[0].params) == (
        "ALREADY_MEMBER",
        409,
        {"where": "elsewhere"},
    )


def test_who_has_left_may_join_again_the_same_day() -> None:
    made = world()
    union = found(made, A)
    first = join(made, union, A, ANN, "2021-01-01")
    leave(made, first, "2022-01-01")
    join(made, union, A, ANN, "2022-01-01")
    with pytest.raises(Problem) as refused:
        join(made, union, A, ANN, "2021-12-31")
    assert refused.value.code == "ALREADY_MEMBER"


def test_leaving_twice_before_joining_or_as_nobody() -> None:
    made = world()
    member = join(made, found(made, A), A, ANN, "2021-05-01")
    with pytest.raises(Problem) as refused:
        leave(made, member, "2021-04-30")
    assert refused.value.code == "BEFORE_JOINING"
    leave(made, member, "2021-05-01")
    for membership, code, status in ((member, "ALREADY_LEFT", 409), (uuid7(), "UNKNOWN_MEMBER", 404)):
        with pytest.raises(Problem) as refused:
            leave(made, membership, "2021-06-01")
        assert (refused.value.code, refused.value.status) == (code, status)


def test_a_transfer_is_a_leave_and_a_join_with_one_transfer_id() -> None:
    made = world()
    union, other = found(made, A), found(made, B)
    member = join(made, union, A, ANN, "2021-05-01")
    new, transfer_id = uuid7(), uuid7()
    facts = take(made, transfers.transfer(made, Transfer(member, day("2022-01-01"), other, B), new, transfer_id))
    left, joined = facts[0].data, facts[1].data
    assert isinstance(left, MemberLeft)
    assert isinstance(joined, MemberJoined)
    assert (left.reason, left.transfer_id, left.union_id) == ("transfer", transfer_id, union)
    assert (joined.reason, joined.transfer_id, joined.membership_id) == ("transfer", transfer_id, new)
    assert [fact.subject for fact in facts] == [f"enterprise/{A}", f"enterprise/{B}"]
    with pytest.raises(Problem) as refused:
        transfers.transfer(made, Transfer(new, day("2022-02-01"), other, B), uuid7(), uuid7())
    assert refused.value.code == "SAME_MEMBERSHIP"
    with pytest.raises(Problem) as refused:
        transfers.transfer(made, Transfer(new, day("2022-02-01"), union, C), uuid7(), uuid7())
    assert refused.value.code == "NOT_COVERED"
    with pytest.raises(Problem) as refused:
        transfers.transfer(made, Transfer(member, day("2022-02-01"), other, B), uuid7(), uuid7())
    assert refused.value.code == "ALREADY_TRANSFERRED"
    assert refused.value.errors[0].params == {"on": "2022-01-01", "member": str(new)}


MEMBERSHIPS = (("2021-01-01", "2021-06-01"), ("2021-06-01", "2022-03-01"), ("2022-05-01", "2023-01-01"), ("2024-01-01", None))


@given(st.permutations(MEMBERSHIPS), st.lists(st.sampled_from([A, B]), min_size=4, max_size=4))
def test_in_whatever_order_memberships_are_entered_the_state_is_the_same(order: list[tuple[str, str | None]], places: list[UUID]) -> None:
    made = world()
    unions = {enterprise: found(made, enterprise, on="2021-01-01") for enterprise in (A, B)}
    for period in order:
        place = places[MEMBERSHIPS.index(period)]
        join(made, unions[place], place, ANN, period[0], period[1])
    held = {(m.enterprise_id, m.joined_on, m.left_on) for m in made.memberships.values()}
    assert held == {(place, day(joined), day(left) if left else None) for place, (joined, left) in zip(places, MEMBERSHIPS, strict=True)}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("first", "second"), [(("2021-01-01", None), ("2021-06-01", "2022-01-01")), (("2021-01-01", "2022-01-01"), ("2021-12-31", None))]
)
def test_memberships_that_overlap_are_refused_in_every_order(
    first: tuple[str, str | None], second: tuple[str, str | None], turned: bool
) -> None:
    made = world()
    union = found(made, A, on="2021-01-01")
    one, other = (second, first) if turned else (first, second)
    join(made, union, A, ANN, *one)
    with pytest.raises(Problem) as refused:
        join(made, union, A, ANN, *other)
    assert (refused.value.code, refused.value.errors[0].params) == ("ALREADY_MEMBER", {"where": "here"})


def test_a_past_membership_is_its_beginning_and_its_end() -> None:
    made = world()
    union = found(made, A, on="2021-01-01")
    command = Join(union, A, "sample", "x", day("2021-02-01"), day("2021-03-01"), Reason("retired"))
    facts = members.join(made, command, ANN, uuid7())
    assert [(type(fact.data), fact.on) for fact in facts] == [(MemberJoined, day("2021-02-01")), (MemberLeft, day("2021-03-01"))]
    with pytest.raises(Problem) as refused:
        members.join(made, replace(command, left_on=day("2021-01-31")), ANN, uuid7())
    assert (refused.value.code, refused.value.errors[0].field) == ("BEFORE_JOINING", "left_on")
