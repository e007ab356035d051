"""One shard of a generation folded anew, in memory, from the log alone: what audit and rebuild compare with, and what a rebuild loads.

The events are read from offset 0 and sorted as the reader does (`shared.reading.replay`), and say what they say to the projector (`news`).
The rows are those of the *definition* (`ledger.rows_since` from the first day on), not those of the fast ways by which the projector reaches
them: so an audit finds an error of the fast ways, too, and each enterprise is computed once instead of once per batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import msgspec

from services.metrics.facts import FactSet, RefusedFact
from services.metrics.ledger import Key, Rows, no_rows, rows_since
from services.metrics.news import Heard, News, hear, name_row
from services.metrics.store import AreaRow, FactRow, NameRow
from shared.broker import Broker
from shared.clock import Clock
from shared.contracts import Envelope
from shared.reading.records import Stream
from shared.reading.replay import Replay
from shared.reading.sorting import At, Head, Parked

MOST_BEHIND = 100
"""Enterprises that are named behind one differing row."""
MASK = 2**64 - 1

_json = msgspec.json.Encoder(order="deterministic").encode

Facts = Callable[[Sequence[FactRow]], Awaitable[None]]


@dataclass(slots=True)
class Refolded:
    """A shard as the log says it is, before the offsets `next`.

    `facts` = {subject: digest of its rows of `facts`}; the rows themselves went to the caller in parts. `held`, `heads` and `newest` are the
    reader's: events kept and not applied, the last event applied of each stream, the greatest time read per topic.
    """

    shard: int
    next: Mapping[str, int]
    events: int = 0
    rows: Rows = field(default_factory=no_rows)
    sets: dict[str, FactSet] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    areas: list[AreaRow] = field(default_factory=list)
    names: list[NameRow] = field(default_factory=list)
    placements: set[tuple[str, str]] = field(default_factory=set)
    heads: dict[Stream, Head] = field(default_factory=dict)
    held: dict[At, Parked] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)

    def behind(self, keys: Collection[Key]) -> dict[Key, list[str]]:
        """The subjects whose own steps touch each of these ledger rows.

        A row that no subject touches is served by mistake: then those who learned something that day and were ever in its park.
        """
        wanted, found = set(keys), dict[Key, list[str]]()
        for subject, facts in self.sets.items():
            for key in wanted.intersection(rows_since(facts, 0)):
                found.setdefault(key, []).append(subject)
        near = defaultdict[str | None, list[str]](list)
        for park, subject in self.placements:
            near[park].append(subject)
        for key in wanted - found.keys():
            found[key] = [subject for subject in near[key[0][0]] if _learned(self.sets[subject], key[2])]
        return {key: sorted(subjects)[:MOST_BEHIND] for key, subjects in found.items()}


def _learned(facts: FactSet, known: int) -> bool:
    return known in facts.members or known in facts.attribute_days()


async def refold(broker: Broker, shard: int, until: Mapping[str, int], clock: Clock, told: Facts) -> Refolded:
    """Fold a shard from the beginning of the log to before the offsets `until`; `told` gets the rows of `facts` as they come.

    Raises OffsetLost if the log no longer begins at 0 or ends before `until`, BrokerUnavailable if it does not answer.
    """

    def understand(event: Envelope) -> Heard | None:
        return hear(event, shard, clock.day_of(event.time))

    replay = Replay(shard, until, understand, (RefusedFact,))
    found, news = Refolded(shard, dict(until)), News()
    sets = defaultdict[str, FactSet](FactSet)
    async for batch in replay.batches(broker):
        for heard in batch:
            if heard is not None:
                news.take(heard)
        for subject, changes in news.changes.items():
            sets[subject].gather(changes)
        await told(news.facts)
        for row in news.facts:
            found.facts[row.subject] = digested(found.facts.get(row.subject, 0), row)
        news.changes.clear()
        news.facts.clear()
    for facts in sets.values():
        for key, value in rows_since(facts, 0).items():
            found.rows[key] += value
    found.sets = dict(sets)
    found.events, found.areas, found.placements = replay.applied, news.areas, news.placements
    found.names = [name_row(subject, news.names.get(subject), sets[subject]) for subject in sorted(news.moved)]
    found.heads = {stream: head for stream, head in replay.streams.heads.items() if head is not None}
    found.held, found.newest = replay.held, replay.newest
    return found


def digested(before: int, row: FactRow) -> int:
    """A number that stands for a set of rows of `facts` in this process, one more row added; the order does not matter."""
    event: UUID = row.event_id
    attributes = (row.source, row.sequence, event.int, row.type, row.occurred_on, row.known_day, row.recorded_at, _json(row.says))
    return (before + hash(attributes)) & MASK
