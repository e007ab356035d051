"""Reads of assessments and awards."""

from __future__ import annotations

from services.cases.assessments import answers as a
from services.cases.assessments.registers import ASSESSMENT, AWARD
from services.cases.reads.routes import register_router

ROUTERS = (
    register_router(ASSESSMENT, item=a.AssessmentAnswer, items=a.AssessmentsAnswer, show=a.show_assessment, tag="assessments"),
    register_router(AWARD, item=a.AwardAnswer, items=a.AwardsAnswer, show=a.show_award, tag="awards"),
)
