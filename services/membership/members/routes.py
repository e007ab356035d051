"""Reads of members."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Request
from starlette.responses import Response

from services.membership.members import people, store
from services.membership.members.answers import MemberAnswer
from services.membership.members.documents import masked
from services.membership.reads import READ, require_resource
from shared.http.auth import Areas
from shared.http.forms import Id
from shared.http.openapi import TAGGED
from shared.http.requests import JsonRoute
from shared.http.web import CallerOf
from shared.problems.errors import NotFound
from shared.problems.preconditions import etag_of
from shared.process import db
from shared.service.reads import with_etag

router = APIRouter(prefix="/v1", route_class=JsonRoute)
MemberId = Annotated[Id, Path(description="The id of the membership.", examples=["01938c5e-7f00-7000-8000-0000000000b1"])]


@router.get("/members/{member_id}", response_model=MemberAnswer, responses=TAGGED, tags=["members"])
async def get_member(request: Request, caller: CallerOf, member_id: MemberId) -> Response:
    """A membership, with the document masked: positions 7 to 14 are hidden."""
    caller.require(READ)
    async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
        await require_resource(conn, caller, await store.park_of(conn, member_id))
        found = await store.one(conn, member_id)
        sealed = await people.document_of(conn, member_id)
    if found is None:
        raise NotFound("NOT_FOUND")
    document = None
    if sealed is not None:
        person_id, kind, number = sealed
        document = {"kind": kind, "number": masked(request.app.state.context.documents.open(person_id, number))}
    return with_etag(request, {**found, "document": document}, etag_of(found))
