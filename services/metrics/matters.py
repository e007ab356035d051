"""What is kept of the facts of cases: matters, which shape the tallies (`folding.tallies`), and what timelines show besides.

No field may identify a person; ids are those of cases, contracts and negotiations. Values are those of the fact as JSON: days are text.
A field that is new, gone or renamed needs a new fold_version.
"""

from __future__ import annotations

from typing import TypeAlias

from services.metrics.content import Content, Uncounted


class CaseOpening(Content, frozen=True):
    case_id: str
    kind: str
    reported_on: str
    subkind: str | None = None
    workers_concerned: int | None = None
    collective: bool = False
    collective_proxy: bool = False


class CaseStep(Content, frozen=True):
    case_id: str
    step: str
    document: str | None = None
    letter: int | None = None


class CaseClosing(Content, frozen=True):
    case_id: str
    outcome: str


class CaseReopening(Content, frozen=True):
    case_id: str


class Overdue(Content, frozen=True):
    noun: str
    id: str
    clock: str
    due_on: str
    begun_by: int | None = None


class ContractInEffect(Content, frozen=True):
    contract_id: str
    kind: str
    until: str


class ContractOver(Content, frozen=True):
    contract_id: str
    kind: str


class Negotiating(Content, frozen=True):
    negotiation_id: str
    kind: str
    step: str
    result: str | None = None


class Congress(Content, frozen=True):
    congress_id: str
    delegates: int | None = None


class Assessment(Content, frozen=True):
    assessment_id: str
    assessed: str
    level: str
    grade: str
    valid_until: str | None = None


class Hardship(Content, frozen=True):
    area: str
    classification: str


class HardshipOver(Content, frozen=True):
    area: str


class Aid(Content, frozen=True):
    area: str
    fund: str
    amount_fen: int


class Help(Content, frozen=True):
    kind: str
    area: str | None = None


class CaseAssigning(Uncounted, frozen=True):
    case_id: str


class ContractStage(Uncounted, frozen=True):
    contract_id: str
    kind: str


class Pact(Uncounted, frozen=True):
    pact_id: str
    until: str | None = None


class Award(Uncounted, frozen=True):
    award_id: str
    level: str
    until: str | None = None


class AwardOver(Uncounted, frozen=True):
    award_id: str


class Said(Uncounted, frozen=True):
    """Nothing is kept but that it was said."""


MatterContent: TypeAlias = (
    CaseOpening
    | CaseStep
    | CaseClosing
    | CaseReopening
    | Overdue
    | ContractInEffect
    | ContractOver
    | Negotiating
    | Congress
    | Assessment
    | Hardship
    | HardshipOver
    | Aid
    | Help
)
"""The facts that shape the tallies of their subject."""
