"""What is due."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import RedirectResponse, Response

from services.cases.pages import store
from services.cases.pages.line import dated
from services.cases.pages.page import HEADERS, PageRoute, case_page
from services.cases.pages.store import SOON
from services.cases.reads import listing
from services.cases.reads.listing import ClockPlace
from services.cases.reads.routes import require_area
from shared.http.forms import AreaCode, Code, Day
from shared.http.requests import Router
from shared.http.web import CallerOf

SHOWN = 100
MOST_AREAS = 2000
MOST_GROUPS = 30
"""Parks and persons that the two lists beside the clocks name."""
GROUPS = ("overdue", "soon", "later", "undated")

Area = Annotated[AreaCode | Literal[""] | None, Query()]
Person = Annotated[Code | Literal[""] | None, Query()]
Until = Annotated[Day | Literal[""] | None, Query()]

router = Router(route_class=PageRoute, include_in_schema=False)


@dataclass(slots=True)
class Group:
    """Clocks under one heading."""

    name: str
    clocks: list[dict[str, Any]] = field(default_factory=list)


@router.get("/")
async def start(caller: CallerOf, request: Request) -> Response:
    """To what is due."""
    _ = caller
    language = request.query_params.get("lang")
    return RedirectResponse(f"/due?{urlencode({'lang': language})}" if language else "/due", 303, headers=dict(HEADERS))


@router.get("/due")
async def due_page(
    request: Request, caller: CallerOf, area: Area = None, assigned_to: Person = None, until: Until = None, after: str | None = None
) -> Response:
    """Open clocks of cases, negotiations and contracts, overdue first; how many by park and person; the years that the calendar lacks."""
    chosen_area, person = area or None, assigned_to or None
    last = until if isinstance(until, date) else None
    if chosen_area is not None:
        await require_area(request, caller, chosen_area, None)
    async with case_page(request, caller) as page:
        place = _place(page.cursors.decode(after, tuple[str | None, str, int])) if after else None
        found = await listing.clocks(page.conn, chosen_area, last, person, place, SHOWN + 1, page.today)
        counts = await store.counts(page.conn, chosen_area, last, person, page.today)
        clocks = [dated(clock) for _, clock in found[:SHOWN]]
        names = await page.names([*(clock["subject"]["area"] for clock in clocks), *(one.key for one in counts if one.by == "area")])
        chosen = {"area": chosen_area, "assigned_to": person, "until": last}
        return page.render(
            "due.html",
            groups=_groups(clocks, page.today),
            total=next((one for one in counts if one.by == "all"), None),
            by_area=[one for one in counts if one.by == "area"][:MOST_GROUPS],
            by_person=[one for one in counts if one.by == "person"][:MOST_GROUPS],
            names=names,
            places=await store.areas(page.conn, caller.areas, MOST_AREAS),
            missing=await page.missing_years(),
            chosen=chosen,
            with_filter=lambda **more: urlencode({name: value for name, value in {**chosen, **more}.items() if value}),
            more=_key(page.cursors, found[SHOWN - 1][0]) if len(found) > SHOWN else None,
        )


def _groups(clocks: list[dict[str, Any]], today: date) -> list[Group]:
    groups = {name: Group(name) for name in GROUPS}
    for clock in clocks:
        due = clock["due_on"]
        name = "undated" if due is None else "overdue" if due < today else "soon" if due <= today + SOON else "later"
        groups[name].clocks.append(clock)
    return [group for group in groups.values() if group.clocks]


def _place(key: Any) -> ClockPlace:
    due_on, entry_id, number = key
    return ClockPlace(date.fromisoformat(due_on) if due_on else None, UUID(entry_id), number)


def _key(cursors: Any, place: ClockPlace) -> str:
    key: str = cursors.encode([place.due_on.isoformat() if place.due_on else None, str(place.entry_id), place.number])
    return key
