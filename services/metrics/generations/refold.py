"""One shard of a generation folded anew, in memory, from the log alone: what audit and rebuild compare with, and what a rebuild loads.

The events are read from offset 0 and sorted as the reader does (`shared.sequencing.replay`), and say what they say to the projector (`news`).
The rows are those of the *definition* (`ledger.rows_since` from the first day on), not those of the fast ways by which the projector reaches
them: so an audit finds an error of the fast ways, too, and each enterprise is computed once instead of once per batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TypeVar
from uuid import UUID

import msgspec

from services.metrics.folding import durations
from services.metrics.folding.facts import FactSet, RefusedFact, kind_of
from services.metrics.folding.ledger import Key, Rows, rows_since
from services.metrics.folding.news import Heard, News, hear, name_row, take_back
from services.metrics.folding.retelling import Memory, Said
from services.metrics.folding.store import AreaRow, FactRow, NameRow
from shared.broker.protocol import Broker
from shared.contracts import Envelope
from shared.contracts.streams import EventWithdrawn
from shared.process.clock import Clock
from shared.sequencing.plan import ParkedEvent
from shared.sequencing.records import RecordKey, Stream
from shared.sequencing.replay import Replay
from shared.sequencing.streams import Head, WithdrawnRange

K = TypeVar("K", Key, durations.Key)

MOST_BEHIND = 100
"""Enterprises that are named behind one differing row."""
MASK = 2**64 - 1

_json = msgspec.json.Encoder(order="deterministic").encode

Gone = Mapping[Stream, Mapping[int, WithdrawnRange]]
Facts = Callable[[Sequence[FactRow]], Awaitable[None]]


@dataclass(slots=True)
class Refolded:
    """A shard as the log says it is, before the offsets `next`.

    `facts` = {subject: digest of its rows of `facts`}; the rows themselves went to the caller in parts. `held`, `heads` and `newest` are the
    reader's: events kept and not applied, the last event applied of each stream, the greatest time read per topic; and so are `accepted`
    (withdrawals), `closings` and `closed` (days).
    """

    shard: int
    next: Mapping[str, int]
    events: int = 0
    rows: Rows = field(default_factory=Rows)
    sets: dict[str, FactSet] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    areas: list[AreaRow] = field(default_factory=list)
    names: list[NameRow] = field(default_factory=list)
    placements: set[tuple[str, str]] = field(default_factory=set)
    heads: dict[Stream, Head] = field(default_factory=dict)
    held: dict[RecordKey, ParkedEvent] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    accepted: dict[tuple[Stream, int], WithdrawnRange] = field(default_factory=dict)
    closings: dict[str, date] = field(default_factory=dict)
    closed: date | None = None

    def behind(self, keys: Collection[K]) -> dict[K, list[str]]:
        """The subjects whose own steps touch each of these rows, of the ledger or of the durations.

        A row that no subject touches is served by mistake: then those who learned something that day and were ever in its park.
        """
        wanted, found = set(keys), dict[K, list[str]]()
        for subject, facts in self.sets.items():
            rows = rows_since(facts, 0)
            for key in [key for key in wanted if key in rows.figures or key in rows.durations]:
                found.setdefault(key, []).append(subject)
        near = defaultdict[str | None, list[str]](list)
        for park, subject in self.placements:
            near[park].append(subject)
        for key in wanted - found.keys():
            found[key] = [subject for subject in near[key[0][0]] if _learned(self.sets[subject], key[2])]
        return {key: sorted(subjects)[:MOST_BEHIND] for key, subjects in found.items()}


def _learned(facts: FactSet, known: int) -> bool:
    return known in facts.members or known in facts.attribute_days()


async def refold(broker: Broker, shard: int, until: Mapping[str, int], gone: Gone, clock: Clock, told: Facts) -> Refolded:
    """Fold a shard from the beginning of the log to before the offsets `until`; `told` gets the rows of `facts` as they come.

    `gone` are the withdrawals that readers have accepted (`shared.reading.store.withdrawn`).

    Raises OffsetLostError if the log no longer begins at 0 or ends before `until`, BrokerUnavailableError if it does not answer.
    """

    def understand(event: Envelope) -> Heard | Envelope | None:
        return event if isinstance(event.data, EventWithdrawn) else hear(event, shard, clock.day_of(event.time))

    replay = Replay(shard, until, understand, (RefusedFact,), clock.day_of, gone)
    found, news, memory = Refolded(shard, dict(until)), News(), Memory()
    sets = defaultdict[str, FactSet](FactSet)
    async for batch in replay.batches(broker):
        for one in batch:
            heard = _take_back(one, shard, clock, memory) if isinstance(one, Envelope) else one
            if heard is not None:
                news.take(heard)
                row = heard.fact
                memory.keep((row.source, row.subject), row.sequence, Said(kind_of(row.type), row.occurred_on, row.says))
        for subject, changes in news.changes.items():
            sets[subject].gather(changes)
        await told(news.facts)
        for row in news.facts:
            found.facts[row.subject] = digested(found.facts.get(row.subject, 0), row)
        news.changes.clear()
        news.facts.clear()
    for facts in sets.values():
        found.rows.add(rows_since(facts, 0))
    found.sets = dict(sets)
    found.events, found.areas, found.placements = replay.applied, news.areas, news.placements
    found.names = [name_row(subject, news.names.get(subject), sets[subject]) for subject in sorted(news.moved)]
    found.heads = replay.streams.heads()
    found.held, found.newest = replay.held, replay.newest
    found.accepted, found.closings, found.closed = replay.accepted, replay.streams.closings, replay.closed
    return found


def _take_back(event: Envelope, shard: int, clock: Clock, memory: Memory) -> Heard | None:
    said = event.data
    assert isinstance(said, EventWithdrawn), "nothing else is left until its turn comes"
    named = memory.named((event.source, event.subject), said.first, said.last)
    return take_back(event, shard, clock.day_of(event.time), named)


def digested(before: int, row: FactRow) -> int:
    """A number that stands for a set of rows of `facts` in this process, one more row added; the order does not matter."""
    event: UUID = row.event_id
    attributes = (row.source, row.sequence, event.int, row.type, row.occurred_on, row.known_day, row.recorded_at, _json(row.says))
    return (before + hash(attributes)) & MASK
