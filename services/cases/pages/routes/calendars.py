"""The form for the working days of a year: days one a line, as the notice of the State Council lists them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Path, Query, Request
from pydantic import StringConstraints
from starlette.responses import Response

from services.cases.pages.forms import Field, Form, Refused, key_of, refused, typed_of
from services.cases.pages.page import WRITE, Page, PageRoute, case_page
from services.cases.pages.routes.commands import REFUSALS, back, carry_out
from services.cases.rulebook import store
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import FieldError, Problem

HOLIDAYS, WORKING_DAYS, SOURCE = "holidays", "working_days", "source"
LISTS = (HOLIDAYS, WORKING_DAYS)
FIELDS = (Field(SOURCE, "text", True), Field(HOLIDAYS, "lines", True), Field(WORKING_DAYS, "lines"))
Year = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}$"), Path()]

router = Router(route_class=PageRoute, include_in_schema=False)


@router.get("/calendars/{year}")
async def year_page(request: Request, caller: CallerOf, year: Year, done: Annotated[str, Query(max_length=20)] = "") -> Response:
    """What is known of a year, and the form that enters or replaces it."""
    async with case_page(request, caller) as page:
        return await _show(page, year, done=done == "calendar")


@router.post("/calendars/{year}")
async def set_year(request: Request, caller: CallerOf, year: Year) -> Response:
    """The arrangement of a year; then back to its page."""
    caller.require(WRITE)
    typed = typed_of(await request.body())
    lines = {name: _lines(typed.get(name, "")) for name in LISTS}
    values: dict[str, Any] = {name: [text for _, text in found] for name, found in lines.items()}
    if source := typed.get(SOURCE):
        values[SOURCE] = source
    try:
        await carry_out(request, caller, "calendar", values, key_of(typed), year)
    except Problem as problem:
        if problem.status not in REFUSALS:
            raise
        async with case_page(request, caller) as page:
            return await _show(page, year, _by_line(refused("calendar", typed, problem), lines))
    return back(f"/calendars/{year}", "calendar")


async def _show(page: Page, year: str, refusal: Refused | None = None, *, done: bool = False) -> Response:
    tables = {row["year"]: row for row in await store.years(page.conn)}
    table, calendar = tables.get(int(year)), (await page.context.tables.current(page.conn)).made[1]
    typed = {SOURCE: table["source"], **{name: "\n".join(str(day) for day in table[name]) for name in LISTS}} if table else {}
    return page.render(
        "calendar.html",
        status=refusal.status if refusal else 200,
        year=int(year),
        known=calendar.knows(int(year)),
        table=table,
        everywhere=page.caller.areas.everything,
        form=Form("calendar", f"/calendars/{year}", FIELDS, {}, refusal, typed),
        done=done,
    )


def _lines(text: str) -> list[tuple[int, str]]:
    """(number of the line, its text) of every line that is not empty."""
    return [(number, line.strip()) for number, line in enumerate(text.splitlines(), 1) if line.strip()]


def _by_line(refusal: Refused, lines: Mapping[str, list[tuple[int, str]]]) -> Refused:
    """The errors of single days with the number of their line."""
    return replace(refusal, errors=[_placed(error, lines) for error in refusal.errors])


def _placed(error: FieldError, lines: Mapping[str, list[tuple[int, str]]]) -> FieldError:
    name, _, position = (error.field or "").partition(".")
    own = lines.get(name, [])
    return replace(error, row=own[int(position)][0]) if position.isdigit() and int(position) < len(own) else error
