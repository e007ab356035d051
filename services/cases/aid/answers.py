"""What reads of hardship files and employment help answer, and what of an entry they show."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.cases.aid import rules
from services.cases.aid.progress import progress_of
from services.cases.persons.answers import PersonsAnswer
from services.cases.reads.answers import CASE_ID, ENTERPRISE_ID, EntryAnswer
from services.cases.reads.listing import Row
from shared.contracts.cases.aid import AidPaid, EmploymentHelped, EmploymentHelpEnded, HardshipClassified, HardshipEnded
from shared.http.answers import NEXT
from shared.writing.facts import Standing


class FactAnswer(BaseModel):
    """A fact of a file."""

    on: date = Field(description="Its business date.", examples=["2026-03-02"])
    event_id: UUID = Field(description="The event that states it now: the one that a correction names.", examples=[CASE_ID])
    sequence: int = Field(description="The position of the fact in its stream.", examples=[1])


class DecisionAnswer(FactAnswer):
    """What the household was decided to be."""

    review: bool = Field(description="Whether it is a later decision on the file.", examples=[False])
    classification: str = Field(description="deep, relative, accidental or none.", examples=["deep"])
    reason: str | None = Field(None, description="Why there is no class: NO_RULE.", examples=[None])
    shock: str | None = Field(None, description="The sudden event, a code of the list hardship_shocks.", examples=[None])
    rule_version: str | None = Field(
        None, description="The rule that decided; null: the place has none.", examples=["hardship/330200/2026-01-01/1a2b3c4d"]
    )


class PaymentAnswer(FactAnswer):
    """Aid that was paid."""

    amount_fen: int = Field(description="The sum in fen.", examples=[200000])
    fund: str = Field(description="A code of the list aid_funds.", examples=["local"])


class EndAnswer(FactAnswer):
    """The end of a file."""

    reason: str = Field(description="A code of the list hardship_ending.", examples=["relieved"])


class ResultAnswer(FactAnswer):
    """What came of the help."""

    result: str = Field(description="A code of the list help_results.", examples=["employed"])


class HardshipAnswer(EntryAnswer):
    """A hardship file, without what is kept of persons and their money."""

    on: date = Field(description="The day of the first decision.", examples=["2026-03-02"])
    classification: str = Field(description="By the last decision: deep, relative, accidental or none.", examples=["deep"])
    reason: str | None = Field(None, description="Why there is no class: NO_RULE.", examples=[None])
    rule_version: str | None = Field(
        None, description="The rule of the last decision; null: the place has none.", examples=["hardship/330200/2026-01-01/1a2b3c4d"]
    )
    decided_on: date = Field(description="The day of the last decision.", examples=["2026-03-02"])
    decisions: list[DecisionAnswer] = Field(description="Every decision, in order of their days.")
    payments: list[PaymentAnswer] = Field(description="Aid that was paid.")
    paid_fen: int = Field(description="The sum of the payments in fen.", examples=[200000])
    end: EndAnswer | None = Field(None, description="How the file ended; null: it is open.")
    allowed: list[str] = Field(description="What may come next: reviews, payments, end.", examples=[["reviews", "payments", "end"]])


class HardshipsAnswer(BaseModel):
    """Hardship files by age."""

    items: list[HardshipAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class HelpAnswer(EntryAnswer):
    """Employment help, without what is kept of the person."""

    kind: str = Field(description="A code of the list help_kinds.", examples=["training"])
    on: date = Field(description="The day on which it began.", examples=["2026-03-02"])
    result: ResultAnswer | None = Field(None, description="What came of it; null: not known yet.")


class HelpsAnswer(BaseModel):
    """Employment help by age."""

    items: list[HelpAnswer] = Field(description="One page of it.")
    next: str | None = Field(description=NEXT, examples=[None])


class ShockAnswer(BaseModel):
    """A sudden event."""

    kind: str = Field(description="A code of the list hardship_shocks.", examples=["illness"])
    cost_fen: int = Field(description="What it cost the household, in fen.", examples=[5000000])
    compensated_fen: int = Field(description="What of that was compensated, in fen.", examples=[1000000])


class FiguresAnswer(BaseModel):
    """The household behind a decision."""

    on: date = Field(description="The day of the decision.", examples=["2026-03-02"])
    persons: int = Field(description="How many persons the household has.", examples=[3])
    annual_income_fen: int = Field(description="Its disposable income in a year, in fen.", examples=[4000000])
    rigid_expenditure_fen: int = Field(description="What of it had to be spent, in fen.", examples=[600000])
    employment_costs_fen: int = Field(description="Necessary costs of employment, in fen.", examples=[0])
    shock: ShockAnswer | None = Field(None, description="The sudden event, if there was one.")


class HelpedPersonsAnswer(PersonsAnswer):
    """Whom employment help is for."""

    enterprise_id: UUID | None = Field(None, description="Where the person works or is to work.", examples=[ENTERPRISE_ID])


class HardshipPersonsAnswer(HelpedPersonsAnswer):
    """Whose file it is, with the money of the household."""

    figures: list[FiguresAnswer] = Field(description="The household behind each decision, as far as the person was not erased.")


def _placed(fact: Standing) -> dict[str, Any]:
    return {"on": fact.on, "event_id": fact.event_id, "sequence": fact.rank}


def show_hardship(row: Row) -> dict[str, Any]:
    """The fields of HardshipAnswer."""
    entry = row.entry
    decisions = entry.holding(HardshipClassified)
    payments, ended = entry.holding(AidPaid), entry.first(HardshipEnded)
    last_fact, last = decisions[-1]
    return {
        **row.common(),
        "on": decisions[0][0].on,
        "classification": last.classification,
        "reason": last.reason,
        "rule_version": last.rule_version,
        "decided_on": last_fact.on,
        "decisions": [_decision(fact, data) for fact, data in decisions],
        "payments": [{**_placed(fact), "amount_fen": data.amount_fen, "fund": data.fund} for fact, data in payments],
        "paid_fen": sum(data.amount_fen for _, data in payments),
        "end": {**_placed(ended[0]), "reason": ended[1].reason} if ended else None,
        "allowed": progress_of(entry.facts).allowed(),
    }


def _decision(fact: Standing, data: HardshipClassified) -> dict[str, Any]:
    names = ("review", "classification", "reason", "shock", "rule_version")
    return {**_placed(fact), **{name: getattr(data, name) for name in names}}


def show_help(row: Row) -> dict[str, Any]:
    """The fields of HelpAnswer."""
    helped, ended = row.entry.first(EmploymentHelped), row.entry.first(EmploymentHelpEnded)
    assert helped is not None
    result = {**_placed(ended[0]), "result": ended[1].result} if ended else None
    return {**row.common(), "kind": helped[1].kind, "on": helped[0].on, "result": result}


def with_enterprise(row: Row) -> dict[str, Any]:
    """What HelpedPersonsAnswer shows besides the person."""
    return {"enterprise_id": row.entry.private.get(rules.ENTERPRISE)}


def with_figures(row: Row) -> dict[str, Any]:
    """What HardshipPersonsAnswer shows besides the person."""
    found = [(fact.on, rules.figures_at(row.entry, fact.rank)) for fact, _ in row.entry.holding(HardshipClassified)]
    return {**with_enterprise(row), "figures": [{"on": on, **rules.kept(one)} for on, one in found if one is not None]}
