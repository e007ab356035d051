"""The limitation of arbitration, inspection and supervision letters."""

from __future__ import annotations

from typing import Any

import pytest

from services.cases.clocks.clock import state
from services.cases.clocks.deciding import clocks_of
from services.cases.clocks.happened import Happened
from services.cases.clocks.names import State
from services.cases.rulebook.rulebook import Rulebook
from tests.unit.cases.arrangements import PACKAGED, WITH_2027, day
from tests.unit.cases.clocks.asking import NO_RULES, PATH, case, clock, clocks, fact, opened, rule, said

NAME = "arbitration_limitation"
KNEW = opened(occurred_on="2025-02-20", knew_on="2025-03-10")
ARREARS = opened("wage_arrears", "2024-01-10", knew_on="2024-02-10")
CLOCK = {"clock": NAME}


@pytest.mark.parametrize(
    ("first", "steps", "found"),
    [
        (KNEW, [], ("2025-03-10", "2026-03-10", None)),
        (opened(occurred_on="2025-02-20"), [], ("2025-02-20", "2026-02-24", None)),
        (KNEW, [("interrupted", "2025-06-01", {"ground": "claim"})], ("2025-06-01", "2026-06-01", None)),
        # On the last day it is still interrupted; on the next there is nothing left.
        (KNEW, [("interrupted", "2026-03-10", {"ground": "claim"})], ("2026-03-10", None, "CALENDAR_ENDS")),
        (KNEW, [("interrupted", "2026-03-11", {"ground": "claim"})], ("2025-03-10", "2026-03-10", None)),
        # Whatever was entered first: the year from 1 June 2025 is open on 11 March 2026.
        (KNEW, [("interrupted", "2026-03-11"), ("interrupted", "2025-06-01")], ("2026-03-11", None, "CALENDAR_ENDS")),
        # Mediation interrupts when it is asked for and when it fails; a complaint to the department does, too.
        (KNEW, [("mediation_applied", "2025-06-01"), ("mediation_failed", "2025-06-16")], ("2025-06-16", "2026-06-16", None)),
        (KNEW, [("inspection_complained", "2025-06-01")], ("2025-06-01", "2026-06-01", None)),
        # 30 days of suspension are left out: 10 March and 30 days is 9 April.
        (KNEW, [("suspended", "2025-06-01", CLOCK), ("resumed", "2025-07-01", CLOCK)], ("2025-03-10", "2026-04-09", None)),
        (KNEW, [("suspended", "2025-06-01", CLOCK)], ("2025-03-10", None, "SUSPENDED")),
        # The year begins anew on 1 August, and the suspension before is gone.
        (
            KNEW,
            [("suspended", "2025-06-01", CLOCK), ("resumed", "2025-07-01", CLOCK), ("interrupted", "2025-08-01")],
            ("2025-08-01", "2026-08-03", None),
        ),
        # Only the suspended days keep the year open on 1 April.
        (
            KNEW,
            [("suspended", "2025-06-01", CLOCK), ("resumed", "2025-07-01", CLOCK), ("interrupted", "2026-04-01")],
            ("2026-04-01", None, "CALENDAR_ENDS"),
        ),
        # Remuneration: not while employed, then one year from the end; what came before does not matter.
        (ARREARS, [], (None, None, "EMPLOYED")),
        (ARREARS, [("interrupted", "2025-06-01")], (None, None, "EMPLOYED")),
        (ARREARS, [("employment_ended", "2025-05-01")], ("2025-05-01", "2026-05-06", None)),
        (ARREARS, [("interrupted", "2025-04-01"), ("employment_ended", "2025-05-01")], ("2025-05-01", "2026-05-06", None)),
        (ARREARS, [("employment_ended", "2025-05-01"), ("interrupted", "2025-07-01")], ("2025-07-01", "2026-07-01", None)),
        (opened("pay_cut"), [], (None, None, "EMPLOYED")),
        (opened("labour_dispute", remuneration=True), [], (None, None, "EMPLOYED")),
        (opened("social_insurance_arrears", "2025-01-06"), [], ("2025-01-06", "2026-01-06", None)),
        # Before the first year of the calendar.
        (opened(occurred_on="2002-03-10"), [], ("2002-03-10", None, "CALENDAR_ENDS")),
    ],
)
def test_when_the_limitation_starts_and_ends(first: Happened, steps: list[Any], found: tuple[str | None, ...]) -> None:
    assert said(clock(case(*steps, first=first), NAME)) == found


def test_its_article_and_reason_say_what_was_used() -> None:
    assert clock(case(first=KNEW), NAME).article == "27"
    waiting = clock(case(first=ARREARS), NAME)
    assert (waiting.article, waiting.not_before, waiting.days, waiting.rule_version) == ("27(4)", None, None, None)
    assert (clock(case(first=KNEW), NAME).days, clock(case(first=KNEW), NAME).day_kind) == (12, "months")
    early = clock(case(first=opened(occurred_on="2002-03-10")), NAME)
    assert (early.missing_year, early.not_before) == (2003, day("2003-03-10"))


@pytest.mark.parametrize(
    ("first", "on", "ends_as"),
    [
        (KNEW, "2026-03-10", State.MET),
        (KNEW, "2026-03-11", State.MET_LATE),
        (ARREARS, "2026-03-11", State.MET),
    ],
)
def test_an_application_for_arbitration_ends_it(first: Happened, on: str, ends_as: State) -> None:
    found = clock(case(("arbitration_applied", on), ("mediation_applied", "2026-04-01"), first=first), NAME)
    assert state(found, day("2026-06-01")) == ends_as


@pytest.mark.parametrize("first", [opened("safety_hazard"), opened("safety_accident"), opened(subkind="work_stoppage")])
def test_what_is_no_claim_has_no_limitation(first: Happened) -> None:
    assert clocks(case(first=first)) == {}


@pytest.mark.parametrize(
    ("name", "steps", "found"),
    [
        # 30 September; 8, 9, 10 (a worked Saturday), 12, 13 October.
        ("inspection_acceptance", [("inspection_complained", "2026-09-30")], ("2026-09-30", "2026-10-13", None)),
        ("inspection", [("inspection_complained", "2026-09-30")], (None, None, "NOT_FILED")),
        ("inspection", [("inspection_filed", "2026-03-02")], ("2026-03-02", "2026-05-28", None)),
        (
            "inspection",
            [("inspection_filed", "2026-03-02"), ("inspection_extended", "2026-05-28", {"days": 30})],
            ("2026-03-02", "2026-07-10", None),
        ),
        (
            "inspection",
            [
                ("inspection_filed", "2026-03-02"),
                ("suspended", "2026-03-09", {"clock": "inspection"}),
                ("resumed", "2026-03-16", {"clock": "inspection"}),
            ],
            ("2026-03-02", "2026-06-04", None),
        ),
    ],
)
def test_inspection(name: str, steps: list[Any], found: tuple[str | None, ...]) -> None:
    assert said(clock(case(*steps), name)) == found


def test_the_look_back_is_two_years_from_the_act_until_a_complaint() -> None:
    first = opened("wage_arrears", "2024-10-03")
    found = clock(case(first=first), "inspection_lookback")
    assert (said(found), found.days, found.day_kind) == (("2024-10-03", "2026-10-08", None), 24, "months")
    complained = clock(case(("inspection_complained", "2026-10-08"), first=first), "inspection_lookback")
    assert state(complained, day("2026-11-01")) == State.MET


LETTER = {"document": "opinion", "addressee": "employer", "received_on": "2026-02-10"}
ZHEJIANG = rule("supervision_reply", {"reminder": None, "opinion": {"days": 15, "day_kind": "working"}, "suggestion": None})


@pytest.mark.parametrize(
    ("letter", "rules", "found"),
    [
        (LETTER, NO_RULES, ("2026-02-10", None, "NO_RULE")),
        # 11 to 14 and 24 to 28 February, 2 to 6 and 9 March.
        (LETTER, ZHEJIANG, ("2026-02-10", "2026-03-09", None)),
        ({**LETTER, "document": "reminder"}, ZHEJIANG, ("2026-02-10", None, "NO_RULE")),
        ({**LETTER, "received_on": None}, ZHEJIANG, (None, None, "NOT_RECEIVED")),
        # The letter's own day stands, on a rest day, too.
        ({**LETTER, "reply_by": "2026-02-21"}, ZHEJIANG, ("2026-02-10", "2026-02-21", None)),
        ({**LETTER, "reply_by": "2027-02-21"}, NO_RULES, ("2026-02-10", "2027-02-21", None)),
    ],
)
def test_a_letters_own_day_goes_before_the_rule_of_the_place(
    letter: dict[str, Any], rules: Rulebook, found: tuple[str | None, ...]
) -> None:
    assert said(clock(case(("supervision_letter_sent", "2026-02-09", letter)), "supervision_reply", "employer", rules=rules)) == found


def test_each_letter_has_a_clock_and_a_reply_answers_the_earliest_it_may_be_about() -> None:
    steps = [
        ("supervision_letter_sent", "2026-03-02", {**LETTER, "received_on": "2026-03-03"}),
        (
            "supervision_letter_sent",
            "2026-03-09",
            {**LETTER, "document": "suggestion", "addressee": "authority", "received_on": "2026-03-10"},
        ),
        ("supervision_letter_sent", "2026-03-16", {**LETTER, "received_on": "2026-03-17"}),
        ("replied", "2026-03-12", {"document": "suggestion"}),
        ("replied", "2026-03-13"),
    ]
    found = [one for one in clocks_of("case", case(*steps), ZHEJIANG, PATH, PACKAGED) if one.clock == "supervision_reply"]
    assert [(one.document, one.party, one.begun_by) for one in found] == [
        ("opinion", "employer", 2),
        ("suggestion", "authority", 3),
        ("opinion", "employer", 4),
    ]
    assert [one.met_on for one in found] == [day("2026-03-13"), day("2026-03-12"), None]
    named = clocks_of("case", case(*steps[:3], ("replied", "2026-03-20", {"letter": 4})), ZHEJIANG, PATH, PACKAGED)
    assert [one.met_on for one in named if one.clock == "supervision_reply"] == [None, None, day("2026-03-20")]


def test_an_interruption_is_judged_by_the_calendar_that_is_known() -> None:
    # Unrolled the year ends on 6 February 2027, in the holiday of the table: with it, the last day is the 12th.
    first = opened(occurred_on="2026-02-06")
    for on, known, later in (("2027-02-06", "2027-02-06", "2027-02-06"), ("2027-02-12", "2026-02-06", "2027-02-12")):
        steps = [("interrupted", on)]
        assert said(clock(case(*steps, first=first), NAME)) == (known, None, "CALENDAR_ENDS")
        assert said(clock(case(*steps, first=first), NAME, calendar=WITH_2027))[0] == later
    assert said(clock(case(("interrupted", "2027-02-13"), first=first), NAME, calendar=WITH_2027)) == ("2026-02-06", "2027-02-12", None)


def test_a_reopened_case_takes_up_its_clocks() -> None:
    closed = [("outcome", "2025-06-01", {"outcome": "settled"})]
    stopped = clock(case(*closed, first=KNEW), NAME)
    assert [state(stopped, day(on)) for on in ("2025-05-31", "2025-06-01", "2026-06-01")] == ["running", "stopped", "stopped"]
    again = clock([*case(*closed, first=KNEW), fact("reopened", "2025-07-01", 9)], NAME)
    assert [state(again, day(on)) for on in ("2025-06-15", "2026-03-10", "2026-03-11")] == ["running", "running", "overdue"]


def test_what_comes_behind_the_application_for_arbitration_interrupts_nothing() -> None:
    steps = [("arbitration_applied", "2026-03-01"), ("interrupted", "2026-03-05")]
    assert clock(case(*steps, first=KNEW), NAME).starts_on == day("2025-03-10")


def test_an_interruption_of_the_first_day_is_no_other_start() -> None:
    assert clock(case(("interrupted", "2025-03-10"), first=KNEW), NAME).begun_by == 1


def test_an_inspector_who_files_without_a_complaint_is_in_time_too() -> None:
    found = clock(case(("inspection_filed", "2026-10-08"), first=opened("wage_arrears", "2024-10-03")), "inspection_lookback")
    assert state(found, day("2026-11-01")) == State.MET


def test_a_reply_answers_no_later_letter() -> None:
    steps = [("supervision_letter_sent", "2026-03-02", LETTER), ("replied", "2026-03-01")]
    assert clock(case(*steps), "supervision_reply", "employer", rules=ZHEJIANG).met_on is None
