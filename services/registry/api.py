"""The routes that write: parse, carry out, answer."""

from __future__ import annotations

from fastapi import APIRouter, Request
from starlette.responses import Response

from services.registry.carry_out import carrying_out
from services.registry.context import Context
from services.registry.domain.commands import Command, Withdraw
from services.registry.schemas import (
    OPS,
    AreaBody,
    ClassificationBody,
    ClosureBody,
    CorrectionBody,
    EnterpriseBody,
    HeadcountBody,
    MoveBody,
)
from shared.http.answers import Created, created
from shared.http.forms import Command as Form
from shared.http.forms import Id, Withdrawal
from shared.http.json_bodies import JsonRoute
from shared.http.web import CallerOf, IdempotencyKey, IfMatch, actor_of
from shared.journal import idempotency
from shared.writing import commands
from shared.writing.batch import Line as BatchLine
from shared.writing.batch import LineResult, NdjsonBatch
from shared.writing.commands import Line
from shared.writing.preconditions import expected_by

WRITE, OPERATE = "registry:write", "registry:operate"

router = APIRouter(prefix="/v1", route_class=JsonRoute)
batch = NdjsonBatch(OPS)


async def _do(
    request: Request, caller: CallerOf, key: str | None, body: Form, command: Command, if_match: str | None = None, scope: str = WRITE
) -> Response:
    caller.require(scope)
    context: Context = request.app.state.context
    print_ = idempotency.fingerprint(context.fingerprint_key, "POST", request.url.path, body.plain()) if key else b""
    line = Line(command, key, print_, expected_by(if_match))
    work = carrying_out(context, caller.areas, actor_of(caller))
    return created(await commands.one(request.app.state.pool, caller.client, line, work))


@router.post("/areas", status_code=201, response_model=Created, tags=["areas"])
async def register_area(request: Request, caller: CallerOf, body: AreaBody, key: IdempotencyKey = None) -> Response:
    """A division, or a park that lies in one. Its parent must be granted; a root needs everything."""
    return await _do(request, caller, key, body, body.command())


@router.post("/enterprises", status_code=201, response_model=Created, tags=["enterprises"])
async def register_enterprise(request: Request, caller: CallerOf, body: EnterpriseBody, key: IdempotencyKey = None) -> Response:
    """An enterprise settled in a park. A name that the park has already comes with the warning PROBABLE_DUPLICATE."""
    return await _do(request, caller, key, body, body.command())


@router.post("/enterprises/{enterprise_id}/headcounts", status_code=201, response_model=Created, tags=["enterprises"])
async def report_headcount(
    request: Request, caller: CallerOf, enterprise_id: Id, body: HeadcountBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """So many workers on a day; of several reports for one day the last one counts."""
    return await _do(request, caller, key, body, body.of(enterprise_id), if_match)


@router.post("/enterprises/{enterprise_id}/moves", status_code=201, response_model=Created, tags=["enterprises"])
async def move_enterprise(
    request: Request, caller: CallerOf, enterprise_id: Id, body: MoveBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """To another park, from a day on."""
    return await _do(request, caller, key, body, body.of(enterprise_id), if_match)


@router.post("/enterprises/{enterprise_id}/classifications", status_code=201, response_model=Created, tags=["enterprises"])
async def reclassify_enterprise(
    request: Request, caller: CallerOf, enterprise_id: Id, body: ClassificationBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """Industry, ownership or yearly revenue (in yuan) from a day on; the size class is decided anew."""
    return await _do(request, caller, key, body, body.of(enterprise_id), if_match)


@router.post("/enterprises/{enterprise_id}/closure", status_code=201, response_model=Created, tags=["enterprises"])
async def close_enterprise(
    request: Request, caller: CallerOf, enterprise_id: Id, body: ClosureBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """The enterprise operates no longer, from a day on."""
    return await _do(request, caller, key, body, body.of(enterprise_id), if_match)


@router.post("/corrections", status_code=201, response_model=Created, tags=["corrections"])
async def correct_fact(
    request: Request, caller: CallerOf, body: CorrectionBody, key: IdempotencyKey = None, if_match: IfMatch = None
) -> Response:
    """An earlier fact was wrong; the answer's `id` is the correction's event."""
    return await _do(request, caller, key, body, body.command(), if_match)


@router.post("/withdrawals", status_code=201, response_model=Created, tags=["corrections"])
async def withdraw_events(request: Request, caller: CallerOf, body: Withdrawal, key: IdempotencyKey = None) -> Response:
    """Events were never facts: what no figure has counted is gone, what has counted is taken back from today on."""
    command = Withdraw(body.subject, body.first, body.last, body.why())
    return await _do(request, caller, key, body, command, scope=OPERATE)


@router.post("/batch", tags=["batch"], openapi_extra=batch.openapi)
async def carry_out_batch(request: Request, caller: CallerOf) -> Response:
    """Many commands in one transaction; a refused line changes nothing and stops no other."""
    caller.require(WRITE)
    context: Context = request.app.state.context

    async def decide(lines: list[BatchLine]) -> list[LineResult]:
        todo = [Line(line.body.command(), line.key, _print(context, line) if line.key else b"") for line in lines]
        work = carrying_out(context, caller.areas, actor_of(caller))
        return await commands.many(request.app.state.pool, caller.client, todo, work)

    return await batch.respond(request, decide)


def _print(context: Context, line: BatchLine) -> bytes:
    return idempotency.fingerprint(context.fingerprint_key, "POST", f"/v1/batch#{line.op}", line.values)
