"""C(F, t), rule by rule (docs/design/DOMAIN.md, "Coverage: exact definitions")."""

from __future__ import annotations

from datetime import date
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.metrics.counted import BY_KIND, FIELDS, Attribute
from services.metrics.figures.scope import contribution_on
from services.metrics.folding.changes import RefusedFact, change_of
from services.metrics.folding.coverage import FOREVER, RULES, AttributeFact, Rules, at, segments, stale_from
from services.metrics.folding.facts import FactSet
from services.metrics.measures import MEASURES, packed, unpacked, vector
from services.metrics.tables.rows import Cell
from shared.contracts import type_of
from shared.contracts.registry import HeadcountReported
from tests import oracle
from tests.histories import history, seeds

Told = tuple[str, str, dict[str, Any]]
SETTLED: Told = ("enterprise-registered", "2020-01-01", {"park": "P1"})


def workers(on: str, count: int) -> Told:
    return ("headcount-reported", on, {"workers": count})


def covered(on: str, union: str = "U1", kind: str = "enterprise_union", started: bool = True) -> Told:
    return ("coverage-started" if started else "coverage-ended", on, {"union_id": union, "kind": kind})


def attribute(kind: str, occurred: int, rank: int, known: int, until: int, says: dict[str, Any]) -> AttributeFact:
    """A fact as the set holds it, its fields given as `facts.says` keeps them."""
    row = BY_KIND[kind]
    assert isinstance(row, Attribute)
    return AttributeFact(kind, occurred, rank, known, until, msgspec.convert(says, row.content))


def contribution(t: str, *told: Told, members: int = 0, rules: Rules = RULES[1]) -> tuple[Cell | None, dict[str, int]]:
    """What facts (said in this order) come to on a day: the cell and the counts that are not 0."""
    facts = [attribute(kind, date.fromisoformat(on).toordinal(), rank, 1, FOREVER, says) for rank, (kind, on, says) in enumerate(told, 1)]
    segment = at(segments(facts, rules), date.fromisoformat(t).toordinal())
    value = segment.base + members * segment.each
    return segment.cell, {name: count for name, count in zip(MEASURES, unpacked(value), strict=True) if count}


def counts(t: str, *told: Told, **more: Any) -> dict[str, int]:
    return contribution(t, *told, **more)[1]


def test_nothing_counts_before_settling_and_from_the_day_of_closing() -> None:
    told: tuple[Told, ...] = (workers("2019-06-01", 30), covered("2019-07-01"), SETTLED, ("enterprise-closed", "2021-01-01", {}))
    assert counts("2019-12-31", *told) == {}
    assert counts("2020-01-01", *told)["covered_all"] == 1
    assert counts("2020-12-31", *told)["units"] == 1
    assert counts("2021-01-01", *told) == {}


def test_an_enterprise_that_never_settled_contributes_nothing() -> None:
    assert contribution("2024-01-01", workers("2020-01-01", 30), covered("2020-01-01"), members=5) == (None, {})


@pytest.mark.parametrize(("number", "all_", "ge25"), [(0, 0, 0), (1, 1, 0), (24, 1, 0), (25, 1, 1)])
def test_who_should_organise_goes_by_the_workers(number: int, all_: int, ge25: int) -> None:
    found = counts("2020-06-01", SETTLED, workers("2020-02-01", number), covered("2020-03-01"))
    assert found.get("should_organise_all", 0) == found.get("covered_all", 0) == all_
    assert found.get("should_organise_ge25", 0) == found.get("covered_ge25", 0) == ge25
    assert (found["units_headcount_known"], found["covered_units"], found.get("workers", 0)) == (1, 1, number)


def test_a_missing_headcount_is_unknown_and_its_members_are_shown_beside() -> None:
    found = counts("2020-06-01", SETTLED, covered("2020-03-01"), members=4)
    expected = {"units": 1, "covered_units": 1, "members": 4, "members_headcount_unknown": 4, "members_unionised": 4}
    assert found == expected


def test_one_unit_counts_once_however_many_unions_cover_it() -> None:
    told = (SETTLED, workers("2020-01-02", 9), covered("2020-02-01", "U1"), covered("2020-02-01", "U2", "joint_union"))
    found = counts("2020-06-01", *told)
    assert (found["covered_all"], found["covered_units"]) == (1, 1)
    assert counts("2020-06-01", *told, covered("2020-05-01", "U1", started=False))["covered_all"] == 1
    gone = (covered("2020-05-01", "U1", started=False), covered("2020-05-01", "U2", "joint_union", started=False))
    assert "covered_all" not in counts("2020-06-01", *told, *gone)


@pytest.mark.parametrize(
    ("kinds", "split"),
    [
        (("enterprise_union", "joint_union", "regional_federation"), "own"),
        (("park_union", "regional_federation"), "joint"),
        (("joint_union",), "joint"),
        (("grassroots_federation",), "federation"),
        (("industry_federation",), "federation"),
    ],
)
def test_the_first_kind_that_applies_is_own_joint_federation(kinds: tuple[str, ...], split: str) -> None:
    edges = [covered("2020-02-01", kind, kind) for kind in kinds]
    found = counts("2020-06-01", SETTLED, workers("2020-01-02", 9), *edges)
    assert {name: found.get(f"covered_all_{name}", 0) for name in ("own", "joint", "federation")} == {
        **dict.fromkeys(("own", "joint", "federation"), 0),
        split: 1,
    }


def test_second_coverage_is_a_federation_over_a_union() -> None:
    federation = covered("2020-03-01", "F", "regional_federation")
    assert counts("2020-06-01", SETTLED, covered("2020-02-01"), federation)["second_covered"] == 1
    assert "second_covered" not in counts("2020-06-01", SETTLED, federation)


def test_a_headcount_is_stale_from_the_day_after_its_anniversary_and_still_counts() -> None:
    told = (SETTLED, workers("2020-03-05", 30))
    assert "units_headcount_stale" not in counts("2021-03-05", *told)
    assert counts("2021-03-06", *told)["units_headcount_stale"] == 1
    assert counts("2021-03-06", *told)["workers"] == 30
    assert "units_headcount_stale" not in counts("2021-03-06", *told, workers("2021-03-01", 30))


def test_a_year_after_29_february_is_28_february() -> None:
    assert date.fromordinal(stale_from(date(2020, 2, 29).toordinal(), 12)) == date(2021, 3, 1)
    assert stale_from(date(9999, 5, 1).toordinal(), 12) == FOREVER


def test_the_last_fact_wins_by_day_and_then_by_rank_never_by_arrival() -> None:
    assert counts("2020-06-01", SETTLED, workers("2020-05-01", 10), workers("2020-04-01", 20))["workers"] == 10
    assert counts("2020-06-01", SETTLED, workers("2020-05-01", 10), workers("2020-05-01", 20))["workers"] == 20


def test_the_cell_follows_moves_and_classifications() -> None:
    told = (
        ("enterprise-moved", "2019-01-01", {"park": "P9"}),
        SETTLED,
        ("enterprise-reclassified", "2020-02-01", {"industry": "C27", "size": "small"}),
        ("enterprise-reclassified", "2020-03-01", {"ownership": "170"}),
        ("enterprise-moved", "2020-04-01", {"park": "P2"}),
    )
    assert contribution("2020-01-15", *told)[0] == ("P1", None, None, None)
    assert contribution("2020-02-15", *told)[0] == ("P1", "C27", "small", None)
    assert contribution("2020-05-01", *told)[0] == ("P2", "C27", None, "170")


def test_a_union_counts_at_its_seat_until_it_is_dissolved() -> None:
    told: tuple[Told, ...] = (("union-founded", "2020-02-01", {"seat_area": "D1"}), ("union-dissolved", "2021-01-01", {}))
    assert contribution("2020-02-01", *told) == (("D1", None, None, None), {"unions": 1})
    assert contribution("2021-01-01", *told) == (None, {})


def test_with_grace_those_inside_are_excluded_and_counted_beside() -> None:
    told = (SETTLED, workers("2020-01-02", 30), covered("2020-01-03"))
    inside = counts("2020-01-30", *told, rules=Rules(grace_days=30))
    assert (inside["in_grace"], inside.get("should_organise_all", 0), inside["covered_units"]) == (1, 0, 1)
    outside = counts("2020-01-31", *told, rules=Rules(grace_days=30))
    assert (outside.get("in_grace", 0), outside["should_organise_all"], outside["covered_all"]) == (0, 1, 1)


@settings(max_examples=60, deadline=None)
@given(seed=seeds, t=st.dates(date(2022, 6, 1), date(2027, 1, 1)), k=st.dates(date(2024, 5, 1), date(2026, 1, 1)))
def test_a_contribution_is_the_oracles_on_any_day_as_known_on_any_day(seed: int, t: date, k: date) -> None:
    streams = [event for own in history(seed, enterprises=2).values() for stream in own for event in stream]
    for own in oracle.by_subject(streams).values():
        facts = FactSet()
        facts.add(change_of(event, oracle.known_day(event).toordinal()) for event in own)
        cell, value = contribution_on(facts, t, k)
        expected = oracle.contribution(oracle.facts_known(own, k), t)
        found = {name: count for name, count in zip(MEASURES, unpacked(value), strict=True) if count}
        assert (cell, found) == ((expected[0], dict(expected[1])) if expected else (None, {}))


@given(st.lists(st.integers(-(2**62), 2**62), min_size=len(MEASURES), max_size=len(MEASURES)))
def test_a_vector_holds_any_counts(values: list[int]) -> None:
    assert list(unpacked(packed(values))) == values
    assert packed(values) == vector(**dict(zip(MEASURES, values, strict=True)))


@pytest.mark.parametrize("number", [-1, 10**9 + 1])
def test_a_headcount_that_cannot_be_is_refused(number: int) -> None:
    event = next(event for streams in history(1).values() for stream in streams for event in stream)
    told = HeadcountReported(workers=number)
    with pytest.raises(RefusedFact):
        change_of(msgspec.structs.replace(event, type=type_of(told), data=told), 1)


def test_no_field_that_counts_names_a_person() -> None:
    assert not any("member" in field for fields in FIELDS.values() for field in fields)
