"""The events of a stream, as a service recorded them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from inspect import Signature
from typing import Annotated, Any, TypeVar

from fastapi import Query
from starlette.requests import Request
from starlette.responses import Response

from shared.directory import seen
from shared.directory.visibility import Sight
from shared.http.answers import EventsAnswer
from shared.http.auth import Areas, Caller
from shared.http.openapi import adding
from shared.http.pages import AFTER, LIMIT, Cursors
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.journal import journal
from shared.problems.errors import NotFound
from shared.process import db
from shared.process.db import Connection
from shared.writing.facts import World
from shared.writing.routes.parameters import parameter
from shared.writing.table import Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)

MOST_ITEMS = 500
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
After = Annotated[str | None, Query(description=AFTER, examples=[None])]


@dataclass(frozen=True, slots=True, kw_only=True)
class EventsRoute:
    """`GET /v1/events`. `subject` is the type of the parameter, with its form and description."""

    subject: Any
    sight: Callable[[Connection, Caller, str], Awaitable[Sight]]
    """What the caller sees of a stream. Raises a Problem if that is nothing."""
    cursors: Callable[[Request], Cursors]
    after: Any = After
    problems: Mapping[str, Any] = field(default_factory=lambda: adding("NOT_FOUND"))
    """Its `openapi_extra`: what `sight` raises, besides."""


def add_events(router: Router, table: Table[W, N], route: EventsRoute) -> None:
    """`GET /v1/events`."""

    async def list_events(*, request: Request, caller: Caller, subject: str, limit: int, after: str | None) -> Response:
        """What this service said on one stream, oldest first, as CloudEvents.

        Of an enterprise that moved, each area sees the events of its own time and the move, without the names of other areas.
        """
        caller.require(f"{table.service}:read")
        cursors = route.cursors(request)
        last = cursors.decode(after, tuple[int])[0] if after else 0
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            sight = await route.sight(conn, caller, subject)
            rows = await seen.events(conn, subject, sight, last, limit + 1)
        shown = rows[:limit]
        if not shown and not last:
            raise NotFound("NOT_FOUND")
        following = cursors.encode([shown[-1].sequence]) if len(rows) > limit else None
        items = b",".join(journal.cloud_event(row, table.source) for row in shown)
        tail = b'],"next":' + (f'"{following}"'.encode() if following else b"null") + b"}"
        return Response(b'{"items":[' + items + tail, media_type="application/json")

    parameters = [parameter("request", Request), parameter("caller", CallerOf), parameter("subject", route.subject)]
    parameters += [parameter("limit", Limit, 100), parameter("after", route.after, None)]
    list_events.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    router.add_api_route(
        "/events", list_events, methods=["GET"], response_model=EventsAnswer, tags=["events"], openapi_extra=dict(route.problems)
    )
