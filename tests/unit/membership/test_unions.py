"""How a union comes to be, whom it covers, and how it ends."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.membership.unions import periods
from services.membership.unions import rules as unions
from services.membership.unions.commands import Found
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageEnded, CoverageStarted, UnionDissolved, UnionFounded, UnionKind
from shared.problems.errors import Problem
from tests.unit.membership.worlds import A, B, C, cover, day, dissolve, found, world

OWN, JOINT, PARK = UnionKind.ENTERPRISE_UNION, UnionKind.JOINT_UNION, UnionKind.PARK_UNION


def founding(kind: UnionKind = JOINT, *enterprises: UUID, seat: str = "P", parent: UUID | None = None, on: str = "2021-01-01") -> Found:
    return Found(kind, "联合工会", parent, seat, day(on), enterprises)


def test_a_union_is_founded_first_and_then_covers_its_units_in_the_order_given() -> None:
    facts = unions.found(world(), founding(JOINT, B, A), uuid7())
    assert [type(fact.data) for fact in facts] == [UnionFounded, CoverageStarted, CoverageStarted]
    assert [fact.subject for fact in facts[1:]] == [f"enterprise/{B}", f"enterprise/{A}"]
    assert {fact.on for fact in facts} == {day("2021-01-01")}


@pytest.mark.parametrize(
    ("command", "code", "status"),
    [
        (founding(OWN), "NO_ENTERPRISES", 422),
        (founding(JOINT), "NO_ENTERPRISES", 422),
        (founding(OWN, A, B), "ONE_UNIT_ONLY", 422),
        (founding(JOINT, A, A), "DUPLICATE_ENTERPRISE", 422),
        (founding(JOINT, *[uuid7() for _ in range(10_001)]), "TOO_MANY", 422),
        (founding(JOINT, uuid7()), "UNKNOWN_ENTERPRISE", 422),
        (founding(JOINT, A, seat="nowhere"), "UNKNOWN_AREA", 422),
        (founding(JOINT, A, parent=uuid7()), "UNKNOWN_UNION", 422),
    ],
)
def test_a_founding_that_cannot_be(command: Found, code: str, status: int) -> None:
    with pytest.raises(Problem) as refused:
        unions.found(world(), command, uuid7())
    assert (refused.value.code, refused.value.status) == (code, status)


def test_a_federation_may_begin_without_units() -> None:
    assert len(unions.found(world(), founding(UnionKind.REGIONAL_FEDERATION), uuid7())) == 1


def test_an_id_that_may_still_become_known_is_to_be_asked_again() -> None:
    made, young = world(), uuid7()
    made.expected, made.areas_may_follow = {young}, True
    for command in (founding(JOINT, young), founding(JOINT, A, seat="new")):
        with pytest.raises(Problem) as refused:
            unions.found(made, command, uuid7())
        assert (refused.value.code, refused.value.status) == ("NOT_YET_KNOWN", 409)


def test_an_enterprise_has_one_own_union_at_a_time_but_others_may_overlap() -> None:
    made = world()
    own = found(made, A, kind=OWN)
    found(made, A, B, kind=JOINT)
    found(made, A, B, kind=PARK)
    with pytest.raises(Problem) as refused:
        found(made, A, kind=OWN, on="2022-01-01")
    assert (refused.value.code, refused.value.status) == ("ALREADY_COVERED", 409)
    dissolve(made, own, "2022-01-01")
    assert found(made, A, kind=OWN, on="2022-01-01") != own


def test_coverage_begins_and_ends_and_may_begin_again() -> None:
    made = world()
    union = found(made, A)
    cover(made, union, B, "2022-01-01", started=True)
    cover(made, union, B, "2023-01-01", started=False)
    cover(made, union, B, "2023-01-01", started=True)
    assert [(p.started_on, p.ended_on) for p in periods.periods(periods.facts_between(made, union, B))] == [
        (day("2022-01-01"), day("2023-01-01")),
        (day("2023-01-01"), None),
    ]
    assert not periods.covers(made, union, B, day("2021-12-31"))
    assert periods.covers(made, union, B, day("2022-01-01"))


@pytest.mark.parametrize(
    ("enterprise", "on", "started", "code"),
    [
        (A, "2022-01-01", True, "ALREADY_COVERED"),
        (B, "2020-12-31", True, "BEFORE_FOUNDING"),
        (B, "2022-01-01", False, "NOT_COVERED"),
        (A, "2020-12-31", False, "NOT_COVERED"),
    ],
)
def test_coverage_that_cannot_change_so(enterprise: UUID, on: str, started: bool, code: str) -> None:
    made = world()
    union = found(made, A)
    with pytest.raises(Problem) as refused:
        cover(made, union, enterprise, on, started=started)
    assert refused.value.code == code


def test_an_own_union_takes_no_second_unit() -> None:
    made = world()
    union = found(made, A, kind=OWN)
    with pytest.raises(Problem) as refused:
        cover(made, union, B, "2022-01-01", started=True)
    assert refused.value.code == "ONE_UNIT_ONLY"


def test_a_union_ends_with_its_coverage_of_every_unit_it_still_covers() -> None:
    made = world()
    union = found(made, A, B, C)
    cover(made, union, B, "2022-01-01", started=False)
    facts = dissolve(made, union, "2023-01-01")
    assert [type(fact.data) for fact in facts] == [UnionDissolved, CoverageEnded, CoverageEnded]
    assert {fact.subject for fact in facts[1:]} == {f"enterprise/{A}", f"enterprise/{C}"}
    with pytest.raises(Problem) as refused:
        dissolve(made, union, "2023-01-01")
    assert refused.value.code == "ALREADY_DISSOLVED"
    with pytest.raises(Problem) as refused:
        cover(made, union, B, "2024-01-01", started=True)
    assert refused.value.code == "ALREADY_DISSOLVED"


def test_a_union_does_not_end_before_what_it_did() -> None:
    made = world()
    union = found(made, A, B)
    cover(made, union, B, "2022-01-01", started=False)
    for on, code in (("2020-12-31", "BEFORE_FOUNDING"), ("2021-12-31", "BEFORE_COVERAGE")):
        with pytest.raises(Problem) as refused:
            dissolve(made, union, on)
        assert refused.value.code == code
