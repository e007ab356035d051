"""What the pages of cases add to the frame (`shared.browser`), and what every page is made with."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from fastapi import Request
from starlette.responses import Response

from services.cases.entries.needs import Context
from services.cases.pages import store
from services.cases.pages.words import Words
from services.cases.rulebook.book import Book
from services.cases.settings import Settings
from shared.browser import page
from shared.browser.page import HEADERS, PageRoute, render
from shared.browser.site import Site
from shared.directory.store import area_path
from shared.http.auth import Caller
from shared.http.pages import Cursors
from shared.http.tokens import CALLER_KEY
from shared.process import db
from shared.process.db import Connection

__all__ = ["HEADERS", "PERSONS", "READ", "SITE", "WRITE", "Page", "PageRoute", "case_page", "words_of"]

READ, WRITE, PERSONS = "cases:read", "cases:write", "cases:persons"
SECTIONS = ("due", "cases", "contracts", "negotiations", "pacts", "meetings", "congresses", "assessments", "awards")
AID, LAST = "hardships", "rules"
MOST_NAMED = 3
"""Areas that the head of a page names."""
NOVEMBER = 11
"""The month from which the arrangement of the next year is asked for: the State Council gives it in the autumn."""


def words_of(request: Request) -> Words:
    """The words of a page in its language."""
    return cast(Words, page.words_of(request))


@dataclass(frozen=True, slots=True)
class MissingYear:
    """A year whose working days are not known. `waiting`: clocks that have no due day for that reason."""

    year: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Page:
    """One page: the caller, the words, the platform's clock, and a connection that sees the caller's areas."""

    request: Request
    caller: Caller
    words: Words
    conn: Connection
    now: datetime
    today: date

    @property
    def context(self) -> Context:
        """What this process has read of rules and calendars."""
        return cast(Context, self.request.app.state.context)

    @property
    def cursors(self) -> Cursors:
        """Encodes and decodes where a list goes on."""
        settings: Settings = self.request.app.state.settings
        return Cursors(settings.cursor_key, "cases.pages")

    async def book(self, area: str | None) -> Book:
        """The rules and the calendar of a place."""
        current = await self.context.tables.current(self.conn)
        path = await area_path(self.conn, area) if area else None
        return Book(*current.made, tuple(path or ()), current.version)

    async def missing_years(self) -> list[MissingYear]:
        """Years to ask for: this one and, from November on, the next. Of later ones nothing is published yet, whatever waits for them."""
        calendar = (await self.context.tables.current(self.conn)).made[1]
        wanted = [self.today.year, *([self.today.year + 1] if self.today.month >= NOVEMBER else [])]
        missing = [year for year in wanted if not calendar.knows(year)]
        waiting = await store.waiting_for_years(self.conn) if missing else {}
        return [MissingYear(year, waiting.get(year, 0)) for year in missing]

    async def names(self, codes: Collection[str | None]) -> dict[str, str]:
        """{code: name} of these areas, as far as they are known."""
        return await store.area_names(self.conn, [code for code in codes if code is not None])

    def render(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """The page, of this moment."""
        return render(self.request, template, {"w": self.words, "now": self.now, "today": self.today, **values}, status=status)


@asynccontextmanager
async def case_page(request: Request, caller: Caller, scope: str = READ) -> AsyncIterator[Page]:
    """A page for whoever has the scope. What it reads of entries is that of the caller's areas. Raises SCOPE_MISSING (403)."""
    caller.require(scope)
    settings: Settings = request.app.state.settings
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        now = await settings.clock.now(conn)
        yield Page(request, caller, words_of(request), conn, now, settings.clock.day_of(now))


def _values(request: Request, _words: Words) -> Mapping[str, Any]:
    caller: Caller | None = request.scope.get(CALLER_KEY)
    settings: Settings = request.app.state.settings

    def enterprise_address(enterprise: UUID) -> str | None:
        return f"{settings.dashboard_url}/enterprises/{enterprise}" if settings.dashboard_url else None

    return {
        "may_read": caller is not None and READ in caller.scopes,
        "may_write": caller is not None and WRITE in caller.scopes,
        "may_persons": caller is not None and PERSONS in caller.scopes,
        "client": caller.client if caller is not None else "",
        "section": request.url.path.split("/")[1],
        "sections": _sections(caller),
        "new_key": lambda: secrets.token_urlsafe(24),
        "enterprise_address": enterprise_address,
    }


def _sections(caller: Caller | None) -> list[str]:
    """The sections that are open to the caller."""
    scopes = caller.scopes if caller is not None else frozenset()
    found = SECTIONS if READ in scopes else ()
    return [*found, *((AID,) if PERSONS in scopes else ()), *((LAST,) if READ in scopes else ())]


def _standing(_request: Request, caller: Caller, words: Words) -> str:
    codes = sorted(caller.areas.codes)
    names = words.t("who.and").join([words.t("everything")] if caller.areas.everything else codes[:MOST_NAMED])
    if len(codes) > MOST_NAMED:
        names = words.t("who.more", names=names, number=words.number(len(codes) - MOST_NAMED))
    may = words.t("who.writes" if WRITE in caller.scopes else "who.reads")
    return f"{words.t('who.areas', areas=names)} · {may}"


SITE = Site(
    folder=Path(__file__).parent,
    words=Words,
    cookies="parkunion_cases",
    scopes=(READ, WRITE, PERSONS),
    styles=("cases.css",),
    scripts=(),
    values=_values,
    standing=_standing,
)
"""The pages of cases."""
