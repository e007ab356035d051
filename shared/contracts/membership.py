"""Facts that membership publishes on `parkunion.membership.v1`: unions, whom they cover, who joined or left, and visits.

A person is never named: `membership_id` is an opaque id whose link to the person stays in membership's own tables.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event

SOURCE = "/services/membership"


class UnionKind(StrEnum):
    """Kinds of union organisation of the glossary (docs/design/DOMAIN.md)."""

    ENTERPRISE_UNION = "enterprise_union"
    JOINT_UNION = "joint_union"
    REGIONAL_FEDERATION = "regional_federation"
    INDUSTRY_FEDERATION = "industry_federation"
    GRASSROOTS_FEDERATION = "grassroots_federation"
    PARK_UNION = "park_union"


class VisitPurpose(StrEnum):
    """Why an organiser visits an enterprise."""

    FIRST_CONTACT = "first_contact"
    FOUNDING = "founding"
    FOLLOW_UP = "follow_up"
    RIGHTS = "rights"
    OTHER = "other"


class UnionFounded(Event, frozen=True, kw_only=True):
    """The next higher union approved the union on `occurredon` (Trade Union Law 2021, art. 12). Subject `union/<union_id>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("union_id", "kind", "seat_area", "parent_union_id")

    union_id: UUID
    kind: UnionKind
    seat_area: str
    name: str | None = None
    parent_union_id: UUID | None = None


class UnionDissolved(Event, frozen=True, kw_only=True):
    """The union ends on `occurredon`. Subject `union/<union_id>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("union_id", "reason")

    union_id: UUID
    reason: str
    note_id: UUID | None = None


class CoverageStarted(Event, frozen=True, kw_only=True):
    """The union covers the enterprise from `occurredon` on. Subject `enterprise/<enterprise_id>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("enterprise_id", "union_id", "kind")

    enterprise_id: UUID
    union_id: UUID
    kind: UnionKind


class CoverageEnded(Event, frozen=True, kw_only=True):
    """The union no longer covers the enterprise from `occurredon` on. Subject `enterprise/<enterprise_id>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("enterprise_id", "union_id", "kind", "reason")

    enterprise_id: UUID
    union_id: UUID
    kind: UnionKind
    reason: str
    note_id: UUID | None = None


class MemberJoined(Event, frozen=True, kw_only=True):
    """One person is a member at this enterprise from `occurredon` on. Subject `enterprise/<enterprise_id>`.

    A transfer is a `member-left` and a `member-joined` with `reason` `transfer` and one `transfer_id`.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("enterprise_id", "union_id")

    membership_id: UUID
    enterprise_id: UUID
    union_id: UUID
    reason: str | None = None
    transfer_id: UUID | None = None


class MemberLeft(Event, frozen=True, kw_only=True):
    """One person is no longer a member at this enterprise from `occurredon` on. Subject `enterprise/<enterprise_id>`."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("enterprise_id", "union_id", "reason")

    membership_id: UUID
    enterprise_id: UUID
    union_id: UUID
    reason: str
    transfer_id: UUID | None = None
    note_id: UUID | None = None


class VisitMade(Event, frozen=True, kw_only=True):
    """An organiser visited the enterprise on `occurredon`. Subject `enterprise/<enterprise_id>`. Counts in no figure.

    `outcome` is a code; None is not recorded. `note_id` names a text kept by the source alone.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("visit_id", "enterprise_id", "purpose")

    visit_id: UUID
    enterprise_id: UUID
    purpose: VisitPurpose
    outcome: str | None = None
    note_id: UUID | None = None


TYPES: dict[str, type[Event]] = {
    "parkunion.union-founded.v1": UnionFounded,
    "parkunion.union-dissolved.v1": UnionDissolved,
    "parkunion.coverage-started.v1": CoverageStarted,
    "parkunion.coverage-ended.v1": CoverageEnded,
    "parkunion.member-joined.v1": MemberJoined,
    "parkunion.member-left.v1": MemberLeft,
    "parkunion.visit-made.v1": VisitMade,
}
