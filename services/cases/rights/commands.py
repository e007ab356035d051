"""The commands on rights cases: their bodies, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from shared.contracts.case_codes import CASE_KINDS, CASE_SUBKINDS, CHANNELS, GROUNDS, OUTCOMES, REOPENING
from shared.contracts.cases.rights import Addressee, Letter, Party, Step, SuspendableClock
from shared.http.forms import Code, Count, Day, Id, Listed, Sequence, impersonal, normal

Fen: TypeAlias = Annotated[int, Field(strict=True, ge=0, lt=2**53)]
"""A sum of money in fen."""
Handler: TypeAlias = Annotated[
    str,
    BeforeValidator(normal),
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:@-]{0,63}$"),
    AfterValidator(impersonal),
]
"""The opaque id of who handles a case, like the `actor` of events: never a name or a document."""
Days: TypeAlias = Annotated[int, Field(strict=True, ge=1, le=30)]
"""Days of an extension."""


@dataclass(frozen=True, slots=True)
class Open:
    """A case was reported. `occurred_on`: when it happened; `knew_on`: when the workers knew or should have known, by default then.

    `workers_concerned`: persons; `common_claim`: whether they have one claim in common, null: not known. Ten workers or more with a common
    claim make a collective case, as does any dispute on performing a collective contract. `amount_fen`: the sum claimed, in fen.
    `remuneration`: the claim is for pay, so that limitation does not run while employed; wage arrears and pay cuts always are.
    """

    kind: Annotated[Code, Listed(CASE_KINDS)]
    enterprise_id: Id
    occurred_on: Day
    reported_on: Day
    subkind: Annotated[Code, Listed(CASE_SUBKINDS)] | None = None
    workers_concerned: Count | None = None
    common_claim: bool | None = None
    knew_on: Day | None = None
    channel: Annotated[Code, Listed(CHANNELS)] | None = None
    assigned_to: Handler | None = None
    amount_fen: Fen | None = None
    remuneration: bool | None = None


@dataclass(frozen=True, slots=True)
class TakeStep:
    """A step was taken `on` a day. The other fields belong to some steps only; each refusal says which.

    `days`: of an extension. `ground`: why a period is interrupted, suspended, resumed or begins anew. `clock`: which one is suspended or
    resumed. `party`: who received the award, or sued. `final`: the award is final for the employer. `document`, `addressee`, `received_on`,
    `reply_by`: of a supervision letter; `letter`: of a reply, the sequence of the letter, by default the oldest without one.
    """

    case_id: Id
    step: Step
    on: Day
    days: Days | None = None
    ground: Annotated[Code, Listed(GROUNDS)] | None = None
    clock: SuspendableClock | None = None
    party: Party | None = None
    final: bool | None = None
    document: Letter | None = None
    addressee: Addressee | None = None
    received_on: Day | None = None
    reply_by: Day | None = None
    letter: Sequence | None = None


@dataclass(frozen=True, slots=True)
class Close:
    """The case ended `on` a day with an outcome; `recovered_fen` is the money won back, in fen."""

    case_id: Id
    on: Day
    outcome: Annotated[Code, Listed(OUTCOMES)]
    recovered_fen: Fen | None = None


@dataclass(frozen=True, slots=True)
class Reopen:
    """The case is open again from `on`."""

    case_id: Id
    on: Day
    reason: Annotated[Code, Listed(REOPENING)] | None = None


@dataclass(frozen=True, slots=True)
class Assign:
    """Who handles the case from `on` (by default today) on; null: nobody."""

    case_id: Id
    assigned_to: Handler | None
    on: Day | None = None


REQUIRED: Mapping[Step, tuple[str, ...]] = {
    Step.EXTENDED: ("days",),
    Step.INSPECTION_EXTENDED: ("days",),
    Step.AWARD_RESTARTED: ("ground",),
    Step.SUSPENDED: ("clock",),
    Step.RESUMED: ("clock",),
    Step.AWARD_SERVED: ("party",),
    Step.SUPERVISION_LETTER_SENT: ("document", "addressee"),
}
"""Fields that a step needs besides its date."""
OPTIONAL: Mapping[Step, tuple[str, ...]] = {
    Step.SUSPENDED: ("ground",),
    Step.RESUMED: ("ground",),
    Step.INTERRUPTED: ("ground",),
    Step.AWARDED: ("final",),
    Step.SUIT_FILED: ("party",),
    Step.SUPERVISION_LETTER_SENT: ("received_on", "reply_by"),
    Step.REPLIED: ("letter", "document"),
}
"""Fields that a step may have."""
MOST_DAYS: Mapping[Step, int] = {Step.EXTENDED: 15, Step.INSPECTION_EXTENDED: 30}
"""Days of an extension: Mediation and Arbitration Law, art. 43; Regulation on Labour Security Inspection, art. 17."""
