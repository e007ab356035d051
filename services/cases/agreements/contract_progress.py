"""How far a contract is: the state that its facts lead to, the day of its effect, and what may come next. Pure.

It is signed, submitted, received; if the authority does not object in time it takes effect by itself (Labour Contract Law, art. 54), and it
expires by itself. After an objection it is submitted and received anew (Provisions on Collective Contracts 2004, order 22, arts 42-46).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any, Self, TypeAlias

from services.cases.clocks.counting import period_of
from services.cases.entries.entry import Entry
from services.cases.rulebook.book import Book
from shared.contracts.cases import agreements
from shared.contracts.cases.agreements import ContractEffective, ContractExpired, ContractSigned
from shared.writing.facts import Standing

EFFECT = "contract_effect"
"""The rule: how many days after receipt a contract takes effect."""


class State(StrEnum):
    """The states of a contract."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    SUBMITTED = "submitted"
    RECEIVED = "received"
    OBJECTED = "objected"
    EFFECTIVE = "effective"
    EXPIRED = "expired"
    TERMINATED = "terminated"


class Step(StrEnum):
    """What may be entered of a contract, as in its paths."""

    SUBMISSION = "submission"
    RECEIPT = "receipt"
    OBJECTION = "objection"
    PUBLICATION = "publication"
    TERMINATION = "termination"


STEPS: Mapping[type[Any], Step] = {
    agreements.ContractSubmitted: Step.SUBMISSION,
    agreements.ContractReceived: Step.RECEIPT,
    agreements.ContractObjected: Step.OBJECTION,
    agreements.ContractPublished: Step.PUBLICATION,
    agreements.ContractTerminated: Step.TERMINATION,
}
"""{fact: its step}"""
ALLOWED: Mapping[State, tuple[Step, ...]] = {
    State.UNSIGNED: (),
    State.SIGNED: (Step.SUBMISSION, Step.RECEIPT, Step.TERMINATION),
    State.SUBMITTED: (Step.RECEIPT, Step.TERMINATION),
    State.RECEIVED: (Step.OBJECTION, Step.TERMINATION),
    State.OBJECTED: (Step.SUBMISSION, Step.RECEIPT, Step.TERMINATION),
    State.EFFECTIVE: (Step.PUBLICATION, Step.TERMINATION),
    State.EXPIRED: (),
    State.TERMINATED: (),
}
"""{state: the steps that it allows}; what was received was submitted. A contract is published once."""
LEADS_TO: Mapping[Step, State] = {
    Step.SUBMISSION: State.SUBMITTED,
    Step.RECEIPT: State.RECEIVED,
    Step.OBJECTION: State.OBJECTED,
    Step.TERMINATION: State.TERMINATED,
}
BEFORE_EFFECT = frozenset({Step.OBJECTION, Step.TERMINATION})
"""Steps that come in time on the day of effect: then there is none."""
EffectOf: TypeAlias = Callable[[date], date | None]
"""The day of effect of a contract that was received on a day; None: it is not known."""


@dataclass(slots=True)
class Progress:
    """The state of a contract. `effect_due`: of the last receipt. `effective_on`: it took effect. `refused`: facts that the state before
    them does not allow, which change nothing; rules that changed may leave such."""

    effect_of: EffectOf
    state: State = State.UNSIGNED
    published: bool = False
    term_until: date = date.max
    received_on: date | None = None
    effect_due: date | None = None
    effective_on: date | None = None
    terminated_on: date | None = None
    last_on: date = date.min
    refused: list[Standing] = field(default_factory=list)

    def allowed(self) -> list[str]:
        """The steps that may come next."""
        return [step.value for step in ALLOWED[self.state] if not (step is Step.PUBLICATION and self.published)]

    def at(self, day: date, step: str | None = None) -> Self:
        """As it is on a day, before `step` of that day: it takes effect, and expires, by itself."""
        due = self.effect_due
        known = self.state is State.RECEIVED and due is not None and due <= self.term_until
        if known and due is not None and (due < day or (due == day and step not in BEFORE_EFFECT)):
            self.state, self.effective_on = State.EFFECTIVE, due
        if self.state not in (State.UNSIGNED, State.TERMINATED) and day > self.term_until:
            self.state = State.EXPIRED
        return self

    def take(self, fact: Standing) -> None:
        """The next fact of the contract."""
        if isinstance(fact.data, ContractSigned):
            self.state, self.term_until, self.last_on = State.SIGNED, fact.data.term_until, fact.on
            return
        step = STEPS.get(type(fact.data))
        if step is None:
            return
        self.at(fact.on, step)
        if step not in self.allowed():
            self.refused.append(fact)
            return
        self.state = LEADS_TO.get(step, self.state)
        self.last_on = fact.on
        if step is Step.RECEIPT:
            self.received_on, self.effect_due = fact.on, self.effect_of(fact.on)
        elif step is Step.PUBLICATION:
            self.published = True
        elif step is Step.TERMINATION:
            self.terminated_on = fact.on


def walk(facts: Iterable[Standing], effect_of: EffectOf) -> Progress:
    """The state after these facts, which stand in order of (date, rank)."""
    progress = Progress(effect_of)
    for fact in facts:
        progress.take(fact)
    return progress


def by_rule(book: Book) -> EffectOf:
    """The day of effect by the rule of the place, with its calendar."""

    def effect_of(received_on: date) -> date | None:
        ruling = book.at(EFFECT, received_on)
        return None if ruling is None else period_of(ruling.value).end(received_on, book.calendar).due_on

    return effect_of


def recorded(entry: Entry) -> Progress:
    """The state as far as the service itself has said that the contract took effect or expired."""
    said = [fact.on for fact, _ in entry.holding(ContractEffective)]
    progress = walk(entry.facts, lambda received_on: next((day for day in said if day >= received_on), None))
    return progress.at(date.max if entry.first(ContractExpired) else progress.term_until)
