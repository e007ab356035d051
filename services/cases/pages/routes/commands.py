"""The forms: they carry out the commands of the API, for the person's client.

A form is taken only from a page of this service (`shared.browser.sessions.require_own_page`, the cookie being SameSite=Strict). Each carries
an idempotency key of its own, so that sending it twice does it once. What is refused is shown beside its field, with what was typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast
from uuid import UUID

import msgspec
from fastapi import Request
from pydantic import ValidationError
from starlette.responses import RedirectResponse, Response

from services.cases.facts import TABLE
from services.cases.pages.forms import Field, key_of, refused, typed_of, values_of
from services.cases.pages.offers import (
    ASSIGNMENT,
    OPENING,
    assignment_fields,
    opening_fields,
    outcome_fields,
    reopening_fields,
    step_fields,
)
from services.cases.pages.page import HEADERS, READ, WRITE, PageRoute, case_page, words_of
from services.cases.pages.routes.cases import show_case, show_new
from services.cases.reads.routes import require_entry
from services.cases.rights.case import CASE
from services.cases.rights.progress import OUTCOME, REOPENING, progress_of
from shared.contracts.cases.rights import Step
from shared.http.auth import Caller
from shared.http.forms import Command, Id
from shared.http.requests import Router
from shared.http.web import CallerOf
from shared.problems.errors import Problem, Unprocessable
from shared.problems.validation import problem_of
from shared.writing import routes as writing

REFUSALS = frozenset({403, 409, 412, 422})
"""The statuses of refusals that a form shows; of others there is a page."""
OPS = {OUTCOME: "case_outcome", REOPENING: "case_reopening", ASSIGNMENT: "case_assignment"}

router = Router(route_class=PageRoute, include_in_schema=False)


async def carry_out(request: Request, caller: Caller, op: str, values: dict[str, Any], key: str | None, path_id: Any = None) -> UUID | str:
    """The command of a form, as a route of the API carries it out: the id of its resource. Raises why it is refused."""
    command = TABLE.ops[op]
    try:
        body = cast(Command, command.body.model_validate(values))
    except ValidationError as error:
        raise problem_of(error.errors()) from None
    answer = await writing.one(TABLE, request, caller, key, body, command.of(body, path_id))
    found: str = msgspec.json.decode(answer.body)["id"]
    return found


@router.post("/cases/new")
async def open_case(request: Request, caller: CallerOf) -> Response:
    """A new case; then to its page."""
    caller.require(WRITE)
    typed = typed_of(await request.body())
    try:
        made = await carry_out(request, caller, "case", values_of(opening_fields(words_of(request)), typed), key_of(typed))
    except Problem as problem:
        if problem.status not in REFUSALS:
            raise
        async with case_page(request, caller, WRITE) as page:
            response = show_new(page, typed, refused(OPENING, typed, problem))
        # It holds what was typed of the reporter.
        response.headers["Cache-Control"] = "no-store"
        return response
    return back(f"/cases/{made}", "opened")


@router.post("/cases/{case_id}/steps")
async def take_step(request: Request, caller: CallerOf, case_id: Id) -> Response:
    """A step; then back to the case."""
    caller.require(WRITE)
    typed = typed_of(await request.body())
    try:
        step = Step(typed.get("step", ""))
    except ValueError:
        raise Unprocessable("NOT_ONE_OF", field="step", params={"expected": ", ".join(Step)}) from None
    row = await require_entry(request, caller, CASE, case_id)
    fields = step_fields(step, progress_of(row.entry.facts), words_of(request))
    return await _of_case(request, caller, case_id, "case_step", f"step-{step.value}", fields, typed, step.value, {"step": step.value})


@router.post("/cases/{case_id}/outcome")
async def close_case(request: Request, caller: CallerOf, case_id: Id) -> Response:
    """The outcome; then back to the case."""
    return await _end(request, caller, case_id, OUTCOME, outcome_fields(words_of(request)))


@router.post("/cases/{case_id}/reopening")
async def reopen_case(request: Request, caller: CallerOf, case_id: Id) -> Response:
    """The case is open again; then back to it."""
    return await _end(request, caller, case_id, REOPENING, reopening_fields(words_of(request)))


@router.post("/cases/{case_id}/assignment")
async def assign_case(request: Request, caller: CallerOf, case_id: Id) -> Response:
    """Who handles the case; then back to it. An empty name is nobody."""
    return await _end(request, caller, case_id, ASSIGNMENT, assignment_fields(words_of(request)), {"assigned_to": None})


async def _end(
    request: Request, caller: Caller, case_id: UUID, name: str, fields: Sequence[Field], more: dict[str, Any] | None = None
) -> Response:
    caller.require(WRITE)
    typed = typed_of(await request.body())
    return await _of_case(request, caller, case_id, OPS[name], name, fields, typed, name, more or {})


async def _of_case(
    request: Request,
    caller: Caller,
    case_id: UUID,
    op: str,
    form: str,
    fields: Sequence[Field],
    typed: dict[str, str],
    done: str,
    more: dict[str, Any],
) -> Response:
    try:
        await carry_out(request, caller, op, {**more, **values_of(fields, typed)}, key_of(typed), case_id)
    except Problem as problem:
        # Who may not read could not be shown the case with its form.
        if problem.status not in REFUSALS or READ not in caller.scopes:
            raise
        return await show_case(request, caller, case_id, refused=refused(form, typed, problem))
    return back(f"/cases/{case_id}", done)


def back(address: str, done: str) -> Response:
    """To a page that says what was done."""
    return RedirectResponse(f"{address}?done={done}", 303, headers=dict(HEADERS))
