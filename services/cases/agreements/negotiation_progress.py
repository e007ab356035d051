"""How far a negotiation is: the state that its steps lead to, and what may come next. Pure.

One side invites, the other replies; sessions are held, suspended by consent and resumed; it ends with a result (Provisions on Collective
Contracts 2004, order 22, arts 32-36).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Self

from shared.contracts.cases.agreements import NegotiationProgressed, NegotiationStep
from shared.writing.facts import Standing


class State(StrEnum):
    """The states of a negotiation."""

    NONE = "none"
    INVITED = "invited"
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NEGOTIATING = "negotiating"
    SUSPENDED = "suspended"
    ENDED = "ended"


class Step(StrEnum):
    """What may be entered of a negotiation, as in its paths."""

    REPLY = "reply"
    SESSION = "sessions"
    SUSPENSION = "suspension"
    RESUMPTION = "resumption"
    RESULT = "result"


STEPS: Mapping[NegotiationStep, Step] = {
    NegotiationStep.REPLIED: Step.REPLY,
    NegotiationStep.SESSION: Step.SESSION,
    NegotiationStep.SUSPENDED: Step.SUSPENSION,
    NegotiationStep.RESUMED: Step.RESUMPTION,
    NegotiationStep.RESULT: Step.RESULT,
}
"""{step of a fact: its path}"""
ALLOWED: Mapping[State, tuple[Step, ...]] = {
    State.NONE: (),
    State.INVITED: (Step.REPLY, Step.SESSION, Step.RESULT),
    State.ACCEPTED: (Step.SESSION, Step.SUSPENSION, Step.RESULT),
    State.REFUSED: (Step.SESSION, Step.RESULT),
    State.NEGOTIATING: (Step.SESSION, Step.SUSPENSION, Step.RESULT),
    State.SUSPENDED: (Step.RESUMPTION, Step.RESULT),
    State.ENDED: (),
}
"""{state: the steps that it allows}; who negotiates has agreed to, whatever was replied."""
LEADS_TO: Mapping[Step, State] = {
    Step.SESSION: State.NEGOTIATING,
    Step.SUSPENSION: State.SUSPENDED,
    Step.RESUMPTION: State.NEGOTIATING,
    Step.RESULT: State.ENDED,
}


@dataclass(slots=True)
class Progress:
    """The state of a negotiation. `refused`: facts that the state before them does not allow, which change nothing."""

    state: State = State.NONE
    last_on: date = date.min
    refused: list[Standing] = field(default_factory=list)

    def allowed(self) -> list[str]:
        """The steps that may come next."""
        return [step.value for step in ALLOWED[self.state]]

    def at(self, _day: date, _step: str | None = None) -> Self:
        """As it is on a day: nothing happens by itself."""
        return self

    def take(self, fact: Standing) -> None:
        """The next fact of the negotiation."""
        data = fact.data
        if not isinstance(data, NegotiationProgressed):
            return
        if data.step is NegotiationStep.INVITED:
            self.state, self.last_on = State.INVITED, fact.on
            return
        step = STEPS[data.step]
        if step not in ALLOWED[self.state]:
            self.refused.append(fact)
            return
        self.last_on = fact.on
        if step is Step.REPLY:
            self.state = State.ACCEPTED if data.agreed else State.REFUSED
        else:
            self.state = LEADS_TO[step]


def walk(facts: Iterable[Standing]) -> Progress:
    """The state after these facts, which stand in order of (date, rank)."""
    progress = Progress()
    for fact in facts:
        progress.take(fact)
    return progress
