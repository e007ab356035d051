"""Pages for case handlers. `router` has their routes, `by_cookie` authenticates browsers."""

from __future__ import annotations

import asyncio

from fastapi import Request

from services.cases.pages.page import SITE
from services.cases.pages.routes import calendars, cases, commands, due, persons, registers, rules
from shared.browser import login, sessions
from shared.browser.provider import Provider
from shared.browser.sessions import SessionStates
from shared.http.auth import Caller
from shared.http.requests import Router
from shared.problems.errors import Unavailable

__all__ = ["SITE", "Provider", "SessionStates", "by_cookie", "router"]

ANSWER_WITHIN = 5.0
"""Seconds in which the database tells whose a session is."""

router = Router()
router.include_router(login.codes, tags=["pages"])
for _part in (login.router, due.router, commands.router, cases.router, persons.router, registers.router, rules.router, calendars.router):
    router.routes.extend(_part.routes)


async def by_cookie(request: Request) -> Caller | None:
    """The caller of a request by its session cookie. Raises UNAVAILABLE (503) while the database does not answer."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await sessions.by_cookie(request)
    except TimeoutError:
        raise Unavailable("UNAVAILABLE") from None
