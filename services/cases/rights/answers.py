"""What reads of rights cases answer, and what of an entry they show."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from msgspec import structs
from pydantic import BaseModel, Field

from services.cases.reads.answers import CASE_ID, EntryAnswer
from services.cases.reads.listing import Row
from services.cases.rights.progress import progress_of
from shared.contracts.cases.rights import CaseAssigned, CaseClosed, CaseOpened, CaseProgressed, CaseReopened, Step
from shared.http.answers import NEXT


class StepAnswer(BaseModel):
    """A step of a case, or another fact of it: `opened`, `assigned`, `outcome`, `reopened`."""

    step: str = Field(description=f"`opened`, `assigned`, `outcome`, `reopened` or a step: {', '.join(Step)}.", examples=["accepted"])
    on: date = Field(description="Its business date.", examples=["2026-03-03"])
    event_id: UUID = Field(description="The event that states it now: the one that a correction names.", examples=[CASE_ID])
    sequence: int = Field(description="The position of the fact in its stream.", examples=[5])
    days: int | None = Field(None, description="Days of an extension.", examples=[None])
    ground: str | None = Field(None, description="Why a period is interrupted, suspended, resumed or begins anew.", examples=[None])
    clock: str | None = Field(None, description="Which clock is suspended or resumed.", examples=[None])
    party: str | None = Field(None, description="Who received the award, or sued.", examples=[None])
    final: bool | None = Field(None, description="Whether the award is final for the employer.", examples=[None])
    document: str | None = Field(None, description="The kind of a supervision letter.", examples=[None])
    addressee: str | None = Field(None, description="To whom the letter went.", examples=[None])
    received_on: date | None = Field(None, description="When the letter was received.", examples=[None])
    reply_by: date | None = Field(None, description="The day that the letter names for the reply.", examples=[None])
    letter: int | None = Field(None, description="The letter that a reply answers, by its position.", examples=[None])
    assigned_to: str | None = Field(None, description="Who handles the case from then on.", examples=[None])
    outcome: str | None = Field(None, description="The outcome, a code.", examples=[None])
    recovered_fen: int | None = Field(None, description="The money won back, in fen.", examples=[None])
    reason: str | None = Field(None, description="Why the case was opened again, a code.", examples=[None])


class OutcomeAnswer(BaseModel):
    """How a closed case ended."""

    on: date = Field(description="The day on which it ended.", examples=["2026-05-06"])
    outcome: str = Field(description="The outcome, a code.", examples=["paid"])
    recovered_fen: int | None = Field(None, description="The money won back, in fen.", examples=[1200000])


class CaseAnswer(EntryAnswer):
    """A rights case, without what is kept of persons."""

    kind: str = Field(description="A code of the list case_kinds.", examples=["wage_arrears"])
    subkind: str | None = Field(None, description="Of a dispute, a code of the list case_subkinds.", examples=[None])
    occurred_on: date = Field(description="When it happened.", examples=["2026-03-03"])
    knew_on: date | None = Field(None, description="When the workers knew; null: when it happened.", examples=[None])
    reported_on: date = Field(description="When it was reported: it is open from then on.", examples=["2026-03-05"])
    channel: str | None = Field(None, description="How it came, a code of the list case_channels.", examples=["hotline"])
    workers_concerned: int | None = Field(None, description="How many workers it concerns; null: not known.", examples=[12])
    common_claim: bool | None = Field(None, description="Whether they have one claim in common; null: not known.", examples=[True])
    collective: bool = Field(description="Whether it is a collective case.", examples=[True])
    collective_proxy: bool = Field(description="Whether that is taken from the number of workers alone.", examples=[False])
    amount_fen: int | None = Field(None, description="The sum claimed, in fen.", examples=[1500000])
    remuneration: bool | None = Field(None, description="Whether the claim is for pay, as it was stated.", examples=[None])
    rule_version: str | None = Field(
        None, description="The rule that decided `collective`.", examples=["collective_workers/default/2008-05-01/1a2b3c4d"]
    )
    assigned_to: str | None = Field(None, description="Who handles it.", examples=["handler-7"])
    outcome: OutcomeAnswer | None = Field(None, description="How it ended; null: it is open.")
    steps: list[StepAnswer] = Field(description="Every fact of it, in order of their days.")
    allowed: list[str] = Field(description="The steps that may come next, and `outcome` or `reopening`.", examples=[["mediation_applied"]])


class CasesAnswer(BaseModel):
    """Rights cases by age."""

    items: list[CaseAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


NAMES: dict[type[Any], str] = {CaseOpened: "opened", CaseAssigned: "assigned", CaseClosed: "outcome", CaseReopened: "reopened"}
OWN = frozenset({"case_id", "enterprise_id", "note_id"})


def show(row: Row) -> dict[str, Any]:
    """The fields of CaseAnswer."""
    entry = row.entry
    opening = entry.first(CaseOpened)
    assert opening is not None
    progress, closed, assigned = progress_of(entry.facts), entry.last(CaseClosed), entry.last(CaseAssigned)
    said = {name: value for name, value in structs.asdict(opening[1]).items() if name not in OWN}
    ended = closed is not None and not progress.open
    return {
        **row.common(),
        **said,
        "occurred_on": opening[0].on,
        "assigned_to": assigned[1].assigned_to if assigned else None,
        "outcome": _outcome(closed[0].on, closed[1]) if closed is not None and ended else None,
        "steps": [_step(fact) for fact in entry.facts if isinstance(fact.data, (*NAMES, CaseProgressed))],
        "allowed": progress.allowed(),
    }


def _outcome(on: date, data: CaseClosed) -> dict[str, Any]:
    return {"on": on, "outcome": data.outcome, "recovered_fen": data.recovered_fen}


def _step(fact: Any) -> dict[str, Any]:
    """A fact of a case; of the opening, which the case itself shows, only its day."""
    said = {} if isinstance(fact.data, CaseOpened) else structs.asdict(fact.data)
    shown = {name: value for name, value in said.items() if name not in OWN and value is not None}
    named = {"step": NAMES.get(type(fact.data)) or shown.pop("step"), "on": fact.on, "event_id": fact.event_id, "sequence": fact.rank}
    return {**named, **shown}
