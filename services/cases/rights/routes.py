"""Reads of rights cases, and of who reported them."""

from __future__ import annotations

from services.cases.persons.routes import persons_router
from services.cases.reads.routes import register_router
from services.cases.rights.answers import CaseAnswer, CasesAnswer, show
from services.cases.rights.case import CASE

routers = (register_router(CASE, item=CaseAnswer, items=CasesAnswer, show=show, tag="cases"), persons_router(CASE, tag="cases"))
