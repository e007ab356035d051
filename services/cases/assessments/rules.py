"""Decisions on assessments and awards. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from services.cases.assessments import said
from services.cases.assessments.bodies import Assess, Grant
from services.cases.entries.needs import Needs, place_or_area
from services.cases.entries.world import World
from shared.contracts import Event
from shared.contracts.cases.assessments import Assessed, AssessmentMade, AwardGranted
from shared.contracts.ids import uuid7
from shared.problems.days import require_on_or_after
from shared.problems.errors import Unprocessable
from shared.service.enterprises import subject_of
from shared.writing.facts import Decision, Fact, Standing


def needs_assessed(needs: Needs, command: Assess) -> None:
    """An enterprise is named for the subject `enterprise`, else an area. Raises FIELD_REQUIRED, ENTERPRISE_OR_AREA (422)."""
    required = "enterprise_id" if command.subject is Assessed.ENTERPRISE else "area"
    if getattr(command, required) is None:
        raise Unprocessable("FIELD_REQUIRED", field=required)
    place_or_area(needs, command)


def assess(_world: World, command: Assess, _today: date) -> Decision:
    """A new assessment. Raises DATE_OUT_OF_RANGE (422)."""
    require_on_or_after(command.valid_until, command.on, "valid_until")
    level, grade = said.level_of(command.level), said.grade_of(command.grade)
    data = AssessmentMade(
        assessment_id=uuid7(),
        assessed=command.subject,
        level=level,
        grade=grade,
        enterprise_id=command.enterprise_id,
        area=command.area,
        valid_until=command.valid_until,
    )
    subject = f"area/{command.area}" if command.enterprise_id is None else subject_of(command.enterprise_id)
    private = said.private(level=(command.level, level), grade=(command.grade, grade))
    return Decision([Fact(subject, data, command.on, private=private)], str(data.assessment_id))


def complete_assessment(_world: World, fact: Standing, _changes: Mapping[str, Any]) -> Event:
    """What a corrected assessment says. Raises DATE_OUT_OF_RANGE (422)."""
    assert isinstance(fact.data, AssessmentMade)
    require_on_or_after(fact.data.valid_until, fact.on, "valid_until")
    return fact.data


def grant(_world: World, command: Grant, _today: date) -> Decision:
    """A new award, whose title no event holds. Raises DATE_OUT_OF_RANGE (422)."""
    require_on_or_after(command.until, command.on, "until")
    level = said.level_of(command.level)
    data = AwardGranted(award_id=uuid7(), enterprise_id=command.enterprise_id, level=level, until=command.until)
    private = {"title": command.title, **said.private(level=(command.level, level))}
    return Decision([Fact(subject_of(command.enterprise_id), data, command.on, private=private)], str(data.award_id))


def complete_award(_world: World, fact: Standing, _changes: Mapping[str, Any]) -> Event:
    """What a corrected award says. Raises DATE_OUT_OF_RANGE (422)."""
    assert isinstance(fact.data, AwardGranted)
    require_on_or_after(fact.data.until, fact.on, "until")
    return fact.data
