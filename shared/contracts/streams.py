"""Facts about a stream itself, which any source may publish: what was said before is corrected, never overwritten."""

from __future__ import annotations

from datetime import date
from typing import Any, ClassVar
from uuid import UUID

import msgspec

from shared.contracts.envelope import Event


class Placed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A fact's content: its business date and its `data` in full, in the form of its own type."""

    occurred_on: date
    data: dict[str, Any]


class FactCorrected(Event, frozen=True, kw_only=True):
    """An earlier fact of this stream was wrong. Same subject as the corrected event.

    `corrects` is the id of the event corrected (the original or an earlier correction), `fact` the type of the original
    (`parkunion.headcount-reported.v1`), `rank` the original's sequence: the replacement keeps it in every "last wins", also through
    a chain of corrections. `withdrawn` is what no longer holds, in full; `replacement` what holds instead, None for nothing.
    So a consumer needs no history to apply it. `note_id` names a text kept by the source alone.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    corrects: UUID
    fact: str
    rank: int
    reason: str
    withdrawn: Placed
    replacement: Placed | None = None
    note_id: UUID | None = None


class EventWithdrawn(Event, frozen=True, kw_only=True):
    """Earlier events of this stream, `from` to `to`, both included, were never facts. Same subject as the events withdrawn.

    What a reader has not applied when this arrives is absent from its set of facts at every known day; the reader passes over it and goes
    on behind it, also where it is the reason that the stream is held. What a reader has applied is taken back on this event's own known day,
    as by a correction to nothing. `reason` is a code; `note_id` names a text kept by the source alone.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    first: int = msgspec.field(name="from")
    last: int = msgspec.field(name="to")
    reason: str
    note_id: UUID | None = None


class DayClosed(Event, frozen=True, kw_only=True):
    """The source will record nothing more on `day` or before it (days of the deployment's zone). Subject `day/<partition>`.

    Said once to every partition, so that each shard knows it in order with its facts: the only event whose partition is given instead of
    following from its key. `occurredon` is the day.
    """

    bureau_fields: ClassVar[tuple[str, ...] | None] = None

    day: date


def day_subject(partition: int) -> str:
    """The stream on which a partition is told that days are closed."""
    return f"day/{partition}"


TYPES: dict[str, type[Event]] = {
    "parkunion.fact-corrected.v1": FactCorrected,
    "parkunion.event-withdrawn.v1": EventWithdrawn,
    "parkunion.day-closed.v1": DayClosed,
}
