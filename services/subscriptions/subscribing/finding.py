"""The subscription that a path names, if the caller may see it."""

from __future__ import annotations

from typing import Annotated, TypeAlias
from uuid import UUID

from fastapi import Path, Request

from services.subscriptions.access import sight_of
from services.subscriptions.commands.once import Commands
from services.subscriptions.subscribing import store
from services.subscriptions.subscribing.answers import A_SUBSCRIPTION
from services.subscriptions.subscribing.store import Subscribed
from shared.http.auth import Caller
from shared.http.forms import Id
from shared.problems.errors import NotFound
from shared.process.db import Connection

SubscriptionId: TypeAlias = Annotated[Id, Path(description="The id of the subscription.", examples=[A_SUBSCRIPTION])]
UNKNOWN = "UNKNOWN_SUBSCRIPTION"


async def found(conn: Connection, caller: Caller, subscription: UUID) -> Subscribed:
    """The subscription. Raises SCOPE_MISSING (403), UNKNOWN_SUBSCRIPTION (404) also for one that is not the caller's to see."""
    sight = await sight_of(conn, caller)
    one = await store.one(conn, subscription)
    if one is None or not sight.sees(one.client, one.granted_areas):
        raise NotFound(UNKNOWN, params={"subscription": subscription})
    return one


def commands_of(request: Request) -> Commands:
    """What carries commands out."""
    commands: Commands = request.app.state.commands
    return commands
