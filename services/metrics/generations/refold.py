"""One shard of a generation folded again in memory from the log alone: what audit and rebuild compare with, and what a rebuild loads.

Events are read from offset 0 and sorted as by the reader (`shared.sequencing.replay`); their effects are those of the projector
(`folding.effects`). The rows are computed by *definition* (`ledger.rows_since` from the first day on), not by the projector's fast path:
so an audit also finds errors of the fast path, and each enterprise is computed once instead of once per batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from itertools import chain
from typing import TypeVar
from uuid import UUID

import msgspec

from services.metrics.folding.effects import (
    BatchEffects,
    Effect,
    effect_of,
    effect_of_withdrawal,
    recorded_fact,
)
from services.metrics.folding.facts import FactSet, RefusedFact
from services.metrics.folding.ledger import rows_since
from services.metrics.folding.member_events import of_members, recorded_member
from services.metrics.folding.recorded import RecordedFacts
from services.metrics.tables.fact_runs import FactRun
from services.metrics.tables.rows import DurationKey, Key, Rows
from services.metrics.tables.store import AreaRow, FactRow, NameRow, UnionRow
from shared.broker.protocol import Broker
from shared.contracts import Envelope
from shared.contracts.streams import EventWithdrawn
from shared.process.clock import Clock
from shared.sequencing.plan import ParkedEvent
from shared.sequencing.records import Received, RecordKey, Stream
from shared.sequencing.replay import Replay
from shared.sequencing.streams import Head, WithdrawnRange

K = TypeVar("K", Key, DurationKey)

MOST_BEHIND = 100
"""Enterprises that a report names for one differing row."""
MASK = 2**64 - 1

_json = msgspec.json.Encoder(order="deterministic").encode

Gone = Mapping[Stream, Mapping[int, WithdrawnRange]]
KeepFacts = Callable[[Sequence[FactRow], Sequence[FactRun]], Awaitable[None]]


@dataclass(slots=True)
class Refolded:
    """A shard according to the log, before the offsets `next`.

    `facts` = {subject: digest of its rows of `facts`}; the rows themselves went to the caller in parts. As the reader keeps them: `held` =
    events kept and not applied, `heads` = the last event applied of each stream, `newest` = the greatest time read per topic, `accepted`
    withdrawals, `closings` = days closed per topic, `closed` = the shard's closed day.
    """

    shard: int
    next: Mapping[str, int]
    events: int = 0
    rows: Rows = field(default_factory=Rows)
    sets: dict[str, FactSet] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    areas: list[AreaRow] = field(default_factory=list)
    names: list[NameRow] = field(default_factory=list)
    unions: list[UnionRow] = field(default_factory=list)
    placements: set[tuple[str, str]] = field(default_factory=set)
    heads: dict[Stream, Head] = field(default_factory=dict)
    held: dict[RecordKey, ParkedEvent] = field(default_factory=dict)
    newest: dict[str, datetime] = field(default_factory=dict)
    accepted: dict[tuple[Stream, int], WithdrawnRange] = field(default_factory=dict)
    closings: dict[str, date] = field(default_factory=dict)
    closed: date | None = None

    def behind(self, keys: Collection[K]) -> dict[K, tuple[list[str], int]]:
        """The subjects whose own steps touch each of these rows of the ledger or of the durations: MOST_BEHIND of them, and how many more.

        A row that no subject touches is served by mistake: for it, the subjects with facts of that known day that were ever in its park.
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
            found[key] = [subject for subject in near[key[0][0]] if _has_facts_of(self.sets[subject], key[2])]
        return {key: (sorted(subjects)[:MOST_BEHIND], max(0, len(subjects) - MOST_BEHIND)) for key, subjects in found.items()}


def _has_facts_of(facts: FactSet, known: int) -> bool:
    return known in facts.members or known in facts.attribute_days()


async def refold(
    broker: Broker, shard: int, until: Mapping[str, int], gone: Gone, clock: Clock, keep_facts: KeepFacts, *, attributed: bool = True
) -> Refolded:
    """Fold a shard from the beginning of the log to before the offsets `until`; `keep_facts` gets the rows and runs of facts in parts.

    `gone` are the withdrawals that readers have accepted (`shared.reading.store.withdrawn`). `attributed`: see `digested`.

    Raises OffsetLostError if the log no longer begins at 0 or ends before `until`, BrokerUnavailableError if it does not answer.
    """

    def understand(record: Received) -> Effect | Envelope | Received | None:
        if of_members(record):
            return record
        event = record.event
        assert event is not None, "only what can be decoded is understood"
        return event if isinstance(event.data, EventWithdrawn) else effect_of(event, shard, clock.day_of(event.time))

    replay = Replay(shard, until, understand, (RefusedFact,), clock.day_of, gone)
    found, effects, recorded = Refolded(shard, dict(until)), BatchEffects(), RecordedFacts()
    sets = defaultdict[str, FactSet](FactSet)
    async for batch in replay.batches(broker):
        members: dict[Stream, list[Received]] = {}
        for one in batch:
            if isinstance(one, Received):
                members.setdefault(one.stream, []).append(one)
                recorded.keep(one.stream, one.sequence, recorded_member(one))
                continue
            effect = _of_withdrawal(one, shard, clock, recorded) if isinstance(one, Envelope) else one
            if effect is not None:
                effects.add(effect)
                row = effect.fact
                recorded.keep((row.source, row.subject), row.sequence, recorded_fact(row))
        for records in members.values():
            effects.add_members(shard, records, clock.day_of)
        for subject, changes in effects.changes.items():
            sets[subject].gather(changes)
        for subject, counts in effects.members.items():
            for known, added in counts.items():
                sets[subject].count(known, added)
        await keep_facts(effects.facts, effects.runs)
        for row in chain(effects.facts, chain.from_iterable(run.rows() for run in effects.runs)):
            found.facts[row.subject] = digested(found.facts.get(row.subject, 0), row, attributed=attributed)
        effects.clear_facts()
    for facts in sets.values():
        found.rows.add(rows_since(facts, 0))
    found.sets = dict(sets)
    found.events, found.areas, found.placements = replay.applied, effects.areas, effects.placements
    found.names, found.unions = effects.name_rows(sets), effects.union_rows()
    found.heads = replay.streams.heads()
    found.held, found.newest = replay.held, replay.newest
    found.accepted, found.closings, found.closed = replay.accepted, replay.streams.closings, replay.closed
    return found


def _of_withdrawal(event: Envelope, shard: int, clock: Clock, recorded: RecordedFacts) -> Effect | None:
    data = event.data
    assert isinstance(data, EventWithdrawn), "every other event was read as it came"
    named = recorded.named((event.source, event.subject), data.first, data.last)
    return effect_of_withdrawal(event, shard, clock.day_of(event.time), named)


def digested(before: int, row: FactRow, *, attributed: bool) -> int:
    """The digest of a set of rows of `facts` with one more row. The order of rows does not matter; the digest is valid in this process.

    `attributed` False: without actor and reason, which a generation made before 0.3 does not have.
    """
    event: UUID = row.event_id
    attributes = (row.source, row.sequence, event.int, row.type, row.occurred_on, row.known_day, row.recorded_at, _json(row.says))
    return (before + hash((attributes, row.actor, row.reason) if attributed else attributes)) & MASK
