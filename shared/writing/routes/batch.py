"""Many commands in one request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response

from shared.http.openapi import of_batches
from shared.http.requests import IdempotencyKey, Router
from shared.http.web import BATCH_PATH, CallerOf, actor_of
from shared.journal import idempotency
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import BatchKey, Line
from shared.writing.facts import World
from shared.writing.lines.batch import Line as BatchLine
from shared.writing.lines.batch import LineResult, NdjsonBatch, values_of_batch
from shared.writing.lines.bodies import command_of, models
from shared.writing.routes.keyed import keys_of, new_key, offering
from shared.writing.table import Context, Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)


def line_fingerprint(table: Table[W, N], key: bytes, op: str, values: Any) -> bytes:
    """The fingerprint of a batch's line: HMAC of `POST`, `/v1/batch`, the service's separator and the op, and the plain body."""
    return idempotency.fingerprint(key, "POST", f"/v1/batch{table.batch_separator}{op}", values)


def add_batch(router: Router, table: Table[W, N]) -> None:
    """`POST /v1/batch`."""
    batch = NdjsonBatch(models(table))

    async def endpoint(request: Request, caller: CallerOf, key: IdempotencyKey = None) -> Response:
        caller.require(f"{table.service}:write")
        context: Context = request.app.state.context
        actor = actor_of(request, caller)

        async def decide(given: list[BatchLine]) -> Sequence[LineResult]:
            lines = [
                Line(
                    command_of(table, line.op, line.body),
                    line.key,
                    line_fingerprint(table, context.fingerprint_key, line.op, line.values) if line.key else b"",
                    number=line.number,
                )
                for line in given
            ]
            whole = None
            if key or any(line.key is None for line in given):
                print_ = idempotency.fingerprint(context.fingerprint_key, "POST", BATCH_PATH, values_of_batch(await request.body(), given))
                whole = BatchKey(key or new_key(), print_, fresh=key is None)
            work = carrying_out(table, context, caller.areas, actor)
            keys = await keys_of(request)
            with offering(whole.key if whole is not None and whole.fresh else None):
                return await commands.many(request.app.state.pool, keys, caller.client, lines, work, whole)

        return await batch.respond(request, decide)

    endpoint.__name__, endpoint.__doc__ = table.batch_name, table.batch_doc
    # Without a response class, or the document has JSON beside the lines.
    router.add_api_route(
        "/batch", endpoint, methods=["POST"], response_class=Response, tags=["batch"], openapi_extra={**batch.openapi, **of_batches()}
    )
