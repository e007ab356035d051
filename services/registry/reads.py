"""What the routes that read have in common: grants, pages, ETags, and the events of a stream."""

from __future__ import annotations

from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Request
from starlette.responses import Response

from services.registry.areas import store as areas
from services.registry.enterprises.enterprise import enterprise_subject
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered
from shared.directory.visibility import EveryArea, Sight, stays
from shared.http.answers import json_response
from shared.http.auth import UNNAMED, Caller
from shared.http.forms import Text
from shared.http.openapi import adding
from shared.http.pages import Cursors
from shared.problems.errors import NotFound, Unprocessable
from shared.process.db import Connection
from shared.writing import standing
from shared.writing.facts import History
from shared.writing.routes import EventsRoute

READ = "registry:read"
Part = Annotated[Text | None, Query(description="Part of a name or code.", examples=["电子"])]


async def require_granted(conn: Connection, caller: Caller, code: str | None, field: str | None) -> None:
    """Raises AREA_NOT_GRANTED (403) unless the area lies inside the caller's; None needs every area."""
    if not caller.areas.everything:
        caller.require_area(code, await areas.area_path(conn, code) if code else None, field)


async def require_known(conn: Connection, code: str | None, field: str) -> None:
    """Raises UNKNOWN_AREA (422) for an area that is not known."""
    if code and await areas.area_path(conn, code) is None:
        raise Unprocessable("UNKNOWN_AREA", field=field, params={"area": code})


def cursors_of(request: Request, list_name: str) -> Cursors:
    """The signed cursors of one list."""
    return Cursors(request.app.state.settings.cursor_key, f"registry.{list_name}")


def page_of(cursors: Cursors, rows: list[dict[str, Any]], limit: int, key: str) -> Response:
    """The first `limit` rows, and a cursor if there are more."""
    items = rows[:limit]
    return json_response({"items": items, "next": cursors.encode([items[-1][key]]) if len(rows) > limit else None})


def with_etag(request: Request, found: dict[str, Any] | None) -> Response:
    """The resource; its ETag is its stream's sequence, which If-Match of a command names. Raises NOT_FOUND (404)."""
    if found is None:
        raise NotFound("NOT_FOUND")
    etag = f'"{found["sequence"]}"'
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    return json_response(found, headers={"ETag": etag})


async def sight_of(conn: Connection, caller: Caller, history: History) -> Sight:
    """What the caller sees of an enterprise with this history; of one that was withdrawn, nothing without every area."""
    settled = [(fact.on, fact.rank, data.park) for fact, data in history.holding(EnterpriseRegistered)]
    moved = [(fact.on, fact.rank, data.park) for fact, data in history.holding(EnterpriseMoved)]
    return Sight(stays([*settled, *moved]) if settled else (), await areas.granted(conn, caller.areas))


async def history_of(conn: Connection, enterprise_id: UUID) -> History:
    """The facts of an enterprise as they stand; empty if it does not exist."""
    subject = enterprise_subject(enterprise_id)
    return (await standing.whole(conn, [subject])).histories.get(subject, History(subject))


async def _sight_of_stream(conn: Connection, caller: Caller, subject: str) -> Sight:
    """Raises AREA_NOT_GRANTED (403), INVALID_SUBJECT (422). The events of an area are seen whole, with a grant for it."""
    kind, _, key = subject.partition("/")
    try:
        sight = await sight_of(conn, caller, await history_of(conn, UUID(key))) if kind == "enterprise" else Sight((), EveryArea())
    except ValueError:
        raise Unprocessable("INVALID_SUBJECT", field="subject") from None
    if kind not in ("enterprise", "area"):
        raise Unprocessable("INVALID_SUBJECT", field="subject")
    if kind == "area":
        await require_granted(conn, caller, key, "subject")
    elif not sight.ever:
        caller.require_area(UNNAMED, None, "subject")
    return sight


EVENTS = EventsRoute(
    subject=Annotated[
        str,
        Query(
            max_length=80,
            description="The stream: enterprise/<id> or area/<code>.",
            examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"],
        ),
    ],
    sight=_sight_of_stream,
    cursors=lambda request: cursors_of(request, "events"),
    problems=adding("NOT_FOUND", "INVALID_SUBJECT"),
)
