"""All routes of cases: those that write, made from the table, the reads of registers, clocks, rules and streams, and the pages."""

from __future__ import annotations

from collections.abc import Sequence

from services.cases.agreements.routes import ROUTERS as AGREEMENTS
from services.cases.aid.routes import routers as aid
from services.cases.assessments.routes import ROUTERS as ASSESSMENTS
from services.cases.facts import TABLE
from services.cases.pages import router as pages
from services.cases.persons.erasing import ERASING
from services.cases.persons.routes import router as readings
from services.cases.reads import routes as reads
from services.cases.reads.streams import EVENTS
from services.cases.rights.routes import routers as rights
from services.cases.rulebook.routes import router as rulebook
from shared.http.parked_routes import parked_router
from shared.http.requests import Router
from shared.service.erasing import erasing_router
from shared.writing.routes import writing_router

REGISTERS = (*rights, *aid, *AGREEMENTS, *ASSESSMENTS)
PERSONS = (readings, erasing_router(ERASING))
ROUTERS: Sequence[Router] = (writing_router(TABLE, EVENTS), *REGISTERS, reads.router, rulebook, *PERSONS, pages, parked_router("cases"))
"""They use `app.state`: `pool`, `context` and `cursors`."""
