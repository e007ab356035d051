"""Negotiations and contracts."""

from __future__ import annotations

from typing import Any

import pytest

from services.cases.clocks.clock import state
from services.cases.clocks.happened import Happened
from services.cases.clocks.names import State
from services.cases.rulebook.rulebook import Rulebook
from tests.unit.cases.arrangements import PACKAGED, WITH_2027, day
from tests.unit.cases.clocks.asking import NO_RULES, clock, clocks, fact, rule, said


def contract(kind: str, signed_on: str, *others: tuple[str, str], **more: Any) -> list[Happened]:
    signed = fact("signed", signed_on, 1, kind=kind, signed_on=signed_on, **more)
    return [signed, *(fact(name, on, rank) for rank, (name, on) in enumerate(others, 2))]


def one(happened: list[Happened], name: str, party: str | None = None, rules: Rulebook = NO_RULES) -> tuple[str | None, ...]:
    return said(clock(happened, name, party, noun="contract", rules=rules))


@pytest.mark.parametrize(
    ("rules", "due"),
    # 20 days from 15 September end on 5 October. 16 to 18, 20 (a worked Sunday) to 24, 28, 29 September are 10 working days.
    [(NO_RULES, "2026-10-08"), (rule("negotiation_reply", {"days": 10, "day_kind": "working"}), "2026-09-29")],
)
def test_an_invitation_is_answered_in_the_days_of_the_place(rules: Rulebook, due: str) -> None:
    invited = [fact("invited", "2026-09-15", 1, party="employer")]
    found = clock(invited, "negotiation_reply", "employer", noun="negotiation", rules=rules)
    assert said(found) == ("2026-09-15", due, None)
    for name, ends_as in (("replied", State.MET), ("session", State.MET), ("result", State.STOPPED)):
        ended = clock([*invited, fact(name, "2026-09-20", 2)], "negotiation_reply", "employer", noun="negotiation", rules=rules)
        assert state(ended, day("2026-12-01")) == ends_as


@pytest.mark.parametrize(
    ("kind", "signed_on", "due"),
    [
        ("collective", "2026-04-24", "2026-05-06"),
        ("collective", "2026-04-29", "2026-05-09"),
        ("women", "2026-04-20", "2026-04-30"),
        ("wage", "2026-04-24", "2026-05-06"),
        ("wage", "2026-04-23", "2026-04-30"),
        ("wage", "2026-03-02", "2026-03-09"),
    ],
)
def test_a_contract_is_submitted_in_10_days_and_a_wage_contract_in_7(kind: str, signed_on: str, due: str) -> None:
    assert one(contract(kind, signed_on), "contract_submission", "employer") == (signed_on, due, None)


def test_in_some_places_submission_begins_with_the_notice_of_approval() -> None:
    shanghai = rule("contract_submission", {"days": 10, "day_kind": "calendar", "from": "approval_notified_on"})
    waiting = contract("collective", "2026-03-02")
    assert one(waiting, "contract_submission", "employer", shanghai) == (None, None, "NOT_NOTIFIED")
    notified = contract("collective", "2026-03-02", approval_notified_on="2026-03-16")
    assert one(notified, "contract_submission", "employer", shanghai) == ("2026-03-16", "2026-03-26", None)
    assert one(notified, "contract_submission", "employer") == ("2026-03-02", "2026-03-12", None)
    assert one(contract("wage", "2026-03-02"), "contract_submission", "employer", shanghai) == ("2026-03-02", "2026-03-09", None)


def test_submission_on_the_last_day_is_in_time() -> None:
    for on, ends_as in (("2026-03-12", State.MET), ("2026-03-13", State.MET_LATE)):
        found = clock(contract("collective", "2026-03-02", ("submitted", on)), "contract_submission", "employer", noun="contract")
        assert state(found, day("2026-04-01")) == ends_as


def test_a_contract_takes_effect_on_the_15th_day_on_a_rest_day_too() -> None:
    assert one(contract("collective", "2026-09-01"), "contract_effect") == (None, None, "NOT_RECEIVED")
    received = contract("collective", "2026-09-01", ("received", "2026-09-20"))
    found = clock(received, "contract_effect", noun="contract")
    assert said(found) == ("2026-09-20", "2026-10-05", None)
    assert [state(found, day(on)) for on in ("2026-10-04", "2026-10-05", "2027-10-05")] == ["running", "met", "met"]
    rolling = rule("contract_effect", {"days": 15, "day_kind": "calendar"})
    assert one(received, "contract_effect", None, rolling) == ("2026-09-20", "2026-10-08", None)


def test_an_objection_in_time_stops_the_effect_until_it_is_received_anew() -> None:
    def objected(on: str) -> list[Happened]:
        return contract("collective", "2026-09-01", ("received", "2026-09-20"), ("objected", on))

    # The 15th day is 5 October: an objection of that day is in time, and no effect came.
    last = clock(objected("2026-10-05"), "contract_effect", noun="contract")
    assert (last.stopped_on, last.met_on) == (day("2026-10-05"), None)
    late = clock(objected("2026-10-06"), "contract_effect", noun="contract")
    assert (late.stopped_on, late.met_on) == (None, day("2026-10-05"))
    assert one(objected("2026-10-05"), "contract_publication", "employer") == (None, None, "NOT_EFFECTIVE")
    stopped = objected("2026-10-05")
    anew = clock([*stopped, fact("received", "2026-10-20", 9)], "contract_effect", noun="contract")
    assert (said(anew), anew.met_on) == (("2026-10-20", "2026-11-04", None), day("2026-11-04"))


def test_publication_begins_with_the_effect_and_is_of_wage_contracts_alone() -> None:
    assert one(contract("wage", "2026-09-01"), "contract_publication", "employer") == (None, None, "NOT_EFFECTIVE")
    # Effective on 5 October; 10 October is a worked Saturday.
    assert one(contract("wage", "2026-09-01", ("received", "2026-09-20")), "contract_publication", "employer") == (
        "2026-10-05",
        "2026-10-10",
        None,
    )
    collective = contract("collective", "2026-09-01", ("received", "2026-09-20"))
    assert one(collective, "contract_publication", "employer") == ("2026-10-05", None, "NO_RULE")
    zhejiang = rule("contract_publication", {"days": 5, "day_kind": "working"})
    assert one(collective, "contract_publication", "employer", zhejiang) == ("2026-10-05", "2026-10-13", None)


@pytest.mark.parametrize(
    ("kind", "begins", "days"), [("collective", "2027-02-28", (3, "months")), ("wage", "2027-04-01", (60, "calendar"))]
)
def test_renewal_is_asked_before_the_end(kind: str, begins: str, days: tuple[int, str]) -> None:
    found = clock(contract(kind, "2026-06-01", term_until="2027-05-31"), "contract_renewal", noun="contract")
    assert (said(found), (found.days, found.day_kind)) == ((begins, "2027-05-31", None), days)
    renewed = contract(kind, "2026-06-01", ("renewed", "2027-05-31"), term_until="2027-05-31")
    assert state(clock(renewed, "contract_renewal", noun="contract"), day("2027-06-01")) == State.MET


def test_termination_stops_all_that_is_open() -> None:
    happened = contract("collective", "2026-09-01", ("terminated", "2026-09-05"), term_until="2028-08-31")
    assert {one.stopped_on for one in clocks(happened, noun="contract").values()} == {day("2026-09-05")}


def test_the_calendar_changes_nothing_of_what_does_not_roll() -> None:
    happened = contract("wage", "2026-12-20", ("received", "2026-12-28"), term_until="2027-12-31")
    before, after = (clocks(happened, noun="contract", calendar=one) for one in (PACKAGED, WITH_2027))
    changed = {name for name, _ in before if before[name, _] != after[name, _]}
    assert changed == {"contract_publication"}


def test_what_the_authority_received_was_submitted() -> None:
    found = clock(contract("collective", "2026-03-02", ("received", "2026-03-10")), "contract_submission", "employer", noun="contract")
    assert found.met_on == day("2026-03-10")
