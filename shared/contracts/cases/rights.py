"""Rights cases: opened, assigned, each step, closed, reopened. All on the stream of the enterprise that the case concerns."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event


class Step(StrEnum):
    """Steps of a case (Labour Dispute Mediation and Arbitration Law; Regulation on Labour Security Inspection)."""

    MEDIATION_APPLIED = "mediation_applied"
    MEDIATION_ACCEPTED = "mediation_accepted"
    MEDIATION_SETTLED = "mediation_settled"
    MEDIATION_FAILED = "mediation_failed"
    ARBITRATION_APPLIED = "arbitration_applied"
    MATERIALS_COMPLETED = "materials_completed"
    ACCEPTED = "accepted"
    SERVED = "served"
    DEFENCE_FILED = "defence_filed"
    EXTENDED = "extended"
    AWARD_RESTARTED = "award_restarted"
    NOTICE_BEGAN = "notice_began"
    NOTICE_ENDED = "notice_ended"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    INTERRUPTED = "interrupted"
    EMPLOYMENT_ENDED = "employment_ended"
    AWARDED = "awarded"
    AWARD_SERVED = "award_served"
    SUIT_FILED = "suit_filed"
    SET_ASIDE_REQUESTED = "set_aside_requested"
    JUDGED = "judged"
    INSPECTION_COMPLAINED = "inspection_complained"
    INSPECTION_FILED = "inspection_filed"
    INSPECTION_EXTENDED = "inspection_extended"
    INSPECTION_DECIDED = "inspection_decided"
    SUPERVISION_LETTER_SENT = "supervision_letter_sent"
    REPLIED = "replied"
    CALLED_BACK = "called_back"


class SuspendableClock(StrEnum):
    """Clocks that steps suspend and resume."""

    LIMITATION = "arbitration_limitation"
    AWARD = "arbitration_award"
    INSPECTION = "inspection"


class Party(StrEnum):
    """A side of a labour dispute."""

    WORKER = "worker"
    EMPLOYER = "employer"


class Letter(StrEnum):
    """The documents 一函两书: 提示函, 意见书, 建议书."""

    REMINDER = "reminder"
    OPINION = "opinion"
    SUGGESTION = "suggestion"


class Addressee(StrEnum):
    """To whom a supervision letter goes."""

    EMPLOYER = "employer"
    AUTHORITY = "authority"


class CaseFact(Event, frozen=True, kw_only=True):
    """Base of the facts about a case. Subject `enterprise/<enterprise_id>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    case_id: UUID
    enterprise_id: UUID


class CaseOpened(CaseFact, frozen=True, kw_only=True):
    """A case was reported on `reported_on` about what happened on `occurredon`; it is open from `reported_on` on.

    `kind`, `subkind`, `channel` are codes. `workers_concerned`: persons; None: not known. `collective`: ten workers or more with a common
    claim, or a dispute on performing a collective contract (Mediation and Arbitration Law, art. 7; order 33, art. 62);
    `collective_proxy`: ten workers or more, without a known common claim. `amount_fen`: the sum claimed, in fen. `remuneration`: the claim is
    for pay, so that limitation does not run while employed (art. 27). `rule_version`: of the rule that decided `collective`.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = (
        *("case_id", "enterprise_id", "kind", "subkind", "workers_concerned", "collective", "collective_proxy", "reported_on"),
    )

    kind: str
    reported_on: date
    subkind: str | None = None
    workers_concerned: int | None = None
    common_claim: bool | None = None
    collective: bool = False
    collective_proxy: bool = False
    knew_on: date | None = None
    channel: str | None = None
    amount_fen: int | None = None
    remuneration: bool | None = None
    rule_version: str | None = None


class CaseAssigned(CaseFact, frozen=True, kw_only=True):
    """The case is handled by `assigned_to`, an opaque id like `actor`, from `occurredon` on; None: by nobody."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    assigned_to: str | None = None


class CaseProgressed(CaseFact, frozen=True, kw_only=True):
    """A step of the case was taken on `occurredon`. The other fields belong to some steps only.

    `days`: of an extension. `ground`: a code. `clock`: which one is suspended or resumed. `party`: who received the award or sued. `final`:
    the award is final for the employer (Mediation and Arbitration Law, art. 47). `document`, `addressee`, `received_on`, `reply_by`: of a
    supervision letter; `letter`: the rank of the letter that was replied to.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("case_id", "enterprise_id", "step", "document", "addressee")

    step: Step
    days: int | None = None
    ground: str | None = None
    clock: SuspendableClock | None = None
    party: Party | None = None
    final: bool | None = None
    document: Letter | None = None
    addressee: Addressee | None = None
    received_on: date | None = None
    reply_by: date | None = None
    letter: int | None = None
    note_id: UUID | None = None


class CaseClosed(CaseFact, frozen=True, kw_only=True):
    """The case ended on `occurredon`. `outcome` is a code; `recovered_fen` the money won back, in fen."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("case_id", "enterprise_id", "outcome", "recovered_fen")

    outcome: str
    recovered_fen: int | None = None
    note_id: UUID | None = None


class CaseReopened(CaseFact, frozen=True, kw_only=True):
    """The case is open again from `occurredon` on. `reason` is a code."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("case_id", "enterprise_id", "reason")

    reason: str | None = None
    note_id: UUID | None = None


TYPES: dict[str, type[Event]] = {
    "parkunion.case-opened.v1": CaseOpened,
    "parkunion.case-assigned.v1": CaseAssigned,
    "parkunion.case-progressed.v1": CaseProgressed,
    "parkunion.case-closed.v1": CaseClosed,
    "parkunion.case-reopened.v1": CaseReopened,
}
