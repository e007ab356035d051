"""What holds of every clock, whatever was entered: against generated facts, and of periods against a day-by-day statement of the rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.cases.calendars.calendar import Calendar
from services.cases.clocks.clock import Clock, state
from services.cases.clocks.counting import merged
from services.cases.clocks.deciding import Noun, clocks_of
from services.cases.clocks.happened import Happened
from services.cases.clocks.names import CLOCKS, REASONS, STATES, Reason, State
from services.cases.clocks.periods import DayKind, Gap, Period
from services.cases.rulebook.laws import LAWS
from services.cases.rulebook.rulebook import Rulebook, RuleValue
from tests.unit.cases.arrangements import DAY, PACKAGED, WITH_2027, day
from tests.unit.cases.clocks.asking import NO_RULES, PATH

DATES = st.dates(date(2025, 11, 1), date(2027, 3, 1))
PARTY = st.sampled_from(["worker", "employer"])
STOPPABLE = st.fixed_dictionaries({"clock": st.sampled_from(["arbitration_limitation", "arbitration_award", "inspection"])})
DAYS = st.fixed_dictionaries({"days": st.integers(1, 30)})
LETTER = {"document": st.sampled_from(["reminder", "opinion", "suggestion"]), "addressee": st.sampled_from(["employer", "authority"])}
SAID: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "opened": st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["labour_dispute", "wage_arrears", "safety_hazard"]),
            "occurred_on": DATES,
            "knew_on": st.none() | DATES,
        }
    ),
    "suspended": STOPPABLE,
    "resumed": STOPPABLE,
    "extended": DAYS,
    "inspection_extended": DAYS,
    "awarded": st.fixed_dictionaries({"final": st.booleans()}),
    "award_served": st.fixed_dictionaries({"party": PARTY}),
    "suit_filed": st.fixed_dictionaries({"party": st.none() | PARTY}),
    "supervision_letter_sent": st.fixed_dictionaries({**LETTER, "received_on": st.none() | DATES, "reply_by": st.none() | DATES}),
    "replied": st.fixed_dictionaries({}, optional=LETTER),
    "invited": st.fixed_dictionaries({"received_on": st.none() | DATES, "party": PARTY}),
    "signed": st.fixed_dictionaries(
        {
            "kind": st.sampled_from(["wage", "collective"]),
            "signed_on": DATES,
            "approval_notified_on": st.none() | DATES,
            "term_until": st.none() | DATES,
        }
    ),
}
NOTHING: st.SearchStrategy[dict[str, Any]] = st.just({})
OPENING: dict[Noun, str] = {"case": "opened", "negotiation": "invited", "contract": "signed"}
STEPS: dict[Noun, list[str]] = {
    "case": [
        *("mediation_applied", "mediation_settled", "mediation_failed", "arbitration_applied", "materials_completed", "accepted", "served"),
        *("defence_filed", "defence_copied", "extended", "award_restarted", "notice_began", "notice_ended", "suspended", "resumed"),
        *("interrupted", "employment_ended", "awarded", "award_served", "suit_filed", "set_aside_requested", "judged", "review_requested"),
        *("inspection_complained", "inspection_filed", "inspection_extended", "inspection_decided"),
        *("supervision_letter_sent", "replied", "called_back", "outcome", "reopened"),
    ],
    "negotiation": ["invited", "replied", "session", "result"],
    "contract": ["signed", "submitted", "received", "objected", "effective", "published", "renewed", "terminated"],
}
LOCAL = Rulebook(
    [
        RuleValue("supervision_reply", "330000", day("2020-01-01"), {"opinion": {"days": 15, "day_kind": "working"}}),
        RuleValue("contract_submission", "330000", day("2026-06-01"), {"days": 10, "day_kind": "calendar", "from": "approval_notified_on"}),
        RuleValue("contract_publication", "330000", day("2020-01-01"), {"days": 5, "day_kind": "working"}),
    ]
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Noun, list[Happened]]:
    noun: Noun = draw(st.sampled_from(["case", "case", "case", "negotiation", "contract"]))
    names = [OPENING[noun], *draw(st.lists(st.sampled_from(STEPS[noun]), max_size=12))]
    return noun, [Happened(name, draw(DATES), rank, draw(SAID.get(name, NOTHING))) for rank, name in enumerate(names, 1)]


def asked(noun: Noun, happened: Sequence[Happened], calendar: Calendar, rules: Rulebook = LOCAL) -> list[Clock]:
    return clocks_of(noun, happened, rules, PATH, calendar)


@given(histories(), st.sampled_from([PACKAGED, WITH_2027]), st.sampled_from([LOCAL, NO_RULES]))
@settings(max_examples=120, deadline=None)
def test_every_clock_is_whole(history: tuple[Noun, list[Happened]], calendar: Calendar, rules: Rulebook) -> None:
    for clock in asked(*history, calendar, rules):
        assert clock.clock in CLOCKS
        assert clock.law in LAWS
        assert clock.article
        assert (clock.due_on is None) == (clock.reason is not None)
        assert clock.reason is None or clock.reason in REASONS
        assert (clock.reason is Reason.CALENDAR_ENDS) == (clock.missing_year is not None)
        assert clock.due_on is None or clock.not_before is not None
        assert clock.due_on is None or clock.rule_version
        assert clock.starts_on is not None or (clock.due_on, clock.not_before, clock.days) == (None, None, None)
        assert clock.met_on is None or clock.stopped_on is None
        assert list(clock.suspended) == merged(clock.suspended)


@given(histories())
@settings(max_examples=120, deadline=None)
def test_a_later_year_gives_missing_days_behind_their_bound_and_changes_no_other(history: tuple[Noun, list[Happened]]) -> None:
    before, after = asked(*history, PACKAGED), asked(*history, WITH_2027)
    assert [(one.clock, one.party, one.document) for one in before] == [(one.clock, one.party, one.document) for one in after]
    for old, new in zip(before, after, strict=True):
        if old.due_on is not None:
            assert new == old
        elif old.not_before is not None and new.due_on is not None:
            assert new.due_on >= old.not_before
        elif old.not_before is not None:
            assert new.not_before is not None
            assert new.not_before >= old.not_before


@given(histories(), st.sampled_from([PACKAGED, WITH_2027]))
@settings(max_examples=120, deadline=None)
def test_a_clock_only_goes_forward_unless_it_is_suspended(history: tuple[Noun, list[Happened]], calendar: Calendar) -> None:
    forward = {State.RUNNING: 0, State.OVERDUE: 1, State.MET: 2, State.MET_LATE: 2, State.STOPPED: 2}
    assert {*forward, State.SUSPENDED} == {*STATES}
    for clock in asked(*history, calendar):
        marks = {one for one in (clock.due_on, clock.met_on, clock.stopped_on, *(d for gap in clock.suspended for d in gap)) if one}
        days = sorted({near for one in marks for near in (one - DAY, one, one + DAY)})
        states = [state(clock, one) for one in days]
        ranks = [forward[one] for one in states if one is not State.SUSPENDED]
        assert ranks == sorted(ranks)
        if clock.due_on is not None:
            assert state(clock, clock.due_on) is not State.OVERDUE
            assert state(clock, clock.due_on + DAY) is not State.RUNNING


@given(histories(), st.randoms(use_true_random=False))
@settings(max_examples=120, deadline=None)
def test_the_order_of_entry_says_nothing_of_facts_of_different_days(history: tuple[Noun, list[Happened]], chance: Any) -> None:
    noun, happened = history
    apart = list({fact.on: fact for fact in happened}.values())
    ranks = [fact.rank for fact in apart]
    chance.shuffle(ranks)
    shuffled = [replace(fact, rank=rank) for fact, rank in zip(apart, ranks, strict=True)]
    first, second = ([structs.replace(one, begun_by=None) for one in asked(noun, facts, PACKAGED)] for facts in (apart, shuffled[::-1]))
    assert first == second


@given(
    st.builds(Period, st.integers(1, 70), st.sampled_from([DayKind.WORKING, DayKind.CALENDAR])),
    st.dates(date(2024, 1, 1), date(2025, 12, 31)),
    st.integers(0, 15),
    st.lists(st.tuples(st.integers(-20, 120), st.integers(1, 25)), max_size=4),
)
@settings(max_examples=120, deadline=None)
def test_a_period_ends_where_one_comes_who_counts_the_days_one_by_one(
    period: Period, start: date, extended: int, breaks: list[tuple[int, int]]
) -> None:
    gaps: list[Gap] = [(begin, end) for begin, end in merged((start + DAY * at, start + DAY * (at + long)) for at, long in breaks) if end]
    left_out = {begin + DAY * n for begin, end in gaps for n in range((end - begin).days)}
    one, left = start, period.length + extended
    while left:
        one += DAY
        left -= one not in left_out and (period.kind is DayKind.CALENDAR or PACKAGED.works(one))
    while not PACKAGED.works(one):
        one += DAY
    assert period.end(start, PACKAGED, extended=extended, gaps=gaps).due_on == one
