"""The registers of agreements: their rows of `nouns.py`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from msgspec import structs

from services.cases.agreements import contract_progress, negotiation_progress
from services.cases.clocks.happened import Happened
from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from services.cases.rulebook.book import Book
from shared.contracts.cases.agreements import (
    CongressHeld,
    ContractEffective,
    ContractExpired,
    ContractObjected,
    ContractPublished,
    ContractReceived,
    ContractSigned,
    ContractSubmitted,
    ContractTerminated,
    NegotiationProgressed,
    NegotiationStep,
    PactSigned,
    TripartiteHeld,
)
from shared.contracts.cases.rights import Party
from shared.writing.facts import Fact, Standing

DAY = timedelta(days=1)
BOUND: Mapping[str, Party] = {"workers": Party.EMPLOYER, "employer": Party.WORKER}
"""{who invited: whom the period of the reply binds}"""
HAPPENED: Mapping[type[Any], str] = {
    ContractSigned: "signed",
    ContractSubmitted: "submitted",
    ContractReceived: "received",
    ContractObjected: "objected",
    ContractPublished: "published",
    ContractTerminated: "terminated",
}
"""What the clocks call the facts of a contract. That it took effect is not among them: it follows from the others."""


def opened_on(entry: Entry) -> date | None:
    """The day of the fact that began the entry."""
    return entry.facts[0].on if entry.facts else None


def _pact_until(entry: Entry) -> date | None:
    found = entry.first(PactSigned)
    return found[1].until if found else None


def invitation(entry: Entry) -> tuple[Standing, NegotiationProgressed] | None:
    """The fact that began a negotiation; None: it was withdrawn."""
    return next((pair for pair in entry.holding(NegotiationProgressed) if pair[1].step is NegotiationStep.INVITED), None)


def _negotiation_kind(entry: Entry) -> str | None:
    found = invitation(entry)
    return found[1].kind if found else None


def _negotiation_happened(entry: Entry) -> list[Happened]:
    return [_step_happened(fact, data) for fact, data in entry.holding(NegotiationProgressed)]


def _step_happened(fact: Standing, data: NegotiationProgressed) -> Happened:
    said: dict[str, Any] = {"received_on": data.received_on, "party": BOUND.get(data.invited_by or "")}
    return Happened(data.step.value, fact.on, fact.rank, {name: value for name, value in said.items() if value is not None})


def _contract_kind(entry: Entry) -> str | None:
    found = entry.first(ContractSigned)
    return found[1].kind if found else None


def _contract_until(entry: Entry) -> date | None:
    """The last day on which it holds: the end of its term, or the day before it was terminated."""
    signed, terminated = entry.first(ContractSigned), entry.last(ContractTerminated)
    if terminated is not None:
        return terminated[0].on - DAY
    return signed[1].term_until if signed else None


def _contract_happened(entry: Entry) -> list[Happened]:
    return [
        Happened(HAPPENED[type(fact.data)], fact.on, fact.rank, {**structs.asdict(fact.data), "signed_on": fact.on})
        for fact in entry.facts
        if fact.data is not None and type(fact.data) in HAPPENED
    ]


def contract_due(entry: Entry, book: Book) -> list[Fact]:
    """That the contract takes effect, and that its term is over; the first enterprise's fact."""
    signed = entry.first(ContractSigned)
    if signed is None:
        return []
    effect_of = contract_progress.by_rule(book)
    progress = contract_progress.walk(entry.facts, effect_of).at(date.max)
    own: dict[str, Any] = {"contract_id": entry.id, "enterprise_id": entry.enterprises[0], "kind": signed[1].kind}
    facts = []
    if progress.effective_on is not None and progress.received_on is not None:
        ruling = book.at(contract_progress.EFFECT, progress.received_on)
        version = ruling.version if ruling else None
        effective = ContractEffective(**own, until=progress.term_until, rule_version=version)
        facts.append(Fact(entry.subject, effective, progress.effective_on))
    if progress.terminated_on is None and progress.term_until < date.max:
        facts.append(Fact(entry.subject, ContractExpired(**own), progress.term_until + DAY))
    return facts


PACT = Noun(
    name="pact",
    unknown="UNKNOWN_PACT",
    plural="pacts",
    key="pact_id",
    opening=PactSigned,
    contracts=(PactSigned,),
    state=lambda _: "signed",
    starts=opened_on,
    until=_pact_until,
)
NEGOTIATION = Noun(
    name="negotiation",
    unknown="UNKNOWN_NEGOTIATION",
    plural="negotiations",
    key="negotiation_id",
    opening=NegotiationProgressed,
    contracts=(NegotiationProgressed,),
    state=lambda entry: negotiation_progress.walk(entry.facts).state.value,
    starts=opened_on,
    kind=_negotiation_kind,
    clocked=True,
    happened=_negotiation_happened,
)
CONTRACT = Noun(
    name="contract",
    unknown="UNKNOWN_CONTRACT",
    plural="contracts",
    key="contract_id",
    opening=ContractSigned,
    contracts=(*HAPPENED, ContractEffective, ContractExpired),
    state=lambda entry: contract_progress.recorded(entry).state.value,
    starts=opened_on,
    kind=_contract_kind,
    until=_contract_until,
    clocked=True,
    happened=_contract_happened,
    due=contract_due,
    says=(ContractEffective, ContractExpired),
)
MEETING = Noun(
    name="meeting",
    unknown="UNKNOWN_MEETING",
    plural="tripartite-meetings",
    key="meeting_id",
    opening=TripartiteHeld,
    contracts=(TripartiteHeld,),
    state=lambda _: "held",
    starts=opened_on,
)
CONGRESS = Noun(
    name="congress",
    unknown="UNKNOWN_CONGRESS",
    plural="workers-congresses",
    key="congress_id",
    opening=CongressHeld,
    contracts=(CongressHeld,),
    state=lambda _: "held",
    starts=opened_on,
)
NOUNS = (PACT, NEGOTIATION, CONTRACT, MEETING, CONGRESS)
