"""Agreements: pacts, negotiations, collective contracts, tripartite meetings, workers' congresses.

Facts of an enterprise are on its stream, `enterprise/<id>`; a contract of several enterprises is on the stream of each, so that no reader
joins streams. Facts of an area are on `area/<code>`.
"""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event


class NegotiationStep(StrEnum):
    """Steps of a negotiation (Provisions on Collective Contracts 2004, order 22, arts 31-36)."""

    INVITED = "invited"
    REPLIED = "replied"
    SESSION = "session"
    SUSPENDED = "suspended"
    RESUMED = "resumed"
    RESULT = "result"


class PactSigned(Event, frozen=True, kw_only=True):
    """A mutual-commitment pact (共同约定行动) was signed on `occurredon`, by an enterprise or for an area; it holds until `until`, if given."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("pact_id", "enterprise_id", "area", "workers", "until")

    pact_id: UUID
    enterprise_id: UUID | None = None
    area: str | None = None
    workers: int | None = None
    until: date | None = None


class NegotiationProgressed(Event, frozen=True, kw_only=True):
    """A step of a negotiation of the contract kind `kind` was taken on `occurredon`.

    `received_on`: when the other side received the invitation. `agreed`: of a reply, whether it consents. `result`: a code.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("negotiation_id", "enterprise_id", "kind", "step", "result")

    negotiation_id: UUID
    enterprise_id: UUID
    kind: str
    step: NegotiationStep
    received_on: date | None = None
    invited_by: str | None = None
    agreed: bool | None = None
    result: str | None = None
    note_id: UUID | None = None


class ContractFact(Event, frozen=True, kw_only=True):
    """Base of the facts about a collective contract, on the stream of each of its enterprises. `kind` is a code."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("contract_id", "enterprise_id", "kind")

    contract_id: UUID
    enterprise_id: UUID
    kind: str


class ContractSigned(ContractFact, frozen=True, kw_only=True):
    """The chief representatives signed on `occurredon`; the term ends with the day `term_until`.

    `approval_notified_on`: the congress's approval was notified, from which some places count the submission. `workers`: whom the contract
    covers in all, None: not known. `enterprises`: how many it covers.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = (*("contract_id", "enterprise_id", "kind", "term_until", "workers", "enterprises"),)

    term_until: date
    approval_notified_on: date | None = None
    workers: int | None = None
    enterprises: int = 1


class ContractSubmitted(ContractFact, frozen=True, kw_only=True):
    """The contract was submitted to the labour department on `occurredon` (order 22, art. 42)."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ContractFact.bureau_fields


class ContractReceived(ContractFact, frozen=True, kw_only=True):
    """The labour department received the contract on `occurredon`; without objection it is effective 15 days later (Labour Contract Law, 54)."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ContractFact.bureau_fields


class ContractObjected(ContractFact, frozen=True, kw_only=True):
    """The labour department's objection was served on `occurredon` (order 22, art. 45)."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ContractFact.bureau_fields


class ContractPublished(ContractFact, frozen=True, kw_only=True):
    """The contract was published to all workers on `occurredon`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ContractFact.bureau_fields


class ContractEffective(ContractFact, frozen=True, kw_only=True):
    """The contract is in effect from `occurredon` on, until the day `until` (included), unless it ends before. Said by the service itself.

    `rule_version`: of the rule that decided the day.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("contract_id", "enterprise_id", "kind", "until")

    until: date
    rule_version: str | None = None


class ContractTerminated(ContractFact, frozen=True, kw_only=True):
    """The contract ends before its term: `occurredon` is the first day on which it no longer holds. `reason` is a code."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("contract_id", "enterprise_id", "kind", "reason")

    reason: str | None = None
    note_id: UUID | None = None


class ContractExpired(ContractFact, frozen=True, kw_only=True):
    """The term is over: `occurredon` is the first day on which it no longer holds. Said by the service itself."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ContractFact.bureau_fields


class TripartiteHeld(Event, frozen=True, kw_only=True):
    """A tripartite meeting (三方协商) was held in the area on `occurredon`. Subject `area/<area>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("meeting_id", "area")

    meeting_id: UUID
    area: str


class CongressHeld(Event, frozen=True, kw_only=True):
    """A workers' congress (职代会) was held at the enterprise on `occurredon` with `delegates` delegates; None: not known."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("congress_id", "enterprise_id", "delegates")

    congress_id: UUID
    enterprise_id: UUID
    delegates: int | None = None


TYPES: dict[str, type[Event]] = {
    "parkunion.pact-signed.v1": PactSigned,
    "parkunion.negotiation-progressed.v1": NegotiationProgressed,
    "parkunion.contract-signed.v1": ContractSigned,
    "parkunion.contract-submitted.v1": ContractSubmitted,
    "parkunion.contract-received.v1": ContractReceived,
    "parkunion.contract-objected.v1": ContractObjected,
    "parkunion.contract-published.v1": ContractPublished,
    "parkunion.contract-effective.v1": ContractEffective,
    "parkunion.contract-terminated.v1": ContractTerminated,
    "parkunion.contract-expired.v1": ContractExpired,
    "parkunion.tripartite-held.v1": TripartiteHeld,
    "parkunion.congress-held.v1": CongressHeld,
}
