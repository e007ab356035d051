"""Events that a reader cannot take: what may be withdrawn, and what the stream says without it."""

from __future__ import annotations

from datetime import date

from services.registry.domain import areas
from services.registry.domain.commands import Withdraw
from services.registry.domain.evolve import evolve
from services.registry.domain.state import Fact, History, World
from shared.contracts.registry import AreaRegistered, EnterpriseRegistered
from shared.contracts.streams import EventWithdrawn
from shared.problems.errors import Conflict, NotFound
from shared.writing.withdrawals import require_range


def withdraw(world: World, command: Withdraw, history: History, today: date) -> Fact:
    """The withdrawal as a fact of the same stream. For this service it is as if the facts had been corrected to nothing.

    Raises UNKNOWN_STREAM (404), FROM_AFTER_TO, UNKNOWN_SEQUENCE, HOLDS_CORRECTION (422), ALREADY_CORRECTED, FACT_WITHDRAWN,
    OTHERS_REST_ON_IT, AREA_IN_USE (409).
    """
    if not history.sequence:
        raise NotFound("UNKNOWN_STREAM", field="subject", params={"subject": command.subject})
    require_range(command.first, command.last, history.sequence, history.facts.keys())
    for rank in range(command.first, command.last + 1):
        _require_standing(history, rank)
    said = EventWithdrawn(first=command.first, last=command.last, reason=command.reason.code, note_id=command.reason.note_id)
    first = history.facts[command.first]
    if isinstance(first.data, AreaRegistered):
        areas.require_unused(world, first.data.code, "subject")
    _require_beginning(history, evolve(history, said, today), command)
    return Fact(command.subject, said, today)


def _require_standing(history: History, rank: int) -> None:
    fact = history.facts[rank]
    if len(fact.said_by) > 1:
        raise Conflict("ALREADY_CORRECTED", field="from", params={"latest": str(fact.said_by[-1] or "")})
    if fact.data is None and rank not in history.unreadable:
        raise Conflict("FACT_WITHDRAWN", field="from", params={"event": str(fact.said_by[-1] or "")})


def _require_beginning(before: History, after: History, command: Withdraw) -> None:
    """A registration goes last: without it nothing that is said of an enterprise has a meaning."""
    if not before.holding(EnterpriseRegistered) or after.holding(EnterpriseRegistered):
        return
    if after.unreadable or any(fact.data is not None for fact in after.facts.values()):
        raise Conflict("OTHERS_REST_ON_IT", field="from", params={"sequence": command.first})
