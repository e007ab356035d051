"""Plain sets folded as arrays: the rows, states and notes of the fold one by one."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.metrics.attributes import Classification, Closure, CoverageStart, Founding, Headcount, Registration
from services.metrics.counted import Members
from services.metrics.folding.changes import FactChange, StatedFact
from services.metrics.folding.facts import FactSet
from services.metrics.folding.findings import noted, noted_of_members
from services.metrics.folding.ledger import fold
from services.metrics.folding.plain.fold import add_plain, new_members
from services.metrics.folding.plain.sets import New, PlainSet, plain_sets
from services.metrics.measures import packed_rows, vector
from services.metrics.tables.rows import DurationKey, Key, Rows
from tests.unit.metrics.rows import all_figures

EARLIER, KNOWN = (date(2025, 3, day).toordinal() for day in (1, 2))
days = st.integers(date(2023, 1, 1).toordinal(), date(2025, 3, 2).toordinal())
parks, letters, maybe = st.sampled_from(["P1", "P2"]), st.sampled_from(["A", "B01"]), st.booleans()
headcounts = st.builds(Headcount, st.sampled_from([0, 1, 24, 25, 300]), st.none() | st.sampled_from(["S", "M"]))
registrations = st.builds(Registration, parks, st.none() | letters, st.none() | st.sampled_from(["110", "150"]))
coverages = st.builds(CoverageStart, st.just("u"), st.sampled_from(["enterprise_union", "park_union", "industry_federation"]))
KINDS = {
    Registration: "enterprise-registered",
    Headcount: "headcount-reported",
    CoverageStart: "coverage-started",
    Founding: "union-founded",
}


class Told:
    """What is told of one subject: facts other than members, and members {occurred day: net}, before and on the known day of the batch."""

    def __init__(self, facts: list[tuple[object, int, bool]], members: tuple[dict[int, int], dict[int, int]]) -> None:
        self.facts, self.members = facts, members

    def changes(self, *, new: bool) -> list[FactChange]:
        known = KNOWN if new else EARLIER
        return [
            FactChange(known, None, StatedFact(KINDS[type(content)], day, rank, content))  # type: ignore[index, arg-type]
            for rank, (content, day, is_new) in enumerate(self.facts, 1)
            if is_new == new
        ]

    def before(self) -> FactSet:
        found = FactSet()
        found.add(self.changes(new=False))
        if self.members[0]:
            found.count(EARLIER, self.members[0])
        return found

    def new_members(self) -> Mapping[int, Mapping[int, int]]:
        return {KNOWN: self.members[1]} if self.members[1] else {}


net = st.dictionaries(days, st.integers(-2, 3), max_size=5)
enterprises = st.builds(
    lambda first, others, cover, members: Told([*first, *others, *cover], members),
    st.lists(st.tuples(registrations, days, maybe), max_size=2),
    st.lists(st.tuples(headcounts, days, maybe), max_size=3),
    st.lists(st.tuples(coverages, days, maybe), max_size=1),
    st.tuples(net, net),
)
unions = st.builds(lambda park, day, new: Told([(Founding(park), day, new)], ({}, {})), parks, days, maybe)


def plain_of(told: Mapping[str, Told]) -> list[PlainSet]:
    changes = {subject: one.changes(new=True) for subject, one in told.items()}
    members = {subject: one.new_members() for subject, one in told.items()}
    stored = {subject: one.before().dump() for subject, one in told.items()}
    return list(plain_sets(told, New(changes, {}, members, {}), stored, 0))


def rows_of(rows: Rows) -> tuple[dict[Key, int], dict[DurationKey, int]]:
    figures = {key: value for key, value in all_figures(rows).items() if value}
    return figures, {key: count for key, count in rows.durations.items() if count}


@given(st.lists(enterprises | unions, min_size=1, max_size=6))
def test_rows_states_and_notes_are_those_of_the_fold_one_by_one(given: list[Told]) -> None:
    told = {f"enterprise/{number}": one for number, one in enumerate(given)}
    expected, states, notes = Rows(), {}, {}
    for subject, one in told.items():
        if not (changes := one.changes(new=True)) and not one.new_members():
            continue
        facts = one.before()
        fold(facts, changes, expected, one.new_members())
        states[subject] = facts
        notes[subject] = noted(facts, KNOWN) if changes else noted_of_members(facts, KNOWN)
    found, sets = Rows(), plain_of(told)
    assert {one.subject for one in sets} == states.keys(), "all of these are plain"
    members = new_members(sets, {subject: one.new_members() for subject, one in told.items()}, [])
    add_plain(sets, members, found)
    for number, on, of_day in members.of_sets():
        sets[number].count(on, of_day)
    assert rows_of(found) == rows_of(expected)
    for plain in sets:
        assert states[plain.subject].is_stored_as(plain.dump()), plain.subject
        assert plain.noted() == notes[plain.subject]
        if not any(type(fact.content) is Founding for fact in plain.before + plain.added):
            assert sorted(plain.placing()) == sorted(states[plain.subject].placing())


def told_of(*contents: object) -> list[FactChange]:
    return [FactChange(KNOWN, None, StatedFact("x", KNOWN, rank, content)) for rank, content in enumerate(contents, 1)]  # type: ignore[arg-type]


def is_plain(
    changes: list[FactChange], stored: FactSet | None = None, closed: int = 0, members: Mapping[int, Mapping[int, int]] | None = None
) -> bool:
    state = {"s": stored.dump()} if stored else {}
    return bool(list(plain_sets(["s"], New({"s": changes}, {}, {"s": members} if members else {}, {}), state, closed)))


def test_what_is_not_plain_is_folded_one_by_one() -> None:
    registered, cover = Registration("P1"), CoverageStart("u", "joint_union")
    (start,) = told_of(registered)
    assert is_plain([start])
    assert not is_plain([FactChange(KNOWN, start.added, None)]), "taken back"
    assert not is_plain(told_of(registered, Closure())), "a fact that the arrays do not know"
    assert not is_plain(told_of(registered, Classification(industry="A")))
    assert not is_plain(told_of(cover, CoverageStart("v", "park_union"))), "covered twice"
    assert not is_plain(told_of(CoverageStart("v", "something"))), "an unknown form"
    assert not is_plain([start], members={KNOWN - 1: {KNOWN: 1}}), "two known days"
    later = FactSet()
    later.count(KNOWN + 1, {KNOWN: 1})
    assert not is_plain([start], later), "something became known later"
    earlier = FactSet()
    earlier.count(EARLIER, {EARLIER: 1})
    assert is_plain([start], earlier)
    assert not is_plain([start], earlier, closed=EARLIER), "its past is to be forgotten"
    removed = FactSet()
    removed.add(FactChange(EARLIER, None, one.added) for one in told_of(registered))
    removed.add([FactChange(KNOWN, start.added, None)])
    assert not is_plain(told_of(cover), removed), "something was taken back before"
    assert type(start.added.kept) is not Members  # type: ignore[union-attr]


def test_vectors_of_rows_are_those_of_their_measures() -> None:
    measures = np.zeros((2, 19), np.int64)
    measures[0, 0], measures[1, 8], measures[1, 18] = -3, 10**9, 1
    assert packed_rows(measures) == [vector(units=-3), vector(workers=10**9, unions=1)]
