"""The commands on agreements: their bodies, declared once."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, TypeAlias

from pydantic import Field

from shared.contracts.case_codes import CONTRACT_ENDING, CONTRACT_KINDS, NEGOTIATION_RESULTS
from shared.http.forms import AreaCode, Code, Count, Day, Id, Listed

MOST_ENTERPRISES = 10_000
"""Enterprises of one contract: a regional one binds the units of a county or smaller area (Labour Contract Law, art. 53)."""
ContractKind: TypeAlias = Annotated[Code, Listed(CONTRACT_KINDS)]


class Inviter(StrEnum):
    """The side that invites to negotiate (Provisions on Collective Contracts 2004, art. 32)."""

    WORKERS = "workers"
    EMPLOYER = "employer"


@dataclass(frozen=True, slots=True)
class SignPact:
    """A mutual-commitment pact was signed, by an enterprise or for an area: exactly one of both is named.

    `workers`: whom it covers; null: not known. `until`: the last day on which it holds; null: it has no end.
    """

    signed_on: Day
    enterprise_id: Id | None = None
    area: AreaCode | None = None
    workers: Count | None = None
    until: Day | None = None


@dataclass(frozen=True, slots=True)
class Invite:
    """One side invited the other to negotiate a contract of this kind. `received_on`: when the other side received the invitation, by
    default the same day: the period of the reply counts from it."""

    enterprise_id: Id
    kind: ContractKind
    invited_on: Day
    received_on: Day | None = None
    invited_by: Inviter | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """The other side replied in writing; `agreed`: it consents to negotiate."""

    negotiation_id: Id
    on: Day
    agreed: bool


@dataclass(frozen=True, slots=True)
class Meet:
    """A session of the negotiation was held."""

    negotiation_id: Id
    on: Day


@dataclass(frozen=True, slots=True)
class Suspend:
    """Both sides agreed to suspend the negotiation."""

    negotiation_id: Id
    on: Day


@dataclass(frozen=True, slots=True)
class Resume:
    """The negotiation goes on."""

    negotiation_id: Id
    on: Day


@dataclass(frozen=True, slots=True)
class Conclude:
    """The negotiation ended with this result."""

    negotiation_id: Id
    on: Day
    result: Annotated[Code, Listed(NEGOTIATION_RESULTS)]


@dataclass(frozen=True, slots=True)
class SignContract:
    """The chief representatives signed a collective contract that binds these enterprises; the first one leads its rules and its place.

    `term_until`: the last day of its term; a term is one to three years, others are entered with a warning. `approval_notified_on`: the
    congress's approval was notified, from which some places count the submission. `workers`: whom it covers in all; null: not known.
    """

    kind: ContractKind
    enterprises: Annotated[list[Id], Field(min_length=1, max_length=MOST_ENTERPRISES)]
    signed_on: Day
    term_until: Day
    approval_notified_on: Day | None = None
    workers: Count | None = None


@dataclass(frozen=True, slots=True)
class Submit:
    """The contract was submitted to the labour department."""

    contract_id: Id
    on: Day


@dataclass(frozen=True, slots=True)
class Receive:
    """The labour department received the contract; without objection it takes effect by the rule `contract_effect`, 15 days later."""

    contract_id: Id
    on: Day


@dataclass(frozen=True, slots=True)
class Object:
    """The labour department's objection was served, on the day of effect at the latest; the contract may be submitted anew."""

    contract_id: Id
    on: Day


@dataclass(frozen=True, slots=True)
class Publish:
    """The contract was published to all workers."""

    contract_id: Id
    on: Day


@dataclass(frozen=True, slots=True)
class Terminate:
    """The contract ends before its term: `on` is the first day on which it no longer holds."""

    contract_id: Id
    on: Day
    reason: Annotated[Code, Listed(CONTRACT_ENDING)] | None = None


@dataclass(frozen=True, slots=True)
class HoldMeeting:
    """A tripartite meeting of government, union and employers was held in the area."""

    area: AreaCode
    held_on: Day


@dataclass(frozen=True, slots=True)
class HoldCongress:
    """A workers' congress was held at the enterprise, with so many delegates; null: not known."""

    enterprise_id: Id
    held_on: Day
    delegates: Count | None = None
