"""Hardship files, and whom an entry names: behind the scope of persons, and each reading behind a purpose that is logged.

A purpose is sent in the body of a form, never in an address; what is read is not kept by browsers.
"""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.cases.aid.answers import show_hardship, with_figures
from services.cases.aid.registers import HARDSHIP
from services.cases.entries.noun import Noun
from services.cases.pages import store
from services.cases.pages.forms import Field, Form, Refused, refused, typed_of
from services.cases.pages.page import PERSONS, PageRoute, case_page
from services.cases.pages.routes.commands import REFUSALS
from services.cases.pages.routes.due import MOST_AREAS, SHOWN, Area
from services.cases.persons.answers import shown
from services.cases.persons.purposes import checked
from services.cases.persons.routes import read_persons
from services.cases.reads import listing
from services.cases.reads.listing import Filter, Row
from services.cases.reads.routes import require_area, require_entry
from services.cases.rights.case import CASE
from shared.contracts.case_codes import HARDSHIP_CLASSES
from shared.http.auth import Caller
from shared.http.forms import Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import Problem

PURPOSE = Field("purpose", "text", required=True)
STATES = ("open", "ended")

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/hardships")
async def list_page(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    kind: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[str, Query(max_length=64)] = "",
    after: str | None = None,
) -> Response:
    """Hardship files by age, without whom they are about."""
    chosen_area = area or None
    caller.require(PERSONS)
    if chosen_area is not None:
        await require_area(request, caller, chosen_area, None)
    async with case_page(request, caller, PERSONS) as page:
        last = page.cursors.decode(after, tuple[UUID])[0] if after else None
        asked = Filter(area=chosen_area, kind=kind or None, state=state or None)
        rows = await listing.entries(page.conn, HARDSHIP.name, asked, last, SHOWN + 1)
        files = [show_hardship(row) for row in rows[:SHOWN]]
        chosen = {"area": chosen_area, "kind": kind, "state": state}
        return _unkept(
            page.render(
                "hardships.html",
                files=files,
                classes=HARDSHIP_CLASSES,
                states=STATES,
                names=await page.names([one["area"] for one in files]),
                places=await store.areas(page.conn, caller.areas, MOST_AREAS),
                chosen=chosen,
                query=urlencode({name: value for name, value in chosen.items() if value}),
                more=page.cursors.encode([str(rows[SHOWN - 1].entry.id)]) if len(rows) > SHOWN else None,
            )
        )


@router.get("/hardships/{entry_id}")
async def ask_file(request: Request, caller: CallerOf, entry_id: Id) -> Response:
    """Asks for the purpose; nothing of the file is shown before."""
    return await _ask(request, caller, HARDSHIP, entry_id)


@router.post("/hardships/{entry_id}")
async def read_file(request: Request, caller: CallerOf, entry_id: Id) -> Response:
    """A hardship file with whom it is about and the money of the household. The reading is in the log before it is shown."""
    return await _read(request, caller, HARDSHIP, entry_id)


@router.get("/cases/{entry_id}/persons")
async def ask_reporter(request: Request, caller: CallerOf, entry_id: Id) -> Response:
    """Asks for the purpose."""
    return await _ask(request, caller, CASE, entry_id)


@router.post("/cases/{entry_id}/persons")
async def read_reporter(request: Request, caller: CallerOf, entry_id: Id) -> Response:
    """Who reported a case. The reading is in the log before it is shown."""
    return await _read(request, caller, CASE, entry_id)


async def _ask(request: Request, caller: Caller, noun: Noun, entry_id: UUID, refusal: Refused | None = None) -> Response:
    async with case_page(request, caller, PERSONS) as page:
        row = await require_entry(request, caller, noun, entry_id)
        form = Form("reading", request.url.path, (PURPOSE,), {}, refusal)
        names = await page.names([row.area])
        status = refusal.status if refusal else 200
        return _unkept(page.render("purpose.html", status=status, noun=noun, entry_id=entry_id, area=row.area, names=names, form=form))


async def _read(request: Request, caller: Caller, noun: Noun, entry_id: UUID) -> Response:
    caller.require(PERSONS)
    typed = typed_of(await request.body())
    try:
        purpose = checked(typed.get(PURPOSE.name, ""), PURPOSE.name)
    except Problem as problem:
        if problem.status not in REFUSALS:
            raise
        return await _ask(request, caller, noun, entry_id, refused("reading", typed, problem))
    row, found = await read_persons(request, caller, noun, entry_id, purpose)
    async with case_page(request, caller, PERSONS) as page:
        return _unkept(
            page.render(
                "persons.html",
                noun=noun,
                entry_id=entry_id,
                area=row.area,
                names=await page.names([row.area]),
                persons=[shown(*one) for one in found],
                purpose=purpose,
                **_file(noun, row),
            )
        )


def _file(noun: Noun, row: Row) -> dict[str, Any]:
    """What of a hardship file is shown with its person."""
    if noun is not HARDSHIP:
        return {"file": None, "more": None}
    return {"file": show_hardship(row), "more": with_figures(row)}


def _unkept(response: Response) -> Response:
    """Neither browsers nor anything between keeps it."""
    response.headers["Cache-Control"] = "no-store"
    return response
