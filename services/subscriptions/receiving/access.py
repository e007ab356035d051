"""Who may read a subscription: its client, and the federation within its areas. To everybody else it does not exist."""

from __future__ import annotations

from uuid import UUID

from services.subscriptions.matching.current import Current
from services.subscriptions.receiving import store
from services.subscriptions.receiving.store import Subscribed
from shared.http.auth import Caller
from shared.problems.errors import NotFound
from shared.process.db import Connection

USE, GRANT = "subscriptions:use", "subscriptions:grant"


async def readable(conn: Connection, caller: Caller, subscription: UUID, current: Current) -> Subscribed:
    """The subscription, if the caller may read it. Raises SCOPE_MISSING (403), UNKNOWN_SUBSCRIPTION (404)."""
    if GRANT not in caller.scopes:
        caller.require(USE)
    found = await store.subscribed(conn, subscription)
    if found is None or not may_read(caller, found, current):
        raise NotFound("UNKNOWN_SUBSCRIPTION", params={"subscription": subscription})
    return found


def may_read(caller: Caller, subscription: Subscribed, current: Current) -> bool:
    """Whether it is the caller's own, or was granted by a federation whose areas hold those of the grant."""
    if USE in caller.scopes and caller.client == subscription.client:
        return True
    return GRANT in caller.scopes and all(caller.areas.inside(current.tree.path(code)) for code in subscription.areas)
