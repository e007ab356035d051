"""What idempotency keys answered."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

from pydantic import Field, StringConstraints
from starlette.requests import Request
from starlette.responses import Response

from shared.http.answers import KeysAnswer, json_response
from shared.http.auth import Areas
from shared.http.forms import Command as Body
from shared.http.requests import Router, harmless_key
from shared.http.web import CallerOf, actor_of
from shared.journal import idempotency
from shared.process import db
from shared.writing.carry_out import carrying_out
from shared.writing.facts import World
from shared.writing.routes.keyed import keys_of
from shared.writing.table import Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)

MOST_KEYS = 500
Key = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,255}$")]
LookUpKey: TypeAlias = harmless_key("it only reads.")  # type: ignore[valid-type]


class KeysBody(Body):
    """Idempotency keys of the caller."""

    keys: list[Key] = Field(
        min_length=1, max_length=MOST_KEYS, description="Idempotency keys that the caller has used.", examples=[["enterprises/A-17"]]
    )


def add_keys(router: Router, table: Table[W, N]) -> None:
    """`POST /v1/keys`."""

    @router.post("/keys", response_model=KeysAnswer, tags=["batch"])
    async def look_up_keys(request: Request, caller: CallerOf, body: KeysBody, _key: LookUpKey = None) -> Response:
        """What the caller's idempotency keys answered, so that a later command can name what an earlier one made. Changes nothing.

        As with a repeat, the caller needs the grants that the command needed; without them a key is not known.
        """
        caller.require(f"{table.service}:write")
        keys, context = await keys_of(request), request.app.state.context
        async with db.transaction(request.app.state.pool, areas=Areas.all()) as conn:
            found = await idempotency.results(conn, keys, caller.client, body.keys)
            known = [(one, found[one]) for one in dict.fromkeys(body.keys) if one in found]
            work = carrying_out(table, context, caller.areas, actor_of(request, caller))
            refused = await work.repeats(conn, [result for _, result in known])
        items = [
            {"key": one, "id": result.id, "subject": result.subject, "sequence": result.sequence, "event_ids": result.event_ids}
            for (one, result), refusal in zip(known, refused, strict=True)
            if refusal is None
        ]
        return json_response({"items": items})
