"""The reads that every register has: its list, one entry, and the clocks of one; and the list of all clocks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import date
from typing import Annotated, Any, TypeAlias
from uuid import UUID

from fastapi import Path, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from services.cases.entries import clocking
from services.cases.entries.needs import Context
from services.cases.entries.noun import Noun
from services.cases.reads import listing
from services.cases.reads.answers import ClocksAnswer
from services.cases.reads.listing import ClockPlace, Filter, Row
from services.cases.rulebook.book import Book
from shared.directory.store import area_path
from shared.http.answers import json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import AreaCode, Code, Day, Id
from shared.http.openapi import TAGGED, adding
from shared.http.pages import Cursors
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.problems.errors import NotFound, Unprocessable
from shared.process import db
from shared.process.db import Connection
from shared.service.reads import require_granted, require_seen, sight_of_enterprise, with_etag
from shared.writing.routes import After, Limit
from shared.writing.table import EXAMPLE_ID

READ = "cases:read"
AreaOf = Annotated[
    AreaCode | None, Query(description="Only those in this area; needed with a token for some areas only.", examples=["330201"])
]
AssignedTo = Annotated[Code | None, Query(description="Only those that this person handles.", examples=["handler-7"])]
AsOf = Annotated[Day | None, Query(description="The day whose `state` is shown; by default today.", examples=["2026-04-17"])]
Show: TypeAlias = Callable[[Row], dict[str, Any]]
Endpoint: TypeAlias = Callable[..., Awaitable[Response]]

router = Router(prefix="/v1", route_class=JsonRoute)


def register_router(noun: Noun, *, item: type[BaseModel], items: type[BaseModel], show: Show, tag: str, scope: str = READ) -> Router:
    """`GET /v1/<plural>` and `GET /v1/<plural>/{id}`; of a noun with clocks also `…/{id}/clocks`. `show`: what answers show of an entry."""
    made = Router(prefix="/v1", route_class=JsonRoute)
    path, one = f"/{noun.plural}", f"/{noun.plural}/{{{noun.key}}}"
    named, unknown = noun.plural.replace("-", "_"), adding(noun.unknown)
    made.add_api_route(
        path, _list_of(noun, show, scope), methods=["GET"], response_model=items, tags=[tag], name=f"list_{named}",
        openapi_extra=adding("UNKNOWN_AREA"),
    )  # fmt: skip
    made.add_api_route(
        one, _one_of(noun, show, scope), methods=["GET"], response_model=item, responses=TAGGED, tags=[tag], name=f"get_{noun.name}",
        openapi_extra=unknown,
    )  # fmt: skip
    if noun.clocked:
        made.add_api_route(
            f"{one}/clocks", _clocks_of(noun, scope), methods=["GET"], response_model=ClocksAnswer, tags=["clocks"],
            name=f"get_clocks_of_{noun.name}", openapi_extra=unknown,
        )  # fmt: skip
    return made


def _entry_id(noun: Noun) -> Any:
    """The type of the id in a path."""
    return Annotated[Id, Path(alias=noun.key, description=f"The id of the {noun.name}.", examples=[EXAMPLE_ID])]


def _list_of(noun: Noun, show: Show, scope: str) -> Endpoint:
    async def list_entries(
        request: Request,
        caller: CallerOf,
        area: AreaOf = None,
        kind: Annotated[Code | None, Query(description="Only those of this kind.", examples=[None])] = None,
        state: Annotated[Code | None, Query(description="Only those in this state.", examples=[None])] = None,
        due_until: Annotated[
            Day | None, Query(description="Only those with a clock that is due on this day or before it.", examples=[None])
        ] = None,
        assigned_to: AssignedTo = None,
        until: Annotated[
            Day | None, Query(description="Only those that hold no longer than this day, such as contracts that expire.", examples=[None])
        ] = None,
        enterprise: Annotated[Id | None, Query(description="Only those of this enterprise.", examples=[None])] = None,
        limit: Limit = 100,
        after: After = None,
    ) -> Response:
        caller.require(scope)
        cursors: Cursors = request.app.state.cursors
        last = UUID(cursors.decode(after, tuple[str])[0]) if after else None
        await require_area(request, caller, area, enterprise)
        asked = Filter(area=area, kind=kind, state=state, due_until=due_until, assigned_to=assigned_to, until=until, enterprise=enterprise)
        async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
            rows = await listing.entries(conn, noun.name, asked, last, limit + 1)
        shown = rows[:limit]
        following = cursors.encode([str(shown[-1].entry.id)]) if len(rows) > limit else None
        return json_response({"items": [show(row) for row in shown], "next": following})

    list_entries.__doc__ = f"The register of {noun.plural}, by age."
    return list_entries


def _one_of(noun: Noun, show: Show, scope: str) -> Endpoint:
    async def get_entry(request: Request, caller: CallerOf, entry_id: UUID) -> Response:
        caller.require(scope)
        row = await require_entry(request, caller, noun, entry_id)
        return with_etag(request, show(row), row.entry.etag)

    get_entry.__doc__ = f"One {noun.name}, with its ETag."
    get_entry.__annotations__["entry_id"] = _entry_id(noun)
    return get_entry


def _clocks_of(noun: Noun, scope: str) -> Endpoint:
    async def get_clocks(request: Request, caller: CallerOf, entry_id: UUID, as_of: AsOf = None) -> Response:
        caller.require(scope)
        row = await require_entry(request, caller, noun, entry_id)
        context: Context = request.app.state.context
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            book = await book_at(conn, context, row.area)
            day = as_of or await context.clock.today(conn)
        clocks = sorted(clocking.clocks_of(row.entry, book), key=lambda clock: (clock.due_on or date.max, clock.clock))
        return json_response({"items": [clocking.shown(listing.subject_of(row), clock, day) for clock in clocks], "next": None})

    get_clocks.__doc__ = f"Every clock of one {noun.name}: by its facts, and the rules and the calendar of its place."
    get_clocks.__annotations__["entry_id"] = _entry_id(noun)
    return get_clocks


@router.get("/clocks", response_model=ClocksAnswer, tags=["clocks"], openapi_extra=adding("UNKNOWN_AREA"))
async def list_clocks(
    request: Request,
    caller: CallerOf,
    area: AreaOf = None,
    until: Annotated[Day | None, Query(description="Only those due on this day or before it.", examples=["2026-04-30"])] = None,
    assigned_to: AssignedTo = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """What is due, overdue first: the clocks of cases, negotiations and contracts that still wait for something. Those without a day come last."""
    caller.require(READ)
    cursors: Cursors = request.app.state.cursors
    place = _place(cursors, after) if after else None
    await require_area(request, caller, area, None)
    context: Context = request.app.state.context
    async with db.transaction(request.app.state.pool, areas=caller.areas) as conn:
        today = await context.clock.today(conn)
        rows = await listing.clocks(conn, area, until, assigned_to, place, limit + 1, today)
    shown = rows[:limit]
    last = shown[-1][0] if len(rows) > limit else None
    key = None if last is None else [None if last.due_on is None else last.due_on.isoformat(), str(last.entry_id), last.number]
    return json_response({"items": [clock for _, clock in shown], "next": cursors.encode(key) if key else None})


async def require_entry(request: Request, caller: Caller, noun: Noun, entry_id: UUID) -> Row:
    """An entry that lies in the caller's areas. Raises UNKNOWN_<NOUN> (404), AREA_NOT_GRANTED (403)."""
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        row = await listing.one(conn, noun.name, entry_id)
        if row is None:
            raise NotFound(noun.unknown, params={"id": str(entry_id)})
        await _require_seen(conn, caller, row)
    return row


async def _require_seen(conn: Connection, caller: Caller, row: Row) -> None:
    """One of the places of the entry, or its area, must be granted."""
    if caller.areas.everything:
        return
    parks = await listing.places(conn, row.entry.id) or ({row.entry.area} if row.entry.area else set())
    for park in sorted(parks):
        if caller.areas.inside(await area_path(conn, park) or [park]):
            return
    if row.entry.enterprises:
        require_seen(caller, seen=False)
    await require_granted(conn, caller, min(parks) if parks else None)


async def require_area(request: Request, caller: Caller, area: str | None, enterprise: UUID | None) -> None:
    """A list needs the grant of its area, or that its enterprise was in the caller's areas once; of everything, every area."""
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        if area is None and enterprise is not None:
            await sight_of_enterprise(conn, caller, enterprise, "enterprise")
            return
        await require_granted(conn, caller, area, "area")
        if area is not None and await area_path(conn, area) is None:
            raise Unprocessable("UNKNOWN_AREA", field="area", params={"area": area})


async def book_at(conn: Connection, context: Context, area: str | None) -> Book:
    """The rules and the calendar of a place."""
    current = await context.tables.current(conn)
    path = await area_path(conn, area) if area else None
    return Book(*current.made, tuple(path or ()), current.version)


def _place(cursors: Cursors, after: str) -> ClockPlace:
    due_on, entry_id, number = cursors.decode(after, tuple[str | None, str, int])
    return ClockPlace(date.fromisoformat(due_on) if due_on else None, UUID(entry_id), number)
