"""The portal: pages for bureaus and for the federation. `router` has its routes, `by_cookie` authenticates browsers."""

from __future__ import annotations

import asyncio

from fastapi import Request

from services.subscriptions.portal.page import SITE
from services.subscriptions.portal.routes import commands, federation, pages
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
router.include_router(login.codes, tags=["portal"])
for _part in (login.router, pages.router, commands.router, federation.router):
    router.routes.extend(_part.routes)


async def by_cookie(request: Request) -> Caller | None:
    """The caller of a request by its session cookie. Raises UNAVAILABLE (503) while the database does not answer."""
    try:
        async with asyncio.timeout(ANSWER_WITHIN):
            return await sessions.by_cookie(request)
    except TimeoutError:
        raise Unavailable("UNAVAILABLE") from None
