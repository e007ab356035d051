"""Assessments of harmonious labour relations and awards: of enterprises on their streams, of parks and townships on `area/<code>`."""

from __future__ import annotations

from datetime import date
from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from shared.contracts.envelope import Event


class Assessed(StrEnum):
    """What is assessed (人社部发〔2023〕2号: criteria for enterprises, and for parks and townships)."""

    ENTERPRISE = "enterprise"
    PARK = "park"
    TOWNSHIP = "township"


class AssessmentMade(Event, frozen=True, kw_only=True):
    """An enterprise, a park or a township was assessed on `occurredon`. `level` and `grade` are codes; `valid_until`: the last day."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = (
        *("assessment_id", "assessed", "enterprise_id", "area", "level", "grade", "valid_until"),
    )

    assessment_id: UUID
    assessed: Assessed
    level: str
    grade: str
    enterprise_id: UUID | None = None
    area: str | None = None
    valid_until: date | None = None


class AwardGranted(Event, frozen=True, kw_only=True):
    """The enterprise was granted an award on `occurredon`, until the day `until`, if it ends. Its title stays with the service."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("award_id", "enterprise_id", "level", "until")

    award_id: UUID
    enterprise_id: UUID
    level: str
    until: date | None = None


class AwardExpired(Event, frozen=True, kw_only=True):
    """The award holds no longer from `occurredon` on. Said by the service itself."""

    bureau_fields: ClassVar[tuple[str, ...] | None] = ("award_id", "enterprise_id")

    award_id: UUID
    enterprise_id: UUID


TYPES: dict[str, type[Event]] = {
    "parkunion.assessment-made.v1": AssessmentMade,
    "parkunion.award-granted.v1": AwardGranted,
    "parkunion.award-expired.v1": AwardExpired,
}
