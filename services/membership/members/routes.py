"""Reads of members."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Request
from starlette.responses import Response

from services.membership.members import people, store
from services.membership.members.answers import MemberAnswer
from services.membership.reads import READ
from shared.directory.store import sights
from shared.directory.visibility import ONE_DAY
from shared.http.auth import Areas
from shared.http.forms import Id
from shared.http.openapi import TAGGED
from shared.http.requests import JsonRoute, Router
from shared.http.web import CallerOf
from shared.persons.documents import masked
from shared.problems.errors import NotFound
from shared.problems.preconditions import etag_of
from shared.process import db
from shared.service.reads import require_seen, with_etag

router = Router(prefix="/v1", route_class=JsonRoute)
MemberId = Annotated[Id, Path(description="The id of the membership.", examples=["01938c5e-7f00-7000-8000-0000000000b1"])]


@router.get("/members/{member_id}", response_model=MemberAnswer, responses=TAGGED, tags=["members"])
async def get_member(request: Request, caller: CallerOf, member_id: MemberId) -> Response:
    """A membership, with the document masked: positions 7 to 14 are hidden.

    It is read where the enterprise was on the membership's last day, or is, if it goes on.
    """
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        found = await store.one(conn, member_id)
        if found is None:
            raise NotFound("NOT_FOUND")
        key = UUID(found["enterprise_id"])
        sight = (await sights(conn, caller.areas, [key]))[key]
        require_seen(caller, sight.on(_last_day(found)))
        sealed = await people.document_of(conn, member_id)
    document = None
    if sealed is not None:
        person_id, kind, number = sealed
        document = {"kind": kind, "number": masked(request.app.state.context.person_keys.open(person_id, number))}
    return with_etag(request, {**found, "document": document}, etag_of(found))


def _last_day(found: dict[str, Any]) -> date:
    joined, left = found["joined_on"], found["left_on"]
    return date.max - ONE_DAY if left is None else max(date.fromisoformat(left) - ONE_DAY, date.fromisoformat(joined))
