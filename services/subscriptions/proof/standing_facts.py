"""What the topics say of enterprises, unions and areas up to a record: the second statement's own reading of them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec

from shared.directory.visibility import Stay, stays

CORRECTED = "parkunion.fact-corrected.v1"
WITHDRAWN = "parkunion.event-withdrawn.v1"
DAY_CLOSED = "parkunion.day-closed.v1"
REGISTERED = "parkunion.enterprise-registered.v1"
MOVED = "parkunion.enterprise-moved.v1"
FOUNDED = "parkunion.union-founded.v1"
RECLASSIFIED = "parkunion.enterprise-reclassified.v1"
HEADCOUNT = "parkunion.headcount-reported.v1"

PLACE_FIELD: Mapping[str, str] = {REGISTERED: "park", MOVED: "park", FOUNDED: "seat_area"}
"""{type of fact that says where its subject is: its field that says so}"""
KEPT = frozenset((*PLACE_FIELD, RECLASSIFIED, HEADCOUNT))


class Stated(msgspec.Struct, frozen=True):
    """A fact: its type, the day from which it counts, and its fields as they stand in the log."""

    type: str
    on: date
    data: dict[str, Any]

    @property
    def place(self) -> str | None:
        """Where it says that its subject is; None if it says nothing of that."""
        name = PLACE_FIELD.get(self.type)
        return self.data.get(name) if name is not None else None


class LogEvent(msgspec.Struct, frozen=True):
    """An event as it stands in the log."""

    id: UUID
    source: str
    type: str
    subject: str
    sequence: str
    time: datetime
    occurredon: date
    data: dict[str, Any]

    @property
    def rank(self) -> int:
        """Its sequence as a number."""
        return int(self.sequence)

    @property
    def key(self) -> str:
        """The id of its enterprise or union, the code of its area."""
        return self.subject.partition("/")[2]

    def facts(self) -> list[Stated]:
        """The facts that it states, withdraws or puts in another's place, in this order; of a withdrawal of events none."""
        if self.type in (WITHDRAWN, DAY_CLOSED):
            return []
        if self.type == CORRECTED:
            return [one for one in (self.placed("withdrawn"), self.placed("replacement")) if one is not None]
        return [Stated(self.type, self.occurredon, self.data)]

    def placed(self, name: str) -> Stated | None:
        """Of a correction: what it withdraws, or puts in its place."""
        found = self.data.get(name)
        return None if found is None else Stated(self.data["fact"], date.fromisoformat(found["occurred_on"]), found["data"])


read_event = msgspec.json.Decoder(LogEvent).decode


@dataclass(slots=True)
class StandingFacts:
    """The facts that hold, by stream and rank: those that say where something is, in which industry, with how many workers."""

    _by_stream: dict[tuple[str, str], dict[int, Stated]] = field(default_factory=lambda: defaultdict(dict))

    def apply(self, event: LogEvent) -> None:
        """Take the next event of its stream."""
        facts = self._by_stream[event.source, event.subject]
        if event.type == WITHDRAWN:
            for rank in range(event.data["from"], event.data["to"] + 1):
                facts.pop(rank, None)
        elif event.type == CORRECTED:
            self._put(facts, event.data["rank"], event.placed("replacement"))
        elif event.type in KEPT:
            facts[event.rank] = Stated(event.type, event.occurredon, event.data)
        if not facts:
            del self._by_stream[event.source, event.subject]

    def _put(self, facts: dict[int, Stated], rank: int, fact: Stated | None) -> None:
        if fact is None:
            facts.pop(rank, None)
        elif fact.type in KEPT:
            facts[rank] = fact

    def _of(self, subject: str) -> list[tuple[date, int, Stated]]:
        """What is known of a subject, by date and rank. One service states the facts of a kind, so ranks of one stream are compared."""
        streams = [facts for (_, one), facts in self._streams_of(subject) if one == subject]
        return sorted(((fact.on, rank, fact) for facts in streams for rank, fact in facts.items()), key=lambda one: one[:2])

    def _streams_of(self, subject: str) -> list[tuple[tuple[str, str], dict[int, Stated]]]:
        keys = ((source, subject) for source in ("/services/registry", "/services/membership"))
        return [(key, self._by_stream[key]) for key in keys if key in self._by_stream]

    def whereabouts(self, subject: str) -> Sequence[Stay]:
        """Where a subject was: an area is in itself, always; an enterprise in its parks, a union at its seats; empty if that is unknown."""
        kind, _, key = subject.partition("/")
        if kind == "area":
            return [Stay(date.min, date.max, key)]
        return stays((on, rank, place) for on, rank, fact in self._of(subject) if (place := fact.place) is not None)

    def industry_and_workers(self, subject: str, day: date) -> tuple[str | None, int | None]:
        """Of an enterprise on a day, each by the last fact up to the day that states it; None: unknown."""
        industry: str | None = None
        workers: int | None = None
        for on, _, fact in self._of(subject):
            if on <= day:
                if fact.type in (REGISTERED, RECLASSIFIED):
                    industry = fact.data.get("industry") or industry
                elif fact.type == HEADCOUNT:
                    workers = fact.data["workers"]
        return industry, workers
