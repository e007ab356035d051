"""Reads of rights cases."""

from __future__ import annotations

from services.cases.reads.routes import register_router
from services.cases.rights.answers import CaseAnswer, CasesAnswer, show
from services.cases.rights.case import CASE

router = register_router(CASE, item=CaseAnswer, items=CasesAnswer, show=show, tag="cases")
