"""Events that were never facts (docs/design/ENGINE.md, Reading 6). Pure; for the state it is as if each fact were corrected to nothing."""

from __future__ import annotations

from collections.abc import Container
from datetime import date
from typing import Any, TypeVar

from shared.contracts.streams import EventWithdrawn
from shared.problems.errors import Conflict, NotFound, Problem, Unprocessable
from shared.writing.facts import Decision, Fact, History, Standing, Withdraw, World
from shared.writing.table import Table

W = TypeVar("W", bound=World)

OWN_FIELDS = ("subject", "from", "to")


def require_range(first: int, last: int, newest: int, facts: Container[int]) -> None:
    """`first` to `last` are sequences of a stream of `newest` events, and facts all of them: `facts` has their sequences.

    Raises FROM_AFTER_TO, UNKNOWN_SEQUENCE, HOLDS_CORRECTION (422).
    """
    if first > last:
        raise Unprocessable("FROM_AFTER_TO", field="from")
    for field, sequence in (("from", first), ("to", last)):
        if not 0 < sequence <= newest:
            raise Unprocessable("UNKNOWN_SEQUENCE", field=field, params={"last": newest})
    for sequence in range(first, last + 1):
        if sequence not in facts:
            raise Unprocessable("HOLDS_CORRECTION", field="from", params={"sequence": sequence})


def withdraw(table: Table[W, Any], world: W, command: Withdraw, today: date) -> Decision:
    """The withdrawal as a fact of the same stream, and what follows from it.

    Raises UNKNOWN_STREAM (404), FROM_AFTER_TO, UNKNOWN_SEQUENCE, HOLDS_CORRECTION (422), ALREADY_CORRECTED, FACT_WITHDRAWN (409), and what
    the rows of the facts refuse.
    """
    history = world.history(command.subject)
    if not history.sequence:
        raise NotFound("UNKNOWN_STREAM", field="subject", params={"subject": command.subject})
    require_range(command.first, command.last, history.sequence, history.facts)
    named = [history.facts[rank] for rank in range(command.first, command.last + 1)]
    for standing in named:
        _require_in_force(history, standing)
    data = EventWithdrawn(first=command.first, last=command.last, reason=command.reason.code, note_id=command.reason.note_id)
    readable = [standing for standing in named if standing.data is not None]
    try:
        followed = _trial(table, world, Fact(command.subject, data, today), readable, command)
    except Problem as problem:
        error = problem.errors[0]
        if error.field in OWN_FIELDS:
            raise
        # The row refuses a field of a correction; here the withdrawal as a whole is refused.
        raise type(problem)(problem.code, field="from", params=error.params) from None
    return Decision([Fact(command.subject, data, today, private=readable), *followed], subject=command.subject)


def _require_in_force(history: History, standing: Standing) -> None:
    if standing.data is None and standing.rank not in history.unreadable:
        raise Conflict("FACT_WITHDRAWN", field="from", params={"event": str(standing.first_id or "")})
    if standing.corrected:
        raise Conflict("ALREADY_CORRECTED", field="from", params={"latest": str(standing.event_id or "")})


def _trial(table: Table[W, Any], world: W, fact: Fact, facts: list[Standing], command: Withdraw) -> list[Fact]:
    """What follows, on a world of its own: the last fact is dropped first, and what follows from it before the next."""
    trial = world.after([fact])
    followed: list[Fact] = []
    kinds = [(standing, kind) for standing in facts if (kind := table.kind_named(standing.type)) is not None]
    for standing, kind in reversed(kinds):
        kind.before(trial, standing, command)
        kind.drop(trial, standing)
        for one in kind.follow(trial, standing, command):
            trial.apply(trial, one)
            followed.append(one)
    for standing, kind in kinds:
        kind.after(trial, standing, command)
    return followed
