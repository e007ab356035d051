"""All routes of the registry."""

from __future__ import annotations

from collections.abc import Sequence

from services.registry.areas.routes import router as areas
from services.registry.enterprises.routes import router as enterprises
from services.registry.facts import TABLE
from services.registry.reads import EVENTS
from shared.http.requests import Router
from shared.writing.routes import writing_router

ROUTERS: Sequence[Router] = (writing_router(TABLE, EVENTS), enterprises, areas)
"""Commands, corrections, withdrawals, the batch and events by the table; then the reads of each noun."""
