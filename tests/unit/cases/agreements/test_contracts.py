"""Contracts: no sequence of commands and corrections reaches a forbidden state, and what the service itself says is true and said once."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.cases.agreements import bodies as c
from services.cases.agreements.contract_progress import recorded
from services.cases.agreements.contract_rules import warnings
from services.cases.entries.entry import Entry
from services.cases.entries.world import World
from shared.contracts.cases import agreements as said
from shared.contracts.streams import FactCorrected
from shared.problems.errors import Problem
from tests.unit.cases.worlds import A, B, C, correction, do, tried, wake, world

SIGNED = date(2026, 3, 2)
TERM_UNTIL = date(2026, 5, 31)
DAY = timedelta(days=1)
STEPS: dict[str, type[Any]] = {"u": c.Submit, "r": c.Receive, "o": c.Object, "p": c.Publish, "t": c.Terminate}
LETTERS: dict[type[Any], str] = {
    said.ContractSigned: "S",
    said.ContractSubmitted: "u",
    said.ContractReceived: "r",
    said.ContractObjected: "o",
    said.ContractPublished: "p",
    said.ContractTerminated: "t",
}
POSSIBLE = re.compile(r"S(u?ro)*(u?(r(Ep?)?)?)?t?")
"""Signed; received and objected to any number of times; received, in effect, published; terminated. E: it takes effect."""
TODAY = SIGNED + DAY * 120


def history(entry: Entry) -> tuple[str, date | None]:
    """The letters of what was entered, with E where the contract takes effect: 15 days after a receipt, unless an objection or the end
    came by then; and that day."""
    entered = [(fact.on, LETTERS[type(fact.data)]) for fact in entry.facts if type(fact.data) in LETTERS]
    letters, effect = "", None
    for number, (on, letter) in enumerate(entered):
        letters += letter
        if letter != "r":
            continue
        day = on + 15 * DAY
        stopped = any(other in "ot" and when <= day for when, other in entered[number + 1 :])
        if not stopped and day <= TERM_UNTIL:
            letters, effect = letters + "E", day
    return letters, effect


def sign(made: World, *enterprises: Any, **more: Any) -> Any:
    command = c.SignContract(kind="collective", enterprises=list(enterprises or (A,)), signed_on=SIGNED, term_until=TERM_UNTIL, **more)
    return do(made, command, TODAY)


ACTS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(sorted(STEPS)), st.integers(-1, 110)),
        st.tuples(st.just("corrected"), st.integers(0, 8)),
        st.tuples(st.just("never"), st.integers(0, 8)),
        st.tuples(st.just("wake"), st.integers(0, 120)),
    ),
    max_size=14,
)


@given(acts=ACTS, several=st.booleans())
@settings(max_examples=300, deadline=None)
def test_no_sequence_of_commands_reaches_a_forbidden_state(acts: list[tuple[str, int]], several: bool) -> None:
    made = world()
    contract = sign(made, A, B) if several else sign(made)
    woken = SIGNED
    for act, number in acts:
        entry = made.entries[contract]
        if act == "wake":
            woken = max(woken, SIGNED + DAY * number)
            wake(made, entry, woken)
        elif act in STEPS:
            tried(made, STEPS[act](contract, SIGNED + DAY * number), TODAY)
        else:
            fact = entry.facts[number % len(entry.facts)]
            data = None if act == "never" else {"on": (SIGNED + DAY * number).isoformat()}
            refused = correction(made, fact, data, TODAY)
            assert refused is not None or not several
        if made.entries[contract].first(said.ContractSigned) is None:
            assert not [fact for fact in made.entries[contract].facts if type(fact.data) in LETTERS]
            return
        letters, _ = history(made.entries[contract])
        assert POSSIBLE.fullmatch(letters), letters
    wake(made, made.entries[contract], TODAY)
    entry = made.entries[contract]
    letters, effect = history(entry)
    assert [fact.on for fact, _ in entry.holding(said.ContractEffective)] == ([effect] if effect else [])
    expired = [] if "t" in letters else [TERM_UNTIL + DAY]
    assert [fact.on for fact, _ in entry.holding(said.ContractExpired)] == expired
    assert recorded(entry).state.value == ("terminated" if "t" in letters else "expired")
    assert wake(made, entry, TODAY) == []


def test_what_is_taken_back_is_taken_back_on_every_stream() -> None:
    made = world()
    contract = sign(made, A, B, C)
    do(made, c.Receive(contract, SIGNED), TODAY)
    effective = wake(made, made.entries[contract], SIGNED + 15 * DAY)
    assert [(fact.subject, type(fact.data)) for fact in effective] == [(f"enterprise/{one}", said.ContractEffective) for one in (A, B, C)]
    do(made, c.Object(contract, SIGNED + DAY), TODAY)
    facts = wake(made, made.entries[contract], SIGNED + 16 * DAY)
    assert [fact.subject for fact in facts] == [f"enterprise/{one}" for one in (A, B, C)]
    assert [fact.data.corrects for fact in facts if isinstance(fact.data, FactCorrected)] == [fact.event_id for fact in effective]
    assert [fact.data.rank for fact in facts if isinstance(fact.data, FactCorrected)] == [3, 3, 3]


@pytest.mark.parametrize(
    ("steps", "step", "on", "code", "allowed"),
    [
        ("", c.Object, 1, "STEP_NOT_ALLOWED", ["submission", "receipt", "termination"]),
        ("u", c.Submit, 1, "STEP_NOT_ALLOWED", ["receipt", "termination"]),
        ("ur", c.Submit, 2, "STEP_NOT_ALLOWED", ["publication", "termination"]),
        ("ur", c.Object, 17, "STEP_NOT_ALLOWED", ["publication", "termination"]),
        ("ur", c.Publish, 15, "DATE_OUT_OF_RANGE", None),
        ("u", c.Receive, -1, "DATE_OUT_OF_RANGE", None),
        ("uro", c.Publish, 30, "STEP_NOT_ALLOWED", ["submission", "receipt", "termination"]),
        ("urt", c.Terminate, 5, "STEP_NOT_ALLOWED", []),
        ("uro", c.Receive, 1, "DATE_OUT_OF_RANGE", None),
    ],
)
def test_what_a_state_does_not_allow(steps: str, step: type[Any], on: int, code: str, allowed: list[str] | None) -> None:
    made, today = world(), SIGNED + DAY * 40
    contract = sign(made)
    for number, letter in enumerate(steps):
        do(made, STEPS[letter](contract, SIGNED + DAY * number), today)
    with pytest.raises(Problem) as refused:
        do(made, step(contract, SIGNED + DAY * on), today)
    assert (refused.value.code, refused.value.members.get("allowed")) == (code, allowed)


def test_a_contract_whose_effect_would_come_behind_its_term_takes_none() -> None:
    made = world()
    contract = sign(made)
    do(made, c.Receive(contract, TERM_UNTIL - 14 * DAY), TODAY)
    found = wake(made, made.entries[contract], TODAY)
    assert [type(fact.data) for fact in found if isinstance(fact.data, said.ContractFact)] == [said.ContractExpired]


@pytest.mark.parametrize(
    ("signed_on", "term_until", "warned"),
    [
        ("2026-01-01", "2026-12-31", False),
        ("2026-01-01", "2026-12-30", True),
        ("2026-01-01", "2029-01-01", False),
        ("2026-01-01", "2029-01-02", True),
    ],
)
def test_a_term_is_one_to_three_years(signed_on: str, term_until: str, warned: bool) -> None:
    assert bool(warnings(date.fromisoformat(signed_on), date.fromisoformat(term_until))) is warned
