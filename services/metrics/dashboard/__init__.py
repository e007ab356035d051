"""The dashboard: server-rendered pages, updated live. `router` has its routes, `by_cookie` authenticates browsers, `running` draws charts."""

from __future__ import annotations

import asyncio

from fastapi import Request

from services.metrics.dashboard.charts import running
from services.metrics.dashboard.page import SITE
from services.metrics.dashboard.routes import changes, downloads, explanations, findings, pages, statistics
from services.metrics.figures.snapshots import ANSWER_WITHIN, SILENT_ANSWER_WITHIN
from services.metrics.live.hub import Hub
from shared.browser import login, sessions
from shared.browser.provider import Provider
from shared.browser.sessions import SessionStates
from shared.http.auth import Caller
from shared.http.requests import Router
from shared.problems.errors import Unavailable

__all__ = ["SITE", "Provider", "SessionStates", "by_cookie", "router", "running"]

router = Router()
router.include_router(login.codes, tags=["dashboard"])
for _part in (login.router, pages.router, downloads.router, explanations.router, changes.router, findings.router, statistics.router):
    router.routes.extend(_part.routes)


async def by_cookie(request: Request) -> Caller | None:
    """The caller of a request by its session cookie. Raises UNAVAILABLE (503) while the database does not answer, soon where that is known."""
    hub: Hub = request.app.state.hub
    try:
        async with asyncio.timeout(SILENT_ANSWER_WITHIN if hub.unreachable else ANSWER_WITHIN):
            return await sessions.by_cookie(request)
    except TimeoutError:
        raise Unavailable("UNAVAILABLE") from None
