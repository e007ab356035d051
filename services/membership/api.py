"""The routes: parse, call a handler, answer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, cast
from uuid import UUID

from fastapi import APIRouter, Query, Request
from starlette.responses import Response

from services.membership import listings, people
from services.membership.carry_out import carrying_out
from services.membership.context import Context
from services.membership.documents import masked
from services.membership.domain.commands import Command, Withdraw
from services.membership.schemas import (
    OPS,
    CorrectionBody,
    CoverageBody,
    DissolutionBody,
    LeaveBody,
    MemberBody,
    TransferBody,
    UnionBody,
    command_of,
)
from shared.contracts import membership
from shared.directory.store import area_path
from shared.http.answers import Created, created, json_response
from shared.http.auth import Areas, Caller
from shared.http.forms import AreaCode, Id, IdempotencyKey, IfMatch, Text, Withdrawal
from shared.http.forms import Command as Form
from shared.http.json_bodies import JsonRoute
from shared.http.pages import Cursors
from shared.http.web import CallerOf, actor_of
from shared.journal import idempotency, journal
from shared.problems.errors import NotFound, Unprocessable
from shared.process import db
from shared.process.db import Connection, Pool
from shared.writing import commands
from shared.writing.batch import Line as BatchLine
from shared.writing.batch import LineResult, NdjsonBatch
from shared.writing.commands import Line
from shared.writing.preconditions import expected_by

READ, WRITE, OPERATE = "membership:read", "membership:write", "membership:operate"
MOST_ITEMS = 500
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS)]

router = APIRouter(prefix="/v1", route_class=JsonRoute)


def _pool(request: Request) -> Pool:
    return cast(Pool, request.app.state.pool)


def _context(request: Request) -> Context:
    return cast(Context, request.app.state.context)


async def _command(
    request: Request, caller: Caller, key: str | None, body: Form, command: Command, if_match: str | None = None, scope: str = WRITE
) -> Response:
    caller.require(scope)
    context = _context(request)
    print_ = idempotency.fingerprint(context.fingerprint_key, "POST", request.url.path, body.plain()) if key else b""
    line = Line(command, key, print_, expected_by(if_match))
    return created(await commands.one(_pool(request), caller.client, line, carrying_out(context, caller.areas, actor_of(caller))))


@router.post("/unions", status_code=201, response_model=Created, tags=["unions"])
async def found_union(request: Request, caller: CallerOf, body: UnionBody, key: IdempotencyKey = None) -> Response:
    """The next higher union approved a union: it exists from `approved_on`, and covers `enterprises` from then on."""
    return await _command(request, caller, key, body, body.command())


@router.post("/unions/{union_id}/coverage", status_code=201, response_model=Created, tags=["unions"])
async def change_coverage(
    request: Request, caller: CallerOf, union_id: Id, body: CoverageBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """The union begins or ceases to cover an enterprise."""
    return await _command(request, caller, key, body, body.of(union_id), if_match)


@router.post("/unions/{union_id}/dissolution", status_code=201, response_model=Created, tags=["unions"])
async def dissolve_union(
    request: Request, caller: CallerOf, union_id: Id, body: DissolutionBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """The union ends, and with it its coverage of every enterprise."""
    return await _command(request, caller, key, body, body.of(union_id), if_match)


@router.post("/members", status_code=201, response_model=Created, tags=["members"])
async def join_member(request: Request, caller: CallerOf, body: MemberBody, key: IdempotencyKey = None) -> Response:
    """A person becomes a member at an enterprise that the union covers."""
    return await _command(request, caller, key, body, body.command())


@router.post("/members/{member_id}/leave", status_code=201, response_model=Created, tags=["members"])
async def leave_member(
    request: Request, caller: CallerOf, member_id: Id, body: LeaveBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """The member leaves."""
    return await _command(request, caller, key, body, body.of(member_id), if_match)


@router.post("/members/{member_id}/transfer", status_code=201, response_model=Created, tags=["members"])
async def transfer_member(
    request: Request, caller: CallerOf, member_id: Id, body: TransferBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """The member goes to another union or enterprise; the answer's `id` is the new membership."""
    return await _command(request, caller, key, body, body.of(member_id), if_match)


@router.post("/corrections", status_code=201, response_model=Created, tags=["corrections"])
async def correct_fact(
    request: Request, caller: CallerOf, body: CorrectionBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """An earlier fact was wrong; the answer's `id` is the correction's event."""
    return await _command(request, caller, key, body, body.command(), if_match)


@router.post("/withdrawals", status_code=201, response_model=Created, tags=["corrections"])
async def withdraw_events(request: Request, caller: CallerOf, body: Withdrawal, key: IdempotencyKey = None) -> Response:
    """Events were never facts: what no figure has counted is gone, what has counted is taken back from today on."""
    command = Withdraw(body.subject, body.first, body.last, body.why())
    return await _command(request, caller, key, body, command, scope=OPERATE)


BATCH = NdjsonBatch(OPS)


@router.post("/batch", tags=["batch"], openapi_extra=BATCH.openapi)
async def batch(request: Request, caller: CallerOf) -> Response:
    """Up to 1,000 commands in one transaction. Ids of paths stand in the body, as `union_id` and `member_id`."""
    caller.require(WRITE)
    context, pool = _context(request), _pool(request)
    actor = actor_of(caller)

    async def decide(given: list[BatchLine]) -> Sequence[LineResult]:
        lines = [
            Line(
                command_of(line.body),
                line.key,
                idempotency.fingerprint(context.fingerprint_key, "POST", f"/v1/batch/{line.op}", line.values) if line.key else b"",
            )
            for line in given
        ]
        return await commands.many(pool, caller.client, lines, carrying_out(context, caller.areas, actor))

    return await BATCH.respond(request, decide)


async def _grant(conn: Connection, caller: Caller, code: str | None, field: str | None) -> None:
    """Raises AREA_NOT_GRANTED unless the area lies inside the caller's."""
    if not caller.areas.everything:
        caller.require_area(code, await area_path(conn, code) if code else None, field)


async def _grant_resource(conn: Connection, caller: Caller, kind: str, key: UUID) -> None:
    """Raises NOT_FOUND for what does not exist, AREA_NOT_GRANTED for what lies elsewhere."""
    if (area := await listings.area_of(conn, kind, key)) is None:
        raise NotFound("NOT_FOUND")
    await _grant(conn, caller, area, None)


@router.get("/unions", tags=["unions"])
async def list_unions(
    request: Request,
    caller: CallerOf,
    q: Annotated[Text | None, Query(description="Part of the name")] = None,
    area: Annotated[AreaCode | None, Query(description="Seat in this area; needed with a token for some areas only")] = None,
    limit: Limit = 100,
    after: str | None = None,
) -> Response:
    """Unions by age."""
    caller.require(READ)
    cursors: Cursors = request.app.state.cursors
    last = UUID(cursors.decode(after, tuple[str])[0]) if after else None
    async with db.transaction(_pool(request), areas=Areas.all()) as conn:
        await _grant(conn, caller, area, "area")
        if area and await area_path(conn, area) is None:
            raise Unprocessable("UNKNOWN_AREA", field="area", params={"area": area})
    async with db.transaction(_pool(request), areas=caller.areas) as conn:
        rows = await listings.unions(conn, q, area, last, limit + 1)
    items = rows[:limit]
    return json_response({"items": items, "next": cursors.encode([items[-1]["id"]]) if len(rows) > limit else None})


@router.get("/unions/{union_id}", tags=["unions"])
async def get_union(request: Request, caller: CallerOf, union_id: Id) -> Response:
    """A union with the enterprises that it covers or covered."""
    caller.require(READ)
    async with db.transaction(_pool(request), areas=Areas.all()) as conn:
        await _grant_resource(conn, caller, "union", union_id)
        found = await listings.union(conn, union_id)
    if found is None:
        raise NotFound("NOT_FOUND")
    return _with_etag(request, found, listings.etag_of(found))


@router.get("/members/{member_id}", tags=["members"])
async def get_member(request: Request, caller: CallerOf, member_id: Id) -> Response:
    """A membership, with the document masked: positions 7 to 14 are hidden."""
    caller.require(READ)
    async with db.transaction(_pool(request), areas=Areas.all()) as conn:
        await _grant_resource(conn, caller, "member", member_id)
        found = await listings.member(conn, member_id)
        sealed = await people.document_of(conn, member_id)
    if found is None:
        raise NotFound("NOT_FOUND")
    document = None
    if sealed is not None:
        person_id, kind, number = sealed
        document = {"kind": kind, "number": masked(_context(request).documents.open(person_id, number))}
    return _with_etag(request, {**found, "document": document}, listings.etag_of(found))


def _with_etag(request: Request, found: dict[str, Any], etag: str) -> Response:
    """The resource; a command with its ETag as If-Match is refused (412) once it has changed."""
    response = json_response(found)
    if etag in request.headers.get("if-none-match", ""):
        return Response(status_code=304, headers={"ETag": etag})
    response.headers["ETag"] = etag
    return response


@router.get("/events", tags=["events"])
async def list_events(
    request: Request,
    caller: CallerOf,
    subject: Annotated[str, Query(pattern=r"^(union|enterprise)/[0-9a-f-]{36}$", description="union/<id> or enterprise/<id>")],
    limit: Limit = 100,
    after: str | None = None,
) -> Response:
    """What this service said on one stream, oldest first, as CloudEvents."""
    caller.require(READ)
    cursors: Cursors = request.app.state.cursors
    last = cursors.decode(after, tuple[int])[0] if after else 0
    kind, _, key = subject.partition("/")
    async with db.transaction(_pool(request), areas=Areas.all()) as conn:
        try:
            # Of a union that was withdrawn only those with every area may read.
            await _grant(conn, caller, await listings.area_of(conn, kind, UUID(key)), "subject")
        except ValueError:
            raise Unprocessable("INVALID_ID", field="subject") from None
        rows = await journal.events_of(conn, subject, last, limit + 1)
    shown = rows[:limit]
    if not shown and not last:
        raise NotFound("NOT_FOUND")
    following = cursors.encode([shown[-1].sequence]) if len(rows) > limit else None
    events = b",".join(journal.cloud_event(row, membership.SOURCE) for row in shown)
    tail = b'],"next":' + (f'"{following}"'.encode() if following else b"null") + b"}"
    return Response(b'{"items":[' + events + tail, media_type="application/json")
