"""Who may see what, and the log of what bureaus were shown.

The federation (`subscriptions:grant`) sees grants that lie within its areas, and their subscriptions; a bureau (`subscriptions:use`) its own.
To everybody else they do not exist. A caller with both scopes sees both.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.subscriptions.grants.store import codes_inside
from shared.http.auth import ROOT, Caller
from shared.process.db import Connection

USE, GRANT = "subscriptions:use", "subscriptions:grant"
LOG = """
INSERT INTO accesses (at, client, what, subscription, first, last, purpose)
SELECT $1, $2, $3, $4, $5, $6, purpose FROM unnest($7::text[]) AS p(purpose)
"""


@dataclass(frozen=True, slots=True)
class Sight:
    """What a caller sees. `own`: whose grants because they are its own; None: nobody's. `inside`: the codes of its areas as the federation;
    None: every area. `federation`: whether it is one at all."""

    own: str | None
    federation: bool
    inside: Sequence[str] | None

    def sees(self, client: str, areas: Collection[str]) -> bool:
        """Whether a grant of these areas to a client, and what hangs on it, is seen."""
        return client == self.own or self.governs(areas)

    def governs(self, areas: Collection[str]) -> bool:
        """Whether a grant of these areas is the caller's to change."""
        return self.federation and (self.inside is None or (ROOT not in areas and set(self.inside).issuperset(areas)))


async def sight_of(conn: Connection, caller: Caller) -> Sight:
    """What the caller sees. Raises SCOPE_MISSING (403) without either scope."""
    federation = GRANT in caller.scopes
    if not federation:
        caller.require(USE)
    return Sight(caller.client if USE in caller.scopes else None, federation, await codes_inside(conn, caller.areas) if federation else ())


async def log_access(
    conn: Connection,
    caller: Caller,
    at: datetime,
    what: str,
    purposes: Collection[str],
    subscription: UUID | None = None,
    numbers: tuple[int, int] | None = None,
) -> None:
    """Log what a bureau is shown, a row for each purpose, in the transaction that reads it. What the federation reads is not logged."""
    if GRANT in caller.scopes:
        return
    first, last = numbers or (None, None)
    await conn.execute(LOG, at, caller.client, what, subscription, first, last, sorted(set(purposes)) or [None])
