"""What a step of a negotiation or of a contract is decided by: the state on its day, and what was entered of later days. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from typing import Any, Protocol, Self

from services.cases.entries.copies import on_every_stream
from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from services.cases.entries.world import World
from shared.contracts import Event, type_of
from shared.contracts.cases.rules import ClockOverdue
from shared.problems.days import require_on_or_after
from shared.problems.errors import Conflict, Unprocessable
from shared.writing.facts import Decision, Fact, Standing


class Progress(Protocol):
    """A state, and the facts that the states before them do not allow."""

    @property
    def refused(self) -> Sequence[Standing]: ...

    @property
    def last_on(self) -> date: ...

    def allowed(self) -> list[str]:
        """The steps that may come next."""

    def at(self, day: date, step: str | None = None) -> Self:
        """As it is on a day, before `step` of that day."""


def decided(
    world: World, noun: Noun, entry: Entry, fact: tuple[Event, date], step: str, walk: Callable[[Iterable[Standing]], Progress], today: date
) -> Decision:
    """The fact on every stream of the entry.

    Raises STEP_NOT_ALLOWED (409) with what is allowed now, DATE_OUT_OF_RANGE (422) if another day would do, OTHERS_REST_ON_IT (409) if steps
    of later days would not be possible.
    """
    data, on = fact
    opened = entry.first(noun.opening)
    assert opened is not None
    require_on_or_after(on, opened[0].on, "on")
    rank = world.heads.get(entry.subject, 0) + 1
    after = entry.with_fact(Standing(entry.subject, rank, type_of(data), on, data, None))
    whole = walk(entry.facts)
    broken = {fact.rank for fact in whole.refused}
    rests = [one for one in walk(after.facts).refused if one.rank not in broken]
    if rests:
        last_on, possible = whole.last_on, whole.at(today).allowed()
        if step in possible:
            raise Unprocessable("DATE_OUT_OF_RANGE", field="on", params={"earliest": last_on, "latest": today})
        if all(one.rank != rank for one in rests):
            raise Conflict("OTHERS_REST_ON_IT", field="on", params={"sequence": rests[0].rank})
        raise Conflict(
            "STEP_NOT_ALLOWED", field="step", params={"step": step, "allowed": ", ".join(possible)}, members={"allowed": possible}
        )
    return Decision(on_every_stream(entry, Fact(entry.subject, data, on)), str(entry.id))


def require_whole(entry: Entry, noun: Noun, walk: Callable[[Iterable[Standing]], Progress] | None = None) -> None:
    """After a correction or withdrawal the entry has its opening, or nothing that was entered, and each of its steps is still one that the
    state before it allows. Raises OTHERS_REST_ON_IT (409)."""
    own: tuple[type[Any], ...] = (ClockOverdue, *noun.says)
    entered = [fact for fact in entry.facts if not isinstance(fact.data, own)]
    wrong = list(entered[:1]) if entry.first(noun.opening) is None else []
    if walk is not None:
        wrong += walk(entered).refused
    if wrong:
        raise Conflict("OTHERS_REST_ON_IT", field="corrects", params={"sequence": wrong[0].rank})
