"""What events do to sets of facts: the fact that an event states, and what its correction or withdrawal takes back. Days are ordinals."""

from __future__ import annotations

from typing import NamedTuple

from services.metrics import counted
from services.metrics.attributes import Headcount
from services.metrics.counted import Kept
from shared import contracts
from shared.contracts import Envelope, Event, UnreadableEvent
from shared.contracts.streams import FactCorrected, Placed
from shared.sequencing.parked_reasons import DomainError

MOST_WORKERS = 10**9


class RefusedFact(DomainError):
    """The event is well formed but cannot be applied: it names no fact that metrics knows, or a headcount below 0 or above 10⁹."""


class StatedFact(NamedTuple):
    """One fact as its event, or the correction of it, states it. `rank` is the sequence of the event that first stated it."""

    kind: str
    occurred: int
    rank: int
    kept: Kept


class FactChange(NamedTuple):
    """What an event does to the set of facts on its known day: `removed` goes, `added` comes. A withdrawal is several of them."""

    known: int
    removed: StatedFact | None
    added: StatedFact | None

    @property
    def counts(self) -> bool:
        """Whether the change is one of counted facts. A correction does not change a fact's kind."""
        fact = self.added or self.removed
        return fact is not None and counted.counts(fact.kept)


def change_of(event: Envelope, known: int) -> FactChange:
    """Read a fact or a correction about an enterprise or a union. Raises RefusedFact."""
    data = event.data
    if type(data) is not FactCorrected:
        return FactChange(known, None, stated_fact(event.type, event.occurredon.toordinal(), event.sequence, data))
    added = _corrected(data, data.replacement) if data.replacement else None
    return FactChange(known, _corrected(data, data.withdrawn), added)


def _corrected(correction: FactCorrected, content: Placed) -> StatedFact:
    try:
        data = contracts.fact(correction.fact, content.data)
    except UnreadableEvent as error:
        raise RefusedFact("BAD_FACT", str(error)) from error
    return stated_fact(correction.fact, content.occurred_on.toordinal(), correction.rank, data)


def stated_fact(type_name: str, occurred: int, rank: int, data: Event) -> StatedFact:
    """What a fact of a type states; `rank` = the sequence of the event that first stated it. Raises RefusedFact."""
    kind, kept = counted.kind_of(type_name), counted.kept_of(data)
    if kept is None:
        raise RefusedFact("NO_FACT", kind)
    if type(kept) is Headcount and not 0 <= kept.workers <= MOST_WORKERS:
        raise RefusedFact("HEADCOUNT", str(kept.workers))
    return StatedFact(kind, occurred, rank, kept)
