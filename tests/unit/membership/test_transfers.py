"""Joining, transfers and leaving of one person, entered in any order, are the same memberships. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.membership.facts import TABLE
from services.membership.members import rules as members
from services.membership.members import transfers
from services.membership.members.rules import Join, Leave
from services.membership.members.transfers import Transfer
from services.membership.world import Membership, World
from shared.contracts import fact as typed
from shared.contracts import type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined, MemberLeft
from shared.contracts.streams import FactCorrected
from shared.journal.reasons import Reason
from shared.problems.errors import Notice, Problem
from shared.writing.evolving import evolve
from shared.writing.facts import Fact, History, Standing
from tests.unit.membership.worlds import ANN, TODAY, A, B, C, day, found, world

Place = tuple[UUID, UUID]
"""(enterprise, union)"""


@dataclass
class Case:
    """A world in which three unions cover three enterprises, and every fact of members as it stands, as a service's `load` gives it."""

    world: World
    unions: dict[UUID, UUID]
    standing: dict[tuple[str, int], Standing] = field(default_factory=dict)

    def take(self, facts: Iterable[Fact]) -> None:
        for fact in facts:
            sequence = evolve(TABLE, self.world, fact)
            rank, data, on = sequence, fact.data, fact.on
            if isinstance(fact.data, FactCorrected):
                rank, placed = fact.data.rank, fact.data.replacement
                assert placed is not None
                data, on = typed(fact.data.fact, placed.data), placed.occurred_on
            self.standing[fact.subject, rank] = Standing(fact.subject, rank, type_of(data), on, data, uuid7())
        subjects = {subject for subject, _ in self.standing}
        self.world.histories = {
            one: History(one, self.world.heads[one], {rank: f for (subject, rank), f in self.standing.items() if subject == one})
            for one in subjects
        }

    def joins(self, enterprise: UUID, on: date, left: date | None) -> None:
        past = (left, Reason("retired")) if left else ()
        self.take(members.join(self.world, Join(self.unions[enterprise], enterprise, "sample", "x", on, *past), ANN, uuid7()))

    def held_on(self, day: date) -> Membership:
        """Where Ann is a member on a day, as far as it is entered."""
        (one,) = [
            m for m in self.world.memberships.values() if m.joined_on and m.joined_on <= day and (m.left_on is None or day < m.left_on)
        ]
        return one

    def transfers(self, enterprise: UUID, on: date, member: UUID | None = None) -> None:
        command = Transfer(member or self.held_on(on).id, on, self.unions[enterprise], enterprise)
        self.take(transfers.decide_transfer(self.world, command, TODAY).facts)

    def leaves(self, on: date, member: UUID | None = None) -> None:
        self.take(members.decide_leave(self.world, Leave(member or self.held_on(on).id, on, Reason("retired")), TODAY).facts)

    def state(self) -> list[Any]:
        """Each membership: where, from when, until when, why it ended, and from which enterprise and to which a transfer led."""
        halves: dict[Any, dict[type[Any], UUID]] = {}
        joined: dict[UUID, tuple[date, MemberJoined]] = {}
        left: dict[UUID, tuple[date, MemberLeft]] = {}
        for fact in self.standing.values():
            if isinstance(fact.data, MemberJoined):
                joined[fact.data.membership_id] = (fact.on, fact.data)
            if isinstance(fact.data, MemberLeft):
                assert fact.data.membership_id not in left
                left[fact.data.membership_id] = (fact.on, fact.data)
            assert isinstance(fact.data, MemberJoined | MemberLeft)
            if (transfer_id := fact.data.transfer_id) is not None:
                assert type(fact.data) not in halves.setdefault(transfer_id, {})
                halves[transfer_id][type(fact.data)] = fact.data.enterprise_id
        assert all(len(pair) == 2 for pair in halves.values())
        rows = []
        for membership, (on, data) in joined.items():
            made = self.world.memberships[membership]
            until, end = left.get(membership, (None, None))
            assert (made.joined_on, made.left_on) == (on, until)
            came_from = halves[data.transfer_id][MemberLeft] if data.transfer_id else None
            went_to = halves[end.transfer_id][MemberJoined] if end is not None and end.transfer_id else None
            rows.append((data.enterprise_id, data.union_id, on, until, end and end.reason, came_from, went_to))
        return sorted(rows, key=repr)


CHAIN = ((B, "2022-01-01"), (C, "2022-06-01"), (A, "2023-01-01"), (None, "2024-01-01"))
"""Where Ann goes from A, and when; None: she leaves."""


def case() -> Case:
    made = world()
    return Case(made, {enterprise: found(made, enterprise, on="2020-06-01") for enterprise in (A, B, C)})


@dataclass(frozen=True)
class Chain:
    """A person joins at the first place, is transferred from place to place, and leaves (None: has not left)."""

    places: tuple[tuple[UUID, date], ...]
    left: date | None


@st.composite
def chains(draw: st.DrawFn) -> list[Chain]:
    """Up to three, one after the other; only the last may go on."""
    days = sorted(draw(st.sets(st.integers(0, 1600), min_size=3, max_size=14)))
    dates = [date(2020, 7, 1) + timedelta(days=n) for n in days]
    made: list[Chain] = []
    while len(dates) >= 2 and len(made) < 3:
        length = draw(st.integers(1, min(5, len(dates) - 1)))
        places = [draw(st.sampled_from([A, B, C]))]
        for _ in range(length - 1):
            places.append(draw(st.sampled_from([one for one in (A, B, C) if one != places[-1]])))
        left: date | None = dates[length]
        made.append(Chain(tuple(zip(places, dates[:length], strict=True)), left))
        dates = dates[length + draw(st.integers(0, 1)) :]
    if draw(st.booleans()):
        made[-1] = replace(made[-1], left=None)
    return made


def enter(made: Case, told: list[Chain], shuffled: Any) -> Case:
    """Enter the facts in an order in which each can be: the joining of a chain before what names its memberships.

    A chain that a later one follows is entered with both dates of the whole, since nobody is a member twice. Nobody is transferred to where
    he is: who went away and came back is entered as coming back after as going away.
    """
    waiting = list(range(len(told)))
    open_facts: list[tuple[str, int, Any]] = []
    while waiting or open_facts:
        ready: list[tuple[str, int, Any]] = [("join", n, None) for n in waiting if _may_join(made, told[n])]
        ready += [one for one in open_facts if one[0] == "leave" or made.held_on(one[2][1]).enterprise_id != one[2][0]]
        kind, n, what = shuffled.choice(ready)
        chain = told[n]
        if kind == "join":
            later = any(m.joined_on is not None and m.joined_on > chain.places[0][1] for m in made.world.memberships.values())
            both = chain.left is not None and (later or shuffled.random() < 0.4)
            made.joins(chain.places[0][0], chain.places[0][1], chain.left if both else None)
            waiting.remove(n)
            open_facts += [("transfer", n, place) for place in chain.places[1:]]
            open_facts += [("leave", n, chain.left)] if chain.left is not None and not both else []
            continue
        open_facts.remove((kind, n, what))
        if kind == "transfer":
            made.transfers(*what)
        else:
            made.leaves(what)
    return made


def _may_join(made: Case, chain: Chain) -> bool:
    """Whoever has not left anywhere is a member there, and joins nowhere later."""
    return all(m.left_on is not None or m.joined_on is None or m.joined_on > chain.places[0][1] for m in made.world.memberships.values())


@given(chains(), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=100)
def test_in_whatever_order_joining_transfers_and_leaving_are_entered_the_memberships_are_the_same(told: list[Chain], random: Any) -> None:
    expected = []
    for chain in told:
        ends = [*(on for _, on in chain.places[1:]), chain.left]
        for n, ((place, on), until) in enumerate(zip(chain.places, ends, strict=True)):
            went_to = chain.places[n + 1][0] if n + 1 < len(chain.places) else None
            reason = "transfer" if went_to else ("retired" if until else None)
            expected.append((place, on, until, reason, chain.places[n - 1][0] if n else None, went_to))
    made = enter(case(), told, random)
    assert [(place, *rest) for place, _, *rest in made.state()] == [
        tuple(row) for row in sorted(expected, key=lambda row: repr((row[0], made.unions[row[0]], *row[1:])))
    ]


@pytest.mark.parametrize("one_batch", [False, True])
@pytest.mark.parametrize("order", [one for one in itertools.permutations(range(4)) if one.index(2) > min(one.index(0), one.index(1))])
def test_a_chain_entered_by_the_id_of_its_first_membership_is_the_same_in_every_order(order: tuple[int, ...], one_batch: bool) -> None:
    made = case()
    made.joins(A, day("2021-01-01"), None)
    first = made.held_on(day("2021-01-01")).id
    if not one_batch:
        made.world.begun.clear()
    for n in order:
        place, on = CHAIN[n]
        if place is None:
            made.leaves(day(on), first)
        else:
            made.transfers(place, day(on), first)
        if one_batch:
            # A service loads no facts that its own transaction has recorded.
            made.world.histories = {}
        else:
            made.world.begun.clear()
            made.world.ended.clear()
    assert [(place, str(on), str(until), reason) for place, _, on, until, reason, *_ in made.state()] == sorted(
        [
            (A, "2021-01-01", "2022-01-01", "transfer"),
            (B, "2022-01-01", "2022-06-01", "transfer"),
            (C, "2022-06-01", "2023-01-01", "transfer"),
            (A, "2023-01-01", "2024-01-01", "retired"),
        ],
        key=lambda row: repr((row[0], made.unions[row[0]], *map(day, row[1:3]))),
    )


def test_a_command_that_acts_on_a_later_membership_says_so_and_one_that_contradicts_a_transfer_names_it() -> None:
    made = case()
    made.joins(A, day("2021-01-01"), None)
    first = made.held_on(day("2021-01-01")).id
    made.transfers(B, day("2022-01-01"), first)
    second = made.held_on(day("2022-01-01")).id
    left = members.decide_leave(made.world, Leave(first, day("2023-01-01"), Reason("retired")), TODAY)
    moved = transfers.decide_transfer(made.world, Transfer(first, day("2023-01-01"), made.unions[C], C), TODAY)
    assert left.id == str(second)
    for decision in (left, moved):
        assert list(decision.warnings) == [Notice("ACTED_ON_SUCCESSOR", {"member": str(second), "named": str(first)})]
    for on in ("2021-06-01", "2022-01-01"):
        with pytest.raises(Problem) as refused:
            made.leaves(day(on), first)
        assert (refused.value.code, refused.value.errors[0].params) == ("ALREADY_TRANSFERRED", {"on": "2022-01-01", "member": str(second)})


def test_who_left_and_joined_again_was_not_transferred() -> None:
    made = case()
    made.joins(A, day("2021-01-01"), day("2022-01-01"))
    made.joins(B, day("2022-01-01"), None)
    first = made.held_on(day("2021-01-01")).id
    with pytest.raises(Problem) as refused:
        made.leaves(day("2023-01-01"), first)
    assert refused.value.code == "ALREADY_LEFT"


def test_a_transfer_in_the_past_takes_over_the_end_with_its_reason_and_note_and_says_so() -> None:
    made = case()
    made.joins(A, day("2021-01-01"), None)
    member = made.held_on(day("2021-01-01"))
    note = uuid7()
    made.take(members.leave(made.world, Leave(member.id, day("2023-01-01"), Reason("resigned", note, "…"))))
    decision = transfers.decide_transfer(made.world, Transfer(member.id, day("2022-01-01"), made.unions[B], B), TODAY)
    assert [getattr(one, "code", one) for one in decision.warnings] == ["END_TAKEN_OVER"]
    corrected, joined, left = decision.facts
    assert isinstance(corrected.data, FactCorrected)
    assert isinstance(left.data, MemberLeft)
    assert (corrected.on, joined.on, left.on) == (day("2022-01-01"), day("2022-01-01"), day("2023-01-01"))
    assert (left.data.reason, left.data.note_id) == ("resigned", note)
    assert corrected.data.replacement is not None
    assert "note_id" not in {name for name, value in corrected.data.replacement.data.items() if value is not None}
    assert corrected.data.reason == transfers.EARLIER_TRANSFER


@pytest.mark.parametrize(
    ("place", "on", "code"),
    [
        (B, "2023-01-01", "ALREADY_TRANSFERRED"),
        (C, "2024-01-01", "SAME_MEMBERSHIP"),
        (B, "2020-12-31", "BEFORE_JOINING"),
        (A, "2022-01-01", "SAME_MEMBERSHIP"),
    ],
)
def test_what_a_transfer_in_the_past_is_refused_for(place: UUID, on: str, code: str) -> None:
    made = case()
    made.joins(A, day("2021-01-01"), None)
    member = made.held_on(day("2021-01-01"))
    made.transfers(C, day("2023-01-01"))
    with pytest.raises(Problem) as refused:
        transfers.decide_transfer(made.world, Transfer(member.id, day(on), made.unions[place], place), TODAY)
    assert refused.value.code == code
