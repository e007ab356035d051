"""What a grant may hold, and that a narrowing never widens."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from services.subscriptions.grants import rules
from services.subscriptions.grants.rules import Extent, Known, Wanted
from services.subscriptions.matching.tree import Tree, Within
from shared.http.auth import Areas
from shared.problems.errors import Problem
from shared.process.clock import Clock

FOUNDED, JOINED, MOVED = "parkunion.union-founded.v1", "parkunion.member-joined.v1", "parkunion.enterprise-moved.v1"
FIELDS = {FOUNDED: ("union_id", "kind", "name"), JOINED: ("enterprise_id", "union_id"), MOVED: ("park", "district")}
DEFAULTS = {FOUNDED: ("union_id", "kind"), JOINED: ("enterprise_id",), MOVED: ("park",)}
TREE = Tree({"C": None, "D1": "C", "D2": "C", "P1": "D1", "P2": "D1", "P3": "D2"})
KNOWN = Known(TREE, FIELDS, DEFAULTS)
NOW = datetime(2026, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)
GIVEN = Extent(("D1",), (FOUNDED, JOINED), {FOUNDED: ("union_id", "kind"), JOINED: ("enterprise_id",)}, NOW - DAY, NOW + 10 * DAY)


def refused(code: str, field: str | None, wanted: Wanted, extent: Extent | None = None, giver: Areas | None = None) -> Problem:
    """The problem, which has this code and field."""
    with pytest.raises(Problem) as raised:
        rules.narrowed(extent, wanted, KNOWN, NOW) if extent else rules.given(wanted, giver or Areas.all(), KNOWN, NOW)
    assert (raised.value.code, raised.value.errors[0].field) == (code, field)
    return raised.value


def test_fields_that_are_not_named_are_the_default_of_now_and_stand_in_the_order_of_the_contract() -> None:
    found = rules.given(Wanted(["D1", "D1"], [FOUNDED, JOINED], {FOUNDED: ["name", "union_id"]}), Areas.all(), KNOWN, NOW)
    assert found == Extent(("D1",), (FOUNDED, JOINED), {FOUNDED: ("union_id", "name"), JOINED: ("enterprise_id",)}, None, None)


@pytest.mark.parametrize(
    ("code", "field", "wanted"),
    [
        ("UNKNOWN_TYPE", "types.1", Wanted(["D1"], [FOUNDED, "parkunion.event-withdrawn.v1"])),
        ("UNKNOWN_TYPE", "fields", Wanted(["D1"], [FOUNDED], {"nothing": ["a"]})),
        ("FIELDS_OF_OTHER_TYPE", f"fields.{JOINED}", Wanted(["D1"], [FOUNDED], {JOINED: ["union_id"]})),
        ("UNKNOWN_DATA_FIELD", f"fields.{FOUNDED}.1", Wanted(["D1"], [FOUNDED], {FOUNDED: ["kind", "credit_code"]})),
        ("UNKNOWN_AREA", "areas.1", Wanted(["D1", "D9"], [FOUNDED])),
        ("NOT_AFTER_TOO_EARLY", "not_after", Wanted(["D1"], [FOUNDED], None, NOW + DAY, NOW + DAY)),
        ("NOT_AFTER_PAST", "not_after", Wanted(["D1"], [FOUNDED], None, None, NOW)),
    ],
)
def test_what_a_grant_may_not_hold(code: str, field: str, wanted: Wanted) -> None:
    problem = refused(code, field, wanted)
    assert all(problem.as_dict()["errors"][0][name] for name in ("message_zh", "message_en"))


def test_an_unknown_type_is_refused_with_the_list_of_what_there_is() -> None:
    message = refused("UNKNOWN_TYPE", "types.0", Wanted(["D1"], ["x"])).as_dict()["errors"][0]["message_en"]
    assert all(name in message for name in FIELDS)


@pytest.mark.parametrize("code", ["D2", "C", "*", "D9"])
def test_a_giver_grants_nothing_outside_its_areas_and_is_not_told_whether_it_exists(code: str) -> None:
    problem = refused("AREA_NOT_GRANTED", "areas.0", Wanted([code], [FOUNDED]), giver=Areas.of(["D1"]))
    assert problem.status == 403
    assert rules.given(Wanted(["P1"], [FOUNDED]), Areas.of(["D1"]), KNOWN, NOW).areas == ("P1",)


def test_a_giver_of_everything_may_grant_everything() -> None:
    assert rules.given(Wanted(["*"], [FOUNDED]), Areas.all(), KNOWN, NOW).areas == ("*",)


@pytest.mark.parametrize(
    ("code", "field", "wanted"),
    [
        ("NARROWING_WIDENS", "areas.1", Wanted(areas=["P1", "P3"])),
        ("NARROWING_WIDENS", "areas.0", Wanted(areas=["C"])),
        ("NARROWING_WIDENS", "areas.0", Wanted(areas=["*"])),
        ("UNKNOWN_AREA", "areas.0", Wanted(areas=["D9"])),
        ("NARROWING_WIDENS", "types.1", Wanted(types=[FOUNDED, MOVED])),
        ("UNKNOWN_TYPE", "types.0", Wanted(types=["x"])),
        ("NARROWING_WIDENS", f"fields.{FOUNDED}.1", Wanted(fields={FOUNDED: ["kind", "name"]})),
        ("UNKNOWN_DATA_FIELD", f"fields.{FOUNDED}.0", Wanted(fields={FOUNDED: ["x"]})),
        ("NARROWING_WIDENS", f"fields.{MOVED}", Wanted(fields={MOVED: ["park"]})),
        ("FIELDS_OF_OTHER_TYPE", f"fields.{JOINED}", Wanted(types=[FOUNDED], fields={JOINED: []})),
        ("NARROWING_WIDENS", "not_after", Wanted(not_after=NOW + 11 * DAY)),
        ("NOT_AFTER_PAST", "not_after", Wanted(not_after=NOW)),
        ("NOTHING_TO_CHANGE", None, Wanted()),
        ("NOTHING_TO_CHANGE", None, Wanted(areas=["D1"], types=[JOINED, FOUNDED])),
    ],
)
def test_what_a_narrowing_may_not_be(code: str, field: str | None, wanted: Wanted) -> None:
    refused(code, field, wanted, GIVEN)


def test_a_narrowing_keeps_what_it_does_not_name() -> None:
    found = rules.narrowed(GIVEN, Wanted(areas=["P2"], types=[FOUNDED], fields={FOUNDED: ["kind"]}, not_after=NOW + DAY), KNOWN, NOW)
    assert found == Extent(("P2",), (FOUNDED,), {FOUNDED: ("kind",)}, GIVEN.not_before, NOW + DAY)
    assert rules.narrowed(GIVEN, Wanted(not_after=NOW + DAY), KNOWN, NOW).fields == GIVEN.fields


def test_a_day_begins_and_ends_in_the_zone_of_the_deployment() -> None:
    clock = Clock(ZoneInfo("Asia/Shanghai"))
    assert rules.begins(date(2026, 7, 1), clock) == datetime(2026, 6, 30, 16, tzinfo=UTC)
    assert rules.ends(date(2026, 7, 1), clock) == datetime(2026, 7, 1, 16, tzinfo=UTC)
    assert rules.ends(NOW, clock) == NOW
    assert rules.ends(None, clock) is None


CODES = [*TREE.parents, "*"]


def some(values: Sequence[str]) -> st.SearchStrategy[list[str]]:
    """Some of them, one at least."""
    return st.lists(st.sampled_from(values), min_size=1, unique=True)


@st.composite
def wanted(draw: st.DrawFn, *, whole: bool) -> Wanted:
    """Anything that a caller can ask for; `whole`: of a new grant."""
    maybe: Any = (lambda one: one) if whole else (lambda one: st.none() | one)
    types = draw(maybe(some(list(FIELDS))))
    named = draw(
        st.none()
        | st.dictionaries(st.sampled_from(types or list(FIELDS)), some(["union_id", "kind", "name", "enterprise_id", "park", "district"]))
    )
    days = st.none() | st.integers(1, 5).map(lambda number: NOW + number * DAY)
    return Wanted(draw(maybe(some(CODES))), types, named, None, draw(days))


def shown(extent: Extent, tree: Tree) -> set[tuple[str, str, str]]:
    """(place, type, field) of all that an extent shows, by each area for itself."""
    places = [code for code in tree.parents if code in Within(frozenset(extent.areas), tree)]
    return {(place, name, field) for place in places for name in extent.types for field in extent.fields[name]}


@pytest.mark.invariant("I6")
@for_all(first=wanted(whole=True), then=st.lists(wanted(whole=False), max_size=6))
def test_a_narrowing_never_widens(first: Wanted, then: list[Wanted]) -> None:
    try:
        extent = rules.given(first, Areas.all(), KNOWN, NOW)
    except Problem:
        return
    for one in then:
        before = extent
        try:
            extent = rules.narrowed(before, one, KNOWN, NOW)
        except Problem:
            continue
        assert shown(extent, TREE) <= shown(before, TREE)
        assert set(extent.types) == set(extent.fields) <= set(before.types)
        assert before.not_after is None or (extent.not_after is not None and extent.not_after <= before.not_after)
        assert extent.not_before == before.not_before
        assert extent != before
