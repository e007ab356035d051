"""A command is carried out once by its idempotency key: its answer is kept, encrypted since it can hold a secret, in its transaction.

The key is looked up first and its row is written last. Of two that do the same at once the later begins again and finds the answer
(KeyTakenError); a command is refused only if nobody has used its key meanwhile, since its twin may be what it was refused for.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from services.subscriptions.commands import store
from services.subscriptions.commands.store import Kept
from services.subscriptions.settings import Settings
from services.subscriptions.signing.sealing import Sealing
from shared.http.answers import json_response
from shared.http.auth import Caller
from shared.http.forms import Command
from shared.http.requests import origin_of
from shared.journal.idempotency import Keys, KeyTakenError, fingerprint
from shared.problems.errors import Problem, Unavailable, Unprocessable
from shared.process import db
from shared.process.db import Connection, OutcomeUnknownError, Pool

ABOUT = "answer "
_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command answers: plain values, dates and UUIDs."""

    content: Any
    status: int = 200


Work: TypeAlias = Callable[[Connection, datetime], Awaitable[Answer]]
"""Carries a command out in a transaction at an instant of the platform's clock. It may be run again, and has no effect besides."""


class Commands:
    """Carries commands out. `settings` gives the keys of hashes and of encryption."""

    def __init__(self, settings: Settings, pool: Pool) -> None:
        self._settings = settings
        self._pool = pool
        self._keys = Keys(settings.fingerprint_key)
        self._sealing = Sealing(settings.encryption_keys)

    async def carry_out(
        self,
        request: Request,
        caller: Caller,
        key: str | None,
        body: Command | None,
        work: Work,
        prepare: Callable[[], Awaitable[None]] | None = None,
    ) -> Response:
        """The answer: that of `work`, or the one which the same request got before.

        `prepare` asks others than the database, before the transaction, unless the key is known. Raises what both raise,
        IDEMPOTENCY_KEY_REUSED (422), OUTCOME_UNKNOWN (503).
        """
        origin_of(request)
        named = key or secrets.token_urlsafe(24)
        one = _Once(self._sealing, caller.client, self._keys.hashed(caller.client, named).encode(), self._print(request, body))
        if key is not None:
            async with db.transaction(self._pool, by_key=True) as conn:
                if (before := await one.before(conn)) is not None:
                    return _response(before)
        if prepare is not None:
            await prepare()

        async def carry_out(conn: Connection) -> tuple[int, bytes]:
            return await one.carry_out(conn, work, await self._settings.clock.now(conn))

        async def settled(conn: Connection, _done: tuple[int, bytes]) -> bool:
            return await one.before(conn) is not None

        try:
            return _response(await db.run_command(self._pool, carry_out, areas=None, happened=settled))
        except OutcomeUnknownError:
            if key is not None:
                raise
            offered = {"Idempotency-Key": named}
            raise Unavailable("OUTCOME_UNKNOWN", headers=offered, members={"idempotency_key": named}) from None

    def _print(self, request: Request, body: Command | None) -> bytes:
        content = None if body is None else body.plain()
        return fingerprint(self._settings.fingerprint_key, request.method, request.url.path, content)


@dataclass(frozen=True, slots=True)
class _Once:
    sealing: Sealing
    client: str
    key: bytes
    print_: bytes

    async def carry_out(self, conn: Connection, work: Work, now: datetime) -> tuple[int, bytes]:
        if (before := await self.before(conn)) is not None:
            return before
        try:
            answer = await work(conn, now)
        except Problem:
            if await store.kept(conn, self.client, self.key) is not None:
                raise KeyTakenError("another transaction has used the same key meanwhile") from None
            raise
        content = _encode(answer.content)
        sealed = self.sealing.seal(content, self._about)
        if not await store.keep(conn, self.client, self.key, Kept(self.print_, answer.status, sealed)):
            raise KeyTakenError("another transaction has used the same key meanwhile")
        return answer.status, content

    async def before(self, conn: Connection) -> tuple[int, bytes] | None:
        """The answer that the same request got. Raises IDEMPOTENCY_KEY_REUSED (422) if the key was used for another."""
        found = await store.kept(conn, self.client, self.key)
        if found is None:
            return None
        if not hmac.compare_digest(found.fingerprint, self.print_):
            raise Unprocessable("IDEMPOTENCY_KEY_REUSED", field="Idempotency-Key")
        return found.status, self.sealing.open(found.sealed, self._about)

    @property
    def _about(self) -> str:
        return f"{ABOUT}{self.client} {self.key.decode()}"


def _response(answer: tuple[int, bytes]) -> Response:
    return json_response(msgspec.Raw(answer[1]), answer[0])
