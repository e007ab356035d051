"""The log of accesses, notices, erasures and types. All but the types need `subscriptions:grant` for every area."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import Query, Request
from starlette.responses import Response, StreamingResponse

from services.subscriptions.access import GRANT, USE
from services.subscriptions.commands.once import Commands
from services.subscriptions.grants.bodies import ClientName
from services.subscriptions.grants.routes import known_types
from services.subscriptions.matching.outgoing import SOURCE
from services.subscriptions.oversight import store
from services.subscriptions.oversight.answers import AccessAnswer, AccessesAnswer, ErasureAnswer, NoticesAnswer, TypesAnswer
from services.subscriptions.oversight.bodies import ErasureBody
from services.subscriptions.oversight.erasing import Erasure
from services.subscriptions.oversight.names import name_of
from services.subscriptions.oversight.store import Wanted
from services.subscriptions.subscribing.bodies import Instant
from shared.http.answers import json_response
from shared.http.auth import Caller
from shared.http.forms import Id
from shared.http.openapi.examples import example_of
from shared.http.pages import AFTER, LIMIT, Cursors
from shared.http.requests import IdempotencyKey, JsonRoute, Router
from shared.http.web import CallerOf
from shared.process import db
from shared.process.db import Pool

MOST_ITEMS = 500
NDJSON = "application/x-ndjson"
AT_ONCE = 1000
"""Lines of an export that one transaction reads."""
FIRST = datetime(1900, 1, 1, tzinfo=UTC)
Limit = Annotated[int, Query(ge=1, le=MOST_ITEMS, description=LIMIT, examples=[100])]
After = Annotated[str | None, Query(description=AFTER, examples=[None])]
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines

router = Router(prefix="/v1", tags=["oversight"], route_class=JsonRoute)


def _lines_of_accesses() -> dict[int | str, dict[str, Any]]:
    line = AccessAnswer.model_json_schema()
    line["examples"] = [example_of(line, {})]
    example = f"{_encode(line['examples'][0]).decode()}\n"
    return {200: {"content": {NDJSON: {"schema": {"type": "string", "x-line": line}, "example": example}}}}


@router.get("/accesses", response_model=AccessesAnswer, responses=_lines_of_accesses())
async def list_accesses(
    request: Request,
    caller: CallerOf,
    client: Annotated[ClientName | None, Query(description="Only those of this client.", examples=["labour-bureau"])] = None,
    subscription: Annotated[
        Id | None, Query(description="Only those of this subscription.", examples=["01938c5e-7f00-7000-8000-0000000000b1"])
    ] = None,
    since: Annotated[Instant | None, Query(description="Only those from this instant on.", examples=["2026-07-01T00:00:00Z"])] = None,
    until: Annotated[Instant | None, Query(description="Only those before this instant.", examples=["2026-08-01T00:00:00Z"])] = None,
    format: Annotated[
        Literal["json", "ndjson"] | None,
        Query(description=f"`ndjson`: all of them, one a line, as with `Accept: {NDJSON}`.", examples=["json"]),
    ] = None,
    limit: Limit = 100,
    after: After = None,
) -> Response:
    """What bureaus were shown: who, what, when, and for which purpose. A page in JSON, or all from `after` on as NDJSON."""
    _require_federation(caller)
    cursors = Cursors(request.app.state.settings.cursor_key, "subscriptions.accesses")
    at, key = cursors.decode(after, tuple[datetime, int]) if after else (since or FIRST, 0)
    wanted = Wanted(at, key, client, subscription, until)
    if format == "ndjson" or (format is None and NDJSON in request.headers.get("accept", "")):
        return StreamingResponse(_exported(request.app.state.pool, wanted), media_type=NDJSON)
    async with db.transaction(request.app.state.pool) as conn:
        rows = await store.accesses(conn, wanted, limit + 1)
    items = rows[:limit]
    following = cursors.encode([items[-1]["at"], items[-1]["id"]]) if len(rows) > limit else None
    return json_response({"items": [_access(row) for row in items], "next": following})


@router.get("/notices", response_model=NoticesAnswer)
async def list_notices(request: Request, caller: CallerOf, limit: Limit = 100, after: After = None) -> Response:
    """Notices to the federation as CloudEvents: a subscription was disabled, events wait too long."""
    _require_federation(caller)
    cursors = Cursors(request.app.state.settings.cursor_key, "subscriptions.notices")
    at, key = cursors.decode(after, tuple[datetime, UUID]) if after else (FIRST, UUID(int=0))
    async with db.transaction(request.app.state.pool, by_key=True) as conn:
        rows = await store.notices(conn, at, key, limit + 1)
    items = rows[:limit]
    following = cursors.encode([items[-1]["at"], items[-1]["id"]]) if len(rows) > limit else None
    return json_response({"items": [_notice(row) for row in items], "next": following})


@router.post("/erasures", response_model=ErasureAnswer, status_code=201)
async def erase(request: Request, caller: CallerOf, body: ErasureBody, key: IdempotencyKey = None) -> Response:
    """Every content that names the id is removed, also of what is queued and of what comes later: such numbers go out as withheld."""
    _require_federation(caller)
    commands: Commands = request.app.state.commands
    erasure = Erasure(request.app.state.pool, request.app.state.settings.clock, body, caller.client)
    return await commands.carry_out(request, caller, key, body, erasure.finish, erasure.begin)


@router.get("/types", response_model=TypesAnswer)
async def list_types(caller: CallerOf) -> Response:
    """The types of events that can be granted, with their fields and those that are shown by default."""
    if GRANT not in caller.scopes:
        caller.require(USE)
    fields, defaults = known_types()
    items = [
        {"type": name, "description": name_of(name)._asdict(), "fields": fields[name], "default_fields": defaults[name]} for name in fields
    ]
    return json_response({"items": items})


async def _exported(pool: Pool, wanted: Wanted) -> AsyncIterator[bytes]:
    while True:
        async with db.transaction(pool) as conn:
            rows = await store.accesses(conn, wanted, AT_ONCE)
        if rows:
            yield _encode_lines([_access(row) for row in rows])
            wanted = replace(wanted, at=rows[-1]["at"], id=rows[-1]["id"])
        if len(rows) < AT_ONCE:
            return


def _access(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != "id"}


def _notice(row: dict[str, Any]) -> dict[str, Any]:
    subject = None if row["subscription"] is None else f"subscription/{row['subscription']}"
    fixed = {"specversion": "1.0", "source": SOURCE, "datacontenttype": "application/json"}
    return {**fixed, "id": row["id"], "type": row["type"], "subject": subject, "time": row["at"], "data": row["data"]}


def _require_federation(caller: Caller) -> None:
    caller.require(GRANT)
    caller.require_area(None, None, None)
