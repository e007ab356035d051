"""The idempotency keys of commands, and what a caller is told if nobody knows what became of one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from shared.journal.idempotency import Keys
from shared.journal.key_form import KeyForm
from shared.problems.errors import Unavailable
from shared.process.db import OutcomeUnknownError


def new_key() -> str:
    """The key of a command or batch without one."""
    return secrets.token_urlsafe(24)


async def keys_of(request: Request) -> Keys:
    """How this process stores idempotency keys now."""
    form: KeyForm = request.app.state.key_form
    return await form.keys(request.app.state.pool)


@contextmanager
def offering(key: str | None) -> Iterator[None]:
    """If nobody can tell whether the commands were carried out, offer the key with which they are done once. Raises OUTCOME_UNKNOWN (503).

    `key` None: the caller has given its own.
    """
    try:
        yield
    except OutcomeUnknownError:
        if key is None:
            raise
        raise Unavailable("OUTCOME_UNKNOWN", headers={"Idempotency-Key": key}, members={"idempotency_key": key}) from None
