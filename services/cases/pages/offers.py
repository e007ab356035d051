"""What may come next of a case, each step with a form that has its own fields and no other; and the form that opens a case."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.cases.pages.forms import Field, Form, Kind, Refused
from services.cases.pages.words import Words
from services.cases.rights.bodies import OPTIONAL, REQUIRED
from services.cases.rights.progress import OUTCOME, REOPENING, Progress
from shared.contracts.case_codes import RESTARTS
from shared.contracts.cases.rights import Addressee, Letter, Party, Step, SuspendableClock

ON = Field("on", "day", required=True)
KINDS: Mapping[str, Kind] = {
    "days": "whole",
    "ground": "choice",
    "clock": "choice",
    "party": "choice",
    "final": "flag",
    "document": "choice",
    "addressee": "choice",
    "received_on": "day",
    "reply_by": "day",
    "letter": "position",
}
"""{field of a step: its kind}"""
NOT_ASKED: Mapping[Step, frozenset[str]] = {Step.REPLIED: frozenset({"document"})}
"""Fields that a page does not ask for: a reply names its letter, and so its kind."""
GROUPS: Mapping[str, Sequence[Step]] = {
    "mediation": (Step.MEDIATION_APPLIED, Step.MEDIATION_ACCEPTED, Step.MEDIATION_SETTLED, Step.MEDIATION_FAILED),
    "arbitration": (
        *(Step.ARBITRATION_APPLIED, Step.MATERIALS_COMPLETED, Step.ACCEPTED, Step.SERVED, Step.DEFENCE_FILED, Step.EXTENDED),
        *(Step.AWARD_RESTARTED, Step.NOTICE_BEGAN, Step.NOTICE_ENDED, Step.AWARDED, Step.AWARD_SERVED),
    ),
    "court": (Step.SUIT_FILED, Step.SET_ASIDE_REQUESTED, Step.JUDGED),
    "inspection": (Step.INSPECTION_COMPLAINED, Step.INSPECTION_FILED, Step.INSPECTION_EXTENDED, Step.INSPECTION_DECIDED),
    "letters": (Step.SUPERVISION_LETTER_SENT, Step.REPLIED),
    "periods": (Step.SUSPENDED, Step.RESUMED, Step.INTERRUPTED, Step.EMPLOYMENT_ENDED, Step.CALLED_BACK),
}
"""{group on the page: its steps}; every step stands in one."""
OPENING = "opening"
ASSIGNMENT = "assignment"


@dataclass(frozen=True, slots=True)
class Offer:
    """A group of forms under one heading."""

    name: str
    forms: Sequence[Form]


def step_fields(step: Step, progress: Progress, words: Words) -> list[Field]:
    """The fields of a step in the state of the case; a choice offers only what the state allows."""
    required = REQUIRED.get(step, ())
    asked = [name for name in (*required, *OPTIONAL.get(step, ())) if name not in NOT_ASKED.get(step, ())]
    return [ON, *(Field(name, KINDS[name], name in required, _choices(step, name, progress, words)) for name in asked)]


def _choices(step: Step, name: str, progress: Progress, words: Words) -> list[tuple[str, str]]:
    match name:
        case "clock":
            return [(one.value, words.clock(one.value)) for one in SuspendableClock if progress.allows(step, clock=one)]
        case "party":
            return [(one.value, words.said("party", one.value)) for one in Party if progress.allows(step, party=one)]
        case "document":
            return [(one.value, words.said("document", one.value)) for one in Letter]
        case "addressee":
            return [(one.value, words.said("addressee", one.value)) for one in Addressee]
        case "letter":
            waiting = [letter for letter in progress.letters if not letter.replied]
            return [(str(one.rank), f"{words.said('document', one.document.value)} · {words.day(one.on)}") for one in waiting]
        case "ground":
            found = words.choices("case_grounds")
            return [pair for pair in found if (pair[0] in RESTARTS) == (step is Step.AWARD_RESTARTED)]
    return []


def offers(case_id: UUID, progress: Progress, words: Words, today: date, refused: Refused | None = None) -> list[Offer]:
    """Every form that the state of a case allows, by group; the one that was refused holds what was typed."""
    allowed = set(progress.allowed())
    address = f"/cases/{case_id}"
    found = []
    for name, steps in GROUPS.items():
        forms = [_step_form(address, step, progress, words, today, refused) for step in steps if step.value in allowed]
        if forms:
            found.append(Offer(name, forms))
    ends = [_form(name, f"{address}/{name}", ENDS[name](words), today, refused) for name in (OUTCOME, REOPENING) if name in allowed]
    assignment = _form(ASSIGNMENT, f"{address}/{ASSIGNMENT}", assignment_fields(words), today, refused)
    return [*found, Offer("case", [*ends, assignment])]


def _step_form(address: str, step: Step, progress: Progress, words: Words, today: date, refused: Refused | None) -> Form:
    fields = step_fields(step, progress, words)
    return _form(f"step-{step.value}", f"{address}/steps", fields, today, refused, {"step": step.value})


def _form(
    name: str, action: str, fields: Sequence[Field], today: date, refused: Refused | None, hidden: Mapping[str, str] | None = None
) -> Form:
    mine = refused if refused is not None and refused.form == name else None
    return Form(name, action, fields, hidden or {}, mine, {"on": today.isoformat()})


def outcome_fields(words: Words) -> list[Field]:
    """How a case ended."""
    return [ON, Field("outcome", "choice", True, words.choices("case_outcomes")), Field("recovered_fen", "money")]


def reopening_fields(words: Words) -> list[Field]:
    """Why a case is open again."""
    return [ON, Field("reason", "choice", False, words.choices("case_reopening"))]


def assignment_fields(_words: Words) -> list[Field]:
    """Who handles a case."""
    return [Field("assigned_to", "text"), ON]


ENDS = {OUTCOME: outcome_fields, REOPENING: reopening_fields}


def opening_fields(words: Words) -> list[Field]:
    """What is asked of a new case."""
    return [
        Field("enterprise_id", "text", True),
        Field("kind", "choice", True, words.choices("case_kinds")),
        Field("subkind", "choice", False, words.choices("case_subkinds")),
        Field("occurred_on", "day", True),
        Field("reported_on", "day", True),
        Field("knew_on", "day"),
        Field("channel", "choice", False, words.choices("case_channels")),
        Field("workers_concerned", "whole"),
        Field("common_claim", "flag"),
        Field("amount_fen", "money"),
        Field("remuneration", "flag"),
        Field("assigned_to", "text"),
        Field("reporter.name", "text"),
        Field("reporter.phone", "text"),
        Field("reporter.document", "text"),
    ]


def opening_form(words: Words, typed: Mapping[str, str], refused: Refused | None = None) -> Form:
    """The form that opens a case."""
    return Form(OPENING, "/cases/new", opening_fields(words), {}, refused, typed)
