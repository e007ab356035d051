"""The routes of a writing service, made from its table: a POST per command, corrections, withdrawals, the batch, and the events of a stream."""

from __future__ import annotations

from typing import TypeVar

from shared.http.requests import JsonRoute, Router
from shared.writing.facts import World
from shared.writing.routes.batch import add_batch
from shared.writing.routes.commands import add_command
from shared.writing.routes.corrections import add_corrections
from shared.writing.routes.events import EventsRoute, add_events
from shared.writing.routes.keys import add_keys
from shared.writing.table import Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)


def writing_router(table: Table[W, N], events: EventsRoute | None = None) -> Router:
    """Every route that the table describes. They use `app.state.pool` and `app.state.context` (a Context)."""
    router = Router(prefix="/v1", route_class=JsonRoute)
    for command in table.commands:
        add_command(router, table, command)
    add_corrections(router, table)
    add_batch(router, table)
    add_keys(router, table)
    if events is not None:
        add_events(router, table, events)
    return router
