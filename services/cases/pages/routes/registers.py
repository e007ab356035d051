"""The registers of agreements, assessments and awards, and one contract or negotiation with its clocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.cases.pages import store
from services.cases.pages.page import PageRoute, case_page
from services.cases.pages.registers import REGISTERS, Register
from services.cases.pages.routes.cases import clocks_of, lines_of
from services.cases.pages.routes.due import MOST_AREAS, SHOWN, Area, Until
from services.cases.reads import listing
from services.cases.reads.listing import Filter
from services.cases.reads.routes import require_area, require_entry
from shared.http.forms import Id
from shared.http.requests import Router
from shared.http.web import CallerOf

SOON = timedelta(days=90)
"""What ends within these days ends soon."""
MOST_ENDING = 500

router = Router(route_class=PageRoute, include_in_schema=False)


def _list_route(register: Register) -> Callable[..., Awaitable[Response]]:
    async def list_page(
        request: Request,
        caller: CallerOf,
        area: Area = None,
        kind: Annotated[str, Query(max_length=64)] = "",
        state: Annotated[str, Query(max_length=64)] = "",
        until: Until = None,
        after: str | None = None,
    ) -> Response:
        chosen_area, last = area or None, until if isinstance(until, date) else None
        if chosen_area is not None:
            await require_area(request, caller, chosen_area, None)
        asked = Filter(area=chosen_area, kind=kind or None, state=state or None)
        async with case_page(request, caller) as page:
            if register.until and last is not None:
                rows, more = list(await store.ending(page.conn, register.noun.name, asked, page.today, last, MOST_ENDING)), None
            else:
                place = page.cursors.decode(after, tuple[UUID])[0] if after else None
                rows = await listing.entries(page.conn, register.noun.name, asked, place, SHOWN + 1)
                more = page.cursors.encode([str(rows[SHOWN - 1].entry.id)]) if len(rows) > SHOWN else None
                rows = rows[:SHOWN]
            shown = [register.show(row) for row in rows]
            chosen: dict[str, Any] = {"area": chosen_area, "kind": kind, "state": state, "until": last}
            return page.render(
                "register.html",
                register=register,
                entries=shown,
                names=await page.names([entry["area"] for entry in shown]),
                places=await store.areas(page.conn, caller.areas, MOST_AREAS),
                chosen=chosen,
                soon=page.today + SOON,
                query=urlencode({name: value for name, value in chosen.items() if value}),
                more=more,
            )

    list_page.__doc__ = (
        f"The register of {register.path} by age; with `until` what still holds and ends by then, that first which ends first."
    )
    return list_page


def _one_route(register: Register) -> Callable[..., Awaitable[Response]]:
    async def one_page(request: Request, caller: CallerOf, entry_id: Id) -> Response:
        async with case_page(request, caller) as page:
            row = await require_entry(request, caller, register.noun, entry_id)
            entry, clocks = register.show(row), await clocks_of(page, row)
            return page.render(
                "entry.html",
                register=register,
                entry=entry,
                clocks=clocks,
                lines=lines_of(clocks, [step["on"] for step in entry["steps"]], page.today),
                names=await page.names([entry["area"]]),
                soon=page.today + SOON,
                missing=await page.missing_years(),
            )

    one_page.__doc__ = f"One entry of {register.path}: its facts, its clocks on a line, its steps."
    return one_page


for _register in REGISTERS.values():
    router.add_api_route(f"/{_register.path}", _list_route(_register), methods=["GET"], name=f"page_of_{_register.path}")
    if _register.single:
        _path = f"/{_register.path}/{{entry_id}}"
        router.add_api_route(_path, _one_route(_register), methods=["GET"], name=f"page_of_{_register.noun.name}")
