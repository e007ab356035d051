"""Events on their way to the figures without a database: sorted as the reader sorts them, and said as the projector hears them."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from services.metrics.counted import kind_of
from services.metrics.folding.changes import FactChange
from services.metrics.folding.events.recorded import RecordedFact, RecordedFacts, recorded, withdrawn
from shared.contracts import Envelope
from shared.contracts.streams import EventWithdrawn
from shared.sequencing.records import Received, RecordKey, Stream, received
from shared.sequencing.sorting import sort_records
from shared.sequencing.streams import ShardStreams
from tests import oracle
from tests.histories import refused


class Arriving:
    """`take(batch)` gives the events that take effect."""

    def __init__(self) -> None:
        self._streams = ShardStreams()
        self._kept: defaultdict[Stream, dict[int, Received]] = defaultdict(dict)
        self._refused: dict[RecordKey, str] = {}
        self._offset = 0

    def take(self, batch: Sequence[Envelope]) -> list[Envelope]:
        records = []
        for event in batch:
            stream = (event.source, event.subject)
            record = received(event, "t", 0, self._offset)
            self._offset += 1
            self._streams.state(stream)
            self._kept[stream][event.sequence] = record
            records.append(record)
            if refused(event):
                self._refused["t", record.offset] = "HEADCOUNT"
        plan = sort_records(self._streams, records, self._kept, self._refused, sys.maxsize)
        return [record.event for record in plan.apply if record.event is not None]


class Hearing:
    """`changes(event)`: what an event does to the facts of its subject; `hear(event)`: the same and what is kept of it. In a stream's order."""

    def __init__(self) -> None:
        self._memory = RecordedFacts()

    def changes(self, event: Envelope) -> tuple[FactChange, ...]:
        return self.hear(event)[0]

    def hear(self, event: Envelope) -> tuple[tuple[FactChange, ...], dict[str, Any] | None]:
        known, kind, stream = oracle.known_day(event).toordinal(), kind_of(event.type), (event.source, event.subject)
        if isinstance(event.data, EventWithdrawn):
            told = withdrawn(self._memory.named(stream, event.data.first, event.data.last), known)
            says, changes = (told.says, told.changes) if told else (None, ())
        else:
            says, _, changes = recorded(event, known)
        self._memory.keep(stream, event.sequence, RecordedFact(kind, event.occurredon, says))
        return changes, says
