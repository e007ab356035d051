"""Routes for held streams, for every service that reads: list them, list the events of one, request a retry."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from shared.http.answers import json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import Command, Text
from shared.http.pages import Cursors
from shared.http.requests import JsonRoute
from shared.http.web import CallerOf
from shared.process import db
from shared.process.db import Connection
from shared.reading import parked
from shared.reading.parked import HeldEvent, HeldStream
from shared.sequencing.parked_reasons import parse_reason

MOST_ITEMS = 500
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS)]
After = Annotated[str | None, Query(description="`next` of the page before")]
Kind = Annotated[Literal["early", "unreadable", "refused", "fork", "late"] | None, Query(description="Why the stream stands still")]
Name = Annotated[Text, Query(max_length=256)]


class Retry(Command):
    """Which streams are to be tried again; left out: all of them."""

    source: Text | None = None
    subject: Text | None = None


def parked_router(service: str, generation: Callable[[Connection], Awaitable[int]] = parked.serving) -> APIRouter:
    """`/v1/parked` of a service, for one `generation` of its reader. Needs `app.state.pool`.

    Reading needs the scope `<service>:read`, a retry `<service>:operate`, both for every area: streams belong to no area.
    """
    router = APIRouter(prefix="/v1/parked", tags=["parked"], route_class=JsonRoute)

    def cursors(request: Request, name: str) -> Cursors:
        return Cursors(request.app.state.settings.cursor_key, f"{service}.{name}")

    @router.get("")
    async def list_parked(
        request: Request, caller: CallerOf, kind: Kind = None, subject: Name | None = None, limit: Limit = 100, after: After = None
    ) -> Response:
        """Streams that stand still: where, since when, why, and how many events wait. `applied` is the last sequence that counts.

        `reason` says what `error` means: `code` (null: written by a release up to 0.2), `zh`, `en`, and `detail`, which is not translated.
        """
        _require(caller, f"{service}:read")
        pages = cursors(request, "parked")
        start = pages.decode(after, tuple[str, str, str]) if after else ("", "", "")
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            found = await parked.streams(conn, await generation(conn), kind=kind, subject=subject, after=start, limit=limit + 1)
        page = found[:limit]
        following = pages.encode([page[-1].source, page[-1].subject, page[-1].place]) if len(found) > limit else None
        return json_response({"items": [{"service": service, **_stream(one)} for one in page], "next": following})

    @router.get("/events")
    async def list_parked_events(
        request: Request, caller: CallerOf, source: Name, subject: Name, limit: Limit = 100, after: After = None
    ) -> Response:
        """The held events of one stream in sequence; `raw` (base64) where the content is no JSON."""
        _require(caller, f"{service}:read")
        pages = cursors(request, "parked.events")
        start = pages.decode(after, tuple[int, str, int]) if after else (-1, "", -1)
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            found = await parked.events(conn, await generation(conn), source, subject, after=start, limit=limit + 1)
        page = found[:limit]
        following = pages.encode([page[-1].sequence, page[-1].topic, page[-1].offset]) if len(found) > limit else None
        return json_response({"items": [_event(one) for one in page], "next": following})

    @router.post("/retry")
    async def retry_parked(request: Request, caller: CallerOf, body: Retry) -> Response:
        """Have the events at which streams stand tried again, within about a second. `asked`: how many; forks and gaps cannot be tried.

        What becomes of one is told by the list: it is gone, or its `tried_at` is later than this answer's.
        """
        _require(caller, f"{service}:operate")
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            asked = await parked.retry(conn, await generation(conn), body.source, body.subject)
            at = await conn.fetchval("SELECT parkunion_now()")
        return json_response({"service": service, "asked": asked, "at": at}, 202)

    return router


def _require(caller: Caller, scope: str) -> None:
    caller.require(scope)
    caller.require_area(None, None, None)


def _stream(one: HeldStream) -> dict[str, Any]:
    return {**one._asdict(), "place": one.place or None, "reason": _reason(one.error)}


def _reason(error: str | None) -> dict[str, str | None] | None:
    """`error` in both languages; rows of releases up to 0.2 have no code and only a detail."""
    found = parse_reason(error)
    return None if found is None else found._asdict()


def _event(one: HeldEvent) -> dict[str, Any]:
    content, raw = None, None
    try:
        content = json.loads(one.event)
    except ValueError:
        raw = base64.b64encode(one.event).decode()
    return {**one._asdict(), "reason": _reason(one.error), "event": content, "raw": raw}
