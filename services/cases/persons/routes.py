"""Reads of persons, each of which is logged before it is answered, and of that log."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import Response

from services.cases.entries.needs import Context
from services.cases.entries.noun import Noun
from services.cases.persons import readings, store
from services.cases.persons.answers import PersonsAnswer, ReadingsAnswer, shown
from services.cases.persons.purposes import Purpose, purpose_of
from services.cases.reads.listing import Row
from services.cases.reads.routes import AreaOf, require_entry
from shared.directory.store import area_path
from shared.http.answers import json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import Day, Id
from shared.http.openapi import adding
from shared.http.pages import Cursors
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.persons.sealing import Person, open_person
from shared.problems.errors import Unprocessable
from shared.process import db
from shared.service.reads import require_granted
from shared.writing.routes import After, Limit
from shared.writing.table import EXAMPLE_ID

PERSONS = "cases:persons"
OPERATE = "cases:operate"
LIST = "cases.readings"
ONE_DAY = timedelta(days=1)
REFUSALS = ("EMPTY", "TOO_LONG", "CONTROL_CHARACTERS", "HOLDS_RESIDENT_NUMBER")
More: TypeAlias = Callable[[Row], dict[str, Any]]

router = Router(prefix="/v1", route_class=JsonRoute, tags=["persons"])


def nothing_more(_: Row) -> dict[str, Any]:
    """Nothing besides the persons."""
    return {}


def persons_router(noun: Noun, *, tag: str, answer: type[PersonsAnswer] = PersonsAnswer, more: More = nothing_more) -> Router:
    """`GET /v1/<plural>/{id}/persons`. `more`: what else of the entry is shown with its persons alone."""
    made = Router(prefix="/v1", route_class=JsonRoute)
    entry_id: Any = Annotated[Id, Path(alias=noun.key, description=f"The id of the {noun.name}.", examples=[EXAMPLE_ID])]

    async def get_persons(request: Request, caller: CallerOf, purpose: Purpose, entry_id: UUID) -> Response:
        caller.require(PERSONS)
        why = purpose_of(purpose)
        row, found = await read_persons(request, caller, noun, entry_id, why)
        return json_response({"items": [shown(*one) for one in found], **more(row)})

    get_persons.__doc__ = f"Whom the {noun.name} names, in the clear. The reading is kept in a log with its purpose before it is answered."
    get_persons.__annotations__["entry_id"] = entry_id
    made.add_api_route(
        f"/{noun.plural}/{{{noun.key}}}/persons", get_persons, methods=["GET"], response_model=answer, tags=[tag],
        name=f"get_persons_of_{noun.name}", openapi_extra=adding(noun.unknown, *REFUSALS),
    )  # fmt: skip
    return made


async def read_persons(
    request: Request, caller: Caller, noun: Noun, entry_id: UUID, purpose: str
) -> tuple[Row, list[tuple[str, UUID, Person]]]:
    """An entry with the persons whom it names, each with the role: what is returned stands in the log of readings, committed.

    Raises SCOPE_MISSING, AREA_NOT_GRANTED (403), UNKNOWN_<NOUN> (404).
    """
    caller.require(PERSONS)
    row = await require_entry(request, caller, noun, entry_id)
    context: Context = request.app.state.context
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        found = [
            (role, person_id, open_person(context.person_keys, person_id, sealed))
            for role, person_id, sealed in await store.of_entry(conn, entry_id)
        ]
        named = [(person_id, person) for _, person_id, person in found]
        await readings.record(conn, caller.client, purpose, noun.name, entry_id, named, row.area)
    # Behind the commit: what is not in the log is not shown.
    return row, found


@router.get("/readings", response_model=ReadingsAnswer, openapi_extra=adding("UNKNOWN_AREA"))
async def list_readings(
    request: Request,
    caller: CallerOf,
    area: AreaOf = None,
    since: Annotated[Day | None, Query(alias="from", description="Only those of this day and later ones.", examples=["2026-07-01"])] = None,
    until: Annotated[Day | None, Query(alias="to", description="Only those of this day and earlier ones.", examples=["2026-07-31"])] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """Who read what is kept of persons, when and for which purpose: the oldest first, by the area in which the entry was then."""
    caller.require(OPERATE)
    cursors = Cursors(request.app.state.settings.cursor_key, LIST)
    (number,) = cursors.decode(after, tuple[int]) if after else (0,)
    clock = request.app.state.context.clock
    begins = None if since is None else clock.opens_after(since - ONE_DAY)
    ends = None if until is None or until == date.max else clock.opens_after(until)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await require_granted(conn, caller, area, "area")
        if area is not None and await area_path(conn, area) is None:
            raise Unprocessable("UNKNOWN_AREA", field="area", params={"area": area})
        found = await readings.listed(conn, area, begins, ends, number, limit + 1)
    items = found[:limit]
    following = cursors.encode([items[-1].number]) if len(found) > limit else None
    return json_response({"items": items, "next": following})
