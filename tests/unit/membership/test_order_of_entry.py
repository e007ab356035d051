"""The same facts in whatever order they are entered: the same members, coverage, unions and figures. Pure.

Past coverages and past unions are entered with both their dates; closures come from the registry at any moment; an end or a dissolution may be
entered after a later one that followed from a closure.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.membership.facts import TABLE
from services.membership.members import rules as members
from services.membership.members.rules import Join
from services.membership.unions import coverage
from services.membership.unions import rules as unions
from services.membership.unions.closures import follow_closure
from services.membership.unions.commands import Cover, Dissolve, Found
from services.membership.world import World
from shared.contracts import Envelope, Event, membership, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionKind
from shared.contracts.registry import EnterpriseClosed, EnterpriseRegistered, HeadcountReported
from shared.journal.reasons import Reason
from shared.problems.errors import Notice, Problem
from shared.writing.evolving import evolve
from tests import oracle
from tests.unit.membership.worlds import ANN, TODAY, A, B, C, close, day, settle_ids, world

JOINT = UnionKind.JOINT_UNION
RECORDED = datetime(2025, 5, 1, tzinfo=UTC)
Entry = Callable[[World, UUID], None]


def covers(enterprise: UUID, on: str, until: str | None = None) -> Entry:
    command = (enterprise, day(on), True, day(until) if until else None)
    return lambda made, union: _take(made, unions.decide_cover(made, Cover(union, *command), TODAY).facts)


def ends(enterprise: UUID, on: str) -> Entry:
    return lambda made, union: _take(made, unions.decide_cover(made, Cover(union, enterprise, day(on), False), TODAY).facts)


def dissolves(on: str) -> Entry:
    return lambda made, union: _take(made, unions.decide_dissolve(made, Dissolve(union, day(on), Reason("merged")), TODAY).facts)


def founds(on: str, until: str | None = None) -> Entry:
    """B had, or has, a union of its own."""
    past = (day(until), Reason("merged")) if until else ()
    command = Found(UnionKind.ENTERPRISE_UNION, None, None, "P", day(on), (B,), *past)
    return lambda made, _union: _take(made, unions.decide_found(made, command, TODAY).facts)


def closes(enterprise: UUID, on: str) -> Entry:
    def enter(made: World, _union: UUID) -> None:
        event = close(made, enterprise, day(on))
        assert isinstance(made, Told)
        made.told.append(event_of(registry.SOURCE, f"enterprise/{enterprise}", 3, EnterpriseClosed(reason="bankrupt"), on))
        _take(made, follow_closure(made, enterprise, event))

    return enter


class Told(World):
    """A world that keeps what was recorded as events, for the figures."""

    told: list[Envelope]


def telling() -> Told:
    """Three enterprises with 30 workers each."""
    made = world()
    made.__class__ = Told
    assert isinstance(made, Told)
    made.told = []
    for enterprise in (A, B, C):
        data = EnterpriseRegistered(enterprise_id=enterprise, name="示例", park="P", district="D")
        made.told += [
            event_of(registry.SOURCE, f"enterprise/{enterprise}", 1, data, "2020-01-01"),
            event_of(registry.SOURCE, f"enterprise/{enterprise}", 2, HeadcountReported(workers=30), "2020-01-01"),
        ]
    return made


def event_of(source: str, subject: str, sequence: int, data: Event, on: str) -> Envelope:
    return Envelope(
        id=uuid7(),
        source=source,
        subject=subject,
        partitionkey=subject,
        sequence=sequence,
        type=type_of(data),
        time=RECORDED,
        occurredon=day(on),
        actor="a",
        origin="api",
        data=data,
    )


def _take(made: World, facts: list[Any]) -> None:
    assert isinstance(made, Told)
    for fact in facts:
        sequence = evolve(TABLE, made, fact)
        made.told.append(event_of(membership.SOURCE, fact.subject, sequence, fact.data, fact.on.isoformat()))
    settle_ids(made)


def figures(made: World) -> Any:
    """What each enterprise adds to the figures, forty days apart, by the slow oracle."""
    assert isinstance(made, Told)
    facts = [oracle.facts_known([e for e in made.told if e.subject == f"enterprise/{one}"], TODAY) for one in (A, B, C)]
    return [[oracle.contribution(known, TODAY - timedelta(days=40 * n)) for n in range(49)] for known in facts]


def state(made: World) -> Any:
    """Who is covered when, why coverage ended, and how the unions ended; without ranks and ids."""
    periods = [(fact.enterprise_id, fact.on, fact.started, fact.reason) for facts in made.coverage.values() for fact in facts]
    ended = [(union.founded_on, union.dissolved and (union.dissolved.on, union.dissolved.reason)) for union in made.unions.values()]
    return sorted(periods, key=repr), [end for _, end in sorted(ended, key=repr)]


def _found(made: World, *enterprises: UUID) -> UUID:
    command = Found(JOINT, None, None, "P", day("2020-06-01"), enterprises)
    decision = unions.decide_found(made, command, TODAY)
    _take(made, decision.facts)
    return UUID(decision.id or "")


def joins(enterprise: UUID, on: str, until: str | None = None) -> Entry:
    """Ann was a member there."""
    past = (day(until), Reason("retired")) if until else ()
    return lambda made, union: _take(made, members.join(made, Join(union, enterprise, "sample", "x", day(on), *past), ANN, uuid7()))


def after(order: Any, *first: UUID) -> Any:
    made = telling()
    union = _found(made, *first)
    for entry in order:
        entry(made, union)
    coverage.require_whole_coverage(made, union, B)
    return state(made), figures(made)


def in_every_order(*entries: Entry, first: tuple[UUID, ...] = (A,)) -> Any:
    states = [after(order, *first) for order in itertools.permutations(entries)]
    assert all(one == states[0] for one in states)
    return states[0][0]


def test_past_coverages_may_be_entered_after_later_ones() -> None:
    periods, _ = in_every_order(
        covers(B, "2021-01-01", "2021-06-01"), covers(B, "2021-06-01", "2022-01-01"), covers(B, "2022-03-01"), covers(C, "2021-01-01")
    )
    assert len([one for one in periods if one[0] == B]) == 5


@given(st.lists(st.integers(0, 60), min_size=2, max_size=12, unique=True), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_any_coverages_that_do_not_overlap_come_to_the_same(months: list[int], random: Any) -> None:
    days = [f"{2021 + month // 12}-{month % 12 + 1:02}-01" for month in sorted(months) if month < 48]
    spans = [(days[n], days[n + 1]) for n in range(len(days) - 1) if random.random() < 0.7]
    entries = [covers(B, *span) for span in spans]
    shuffled = random.sample(entries, len(entries))
    assert after(entries, A) == after(shuffled, A)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(
    ("first", "second"), [(("2021-01-01", None), ("2021-06-01", "2022-01-01")), (("2021-01-01", "2022-01-01"), ("2021-12-31", None))]
)
def test_coverages_that_overlap_are_refused_in_every_order(first: Any, second: Any, turned: bool) -> None:
    made = telling()
    union = _found(made, A)
    one, other = (second, first) if turned else (first, second)
    covers(B, *one)(made, union)
    with pytest.raises(Problem) as refused:
        covers(B, *other)(made, union)
    assert refused.value.code == "COVERAGE_ORDER"


def test_an_end_may_be_entered_after_a_later_closure() -> None:
    periods, (dissolved,) = in_every_order(ends(B, "2022-01-01"), closes(B, "2023-01-01"), first=(A, B))
    assert (B, day("2022-01-01"), False, "ended") in periods
    assert dissolved is None


def test_a_dissolution_may_be_entered_after_later_closures() -> None:
    periods, (dissolved,) = in_every_order(dissolves("2022-01-01"), closes(A, "2023-01-01"), closes(B, "2024-01-01"), first=(A, B))
    assert dissolved == (day("2022-01-01"), "merged")
    assert {reason for _, _, started, reason in periods if not started} == {"union_dissolved"}


def test_a_closure_may_become_known_after_a_later_dissolution() -> None:
    periods, (dissolved,) = in_every_order(dissolves("2023-01-01"), closes(B, "2022-01-01"), first=(A, B))
    assert (B, day("2022-01-01"), False, "enterprise_closed") in periods
    assert dissolved == (day("2023-01-01"), "merged")


def test_the_last_unit_may_be_named_before_or_after_the_others_closed() -> None:
    _, (dissolved,) = in_every_order(ends(B, "2023-01-01"), closes(A, "2022-01-01"), first=(A, B))
    assert dissolved == (day("2023-01-01"), "last_unit_closed")
    _, (dissolved,) = in_every_order(covers(B, "2021-01-01"), closes(A, "2022-01-01"))
    assert dissolved is None


def test_members_coverage_and_closures_come_to_the_same_figures() -> None:
    past, later, present = joins(A, "2021-01-01", "2021-06-01"), joins(A, "2021-06-01", "2022-01-01"), joins(A, "2022-03-01")
    in_every_order(past, later, present, ends(A, "2023-01-01"), closes(A, "2024-01-01"))
    in_every_order(past, present, closes(B, "2022-01-01"), covers(C, "2021-01-01", "2021-09-01"), dissolves("2023-01-01"), first=(A, B))


DAYS = [f"{2020 + month // 12}-{month % 12 + 1:02}-01" for month in range(6, 54, 3)]


@st.composite
def histories(draw: Any) -> list[Entry]:
    """Facts about a union of A and other units that contradict each other in no order: closures and members of any day beside them."""
    days = st.sampled_from(DAYS)
    entries: list[Entry] = []
    stated: list[str] = []
    for enterprise in (B, C):
        bounds = sorted(draw(st.sets(days, max_size=5)))
        entries += [covers(enterprise, *bounds[n : n + 2]) for n in range(0, len(bounds), 2)]
        stated += bounds
    if draw(st.booleans()):
        stated.append(draw(days))
        entries.append(ends(A, stated[-1]))
    if draw(st.booleans()):
        entries.append(dissolves(draw(st.sampled_from([day for day in DAYS if day >= max(stated, default=DAYS[0])]))))
    entries += [closes(enterprise, draw(days)) for enterprise in (A, B, C) if draw(st.booleans())]
    begun = sorted(draw(st.sets(days, max_size=3)))
    return entries + [joins(A, one, other) for one, other in itertools.zip_longest(begun, begun[1:])]


@pytest.mark.invariant("I3")
@given(st.data())
@settings(deadline=None, max_examples=200)
def test_what_one_order_accepts_every_order_accepts_and_all_come_to_the_same(data: Any) -> None:
    entries = data.draw(histories())
    assert after(entries, A) == after(data.draw(st.permutations(entries)), A)


OVERLAPPING: list[tuple[Entry, Entry]] = [
    (covers(B, "2021-01-01"), covers(B, "2022-01-01")),
    (covers(B, "2021-01-01"), covers(B, "2022-01-01", "2022-06-01")),
    (covers(B, "2021-01-01", "2022-01-01"), covers(B, "2021-06-01", "2021-09-01")),
    (founds("2021-01-01"), founds("2022-01-01")),
    (founds("2021-01-01", "2023-01-01"), founds("2022-01-01")),
]


@pytest.mark.parametrize("closed_on", ["2020-07-01", "2021-06-01", "2024-01-01"])
@pytest.mark.parametrize("pair", OVERLAPPING)
def test_what_contradicts_is_refused_whether_a_closure_is_known_or_not(pair: tuple[Entry, Entry], closed_on: str) -> None:
    for one, other in (pair, pair[::-1]):
        for before in ([one], [closes(B, closed_on), one], [one, closes(B, closed_on)]):
            made = telling()
            union = _found(made, A)
            for entry in before:
                entry(made, union)
            with pytest.raises(Problem) as refused:
                other(made, union)
            assert refused.value.code in ("COVERAGE_ORDER", "ALREADY_COVERED")


def test_own_unions_closures_and_dissolutions_come_to_the_same() -> None:
    in_every_order(founds("2020-07-01", "2021-01-01"), founds("2021-01-01", "2022-01-01"), founds("2023-01-01"), closes(B, "2021-06-01"))
    in_every_order(founds("2021-06-01"), closes(B, "2021-01-01"))


@pytest.mark.parametrize("day_of_dissolution", ["2022-01-01", "2022-06-01", "2023-01-01"])
def test_dissolutions_ends_and_closures_of_one_day_come_to_the_same(day_of_dissolution: str) -> None:
    in_every_order(dissolves(day_of_dissolution), closes(A, "2022-06-01"), closes(B, "2022-06-01"), covers(B, "2022-01-01"))
    in_every_order(dissolves(day_of_dissolution), ends(A, "2022-01-01"), closes(A, "2022-01-01"), covers(B, "2022-01-01"))


def test_a_coverage_beside_the_end_of_the_union_or_the_enterprise_warns() -> None:
    def warnings(*before: Entry, on: str = "2022-01-01", started: bool = True) -> list[Any]:
        made = telling()
        union = _found(made, A)
        for entry in before:
            entry(made, union)
        return list(unions.decide_cover(made, Cover(union, B, day(on), started), TODAY).warnings)

    assert warnings() == []
    assert warnings(closes(B, "2022-01-01")) == warnings(closes(B, "2021-01-01")) == ["AFTER_CLOSURE"]
    assert warnings(covers(B, "2021-01-01"), closes(B, "2021-06-01"), started=False) == ["AFTER_CLOSURE"]
    assert warnings(covers(B, "2021-01-01"), closes(B, "2022-01-01"), started=False) == []
    assert warnings(dissolves("2023-01-01")) == [Notice("ENDS_WITH_UNION", {"on": "2023-01-01"})]
    assert warnings(closes(A, "2023-01-01"), closes(B, "2022-06-01")) == []
    assert warnings(closes(A, "2021-01-01")) == [Notice("UNION_GOES_ON", {"on": "2021-01-01"})]
    made = telling()
    close(made, A, day("2021-01-01"))
    assert unions.decide_found(made, Found(JOINT, None, None, "P", day("2021-01-01"), (A, B)), TODAY).warnings == ["AFTER_CLOSURE"]


def test_past_own_unions_may_be_entered_after_the_present_one() -> None:
    def founded(order: Any) -> Any:
        made = telling()
        for on, until in order:
            past = (day(until), Reason("merged")) if until else ()
            command = Found(UnionKind.ENTERPRISE_UNION, None, None, "P", day(on), (A,), *past)
            _take(made, unions.decide_found(made, command, TODAY).facts)
        return (
            state(made)[0],
            figures(made),
            sorted((union.founded_on, union.dissolved and union.dissolved.on) for union in made.unions.values()),
        )

    spans = [("2020-01-01", "2021-01-01"), ("2021-01-01", "2022-01-01"), ("2023-01-01", None)]
    states = [founded(order) for order in itertools.permutations(spans)]
    assert all(one == states[0] for one in states)
    with pytest.raises(Problem) as refused:
        founded([*spans, ("2020-06-01", "2020-07-01")])
    assert refused.value.code == "ALREADY_COVERED"


def test_a_past_union_is_dissolved_on_or_after_the_day_of_its_approval() -> None:
    made = world()
    command = Found(JOINT, None, None, "P", day("2022-01-01"), (A,), day("2021-01-01"), Reason("merged"))
    with pytest.raises(Problem) as refused:
        unions.found(made, command, uuid7())
    assert (refused.value.code, refused.value.errors[0].field) == ("BEFORE_FOUNDING", "dissolved_on")
