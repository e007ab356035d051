"""What reads of assessments and awards answer, and what of an entry they show."""

from __future__ import annotations

from datetime import date
from typing import Any

from pydantic import BaseModel, Field

from services.cases.assessments.said import shown
from services.cases.reads.answers import EntryAnswer
from services.cases.reads.listing import Row
from shared.contracts.cases.assessments import AssessmentMade, AwardExpired, AwardGranted
from shared.http.answers import NEXT


class AssessmentAnswer(EntryAnswer):
    """An assessment of an enterprise, a park or a township."""

    subject: str = Field(description="enterprise, park or township.", examples=["enterprise"])
    on: date = Field(description="When it was made.", examples=["2026-03-02"])
    level: str = Field(description="A code of the list levels, or what was entered.", examples=["city"])
    level_code: str = Field(description="The code in the event.", examples=["city"])
    grade: str = Field(description="The grade as it was entered.", examples=["AAA"])
    grade_code: str = Field(description="The code in the event.", examples=["AAA"])
    valid_until: date | None = Field(None, description="The last day on which it holds; null: it has no end.", examples=["2029-03-01"])


class AssessmentsAnswer(BaseModel):
    """Assessments by age."""

    items: list[AssessmentAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


class AwardAnswer(EntryAnswer):
    """An award of an enterprise."""

    title: str | None = Field(None, description="Its title.", examples=["和谐劳动关系示范企业"])
    level: str = Field(description="A code of the list levels, or what was entered.", examples=["city"])
    level_code: str = Field(description="The code in the event.", examples=["city"])
    on: date = Field(description="When it was granted.", examples=["2026-03-02"])
    until: date | None = Field(None, description="The last day on which it holds; null: it has no end.", examples=["2029-03-01"])
    expired_on: date | None = Field(None, description="The first day on which it no longer holds, once it is there.", examples=[None])


class AwardsAnswer(BaseModel):
    """Awards by age."""

    items: list[AwardAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


def show_assessment(row: Row) -> dict[str, Any]:
    """The fields of AssessmentAnswer."""
    found = row.entry.first(AssessmentMade)
    assert found is not None
    fact, data = found
    return {
        **row.common(),
        "subject": data.assessed.value,
        "on": fact.on,
        "level": shown(data.level, "level", row.entry.private),
        "level_code": data.level,
        "grade": shown(data.grade, "grade", row.entry.private),
        "grade_code": data.grade,
        "valid_until": data.valid_until,
    }


def show_award(row: Row) -> dict[str, Any]:
    """The fields of AwardAnswer."""
    found, expired = row.entry.first(AwardGranted), row.entry.first(AwardExpired)
    assert found is not None
    fact, data = found
    return {
        **row.common(),
        "title": row.entry.private.get("title"),
        "level": shown(data.level, "level", row.entry.private),
        "level_code": data.level,
        "on": fact.on,
        "until": data.until,
        "expired_on": expired[0].on if expired else None,
    }
