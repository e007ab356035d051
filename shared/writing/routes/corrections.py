"""Corrections and withdrawals, the same in every service."""

from __future__ import annotations

from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import Created
from shared.http.forms import Withdrawal
from shared.http.openapi import of_commands
from shared.http.openapi.problems import EXTRA
from shared.http.requests import IdempotencyKey, IfMatch, Router
from shared.http.web import CallerOf
from shared.writing.facts import Withdraw, World
from shared.writing.lines.bodies import CorrectionBody
from shared.writing.routes.one_command import one
from shared.writing.routes.parameters import done
from shared.writing.table import Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)


def add_corrections(router: Router, table: Table[W, N]) -> None:
    """`POST /v1/corrections` and `POST /v1/withdrawals`."""
    refusals = of_commands(table.service)
    recorded = done(table.service)

    @router.post(
        "/corrections", status_code=201, response_model=Created, response_description=recorded, tags=["corrections"], openapi_extra=refusals
    )
    async def correct_fact(
        request: Request, caller: CallerOf, body: CorrectionBody, key: IdempotencyKey = None, if_match: IfMatch = None
    ) -> Response:
        """An earlier fact was wrong; the answer's `id` is the correction's event."""
        caller.require(f"{table.service}:write")
        return await one(table, request, caller, key, body, body.command(), if_match)

    @router.post(
        "/withdrawals",
        status_code=201,
        response_model=Created,
        response_description=recorded,
        tags=["corrections"],
        openapi_extra={EXTRA: {**refusals[EXTRA], "UNKNOWN_STREAM": 404}},
    )
    async def withdraw_events(request: Request, caller: CallerOf, body: Withdrawal, key: IdempotencyKey = None) -> Response:
        """Events were never facts: what no figure has counted is gone, what has counted is taken back from today on."""
        caller.require(f"{table.service}:operate")
        command = Withdraw(body.subject, body.first, body.last, body.why())
        return await one(table, request, caller, key, body, command, None)
