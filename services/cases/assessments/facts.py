"""The facts and commands of assessments and awards: rows of the service's table."""

from __future__ import annotations

from typing import Any

from services.cases.assessments import rules
from services.cases.assessments.bodies import Assess, Grant
from services.cases.assessments.said import read_grade, read_level
from services.cases.entries import needs, world
from services.cases.entries.reading_fields import day_or_none
from services.cases.entries.world import World
from shared.contracts.cases.assessments import AssessmentMade, AwardExpired, AwardGranted
from shared.writing.table import CommandKind, FactKind, Field

LEVEL = Field("level", read_level)
FACTS: tuple[FactKind[World], ...] = (
    FactKind(
        contract=AssessmentMade,
        put=world.put,
        drop=world.drop,
        fields={"level": LEVEL, "grade": Field("grade", read_grade), "valid_until": Field("valid_until", day_or_none)},
        needs=needs.fact,
        complete=rules.complete_assessment,
    ),
    FactKind(
        contract=AwardGranted,
        put=world.put,
        drop=world.drop,
        fields={"level": LEVEL, "until": Field("until", day_or_none)},
        needs=needs.fact,
        complete=rules.complete_award,
    ),
    FactKind(contract=AwardExpired, put=world.put, drop=world.drop, needs=needs.fact, correctable=False),
)
COMMANDS: tuple[CommandKind[Any, World], ...] = (
    CommandKind(
        op="assessment",
        name="make_assessment",
        path="/assessments",
        tags=["assessments"],
        kind=Assess,
        needs=rules.needs_assessed,
        permit=needs.permit_place,
        decide=rules.assess,
        date="on",
    ),
    CommandKind(
        op="award",
        name="grant_award",
        path="/awards",
        tags=["awards"],
        kind=Grant,
        needs=needs.place,
        permit=needs.permit_place,
        decide=rules.grant,
        date="on",
    ),
)
