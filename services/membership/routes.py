"""All routes of membership: those that write, made from the table, and the reads of unions, members and streams."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from services.membership.facts import TABLE
from services.membership.members.routes import router as members
from services.membership.unions import store
from services.membership.unions.routes import router as unions
from services.membership.visits.routes import router as visits
from shared.contracts.ids import uuid_of
from shared.directory.store import enterprises
from shared.http.auth import Caller
from shared.http.parked_routes import parked_router
from shared.problems.errors import Unprocessable
from shared.process.db import Connection
from shared.service.reads import require_granted
from shared.writing.routes import EventsRoute, writing_router

Subject = Annotated[str, Query(pattern=r"^(union|enterprise)/[0-9a-f-]{36}$", description="union/<id> or enterprise/<id>")]


def routers() -> list[APIRouter]:
    """They use `app.state`: `pool`, `context` and `cursors`."""
    events = EventsRoute(subject=Subject, permit=require_stream, cursors=lambda request: request.app.state.cursors)
    return [writing_router(TABLE, events), unions, members, visits, parked_router("membership")]


async def require_stream(conn: Connection, caller: Caller, subject: str) -> None:
    """A stream is read with a grant for the union's seat or the enterprise's park; of one that was withdrawn, with every area.

    Raises AREA_NOT_GRANTED (403), INVALID_ID (422).
    """
    kind, _, text = subject.partition("/")
    try:
        key = uuid_of(text)
    except ValueError:
        raise Unprocessable("INVALID_ID", field="subject") from None
    if kind == "union":
        area = await store.seat_of(conn, key)
    else:
        enterprise = (await enterprises(conn, [key])).get(key)
        area = enterprise.park if enterprise else None
    await require_granted(conn, caller, area, "subject")
