"""Events that a reader cannot take: what may be withdrawn, and what the state is without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from services.membership.domain import corrections
from services.membership.domain.commands import Withdraw
from services.membership.domain.evolve import evolve
from services.membership.domain.evolve import withdraw as withdraw_fact
from services.membership.domain.state import Fact, World
from shared import contracts
from shared.contracts import Event, UnreadableEvent
from shared.contracts.membership import CoverageStarted, UnionDissolved
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.problems.errors import Conflict, NotFound, Problem
from shared.writing.withdrawals import require_range


@dataclass(frozen=True, slots=True)
class Said:
    """An event of a stream. `latest`: the correction or withdrawal of it, None: neither; `gone`: that left nothing of it."""

    sequence: int
    type: str
    event_id: UUID
    data: dict[str, object]
    latest: UUID | None
    gone: bool

    def fact(self) -> Event | None:
        """What it says; None if this release cannot read it."""
        try:
            return contracts.fact(self.type, self.data)
        except UnreadableEvent:
            return None


@dataclass(frozen=True, slots=True)
class Stream:
    """How many events a stream has, and those that a withdrawal names."""

    newest: int
    named: Sequence[Said]


def withdraw(world: World, command: Withdraw, stream: Stream | None, today: date) -> list[Fact]:
    """The withdrawal as a fact, evolved into `world` already, and what follows from it. It is as if the facts had been corrected to nothing.

    Raises UNKNOWN_STREAM (404), FROM_AFTER_TO, UNKNOWN_SEQUENCE, HOLDS_CORRECTION (422), ALREADY_CORRECTED, FACT_WITHDRAWN, and what would no
    longer hold afterwards (409).
    """
    if stream is None or not stream.newest:
        raise NotFound("UNKNOWN_STREAM", field="subject", params={"subject": command.subject})
    told = [(one, one.fact()) for one in stream.named]
    facts = {one.sequence for one, fact in told if not isinstance(fact, FactCorrected | EventWithdrawn)}
    require_range(command.first, command.last, stream.newest, facts)
    for one in stream.named:
        if one.latest is not None and one.gone:
            raise Conflict("FACT_WITHDRAWN", field="from", params={"event": str(one.event_id)})
        if one.latest is not None:
            raise Conflict("ALREADY_CORRECTED", field="from", params={"latest": str(one.latest)})
    said = Fact(
        command.subject,
        EventWithdrawn(first=command.first, last=command.last, reason=command.reason.code, note_id=command.reason.note_id),
        today,
    )
    evolve(world, said)
    try:
        return [said, *_take_out(world, command, [(one.sequence, fact) for one, fact in told if fact is not None])]
    except Problem as problem:
        # Said of a correction; here it is the withdrawal that would leave something untrue.
        raise type(problem)(problem.code, field="from", params=problem.errors[0].params if problem.errors else {}) from None


def _take_out(world: World, command: Withdraw, facts: Sequence[tuple[int, Event]]) -> list[Fact]:
    followed: list[Fact] = []
    for rank, fact in reversed(facts):
        corrections.require_possible(world, fact)
        withdraw_fact(world, fact, rank)
        if isinstance(fact, UnionDissolved):
            followed += corrections.follow(world, fact, command.reason)
        elif isinstance(fact, CoverageStarted):
            followed += corrections.follow_start(world, fact, command.reason)
    for _, fact in facts:
        corrections.require_whole(world, fact)
    return followed
