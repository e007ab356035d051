"""Negotiations: no sequence of commands and corrections reaches a forbidden state."""

from __future__ import annotations

import re
from datetime import date, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.cases.agreements import bodies as c
from services.cases.agreements.registers import NEGOTIATION
from services.cases.entries.entry import Entry
from shared.contracts.cases.agreements import NegotiationProgressed, NegotiationStep
from tests.unit.cases.worlds import A, correction, do, tried, world

INVITED = date(2026, 3, 2)
TODAY = date(2026, 6, 1)
DAY = timedelta(days=1)
STATES = {"I": "invited", "Y": "accepted", "N": "refused", "s": "negotiating", "H": "suspended", "R": "negotiating", "e": "ended"}


def letters(entry: Entry) -> str:
    """I invited, Y and N replied, s session, H suspended, R resumed, e result."""
    names = {"session": "s", "suspended": "H", "resumed": "R", "result": "e", "invited": "I"}
    return "".join(
        ("Y" if data.agreed else "N") if data.step is NegotiationStep.REPLIED else names[data.step.value]
        for _, data in entry.holding(NegotiationProgressed)
    )


def command(letter: str, negotiation: Any, on: date) -> Any:
    """The command of a letter."""
    match letter:
        case "Y" | "N":
            return c.Reply(negotiation, on, letter == "Y")
        case "e":
            return c.Conclude(negotiation, on, "agreed")
        case _:
            return {"s": c.Meet, "H": c.Suspend, "R": c.Resume}[letter](negotiation, on)


@given(
    acts=st.lists(
        st.one_of(
            st.tuples(st.sampled_from("YNsHRe"), st.integers(-1, 30)),
            st.tuples(st.sampled_from(["corrected", "never"]), st.integers(0, 9)),
        ),
        max_size=14,
    )
)
@settings(max_examples=300, deadline=None)
def test_no_sequence_of_commands_reaches_a_forbidden_state(acts: list[tuple[str, int]]) -> None:
    made = world()
    negotiation = do(made, c.Invite(A, "wage", INVITED), TODAY)
    for act, number in acts:
        entry = made.entries[negotiation]
        if len(act) == 1:
            tried(made, command(act, negotiation, INVITED + DAY * number), TODAY)
        else:
            data = {"on": (INVITED + DAY * number).isoformat()} if act == "corrected" else None
            correction(made, entry.facts[number % len(entry.facts)], data, TODAY)
        said = letters(made.entries[negotiation])
        if not said:
            return
        assert said.startswith("I")
        assert "e" not in said[:-1]
        assert said.count("Y") + said.count("N") <= 1
        assert not re.search(r"[sHR][YN]|NH|IH|HH|Hs|[^H]R|NR", said), said
        assert NEGOTIATION.state(made.entries[negotiation]) == STATES[said[-1]]
