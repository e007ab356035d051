"""All routes of membership: those that write, made from the table, and the reads of unions, members and streams."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated

from fastapi import Query

from services.membership.erasing import ERASING
from services.membership.facts import TABLE
from services.membership.members.routes import router as members
from services.membership.unions import store
from services.membership.unions.routes import router as unions
from services.membership.visits.routes import router as visits
from shared.contracts.ids import uuid_of
from shared.directory.store import granted
from shared.directory.visibility import Sight, Stay
from shared.http.auth import Caller
from shared.http.parked_routes import parked_router
from shared.http.requests import Router
from shared.problems.errors import Unprocessable
from shared.process.db import Connection
from shared.service.erasing import erasing_router
from shared.service.reads import require_granted, sight_of_enterprise
from shared.writing.routes import EventsRoute, writing_router

Subject = Annotated[
    str,
    Query(
        pattern=r"^(union|enterprise)/[0-9a-f-]{36}$",
        description="The stream: union/<id> or enterprise/<id>.",
        examples=["union/01938c5e-7f00-7000-8000-0000000000c1"],
    ),
]


async def sight_of_stream(conn: Connection, caller: Caller, subject: str) -> Sight:
    """What the caller sees of a union's stream, by its seat, or of an enterprise's; of one that was withdrawn, with every area.

    Raises AREA_NOT_GRANTED (403), INVALID_ID (422).
    """
    kind, _, text = subject.partition("/")
    try:
        key = uuid_of(text)
    except ValueError:
        raise Unprocessable("INVALID_ID", field="subject") from None
    if kind == "enterprise":
        return await sight_of_enterprise(conn, caller, key, "subject")
    seat = await store.seat_of(conn, key)
    await require_granted(conn, caller, seat, "subject")
    return Sight([Stay(date.min, date.max, seat)] if seat else (), await granted(conn, caller.areas))


EVENTS = EventsRoute(subject=Subject, sight=sight_of_stream, cursors=lambda request: request.app.state.cursors)
ROUTERS: Sequence[Router] = (
    writing_router(TABLE, EVENTS),
    unions,
    members,
    visits,
    erasing_router(ERASING),
    parked_router("membership"),
)
"""They use `app.state`: `pool`, `context` and `cursors`."""
