"""The routes by which persons are erased: `DELETE /v1/persons/{person_id}` and `GET /v1/erasures`, the same in every service that owns persons.

What names the person is removed in one transaction with the record of it; facts, and so figures and audits, stay. Personal Information
Protection Law, art. 47: who processes it deletes it when asked to, or when its purpose, period, consent or lawfulness has ended.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Path, Query, Request
from starlette.responses import Response

from shared.contracts.codes import ERASING
from shared.http.answers import json_response
from shared.http.auth import Areas
from shared.http.forms import Id, Listed, Text
from shared.http.openapi import adding
from shared.http.pages import Cursors
from shared.http.requests import JsonRoute, Router, harmless_key
from shared.http.web import CallerOf
from shared.persons import erasures
from shared.persons.answers import ErasureAnswer, ErasuresAnswer
from shared.persons.bodies import ErasureBody
from shared.persons.erasures import Erasure
from shared.problems.errors import NotFound, Unprocessable
from shared.process import db
from shared.process.db import Connection
from shared.service.reads import require_granted
from shared.writing.routes import After, Limit

FIRST = datetime(1900, 1, 1, tzinfo=UTC)
AGAIN: Any = harmless_key("a person who was erased is answered with that erasure.")


PersonId = Annotated[
    Id,
    Path(
        description="The id of the person, as an erasure answers it, or of what the service knows the person by, such as a membership.",
        examples=["01938c5e-7f00-7000-8000-0000000000d1"],
    ),
]


@dataclass(frozen=True, slots=True)
class Erased:
    """A person, locked. `rows`: the ids of the rows that are still there, several where one person has several; empty: erased before.

    `areas`: where what is known of the person lies; None among them: where every area is needed.
    """

    person_id: UUID
    rows: Sequence[UUID]
    areas: Collection[str | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasing:
    """How a service erases. `find(conn, context, id)`: the person of an id, None if there never was one; `erase(conn, context, person)` removes what names
    the person, and the prints of requests that did (`shared.journal.idempotency.unprint`)."""

    service: str
    find: Callable[[Connection, Any, UUID], Awaitable[Erased | None]]
    erase: Callable[[Connection, Any, Erased], Awaitable[None]]

    @property
    def scope(self) -> str:
        """The scope of erasing, and of reading whom it was done to."""
        return f"{self.service}:persons"


def erasing_router(erasing: Erasing) -> Router:
    """The routes. They use `app.state`: `pool`, `context` and `settings`."""
    router = Router(prefix="/v1", route_class=JsonRoute, tags=["persons"])

    @router.delete("/persons/{person_id}", response_model=ErasureAnswer, openapi_extra=adding("NOT_FOUND"))
    async def erase_person(
        request: Request,
        caller: CallerOf,
        person_id: PersonId,
        body: ErasureBody | None = None,
        reason: Annotated[
            Annotated[Text, Listed(ERASING)] | None,
            Query(description="The reason, for clients that cannot send a body with DELETE.", examples=["requested"]),
        ] = None,
        _key: AGAIN = None,
    ) -> Response:
        """Everything that names the person is removed for ever; ids that name nobody stay in facts, so no figure changes.

        Needs every area where the person is known. Asked again, it answers what was done. A person who comes again is a new one.
        """
        caller.require(erasing.scope)
        why, context = _reason(body, reason), request.app.state.context

        async def erase(conn: Connection) -> Erasure:
            found = await erasing.find(conn, context, person_id)
            if found is None:
                raise NotFound("NOT_FOUND")
            for area in sorted(found.areas, key=str):
                await require_granted(conn, caller, area)
            if found.rows:
                await erasures.record(conn, found.rows, caller.client, why)
                await erasing.erase(conn, context, found)
            done = await erasures.one(conn, found.person_id)
            assert done is not None, "an erasure is recorded with its work"
            return done

        async def happened(conn: Connection, done: Erasure) -> bool:
            return await erasures.one(conn, done.person_id) is not None

        return json_response(await db.run_command(request.app.state.pool, erase, areas=Areas.all(), happened=happened))

    @router.get("/erasures", response_model=ErasuresAnswer)
    async def list_erasures(request: Request, caller: CallerOf, limit: Limit = 100, after: After = None) -> Response:
        """Who was erased, by id, and why: the oldest first. Needs every area.

        Keep the list apart from the backups of the database: one that is older than an erasure is restored with the person.
        """
        caller.require(erasing.scope)
        caller.require_area(None, None, None)
        cursors = Cursors(request.app.state.settings.cursor_key, f"{erasing.service}.erasures")
        at, key = cursors.decode(after, tuple[datetime, UUID]) if after else (FIRST, UUID(int=0))
        async with db.transaction(request.app.state.pool, by_key=True) as conn:
            found = await erasures.listed(conn, at, key, limit + 1)
        items = found[:limit]
        following = cursors.encode([items[-1].erased_at, items[-1].person_id]) if len(found) > limit else None
        return json_response({"items": items, "next": following})

    return router


def _reason(body: ErasureBody | None, reason: str | None) -> str:
    """The reason, said once. Raises FIELD_REQUIRED, DUPLICATE_FIELD, NOT_ONE_OF (422)."""
    given = [one for one in (body.reason if body is not None else None, reason) if one is not None]
    if len(given) != 1:
        raise Unprocessable("DUPLICATE_FIELD" if given else "FIELD_REQUIRED", field="reason")
    if given[0] not in ERASING.codes:
        choices = ERASING.choices()
        raise Unprocessable(ERASING.refusal, field="reason", params={"expected": choices.en, "expected_zh": choices.zh})
    return given[0]
