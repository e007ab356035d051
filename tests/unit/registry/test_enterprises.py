"""What may be said of an enterprise, and what it comes to."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from services.registry.enterprises.rules import warnings_of, warnings_of_name
from services.registry.naming import characters, name_key, searchable, sought
from shared.contracts.ids import uuid7
from shared.problems.errors import Conflict, NotFound, Problem, Unprocessable
from tests.unit.registry.worlds import Ledger, a_world, day

CODE = "91350100M000100Y43"


def test_an_enterprise_is_where_its_last_move_by_date_took_it() -> None:
    ledger = Ledger(a_world())
    ledger.move("2022-01-01", "P2")
    ledger.move("2023-01-01", "P1")
    ledger.report("2021-01-01", 30)
    assert (ledger.now.park, ledger.now.district, ledger.now.workers) == ("P1", "D1", 30)


def test_of_several_headcounts_for_a_day_the_last_one_counts_and_a_late_one_for_an_earlier_day_does_not() -> None:
    ledger = Ledger(a_world())
    for on, workers in (("2021-06-01", 30), ("2021-06-01", 31), ("2021-01-01", 99)):
        ledger.report(on, workers)
    assert (ledger.now.workers, ledger.now.workers_on) == (31, day("2021-06-01"))


def test_a_credit_code_is_one_enterprises_alone() -> None:
    world = a_world()
    Ledger(world, code=CODE)
    with pytest.raises(Conflict, match="DUPLICATE_CREDIT_CODE"):
        Ledger(world, code=CODE)


def test_almost_the_same_name_in_the_park_is_a_warning() -> None:
    world = a_world()
    Ledger(world)
    assert warnings_of_name(world, "某某 有限公司 ", "P1", uuid7()) == ["PROBABLE_DUPLICATE"]
    assert warnings_of_name(world, "某某有限公司", "P2", uuid7()) == []
    assert name_key("Ａcme, Co. ltd") == name_key("ACME CO LTD")


@pytest.mark.parametrize(
    ("say", "code"),
    [
        (lambda it: it.report("2025-07-11", 1), "DATE_OUT_OF_RANGE"),
        (lambda it: it.report("1899-12-31", 1), "DATE_OUT_OF_RANGE"),
        (lambda it: it.move("2021-01-01", "D1"), "NOT_A_PARK"),
        (lambda it: it.move("2021-01-01", "P7"), "UNKNOWN_PARK"),
        (lambda it: it.move("2019-01-01", "P2"), "MOVED_BEFORE_SETTLING"),
        (lambda it: it.classify("2021-01-01"), "NOTHING_TO_CHANGE"),
        (lambda it: it.close("2019-12-31"), "CLOSED_BEFORE_SETTLING"),
    ],
)
def test_what_cannot_be_is_refused_and_changes_nothing(say: Callable[[Ledger], object], code: str) -> None:
    ledger = Ledger(a_world())
    before = ledger.history
    with pytest.raises(Unprocessable, match=code):
        say(ledger)
    assert ledger.history == before


def test_an_enterprise_closes_once() -> None:
    ledger = Ledger(a_world())
    ledger.close("2023-01-01")
    assert ledger.now.closed_on == day("2023-01-01")
    with pytest.raises(Conflict, match="ALREADY_CLOSED"):
        ledger.close("2024-01-01")


def test_odd_but_possible_facts_are_kept_with_a_warning() -> None:
    ledger = Ledger(a_world())
    early = ledger.report("2019-01-01", 5)
    assert warnings_of(ledger.now, ledger.history, early) == ["BEFORE_SETTLED"]
    ledger.report("2022-01-01", 5)
    closure = ledger.close("2021-01-01")
    assert warnings_of(ledger.now, ledger.history, closure) == ["FACTS_AFTER_CLOSURE"]
    for fact in (ledger.report("2021-01-02", 1), ledger.move("2021-01-02", "P2"), ledger.classify("2021-01-02", "C")):
        assert warnings_of(ledger.now, ledger.history, fact)[0] == "AFTER_CLOSURE"


def test_a_move_to_the_park_in_which_it_is_already_is_kept_with_a_warning() -> None:
    ledger = Ledger(a_world())
    before = ledger.history
    back = ledger.move("2022-01-01", "P1")
    assert warnings_of(ledger.now, before, back) == ["SAME_PARK"]
    before = ledger.history
    away = ledger.move("2021-01-01", "P2")
    assert warnings_of(ledger.now, before, away) == []
    assert ledger.now.park == "P1"


def test_nothing_is_said_of_an_enterprise_that_is_not_known() -> None:
    with pytest.raises(NotFound, match="UNKNOWN_ENTERPRISE"):
        a_world().enterprise(uuid7())
    assert issubclass(NotFound, Problem)


def test_a_name_holds_every_part_of_it() -> None:
    text = searchable("杭州Ａcme  电子 Co")
    for length in range(1, len(text)):
        for start in range(len(text) - length + 1):
            part = text[start : start + length]
            assert set(sought(part)) <= set(characters(text))
