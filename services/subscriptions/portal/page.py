"""What the portal adds to the frame of its pages (`shared.browser`), who may see which of them, and what every page is made with."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.subscriptions.access import GRANT, USE, Sight, log_access, sight_of
from services.subscriptions.matching.current import Current, CurrentCache
from services.subscriptions.portal import store
from services.subscriptions.portal.store import Subscription
from services.subscriptions.portal.words import Words
from services.subscriptions.settings import Settings
from shared.browser import page
from shared.browser.page import HEADERS, PageRoute, render
from shared.browser.site import Site
from shared.http.auth import Caller
from shared.http.pages import Cursors
from shared.http.tokens import CALLER_KEY
from shared.problems.errors import NotFound
from shared.process import db
from shared.process.db import Connection, Pool

__all__ = ["GRANT", "HEADERS", "SITE", "USE", "Page", "PageRoute", "federation", "owns", "portal_page", "see"]


PORTAL = "portal"
"""What is logged of an access by these pages."""


def words_of(request: Request) -> Words:
    """The words of a page in its language."""
    return cast(Words, page.words_of(request))


def federation(caller: Caller) -> bool:
    """Whether the caller sees everything: who grants."""
    return GRANT in caller.scopes


def owns(caller: Caller, client: str) -> bool:
    """Whether the caller acts for this client."""
    return USE in caller.scopes and caller.client == client


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the caller, the words, the platform's clock, and a connection to read with."""

    request: Request
    caller: Caller
    words: Words
    conn: Connection
    sight: Sight
    current: Current
    now: datetime
    today: date

    @property
    def federation(self) -> bool:
        return federation(self.caller)

    @property
    def within(self) -> list[UUID] | None:
        """The grants that a federation may see: those whose areas all lie in its own; None: all."""
        if self.sight.inside is None:
            return None
        return [key for key, grant in self.current.grants.items() if self.sight.governs(grant.areas)]

    async def note_access(self, one: Subscription, numbers: Sequence[int] = ()) -> None:
        """Log that a bureau looked at its subscription and these numbers."""
        first_and_last = (min(numbers), max(numbers)) if numbers else None
        await log_access(self.conn, self.caller, self.now, PORTAL, {one.purpose}, one.id, first_and_last)

    @property
    def cursors(self) -> Cursors:
        """Encodes and decodes where a list goes on."""
        settings: Settings = self.request.app.state.settings
        return Cursors(settings.cursor_key, "portal")

    def render(self, template: str, **values: Any) -> Response:
        """The page, of this moment."""
        return render(self.request, template, {"w": self.words, "now": self.now, "today": self.today, **values})


@asynccontextmanager
async def portal_page(request: Request, caller: Caller, *scopes: str) -> AsyncIterator[Page]:
    """A page for whoever has one of the scopes. Raises SCOPE_MISSING (403)."""
    wanted = scopes or (USE, GRANT)
    if caller.scopes.isdisjoint(wanted):
        caller.require(wanted[0])
    pool: Pool = request.app.state.pool
    settings: Settings = request.app.state.settings
    current = await cast(CurrentCache, request.app.state.current).get()
    async with pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn, conn.transaction(isolation="repeatable_read"):
        now = await settings.clock.now(conn)
        yield Page(request, caller, words_of(request), conn, await sight_of(conn, caller), current, now, settings.clock.day_of(now))


async def see(one: Page, key: UUID) -> Subscription:
    """A subscription that the caller may see. Raises NOT_FOUND (404): another bureau's is not told from one that never was."""
    found = await store.subscription(one.conn, key)
    if found is None or not one.sight.sees(found.client, found.granted_areas):
        raise NotFound("NOT_FOUND")
    return found


def _values(request: Request, _words: Words) -> Mapping[str, Any]:
    caller: Caller | None = request.scope.get(CALLER_KEY)
    return {
        "is_federation": caller is not None and federation(caller),
        "is_bureau": caller is not None and USE in caller.scopes,
        "section": request.url.path.split("/")[1],
        "new_key": lambda: secrets.token_urlsafe(24),
        "owns": lambda client: caller is not None and owns(caller, client),
    }


def _standing(_request: Request, caller: Caller, words: Words) -> str:
    return words.t("who.federation") if federation(caller) else words.t("who.bureau", client=caller.client)


SITE = Site(
    folder=Path(__file__).parent,
    words=Words,
    cookies="parkunion_portal",
    scopes=(USE, GRANT),
    styles=("portal.css",),
    scripts=(),
    values=_values,
    standing=_standing,
)
"""The portal's pages."""
