"""What reads of agreements answer, and what of an entry they show."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.cases.agreements import contract_progress, negotiation_progress
from services.cases.agreements.registers import invitation
from services.cases.reads.answers import CASE_ID, ENTERPRISE_ID, EntryAnswer
from services.cases.reads.listing import Row
from shared.contracts.cases.agreements import (
    CongressHeld,
    ContractEffective,
    ContractExpired,
    ContractSigned,
    ContractTerminated,
    NegotiationProgressed,
    PactSigned,
    TripartiteHeld,
)
from shared.http.answers import NEXT
from shared.writing.facts import Standing


class PactAnswer(EntryAnswer):
    """A mutual-commitment pact."""

    signed_on: date = Field(description="When it was signed.", examples=["2026-03-02"])
    workers: int | None = Field(None, description="Whom it covers; null: not known.", examples=[120])
    until: date | None = Field(None, description="The last day on which it holds; null: it has no end.", examples=["2026-12-31"])


class PactsAnswer(BaseModel):
    """Pacts by age."""

    items: list[PactAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class NegotiationStepAnswer(BaseModel):
    """A step of a negotiation."""

    step: str = Field(description="invited, replied, session, suspended, resumed or result.", examples=["invited"])
    on: date = Field(description="Its business date.", examples=["2026-03-02"])
    event_id: UUID = Field(description="The event that states it now: the one that a correction names.", examples=[CASE_ID])
    sequence: int = Field(description="The position of the fact in its stream.", examples=[5])
    agreed: bool | None = Field(None, description="Of a reply, whether it consents.", examples=[None])
    result: str | None = Field(None, description="Of the result, its code.", examples=[None])


class NegotiationAnswer(EntryAnswer):
    """A negotiation of a collective contract."""

    kind: str = Field(description="A code of the list contract_kinds.", examples=["wage"])
    invited_on: date = Field(description="When one side invited the other.", examples=["2026-03-02"])
    received_on: date | None = Field(None, description="When the invitation was received; null: on its day.", examples=["2026-03-03"])
    invited_by: str | None = Field(None, description="workers or employer; null: not known.", examples=["workers"])
    result: str | None = Field(None, description="Its result, a code; null: it goes on.", examples=[None])
    steps: list[NegotiationStepAnswer] = Field(description="Every fact of it, in order of their days.")
    allowed: list[str] = Field(description="What may come next, as in the paths.", examples=[["reply", "sessions", "result"]])


class NegotiationsAnswer(BaseModel):
    """Negotiations by age."""

    items: list[NegotiationAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class ContractStepAnswer(BaseModel):
    """A fact of a contract; with several enterprises, that on the stream of the first."""

    step: str = Field(
        description="signed, submission, receipt, objection, publication, termination; and what the service itself says: effective, expired.",
        examples=["signed"],
    )
    on: date = Field(description="Its business date.", examples=["2026-03-02"])
    event_id: UUID = Field(description="The event that states it now: the one that a correction names.", examples=[CASE_ID])
    sequence: int = Field(description="The position of the fact in its stream.", examples=[5])
    reason: str | None = Field(None, description="Of a termination, its code.", examples=[None])
    rule_version: str | None = Field(
        None, description="Of the effect, the rule that decided its day.", examples=["contract_effect/default/2008-01-01/1a2b3c4d"]
    )


class ContractAnswer(EntryAnswer):
    """A collective contract."""

    kind: str = Field(description="A code of the list contract_kinds.", examples=["collective"])
    enterprises: list[UUID] = Field(description="The enterprises that it binds, the first one at the top.", examples=[[ENTERPRISE_ID]])
    signed_on: date = Field(description="When the chief representatives signed.", examples=["2026-03-02"])
    approval_notified_on: date | None = Field(None, description="When the congress's approval was notified.", examples=[None])
    workers: int | None = Field(None, description="Whom it covers in all; null: not known.", examples=[120])
    term_until: date = Field(description="The last day of its term.", examples=["2028-03-01"])
    effective_on: date | None = Field(None, description="The day from which it is in effect; null: it is not yet.", examples=["2026-03-20"])
    terminated_on: date | None = Field(None, description="If it ended before its term, the first day without it.", examples=[None])
    steps: list[ContractStepAnswer] = Field(description="Every fact of it, in order of their days.")
    allowed: list[str] = Field(description="What may come next, as in the paths.", examples=[["submission", "receipt", "termination"]])


class ContractsAnswer(BaseModel):
    """Contracts by age."""

    items: list[ContractAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class MeetingAnswer(EntryAnswer):
    """A tripartite meeting."""

    held_on: date = Field(description="When it was held.", examples=["2026-03-02"])


class MeetingsAnswer(BaseModel):
    """Tripartite meetings by age."""

    items: list[MeetingAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class CongressAnswer(EntryAnswer):
    """A workers' congress."""

    held_on: date = Field(description="When it was held.", examples=["2026-03-02"])
    delegates: int | None = Field(None, description="How many delegates; null: not known.", examples=[35])


class CongressesAnswer(BaseModel):
    """Workers' congresses by age."""

    items: list[CongressAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


CONTRACT_STEPS: Mapping[type[Any], str] = {
    ContractSigned: "signed",
    **contract_progress.STEPS,
    ContractEffective: "effective",
    ContractExpired: "expired",
}


def show_pact(row: Row) -> dict[str, Any]:
    """The fields of PactAnswer."""
    fact, data = _opening(row, PactSigned)
    return {**row.common(), "signed_on": fact.on, "workers": data.workers, "until": data.until}


def show_negotiation(row: Row) -> dict[str, Any]:
    """The fields of NegotiationAnswer."""
    found = invitation(row.entry)
    assert found is not None
    fact, data = found
    steps = row.entry.holding(NegotiationProgressed)
    return {
        **row.common(),
        "kind": data.kind,
        "invited_on": fact.on,
        "received_on": data.received_on,
        "invited_by": data.invited_by,
        "result": next((one.result for _, one in steps if one.result is not None), None),
        "steps": [_negotiation_step(one, said) for one, said in steps],
        "allowed": negotiation_progress.walk(row.entry.facts).allowed(),
    }


def _negotiation_step(fact: Standing, data: NegotiationProgressed) -> dict[str, Any]:
    return {**_placed(data.step.value, fact), "agreed": data.agreed, "result": data.result}


def show_contract(row: Row) -> dict[str, Any]:
    """The fields of ContractAnswer."""
    entry = row.entry
    fact, data = _opening(row, ContractSigned)
    effective, terminated = entry.last(ContractEffective), entry.last(ContractTerminated)
    progress = contract_progress.recorded(entry)
    return {
        **row.common(),
        "kind": data.kind,
        "enterprises": list(entry.enterprises),
        "signed_on": fact.on,
        "approval_notified_on": data.approval_notified_on,
        "workers": data.workers,
        "term_until": data.term_until,
        "effective_on": effective[0].on if effective and progress.effective_on is not None else None,
        "terminated_on": terminated[0].on if terminated else None,
        "steps": [_contract_step(one) for one in entry.facts if type(one.data) in CONTRACT_STEPS],
        "allowed": progress.allowed(),
    }


def _contract_step(fact: Standing) -> dict[str, Any]:
    more = {name: getattr(fact.data, name, None) for name in ("reason", "rule_version")}
    return {**_placed(str(CONTRACT_STEPS[type(fact.data)]), fact), **more}


def show_meeting(row: Row) -> dict[str, Any]:
    """The fields of MeetingAnswer."""
    return {**row.common(), "held_on": _opening(row, TripartiteHeld)[0].on}


def show_congress(row: Row) -> dict[str, Any]:
    """The fields of CongressAnswer."""
    fact, data = _opening(row, CongressHeld)
    return {**row.common(), "held_on": fact.on, "delegates": data.delegates}


def _opening(row: Row, kind: type[Any]) -> tuple[Standing, Any]:
    found = row.entry.first(kind)
    assert found is not None
    return found


def _placed(step: str, fact: Standing) -> dict[str, Any]:
    return {"step": step, "on": fact.on, "event_id": fact.event_id, "sequence": fact.rank}
