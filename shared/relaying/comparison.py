"""What a comparison of a service's log with its journal comes to (`reconcile.py`)."""

from __future__ import annotations

from uuid import UUID

import msgspec


class Missing(msgspec.Struct, frozen=True):
    """An event of the journal that is neither in the log nor in the outbox. `partition` is where it belongs."""

    subject: str
    sequence: int
    event_id: UUID
    partition: int
    journal_id: int


class Unknown(msgspec.Struct, frozen=True):
    """A record of the log that the journal does not have; None where the record is no event of this source."""

    subject: str | None
    sequence: int | None
    event_id: UUID | None
    partition: int
    offset: int


class Forked(msgspec.Struct, frozen=True):
    """A record of the log with the sequence of another event of the journal's stream."""

    subject: str
    sequence: int
    event_id: UUID
    partition: int
    offset: int
    journal_id: int
    journal_event_id: UUID


class LostTail(msgspec.Struct, frozen=True):
    """A partition that ends before `mark`, the offset of the last acknowledged event. `end` is the offset of the *next* record: 42 after 41."""

    partition: int
    mark: int
    end: int


class Comparison(msgspec.Struct, frozen=True):
    """The result. The lists may be cut (`most`), `counts` are complete; `mended` = how many missing events were queued again.

    `made_anew`: the topic does not have the id that was published to, or is gone; `unfinished`: a republish did not end. Both need a
    republish. `stopped`: why the relay does not publish.
    """

    topic: str
    journal: int
    log: int
    duplicates: int
    outbox: int
    missing: list[Missing]
    unknown: list[Unknown]
    forked: list[Forked]
    lost_tail: list[LostTail]
    made_anew: bool
    unfinished: bool
    stopped: str | None
    mended: int
    counts: dict[str, int]

    @property
    def found(self) -> int:
        """How many faults. Duplicates and queued events are none."""
        return sum(self.counts.values()) + len(self.lost_tail) + self.made_anew + self.unfinished
