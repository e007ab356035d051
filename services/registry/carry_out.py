"""Carries out lines of commands in one transaction: load, decide, append, for one command or for a batch of a thousand alike.

In a batch each line is decided on what the lines before it made; a refused line changes nothing and stops no other.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.registry import loading, writing
from services.registry.context import Context
from services.registry.domain.commands import Command
from services.registry.handlers import Decided, Handlers
from shared.http.auth import Areas
from shared.journal.idempotency import Result
from shared.journal.journal import Actor, Appended
from shared.journal.reasons import put_notes
from shared.problems.errors import Problem
from shared.process.db import Connection
from shared.writing.commands import CarryOut, Line, Outcome


def carrying_out(context: Context, areas: Areas, actor: Actor) -> CarryOut[Command]:
    """How `shared.writing.commands` carries out this service's lines for a caller of these areas."""

    async def carry_out(conn: Connection, lines: Sequence[Line[Command]]) -> list[Outcome]:
        loaded = await loading.load(conn, context, [line.command for line in lines], grants=not areas.everything)
        locked = frozenset(loaded.world.histories)
        handlers = Handlers(loaded, areas)
        outcomes: list[Decided | Problem] = []
        for line in lines:
            try:
                outcomes.append(handlers.decide(line.command, line.expected))
            except Problem as problem:
                outcomes.append(problem)
        facts = [outcome.fact for outcome in outcomes if isinstance(outcome, Decided)]
        appended = iter(await writing.write(conn, handlers.world, facts, actor, locked))
        await put_notes(conn, handlers.reasons)
        return [_result(outcome, next(appended)) if isinstance(outcome, Decided) else outcome for outcome in outcomes]

    return carry_out


def _result(decided: Decided, place: Appended) -> Result:
    return Result(decided.id or str(place.event_id), place.subject, place.sequence, [place.event_id], decided.warnings)
