"""What the portal adds to the frame of its pages (`shared.browser`), who may see which of them, and what every page is made with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.subscriptions.matching.current import Current, CurrentCache, Grant
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

GRANT, USE = "subscriptions:grant", "subscriptions:use"


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
    current: Current
    now: datetime
    today: date

    @property
    def federation(self) -> bool:
        return federation(self.caller)

    @property
    def within(self) -> list[UUID] | None:
        """The grants that a federation may see: those whose areas all lie in its own; None: all."""
        if self.caller.areas.everything:
            return None
        return [key for key, grant in self.current.grants.items() if self._granted(grant)]

    def may_see(self, client: str, grant: UUID) -> bool:
        """Whether what was granted to the client belongs on this page."""
        found = self.current.grants.get(grant)
        return owns(self.caller, client) or (self.federation and found is not None and self._granted(found))

    def _granted(self, grant: Grant) -> bool:
        return all(self.caller.areas.inside(self.current.tree.path(code)) for code in grant.areas)

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
    async with pool.acquire(timeout=db.CONNECT_TIMEOUT) as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        now = await settings.clock.now(conn)
        yield Page(request, caller, words_of(request), conn, current, now, settings.clock.day_of(now))


async def see(one: Page, key: UUID) -> Subscription:
    """A subscription that the caller may see. Raises NOT_FOUND (404): another bureau's is not told from one that never was."""
    found = await store.subscription(one.conn, key)
    if found is None or not one.may_see(found.client, found.grant_id):
        raise NotFound("NOT_FOUND")
    return found


def _values(request: Request, _words: Words) -> Mapping[str, Any]:
    caller: Caller | None = request.scope.get(CALLER_KEY)
    return {
        "is_federation": caller is not None and federation(caller),
        "is_bureau": caller is not None and USE in caller.scopes,
        "section": request.url.path.split("/")[1],
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
