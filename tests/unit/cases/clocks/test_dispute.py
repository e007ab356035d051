"""Mediation, arbitration and court: starts, restarts, ends, against days counted by hand."""

from __future__ import annotations

from typing import Any

import pytest

from services.cases.clocks.clock import state
from services.cases.clocks.names import State
from tests.unit.cases.arrangements import WITH_2027, day
from tests.unit.cases.clocks.asking import case, clock, clocks, rule, said

ACCEPTED = [("arbitration_applied", "2026-02-27"), ("accepted", "2026-03-02")]


@pytest.mark.parametrize(
    ("name", "steps", "found"),
    [
        # 15 February is the first of nine days off; 14 February is worked.
        ("mediation", [("mediation_applied", "2026-01-30")], ("2026-01-30", "2026-02-14", None)),
        ("mediation", [("mediation_applied", "2026-01-31")], ("2026-01-31", "2026-02-24", None)),
        (
            "mediation",
            [("mediation_applied", "2026-01-31"), ("mediation_failed", "2026-02-02"), ("mediation_applied", "2026-03-02")],
            ("2026-03-02", "2026-03-17", None),
        ),
        # 11, 12, 13, 14 (a worked Saturday), 24 February.
        ("arbitration_acceptance", [("arbitration_applied", "2026-02-10")], ("2026-02-10", "2026-02-24", None)),
        (
            "arbitration_acceptance",
            [("arbitration_applied", "2026-02-10"), ("materials_completed", "2026-02-12")],
            ("2026-02-12", "2026-02-26", None),
        ),
        # Materials that are completed behind the acceptance change nothing of it.
        (
            "arbitration_acceptance",
            [("arbitration_applied", "2026-02-10"), ("accepted", "2026-02-11"), ("materials_completed", "2026-02-12")],
            ("2026-02-10", "2026-02-24", None),
        ),
        ("arbitration_service", [("arbitration_applied", "2026-02-10")], (None, None, "NOT_ACCEPTED")),
        (
            "arbitration_service",
            [("arbitration_applied", "2026-02-10"), ("accepted", "2026-02-13")],
            ("2026-02-13", "2026-02-27", None),
        ),
        # 3, 4, 5 March; notice from the 6th; 7 and 8 April.
        (
            "arbitration_service",
            [*ACCEPTED, ("notice_began", "2026-03-06"), ("notice_ended", "2026-04-06")],
            ("2026-03-02", "2026-04-08", None),
        ),
        ("arbitration_defence", ACCEPTED, (None, None, "NOT_SERVED")),
        # 14, 24, 25, 26, 27, 28 (a worked Saturday) February, 2, 3, 4, 5 March.
        ("arbitration_defence", [("accepted", "2026-02-12"), ("served", "2026-02-13")], ("2026-02-13", "2026-03-05", None)),
        ("defence_copy", [*ACCEPTED, ("served", "2026-03-04")], (None, None, "NO_DEFENCE")),
        # 3 April, then Qingming to the 6th.
        (
            "defence_copy",
            [*ACCEPTED, ("served", "2026-03-04"), ("defence_filed", "2026-04-02")],
            ("2026-04-02", "2026-04-10", None),
        ),
        ("arbitration_award", [("arbitration_applied", "2026-02-27")], (None, None, "NOT_ACCEPTED")),
        ("arbitration_award", ACCEPTED, ("2026-03-02", "2026-04-16", None)),
        # Unrolled it ends on 1 October, in the holiday.
        ("arbitration_award", [("accepted", "2026-08-17")], ("2026-08-17", "2026-10-08", None)),
        ("arbitration_award", [("accepted", "2026-08-17"), ("extended", "2026-10-08", {"days": 7})], ("2026-08-17", "2026-10-08", None)),
        ("arbitration_award", [("accepted", "2026-08-17"), ("extended", "2026-10-08", {"days": 15})], ("2026-08-17", "2026-10-16", None)),
        # 45 days from 20 March end on 4 May, in the holiday.
        (
            "arbitration_award",
            [*ACCEPTED, ("award_restarted", "2026-03-20", {"ground": "counterclaim"})],
            ("2026-03-20", "2026-05-06", None),
        ),
        # An extension before it began anew is gone.
        (
            "arbitration_award",
            [*ACCEPTED, ("extended", "2026-03-19", {"days": 15}), ("award_restarted", "2026-03-20", {"ground": "transfer"})],
            ("2026-03-20", "2026-05-06", None),
        ),
        # 30 days of notice: 16 May is a Saturday.
        (
            "arbitration_award",
            [*ACCEPTED, ("notice_began", "2026-03-10"), ("notice_ended", "2026-04-09")],
            ("2026-03-02", "2026-05-18", None),
        ),
        # Suspension and notice overlap in 10 days: 30 days together, from 10 March to 8 April.
        (
            "arbitration_award",
            [
                *ACCEPTED,
                ("suspended", "2026-03-10", {"clock": "arbitration_award"}),
                ("notice_began", "2026-03-20"),
                ("resumed", "2026-03-30", {"clock": "arbitration_award"}),
                ("notice_ended", "2026-04-09"),
            ],
            ("2026-03-02", "2026-05-18", None),
        ),
        # The suspension of another clock is none of this one.
        (
            "arbitration_award",
            [*ACCEPTED, ("suspended", "2026-03-10", {"clock": "inspection"}), ("resumed", "2026-03-20", {"clock": "inspection"})],
            ("2026-03-02", "2026-04-16", None),
        ),
        # 15 days from 20 September end on 5 October.
        ("agreement_review", [("mediation_settled", "2026-09-20")], ("2026-09-20", "2026-10-08", None)),
    ],
)
def test_when_it_starts_and_is_due(name: str, steps: list[Any], found: tuple[str | None, ...]) -> None:
    assert said(clock(case(*steps), name)) == found


def test_only_what_has_begun_or_waits_is_listed() -> None:
    assert {name for name, _ in clocks(case())} == {"arbitration_limitation", "inspection_lookback"}
    names = {name for name, _ in clocks(case(*ACCEPTED))}
    assert names >= {"arbitration_acceptance", "arbitration_service", "arbitration_defence", "defence_copy", "arbitration_award"}
    assert not names & {"mediation", "suit", "set_aside", "agreement_review", "inspection", "supervision_reply"}


def test_an_extended_award_says_so() -> None:
    found = clock(case(("accepted", "2026-08-17"), ("extended", "2026-10-08", {"days": 15})), "arbitration_award")
    assert (found.days, found.day_kind, found.extended_days) == (45, "calendar", 15)
    assert (found.law, found.article) == ("mediation_arbitration_law", "43")
    assert str(found.rule_version).startswith("arbitration_award/default/2008-05-01/")


def test_facts_entered_in_another_order_on_one_day_are_the_same() -> None:
    found = clock(case(("awarded", "2026-03-02"), ("accepted", "2026-03-02"), ("arbitration_applied", "2026-02-27")), "arbitration_award")
    assert found.met_on == day("2026-03-02")


def test_a_mediation_asked_for_again_on_the_day_it_failed_runs() -> None:
    steps = [("mediation_applied", "2026-03-02"), ("mediation_failed", "2026-03-10"), ("mediation_applied", "2026-03-10")]
    found = clock(case(*steps), "mediation")
    assert (said(found), found.met_on) == (("2026-03-10", "2026-03-25", None), None)


def test_while_suspended_nobody_knows_the_due_day() -> None:
    steps = [*ACCEPTED, ("suspended", "2026-03-12", {"clock": "arbitration_award", "ground": "injury_finding"})]
    found = clock(case(*steps), "arbitration_award")
    assert said(found) == ("2026-03-02", None, "SUSPENDED")
    assert found.not_before == day("2026-04-16")
    assert [state(found, day(on)) for on in ("2026-03-11", "2026-03-12", "2027-01-01")] == ["running", "suspended", "suspended"]
    resumed = clock(case(*steps, ("resumed", "2026-04-01", {"clock": "arbitration_award"})), "arbitration_award")
    assert said(resumed) == ("2026-03-02", "2026-05-06", None)
    assert [state(resumed, day(on)) for on in ("2026-03-31", "2026-04-01", "2026-05-06", "2026-05-07")] == [
        "suspended",
        "running",
        "running",
        "overdue",
    ]
    awarded = clock(case(*steps, ("awarded", "2026-04-01")), "arbitration_award")
    assert (said(awarded), state(awarded, day("2026-04-01"))) == (("2026-03-02", "2026-05-06", None), State.MET)


def test_a_suspension_that_comes_too_late_changes_nothing() -> None:
    steps = [*ACCEPTED, ("suspended", "2026-04-17", {"clock": "arbitration_award"})]
    found = clock(case(*steps), "arbitration_award")
    assert (said(found), found.suspended, state(found, day("2026-04-17"))) == (("2026-03-02", "2026-04-16", None), (), State.OVERDUE)


@pytest.mark.parametrize(
    ("steps", "stopped"),
    [
        ([("awarded", "2026-04-01")], {"arbitration_service", "arbitration_defence", "defence_copy"}),
        ([("mediation_settled", "2026-04-01")], {"arbitration_service", "arbitration_defence", "defence_copy", "arbitration_award"}),
        ([("suit_filed", "2026-04-20")], {"arbitration_service", "arbitration_defence", "defence_copy", "arbitration_award"}),
        (
            [("outcome", "2026-04-01", {"outcome": "withdrawn"})],
            {"arbitration_service", "arbitration_defence", "defence_copy", "arbitration_award", "inspection_lookback"},
        ),
        ([("outcome", "2026-04-01", {"outcome": "withdrawn"}), ("reopened", "2026-04-20")], set()),
    ],
)
def test_what_no_longer_matters_stops(steps: list[Any], stopped: set[str]) -> None:
    found = clocks(case(*ACCEPTED, *steps))
    assert {name for (name, _), one in found.items() if one.stopped_on == day(steps[0][1])} == stopped
    assert found["arbitration_acceptance", None].met_on == day("2026-03-02")


AWARDED = [*ACCEPTED, ("awarded", "2026-04-14", {"final": False})]
FINAL = [*ACCEPTED, ("awarded", "2026-03-30", {"final": True})]


def test_a_suit_runs_for_each_party_from_its_own_receipt() -> None:
    served = [("award_served", "2026-04-20", {"party": "worker"}), ("award_served", "2026-04-22", {"party": "employer"})]
    found = clocks(case(*AWARDED, *served))
    assert said(found["suit", "worker"]) == ("2026-04-20", "2026-05-06", None)
    assert said(found["suit", "employer"]) == ("2026-04-22", "2026-05-07", None)
    assert ("set_aside", "employer") not in found
    one = clocks(case(*AWARDED, served[0]))
    assert said(one["suit", "employer"]) == (None, None, "NOT_RECEIVED")
    assert one["suit", "worker"].article == "50"


def test_a_final_award_leaves_the_suit_to_the_worker_and_setting_aside_to_the_employer() -> None:
    served = [("award_served", "2026-03-31", {"party": "worker"}), ("award_served", "2026-04-01", {"party": "employer"})]
    found = clocks(case(*FINAL, *served))
    assert said(found["suit", "worker"]) == ("2026-03-31", "2026-04-15", None)
    assert said(found["set_aside", "employer"]) == ("2026-04-01", "2026-05-06", None)
    assert ("suit", "employer") not in found
    assert (found["suit", "worker"].article, found["set_aside", "employer"].article) == ("48", "49")
    both = clocks(case(*FINAL, ("awarded", "2026-03-30", {"final": False}), *served))
    assert said(both["suit", "employer"]) == ("2026-04-01", "2026-04-16", None)
    assert ("set_aside", "employer") in both


@pytest.mark.parametrize(
    ("step", "worker", "employer"),
    [
        (("suit_filed", "2026-05-06", {"party": "worker"}), State.MET, State.STOPPED),
        (("suit_filed", "2026-05-06"), State.MET, State.MET),
        (("suit_filed", "2026-05-07"), State.MET_LATE, State.MET),
        (("judged", "2026-05-06"), State.STOPPED, State.STOPPED),
    ],
)
def test_what_ends_the_clocks_of_the_parties(step: Any, worker: State, employer: State) -> None:
    served = [("award_served", "2026-04-20", {"party": "worker"}), ("award_served", "2026-04-22", {"party": "employer"})]
    found = clocks(case(*AWARDED, *served, step))
    assert [state(found["suit", party], day("2026-06-01")) for party in ("worker", "employer")] == [worker, employer]


def test_a_workers_suit_stops_the_setting_aside() -> None:
    steps = [*FINAL, ("award_served", "2026-04-01", {"party": "employer"})]
    asked = clock(case(*steps, ("set_aside_requested", "2026-05-06")), "set_aside", "employer")
    assert state(asked, day("2026-05-06")) == State.MET
    sued = clock(case(*steps, ("suit_filed", "2026-04-10", {"party": "worker"})), "set_aside", "employer")
    assert state(sued, day("2026-05-06")) == State.STOPPED


def test_a_value_of_the_place_is_used_and_named() -> None:
    found = clock(case(*ACCEPTED), "arbitration_award", rules=rule("arbitration_award", {"days": 30, "day_kind": "calendar"}))
    assert said(found) == ("2026-03-02", "2026-04-01", None)
    assert str(found.rule_version).startswith("arbitration_award/330000/2000-01-01/")
    later = rule("arbitration_award", {"days": 30, "day_kind": "calendar"}, valid_from="2026-03-03")
    assert clock(case(*ACCEPTED), "arbitration_award", rules=later).days == 45


def test_past_the_calendars_end_the_year_is_named_and_the_day_is_there_when_it_arrives() -> None:
    happened = case(("accepted", "2026-11-25"))
    found = clock(happened, "arbitration_award")
    assert said(found) == ("2026-11-25", None, "CALENDAR_ENDS")
    assert (found.not_before, found.missing_year) == (day("2027-01-09"), 2027)
    assert state(found, day("2027-06-01")) == State.RUNNING
    assert said(clock(happened, "arbitration_award", calendar=WITH_2027)) == ("2026-11-25", "2027-01-11", None)


def test_a_suspension_counts_from_its_first_day_even_if_that_is_the_last_of_the_period() -> None:
    first, last = ("suspended", "2026-04-16", {"clock": "arbitration_award"}), ("resumed", "2026-04-20", {"clock": "arbitration_award"})
    assert said(clock(case(*ACCEPTED, first), "arbitration_award")) == ("2026-03-02", None, "SUSPENDED")
    resumed = clock(case(*ACCEPTED, first, last), "arbitration_award")
    assert said(resumed) == ("2026-03-02", "2026-04-20", None)
    assert resumed.suspended == ((day("2026-04-16"), day("2026-04-20")),)


@pytest.mark.parametrize(
    ("suspended_on", "resumed_on", "kept"),
    [
        # What is over on the first day of the period, or begins on the day of the award, leaves no day out.
        ("2026-02-20", "2026-03-03", ()),
        ("2026-02-20", "2026-03-04", ((day("2026-02-20"), day("2026-03-04")),)),
        ("2026-04-01", "2026-04-05", ()),
    ],
)
def test_only_suspensions_that_matter_stay_with_the_clock(suspended_on: str, resumed_on: str, kept: tuple[Any, ...]) -> None:
    of = {"clock": "arbitration_award"}
    found = clock(
        case(*ACCEPTED, ("suspended", suspended_on, of), ("resumed", resumed_on, of), ("awarded", "2026-04-01")), "arbitration_award"
    )
    assert found.suspended == kept


def test_notice_that_follows_notice_is_one_interval() -> None:
    steps = [("notice_began", "2026-03-10"), ("notice_ended", "2026-03-20"), ("notice_began", "2026-03-20"), ("notice_ended", "2026-03-30")]
    assert clock(case(*ACCEPTED, *steps), "arbitration_award").suspended == ((day("2026-03-10"), day("2026-03-30")),)


def test_what_is_done_on_the_day_of_the_outcome_is_done() -> None:
    found = clock(case(*ACCEPTED, ("awarded", "2026-04-01"), ("outcome", "2026-04-01")), "arbitration_award")
    assert (found.met_on, found.stopped_on) == (day("2026-04-01"), None)


def test_a_receipt_is_of_the_last_award() -> None:
    first = [*ACCEPTED, ("awarded", "2026-03-10"), ("award_served", "2026-03-12", {"party": "worker"})]
    again = [*first, ("awarded", "2026-04-14"), ("award_served", "2026-04-20", {"party": "worker"})]
    assert said(clock(case(*again), "suit", "worker")) == ("2026-04-20", "2026-05-06", None)
