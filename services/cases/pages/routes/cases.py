"""The register of cases, one case, and the form for a new one."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.cases.entries import clocking
from services.cases.pages import store
from services.cases.pages.forms import Refused
from services.cases.pages.line import NARROW, dated, line_of
from services.cases.pages.offers import offers, opening_form
from services.cases.pages.page import WRITE, Page, PageRoute, case_page
from services.cases.pages.routes.due import MOST_AREAS, SHOWN, Area, Person, Until
from services.cases.reads import listing
from services.cases.reads.listing import Filter, Row
from services.cases.reads.routes import require_area, require_entry
from services.cases.rights.answers import show
from services.cases.rights.case import CASE, CLOSED, OPEN
from services.cases.rights.progress import progress_of
from shared.contracts.cases.rights import Step
from shared.http.auth import Caller
from shared.http.forms import Code, Id
from shared.http.requests import Router
from shared.http.web import CallerOf

Choice = Annotated[Code | None, Query()]
Done = Annotated[str, Query(max_length=40)]

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/cases")
async def list_page(
    request: Request,
    caller: CallerOf,
    area: Area = None,
    kind: Annotated[str, Query(max_length=64)] = "",
    state: Annotated[str, Query(max_length=64)] = "",
    assigned_to: Person = None,
    due_until: Until = None,
    after: str | None = None,
) -> Response:
    """The register of cases by age, with what is asked of them."""
    chosen_area, due = area or None, due_until if isinstance(due_until, date) else None
    if chosen_area is not None:
        await require_area(request, caller, chosen_area, None)
    asked = Filter(area=chosen_area, kind=kind or None, state=state or None, assigned_to=assigned_to or None, due_until=due)
    async with case_page(request, caller) as page:
        last = page.cursors.decode(after, tuple[UUID])[0] if after else None
        rows = await listing.entries(page.conn, CASE.name, asked, last, SHOWN + 1)
        cases = [show(row) for row in rows[:SHOWN]]
        chosen = {"area": chosen_area, "kind": kind, "state": state, "assigned_to": assigned_to, "due_until": due}
        return page.render(
            "cases.html",
            cases=cases,
            states=(OPEN, CLOSED),
            names=await page.names([case["area"] for case in cases]),
            places=await store.areas(page.conn, caller.areas, MOST_AREAS),
            chosen=chosen,
            query=urlencode({name: value for name, value in chosen.items() if value}),
            more=page.cursors.encode([str(rows[SHOWN - 1].entry.id)]) if len(rows) > SHOWN else None,
        )


@router.get("/cases/new")
async def new_page(request: Request, caller: CallerOf, enterprise: Annotated[str, Query(max_length=64)] = "") -> Response:
    """The form that opens a case; `enterprise` may be named by the page that led here."""
    async with case_page(request, caller, WRITE) as page:
        return show_new(page, {"enterprise_id": enterprise, "reported_on": page.today.isoformat(), "occurred_on": page.today.isoformat()})


def show_new(page: Page, typed: dict[str, str], refused: Refused | None = None) -> Response:
    """The form with what was typed."""
    return page.render("new.html", form=opening_form(page.words, typed, refused), status=refused.status if refused else 200)


@router.get("/cases/{case_id}")
async def one_page(request: Request, caller: CallerOf, case_id: Id, done: Done = "") -> Response:
    """One case: its facts, its clocks on a line, its steps, and what may come next."""
    return await show_case(request, caller, case_id, done=done)


async def show_case(request: Request, caller: Caller, case_id: UUID, *, refused: Refused | None = None, done: str = "") -> Response:
    """The page of a case, with a form that was refused."""
    async with case_page(request, caller) as page:
        row = await require_entry(request, caller, CASE, case_id)
        case, clocks = show(row), await clocks_of(page, row)
        progress = progress_of(row.entry.facts)
        happened = [step["on"] for step in case["steps"]]
        offered = offers(case_id, progress, page.words, page.today, refused) if WRITE in caller.scopes else []
        return page.render(
            "case.html",
            status=refused.status if refused else 200,
            case=case,
            clocks=clocks,
            lines=lines_of(clocks, happened, page.today),
            offers=offered,
            refused=refused,
            refused_form=next((form for offer in offered for form in offer.forms if form.refused), None),
            letters={letter.rank: letter for letter in progress.letters},
            names=await page.names([case["area"]]),
            missing=await page.missing_years(),
            done=done if done in DONE else "",
        )


DONE = frozenset({*(step.value for step in Step), "opened", "outcome", "reopening", "assignment"})
"""What a page may say that was done."""


async def clocks_of(page: Page, row: Row) -> list[dict[str, Any]]:
    """Every clock of an entry today, those due first at the top."""
    book = await page.book(row.area)
    subject = listing.subject_of(row)
    shown = [dated(clocking.shown(subject, clock, page.today)) for clock in clocking.clocks_of(row.entry, book)]
    return sorted(shown, key=lambda clock: (clock["due_on"] or date.max, clock["clock"]))


def lines_of(clocks: list[dict[str, Any]], happened: list[date], today: date) -> list[Any]:
    """The drawing of clocks, for a desk and for a phone."""
    found = [line_of("desk", clocks, happened, today), line_of("phone", clocks, happened, today, NARROW)]
    return [line for line in found if line is not None]
