"""The federation's pages: grants by bureau, what left the house, notices, and accesses by bureaus."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.subscriptions.portal import federation_store, store
from services.subscriptions.portal.page import GRANT, Page, PageRoute, portal_page
from services.subscriptions.portal.store import FIRST_ID
from services.subscriptions.portal.strip import first_day, strip_of
from services.subscriptions.settings import Settings
from shared.http.forms import Day, Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, Unprocessable

SHOWN = 100
MOST_SENT = 1000
MOST_CLIENTS = 500
MOST_DAYS = 92
LONGEST_CLIENT = 255
LAST_INSTANT = datetime(9999, 12, 31, tzinfo=UTC)
LAST_ID = UUID(int=2**128 - 1)

OptionalDay = Day | Literal[""] | None
Client = Annotated[str, Query(max_length=LONGEST_CLIENT)]

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/grants")
async def grants_page(request: Request, caller: CallerOf, after: str | None = None) -> Response:
    """All grants, by bureau: areas, types, purpose, basis, and until when."""
    async with portal_page(request, caller, GRANT) as page:
        start = page.cursors.decode(after, tuple[str, UUID]) if after else ("", FIRST_ID)
        found = await federation_store.grants(page.conn, page.within, start, SHOWN + 1)
        last = found[SHOWN - 1] if len(found) > SHOWN else None
        more = page.cursors.encode([last.client, str(last.id)]) if last else None
        return page.render("grants.html", lines=[(one, one.standing(page.now)) for one in found[:SHOWN]], more=more)


@router.get("/grants/{key}")
async def grant_page(request: Request, caller: CallerOf, key: Id) -> Response:
    """A grant with its states, its fields by type, and its subscriptions with their last days."""
    async with portal_page(request, caller, GRANT) as page:
        found = await federation_store.grant(page.conn, key)
        if found is None or not page.sight.governs(found.areas):
            raise NotFound("NOT_FOUND")
        subscriptions = await store.of_grant(page.conn, key, SHOWN)
        counts = await store.day_counts(page.conn, [one.id for one in subscriptions], first_day(page.today))
        return page.render(
            "grant.html",
            one=found,
            standing=found.standing(page.now),
            versions=await federation_store.versions(page.conn, key),
            lines=[(one, strip_of(counts.get(one.id, {}), page.today)) for one in subscriptions],
        )


@router.get("/sent")
async def sent_page(
    request: Request,
    caller: CallerOf,
    first: Annotated[OptionalDay, Query()] = None,
    last: Annotated[OptionalDay, Query()] = None,
    client: Client = "",
) -> Response:
    """What left the house in some days: to whom, under which grant, purpose and basis; of one bureau also by type."""
    async with portal_page(request, caller, GRANT) as page:
        begin, end = _days(page, first, last)
        rows = await federation_store.sent(page.conn, page.within, begin, end, client.strip() or None, MOST_SENT + 1)
        types = await federation_store.sent_by_type(page.conn, page.within, begin, end, client.strip()) if client.strip() else []
        return page.render(
            "sent.html",
            first=begin,
            last=end,
            client=client.strip(),
            clients=await federation_store.clients(page.conn, page.within, MOST_CLIENTS),
            lines=rows[:MOST_SENT],
            cut=len(rows) > MOST_SENT,
            types=types,
            delivered=sum(row.delivered for row in rows),
            withheld=sum(row.withheld for row in rows),
            bureaus=len({row.client for row in rows}),
        )


def _days(page: Page, first: OptionalDay, last: OptionalDay) -> tuple[date, date]:
    """The days asked for; by default the last seven. Raises DATE_OUT_OF_RANGE (422)."""
    end = last if isinstance(last, date) else page.today
    begin = first if isinstance(first, date) else end - timedelta(days=6)
    if not end - timedelta(days=MOST_DAYS) <= begin <= end:
        earliest, latest = end - timedelta(days=MOST_DAYS), end
        raise Unprocessable("DATE_OUT_OF_RANGE", field="first", params={"earliest": earliest, "latest": latest})
    return begin, end


@router.get("/notices")
async def notices_page(request: Request, caller: CallerOf, after: str | None = None) -> Response:
    """What the federation was told, the newest first."""
    async with portal_page(request, caller, GRANT) as page:
        before = page.cursors.decode(after, tuple[datetime, UUID]) if after else (LAST_INSTANT, LAST_ID)
        found = await federation_store.notices(page.conn, page.within, before, SHOWN + 1)
        last = found[SHOWN - 1] if len(found) > SHOWN else None
        more = page.cursors.encode([last.at.isoformat(), str(last.id)]) if last else None
        return page.render("notices.html", lines=found[:SHOWN], more=more)


@router.get("/accesses")
async def accesses_page(
    request: Request, caller: CallerOf, day: Annotated[OptionalDay, Query()] = None, client: Client = "", after: str | None = None
) -> Response:
    """Every access by bureaus: who, when, what, which numbers, and under which purpose."""
    async with portal_page(request, caller, GRANT) as page:
        settings: Settings = request.app.state.settings
        on = day if isinstance(day, date) else None
        opens = settings.clock.opens_after(on - timedelta(days=1)) if on else datetime.min.replace(tzinfo=UTC)
        until = settings.clock.opens_after(on) if on else LAST_INSTANT
        before = page.cursors.decode(after, tuple[datetime, int]) if after else (until, 0)
        found = await federation_store.accesses(page.conn, page.within, opens, before, client.strip() or None, SHOWN + 1)
        last = found[SHOWN - 1] if len(found) > SHOWN else None
        more = page.cursors.encode([last.at.isoformat(), last.id]) if last else None
        clients = await federation_store.clients(page.conn, page.within, MOST_CLIENTS)
        return page.render("accesses.html", lines=found[:SHOWN], more=more, day=on, client=client.strip(), clients=clients)
