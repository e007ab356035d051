"""Corrections: the fact keeps its place, chains name the latest, and what must hold still holds."""

from __future__ import annotations

import pytest

from services.registry.enterprises.enterprise import enterprise_of
from shared.contracts.ids import uuid7
from shared.contracts.streams import FactCorrected
from shared.problems.errors import Conflict, Unprocessable
from tests.unit.registry.worlds import Ledger, a_world, day

CODE = "91350100M000100Y43"


def test_a_replacement_keeps_the_rank_through_a_chain() -> None:
    ledger = Ledger(a_world())
    ledger.report("2021-06-01", 30)
    ledger.report("2021-06-01", 40)
    first = ledger.correct(ledger.said[1], workers=35)
    assert isinstance(first.data, FactCorrected)
    assert (first.data.rank, first.data.fact) == (2, "parkunion.headcount-reported.v1")
    assert ledger.now.workers == 40
    again = ledger.correct(ledger.said[-1], on="2021-07-01")
    assert isinstance(again.data, FactCorrected)
    assert (again.data.rank, again.data.corrects) == (2, ledger.said[3])
    assert again.data.withdrawn.data == {"workers": 35}
    assert (ledger.now.workers, ledger.now.workers_on) == (35, day("2021-07-01"))


def test_a_fact_is_corrected_by_its_latest_event() -> None:
    ledger = Ledger(a_world())
    ledger.report("2021-06-01", 30)
    ledger.correct(ledger.said[1], workers=35)
    with pytest.raises(Conflict, match="ALREADY_CORRECTED") as refused:
        ledger.correct(ledger.said[1], workers=36)
    assert refused.value.errors[0].params["latest"] == str(ledger.said[2])
    ledger.withdraw(ledger.said[2])
    assert ledger.now.workers is None
    with pytest.raises(Conflict, match="FACT_WITHDRAWN"):
        ledger.correct(ledger.said[3], workers=36)
    with pytest.raises(Unprocessable, match="UNKNOWN_EVENT"):
        ledger.withdraw(uuid7())


def test_a_corrected_headcount_has_its_size_decided_anew() -> None:
    ledger = Ledger(a_world(), industry="M73")
    ledger.report("2021-06-01", 300)
    ledger.correct(ledger.said[1], workers=3)
    assert ledger.now.size == "micro"


def test_every_field_of_a_registration_can_be_corrected() -> None:
    ledger = Ledger(a_world())
    ledger.correct(ledger.said[0], settled_on="2019-01-01", name="新名", credit_code=CODE, park="P2", industry="C39", ownership="159")
    now = ledger.now
    assert (now.settled_on, now.name, now.credit_code, now.park, now.district) == (day("2019-01-01"), "新名", CODE, "P2", "D2")
    assert (now.industry, now.ownership) == ("C39", "159")
    assert ledger.world.codes == {CODE: ledger.id}
    ledger.correct(ledger.said[1], credit_code=None)
    assert ledger.world.codes == {}


def test_a_withdrawn_registration_takes_the_enterprise_away_and_frees_its_code() -> None:
    ledger = Ledger(a_world(), code=CODE)
    ledger.report("2021-01-01", 3)
    ledger.withdraw(ledger.said[0])
    assert enterprise_of(ledger.history) is None
    assert ledger.id not in ledger.world.enterprises
    Ledger(ledger.world, code=CODE)


@pytest.mark.parametrize(
    ("event", "data", "code"),
    [
        (0, {"workers": 3}, "NOT_CORRECTABLE"),
        (0, {"name": ""}, "EMPTY"),
        (0, {"credit_code": "91350100M000100Y44"}, "WRONG_CHECK_CHARACTER"),
        (0, {"park": "D1"}, "NOT_A_PARK"),
        (0, {"settled_on": "2021-02-30"}, "INVALID_DATE"),
        (0, {"settled_on": "2999-01-01"}, "DATE_OUT_OF_RANGE"),
        (0, {"settled_on": "2022-06-01"}, "MOVED_BEFORE_SETTLING"),
        (0, {"name": "某某有限公司"}, "NOTHING_TO_CHANGE"),
        (0, {}, "NOTHING_TO_CHANGE"),
        (1, {"workers": -1}, "BELOW_ZERO"),
        (1, {"workers": "many"}, "NOT_A_NUMBER"),
        (2, {"on": "2019-01-01"}, "MOVED_BEFORE_SETTLING"),
        (3, {"on": "2019-01-01"}, "CLOSED_BEFORE_SETTLING"),
        (3, {"reason": "a text"}, "REASON_NOT_LISTED"),
    ],
)
def test_a_correction_is_held_to_what_the_command_is_held_to(event: int, data: dict[str, object], code: str) -> None:
    ledger = Ledger(a_world())
    ledger.report("2021-01-01", 3)
    ledger.move("2022-01-01", "P2")
    ledger.close("2023-01-01")
    before = ledger.history
    with pytest.raises(Unprocessable, match=code) as refused:
        ledger.correct(ledger.said[event], **data)
    assert all((error.field or "").startswith("data") for error in refused.value.errors)
    assert ledger.history == before


@pytest.mark.parametrize(
    ("event", "data", "warning"),
    [(1, {"on": "2024-01-01"}, "AFTER_CLOSURE"), (2, {"park": "P1"}, "SAME_PARK"), (3, {"on": "2021-06-01"}, "FACTS_AFTER_CLOSURE")],
)
def test_a_correction_warns_of_what_the_command_warns_of(event: int, data: dict[str, object], warning: str) -> None:
    ledger = Ledger(a_world())
    ledger.report("2021-01-01", 3)
    ledger.move("2022-01-01", "P2")
    ledger.close("2023-01-01")
    assert list(ledger.decide_correction(ledger.said[event], **data).warnings) == [warning]


def test_another_enterprises_code_cannot_be_taken_by_a_correction() -> None:
    world = a_world()
    Ledger(world, code=CODE)
    other = Ledger(world)
    with pytest.raises(Conflict, match="DUPLICATE_CREDIT_CODE"):
        other.correct(other.said[0], credit_code=CODE)


def test_a_withdrawn_closure_opens_the_enterprise_again() -> None:
    ledger = Ledger(a_world())
    ledger.close("2023-01-01")
    ledger.withdraw(ledger.said[1])
    assert ledger.now.closed_on is None
    ledger.report("2024-01-01", 7)
    assert ledger.now.workers == 7
