"""The commands on rights cases: their bodies, declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from shared.contracts.case_codes import CASE_KINDS, CASE_SUBKINDS, CHANNELS, GROUNDS, OUTCOMES, REOPENING
from shared.contracts.cases.rights import Addressee, Letter, Party, Step, SuspendableClock
from shared.http.forms import Code, Count, Day, Id, Listed, Sequence, YesOrNo, impersonal, normal
from shared.persons.bodies import PersonBody

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
    `reporter`: who reported it, as far as is known; encrypted, in no event.
    """

    kind: Annotated[Annotated[Code, Listed(CASE_KINDS)], Field(description="A code of the list case_kinds.", examples=["wage_arrears"])]
    enterprise_id: Annotated[
        Id, Field(description="The enterprise that the case concerns.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    ]
    occurred_on: Annotated[Day, Field(description="When it happened.", examples=["2026-03-02"])]
    reported_on: Annotated[Day, Field(description="When it was reported: the case is open from then on.", examples=["2026-03-05"])]
    subkind: Annotated[
        Annotated[Code, Listed(CASE_SUBKINDS)] | None, Field(description="Of a dispute, a code of the list case_subkinds.", examples=[None])
    ] = None
    workers_concerned: Annotated[Count | None, Field(description="How many workers it concerns; null: not known.", examples=[12])] = None
    common_claim: Annotated[
        YesOrNo | None, Field(description="Whether they have one claim in common; null: not known.", examples=[True])
    ] = None
    knew_on: Annotated[
        Day | None, Field(description="When the workers knew or should have known; null: when it happened.", examples=[None])
    ] = None
    channel: Annotated[
        Annotated[Code, Listed(CHANNELS)] | None, Field(description="How it came, a code of the list case_channels.", examples=["hotline"])
    ] = None
    assigned_to: Annotated[Handler | None, Field(description="Who handles it, an opaque id.", examples=["handler-7"])] = None
    amount_fen: Annotated[Fen | None, Field(description="The sum claimed, in fen.", examples=[1500000])] = None
    remuneration: Annotated[
        YesOrNo | None, Field(description="Whether the claim is for pay; wage arrears and pay cuts always are.", examples=[None])
    ] = None
    reporter: Annotated[
        PersonBody | None, Field(description="Who reported it, as far as is known. Encrypted; in no event, list or error.", examples=[None])
    ] = None


@dataclass(frozen=True, slots=True)
class TakeStep:
    """A step was taken `on` a day. The other fields belong to some steps only; each refusal says which.

    `days`: of an extension. `ground`: why a period is interrupted, suspended, resumed or begins anew. `clock`: which one is suspended or
    resumed. `party`: who received the award, or sued. `final`: the award is final for the employer. `document`, `addressee`, `received_on`,
    `reply_by`: of a supervision letter; `letter`: of a reply, the sequence of the letter, by default the oldest without one; with `document` the oldest of that kind.
    """

    case_id: Annotated[Id, Field(description="The id of the case.", examples=["01938c5e-7f00-7000-8000-0000000000a1"])]
    step: Annotated[Step, Field(description="The step.", examples=["mediation_applied"])]
    on: Annotated[Day, Field(description="The day on which it was taken.", examples=["2026-03-09"])]
    days: Annotated[
        Days | None, Field(description="Days of an extension: at most 15 of the award's, 30 of an inspection's.", examples=[None])
    ] = None
    ground: Annotated[
        Annotated[Code, Listed(GROUNDS)] | None,
        Field(
            description="Why a period is interrupted, suspended, resumed or begins anew, a code of the list case_grounds.", examples=[None]
        ),
    ] = None
    clock: Annotated[SuspendableClock | None, Field(description="Which clock is suspended or resumed.", examples=[None])] = None
    party: Annotated[Party | None, Field(description="Who received the award, or sued.", examples=[None])] = None
    final: Annotated[YesOrNo | None, Field(description="Whether the award is final for the employer.", examples=[None])] = None
    document: Annotated[Letter | None, Field(description="The kind of a supervision letter.", examples=[None])] = None
    addressee: Annotated[Addressee | None, Field(description="To whom the letter goes.", examples=[None])] = None
    received_on: Annotated[Day | None, Field(description="When the letter was received.", examples=[None])] = None
    reply_by: Annotated[Day | None, Field(description="The day that the letter names for the reply.", examples=[None])] = None
    letter: Annotated[
        Sequence | None,
        Field(description="Of a reply, the position of the letter in its stream; null: the oldest without one.", examples=[None]),
    ] = None


@dataclass(frozen=True, slots=True)
class Close:
    """The case ended `on` a day with an outcome; `recovered_fen` is the money won back, in fen."""

    case_id: Annotated[Id, Field(description="The id of the case.", examples=["01938c5e-7f00-7000-8000-0000000000a1"])]
    on: Annotated[Day, Field(description="The day on which the case ended.", examples=["2026-05-06"])]
    outcome: Annotated[Annotated[Code, Listed(OUTCOMES)], Field(description="A code of the list case_outcomes.", examples=["paid"])]
    recovered_fen: Annotated[Fen | None, Field(description="The money won back, in fen.", examples=[1200000])] = None


@dataclass(frozen=True, slots=True)
class Reopen:
    """The case is open again from `on`."""

    case_id: Annotated[Id, Field(description="The id of the case.", examples=["01938c5e-7f00-7000-8000-0000000000a1"])]
    on: Annotated[Day, Field(description="The day from which it is open again.", examples=["2026-05-25"])]
    reason: Annotated[
        Annotated[Code, Listed(REOPENING)] | None, Field(description="A code of the list case_reopening.", examples=["not_performed"])
    ] = None


@dataclass(frozen=True, slots=True)
class Assign:
    """Who handles the case from `on` (by default today) on; null: nobody."""

    case_id: Annotated[Id, Field(description="The id of the case.", examples=["01938c5e-7f00-7000-8000-0000000000a1"])]
    assigned_to: Annotated[Handler | None, Field(description="Who handles it, an opaque id; null: nobody.", examples=["handler-7"])]
    on: Annotated[Day | None, Field(description="From which day on; null: today.", examples=[None])] = None


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
