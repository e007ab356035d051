"""The commands on agreements: their bodies, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field

from shared.contracts.case_codes import CONTRACT_ENDING, CONTRACT_KINDS, NEGOTIATION_RESULTS
from shared.http.forms import AreaCode, Code, Count, Day, Id, Listed, YesOrNo

MOST_ENTERPRISES = 10_000
"""Enterprises of one contract: a regional one binds the units of a county or smaller area (Labour Contract Law, art. 53)."""
ContractKind: TypeAlias = Annotated[
    Code, Listed(CONTRACT_KINDS), Field(description="A code of the list contract_kinds.", examples=["collective"])
]
Enterprise: TypeAlias = Annotated[Id, Field(description="The enterprise.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])]
On: TypeAlias = Annotated[Day, Field(description="The day on which it happened, not after today.", examples=["2026-03-09"])]
Workers: TypeAlias = Annotated[Count | None, Field(description="Whom it covers; null: not known.", examples=[120])]


class Inviter(StrEnum):
    """The side that invites to negotiate (Provisions on Collective Contracts 2004, art. 32)."""

    WORKERS = "workers"
    EMPLOYER = "employer"


@dataclass(frozen=True, slots=True)
class SignPact:
    """A mutual-commitment pact was signed, by an enterprise or for an area: exactly one of both is named.

    `workers`: whom it covers; null: not known. `until`: the last day on which it holds; null: it has no end.
    """

    signed_on: Annotated[Day, Field(description="When it was signed, not after today.", examples=["2026-03-02"])]
    enterprise_id: Annotated[
        Id | None, Field(description="The enterprise that signed; or `area`.", examples=["01938c5e-7f00-7000-8000-0000000000e1"])
    ] = None
    area: Annotated[AreaCode | None, Field(description="The area for which it was signed; or `enterprise_id`.", examples=[None])] = None
    workers: Workers = None
    until: Annotated[Day | None, Field(description="The last day on which it holds; null: it has no end.", examples=["2026-12-31"])] = None


@dataclass(frozen=True, slots=True)
class Invite:
    """One side invited the other to negotiate a contract of this kind. `received_on`: when the other side received the invitation, by
    default the same day: the period of the reply counts from it."""

    enterprise_id: Enterprise
    kind: ContractKind
    invited_on: Annotated[Day, Field(description="When one side invited the other, not after today.", examples=["2026-03-02"])]
    received_on: Annotated[
        Day | None, Field(description="When the invitation was received; null: on its day.", examples=["2026-03-03"])
    ] = None
    invited_by: Annotated[Inviter | None, Field(description="Which side invited; null: not known.", examples=["workers"])] = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The other side replied in writing; `agreed`: it consents to negotiate."""

    negotiation_id: Id
    on: On
    agreed: Annotated[YesOrNo, Field(description="Whether it consents to negotiate.", examples=[True])]


@dataclass(frozen=True, slots=True)
class Meet:
    """A session of the negotiation was held."""

    negotiation_id: Id
    on: On


@dataclass(frozen=True, slots=True)
class Suspend:
    """Both sides agreed to suspend the negotiation."""

    negotiation_id: Id
    on: On


@dataclass(frozen=True, slots=True)
class Resume:
    """The negotiation goes on."""

    negotiation_id: Id
    on: On


@dataclass(frozen=True, slots=True)
class Conclude:
    """The negotiation ended with this result."""

    negotiation_id: Id
    on: On
    result: Annotated[Code, Listed(NEGOTIATION_RESULTS), Field(description="A code of the list negotiation_results.", examples=["agreed"])]


@dataclass(frozen=True, slots=True)
class SignContract:
    """The chief representatives signed a collective contract that binds these enterprises; the first one leads its rules and its place.

    `term_until`: the last day of its term; a term is one to three years, others are entered with a warning. `approval_notified_on`: the
    congress's approval was notified, from which some places count the submission. `workers`: whom it covers in all; null: not known.
    """

    kind: ContractKind
    enterprises: Annotated[
        list[Id],
        Field(
            min_length=1,
            max_length=MOST_ENTERPRISES,
            description="The enterprises that it binds, each once.",
            examples=[["01938c5e-7f00-7000-8000-0000000000e1"]],
        ),
    ]
    signed_on: Annotated[Day, Field(description="When the chief representatives signed, not after today.", examples=["2026-03-02"])]
    term_until: Annotated[Day, Field(description="The last day of its term.", examples=["2028-03-01"])]
    approval_notified_on: Annotated[Day | None, Field(description="When the congress's approval was notified.", examples=[None])] = None
    workers: Workers = None


@dataclass(frozen=True, slots=True)
class Submit:
    """The contract was submitted to the labour department."""

    contract_id: Id
    on: On


@dataclass(frozen=True, slots=True)
class Receive:
    """The labour department received the contract; without objection it takes effect by the rule `contract_effect`, 15 days later."""

    contract_id: Id
    on: On


@dataclass(frozen=True, slots=True)
class Object:
    """The labour department's objection was served, on the day of effect at the latest; the contract may be submitted anew."""

    contract_id: Id
    on: On


@dataclass(frozen=True, slots=True)
class Publish:
    """The contract was published to all workers."""

    contract_id: Id
    on: On


@dataclass(frozen=True, slots=True)
class Terminate:
    """The contract ends before its term: `on` is the first day on which it no longer holds."""

    contract_id: Id
    on: On
    reason: Annotated[
        Annotated[Code, Listed(CONTRACT_ENDING)] | None,
        Field(description="Why, a code of the list contract_ending; null: not given.", examples=["agreed"]),
    ] = None


@dataclass(frozen=True, slots=True)
class HoldMeeting:
    """A tripartite meeting of government, union and employers was held in the area."""

    area: Annotated[AreaCode, Field(description="The area.", examples=["330200"])]
    held_on: Annotated[Day, Field(description="When it was held, not after today.", examples=["2026-03-02"])]


@dataclass(frozen=True, slots=True)
class HoldCongress:
    """A workers' congress was held at the enterprise, with so many delegates; null: not known."""

    enterprise_id: Enterprise
    held_on: Annotated[Day, Field(description="When it was held, not after today.", examples=["2026-03-02"])]
    delegates: Annotated[Count | None, Field(description="How many delegates; null: not known.", examples=[35])] = None
