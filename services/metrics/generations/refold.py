"""One shard of a generation folded again in memory from the log alone: what audit and rebuild compare with, and what a rebuild loads.

Events are read from offset 0 and sorted as by the reader (`shared.sequencing.replay`); their effects are those of the projector
(`folding.events.batch_effects`). The rows are computed by *definition* (`refolding`), not by the projector's fast path: so an audit also finds errors of the
fast path, and each enterprise is computed once instead of once per batch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from itertools import chain
from typing import TypeVar

import numpy as np

from services.metrics.folding.changes import RefusedFact
from services.metrics.folding.columns.facts import read_data
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from services.metrics.folding.events.batch_effects import BatchEffects
from services.metrics.folding.events.effect import Effect, effect_of, effect_of_withdrawal, recorded_fact
from services.metrics.folding.events.member_events import AREA, of_members, recorded_member
from services.metrics.folding.events.recorded import RecordedFacts
from services.metrics.folding.facts import FactSet, Placing, last_park
from services.metrics.folding.ledger import rows_since
from services.metrics.refolding.digests import Digests
from services.metrics.refolding.ledger import Ledger
from services.metrics.refolding.listed import Listed
from services.metrics.refolding.matter_ledger import add_matters
from services.metrics.refolding.member_facts import MemberFacts, count_into, require_storable
from services.metrics.refolding.member_ledger import Numbers, member_rows
from services.metrics.refolding.noting import may_be_noted
from services.metrics.refolding.plain_facts import FRAMED, FactGroup, PlainFacts
from services.metrics.refolding.segments import Facts
from services.metrics.refolding.shapes import Shapes
from services.metrics.tables.fact_runs import FactRun
from services.metrics.tables.rows import DurationKey, Key, TallyKey
from services.metrics.tables.store import AreaRow, FactRow, NameRow, UnionRow
from shared.broker.protocol import Broker
from shared.contracts import Envelope
from shared.contracts.streams import EventWithdrawn
from shared.process.clock import Clock
from shared.sequencing.columnar.columns import Columns, known_days
from shared.sequencing.plan import ParkedEvent
from shared.sequencing.records import Received, RecordKey, Stream
from shared.sequencing.replay import Part, Replay
from shared.sequencing.streams import Head, WithdrawnRange

K = TypeVar("K", Key, DurationKey, TallyKey)

MOST_BEHIND = 100
"""Enterprises that a report names for one differing row."""

Gone = Mapping[Stream, Mapping[int, WithdrawnRange]]
KeepFacts = Callable[[Sequence[FactRow], Sequence[FactRun], Sequence[Columns], Sequence[FactGroup]], Awaitable[None]]


@dataclass(slots=True)
class Refolded:
    """A shard according to the log, before the offsets `next`.

    `ledger` = its rows, those of the durations and of the tallies. `facts` = {subject: digest of its rows of `facts`}; the rows themselves went to the
    caller in parts. `dumps` = {subject: its set as it is stored}, `listed` = the rows of the tables of names, places and heads, `may_be_noted` = subjects
    of which something may have to be noted. As the reader keeps them: `held` = events kept and not applied, `heads` = the last event applied of each stream, `newest` = the greatest time read per topic, `accepted`
    withdrawals, `closings` = days closed per topic, `closed` = the shard's closed day.
    """

    shard: int
    next: Mapping[str, int]
    events: int = 0
    ledger: Ledger = field(default_factory=Ledger.empty)
    sets: dict[str, FactSet] = field(default_factory=dict)
    facts: dict[str, int] = field(default_factory=dict)
    placings: dict[str, Placing] = field(default_factory=dict)
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
    dumps: dict[str, bytes] = field(default_factory=dict)
    listed: Listed = field(default_factory=Listed.empty)
    may_be_noted: set[str] = field(default_factory=set)

    def behind(self, keys: Collection[K]) -> dict[K, tuple[list[str], int]]:
        """The subjects whose own steps touch each of these rows of the ledger, of the durations or of the tallies: MOST_BEHIND of them, and how many more.

        A row that no subject touches is served by mistake: for it, the subjects with facts of that known day that were ever in its park.
        """
        wanted, found = set(keys), dict[K, list[str]]()
        for subject, facts in self.sets.items():
            rows = rows_since(facts, 0)
            for key in [key for key in wanted if key in rows.figures or key in rows.durations or key in rows.tallies]:
                found.setdefault(key, []).append(subject)
        near = defaultdict[str | None, list[str]](list)
        for park, subject in self.placements:
            near[park].append(subject)
        for key in [key for key in wanted if key not in found]:
            found[key] = [subject for subject in near[key[0][0]] if _has_facts_of(self.sets[subject], key[2])]
        return {key: (sorted(subjects)[:MOST_BEHIND], max(0, len(subjects) - MOST_BEHIND)) for key, subjects in found.items()}


def _has_facts_of(facts: FactSet, known: int) -> bool:
    return known in facts.members or known in facts.attribute_days() or known in facts.matter_days()


class _Folding:
    """Takes the events of a shard, part by part, and gives what they come to."""

    def __init__(self, shard: int, clock: Clock, keep_facts: KeepFacts, *, attributed: bool) -> None:
        self._shard, self._clock, self._keep_facts = shard, clock, keep_facts
        self._effects, self._recorded, self._members = BatchEffects(), RecordedFacts(), MemberFacts()
        self._digests = Digests(attributed=attributed)
        self._sets = defaultdict[str, FactSet](FactSet)
        self._plain = PlainFacts(self._sets.__getitem__, self._members.count)

    def understand(self, record: Received) -> Effect | Envelope | Received | None:
        """What is kept of an event until it applies. Raises RefusedFact."""
        if of_members(record):
            return record
        event = record.event
        assert event is not None, "only what can be decoded is understood"
        return event if isinstance(event.data, EventWithdrawn) else effect_of(event, self._shard, self._clock.day_of(event.time))

    async def take(self, part: Part[Effect | Envelope | Received | None]) -> None:
        """Take what applies next."""
        effects, day_of = self._effects, self._clock.day_of
        of_members, groups = list[Columns](), list[FactGroup]()
        for both in part.columns:
            columns, others = _parted(both)
            if len(columns):
                days = known_days(columns.recorded, day_of)
                self._members.add(columns, days)
                self._digests.add_columns(columns, days)
                of_members.append(columns)
            if len(others):
                groups += self._plain.add(others, known_days(others.recorded, day_of))
        for group in groups:
            self._digests.add_group(group)
        members: dict[Stream, list[Received]] = {}
        for one in part.decoded:
            if isinstance(one, Received):
                members.setdefault(one.stream, []).append(one)
                self._recorded.keep(one.stream, one.sequence, recorded_member(one))
                continue
            effect = self._of_withdrawal(one) if isinstance(one, Envelope) else one
            if effect is not None:
                effects.add(effect)
                row = effect.fact
                self._plain.name(row.subject, row.sequence, effect.registration, effect.founding)
                self._recorded.keep((row.source, row.subject), row.sequence, recorded_fact(row))
        for records in members.values():
            effects.add_members(self._shard, records, day_of)
        for subject, changes in effects.changes.items():
            self._sets[subject].gather(changes)
        for subject, counts in effects.members.items():
            for known, added in counts.items():
                self._sets[subject].count(known, added)
        await self._keep_facts(effects.facts, effects.runs, of_members, groups)
        self._digests.add_rows([*effects.facts, *chain.from_iterable(run.rows() for run in effects.runs)])
        effects.clear_facts()

    def _of_withdrawal(self, event: Envelope) -> Effect | None:
        data = event.data
        assert isinstance(data, EventWithdrawn), "every other event was read as it came"
        stream = (event.source, event.subject)
        places = self._recorded, self._members, self._plain
        named = [one for place in places for one in place.named(stream, data.first, data.last)]
        return effect_of_withdrawal(event, self._shard, self._clock.day_of(event.time), sorted(named, key=lambda one: one[0]))

    def finish(self, found: Refolded) -> None:
        """Write into `found` what all events come to."""
        sets, effects = self._sets, self._effects
        own = self._members.counts()
        further = {subject: facts for subject, facts in sets.items() if facts.members}
        counts = self._members.counts(further) if further else own
        count_into(sets.__getitem__, own)
        numbers, tallies = Numbers(), dict[TallyKey, int]()
        rows = Facts(list(sets.values()))
        shapes = Shapes.of_facts(list(sets), rows, numbers)
        members = member_rows(counts, shapes.member_versions(counts.subjects, numbers))
        for facts in sets.values():
            if facts.matters:
                add_matters(facts, tallies)
        found.ledger = Ledger(shapes.steps(), shapes.durations(), members, tallies, numbers, shapes.classes)
        found.sets, found.facts = dict(sets), self._digests.sums
        self._join_names()
        found.areas, found.placements = effects.areas, effects.placements | self._plain.placements
        found.placings = {subject: facts.placing() for subject, facts in sets.items()}
        found.names, found.unions = (
            effects.name_rows(effects.moved, lambda subject: last_park(found.placings[subject])),
            effects.union_rows(),
        )
        found.may_be_noted = may_be_noted(sets, rows)
        found.dumps = {subject: facts.dump() for subject, facts in sorted(sets.items())}

    def _join_names(self) -> None:
        """What is the last to name a subject may have come as an object or as a column."""
        effects, plain = self._effects, self._plain
        effects.moved |= plain.moved
        effects.registrations = {subject: event for subject, (_, event) in plain.registrations.items()}
        effects.foundings = {subject: event for subject, (_, event) in plain.foundings.items()}


def _parted(columns: Columns) -> tuple[Columns, Columns]:
    """(members' events, other facts) of columns by stream."""
    of_members = columns.type < len(TYPES_AS_COLUMNS)
    members = replace(columns.take(np.flatnonzero(of_members)), types=TYPES_AS_COLUMNS)
    return members, columns.take(np.flatnonzero(~of_members))


async def refold(
    broker: Broker, shard: int, until: Mapping[str, int], gone: Gone, clock: Clock, keep_facts: KeepFacts, *, attributed: bool = True
) -> Refolded:
    """Fold a shard from the beginning of the log to before the offsets `until`; `keep_facts` gets the rows and runs of facts in parts.

    `gone` are the withdrawals that readers have accepted (`shared.reading.store.withdrawn`). `attributed`: see `digests.texts_of`.

    Raises OffsetLostError if the log no longer begins at 0 or ends before `until`, BrokerUnavailableError if it does not answer.
    """
    folding = _Folding(shard, clock, keep_facts, attributed=attributed)
    replay = Replay(shard, until, folding.understand, (RefusedFact,), clock.day_of, gone, TYPES_AS_COLUMNS)
    replay.check, replay.framed, replay.read_data, replay.beside = require_storable, FRAMED, read_data, (AREA.rstrip("/"),)
    async for part in replay.parts(broker):
        await folding.take(part)
    found = Refolded(shard, dict(until), replay.applied)
    folding.finish(found)
    found.heads = replay.streams.heads()
    found.held, found.newest = replay.held, replay.newest
    found.accepted, found.closings, found.closed = replay.accepted, replay.streams.closings, replay.closed
    found.listed = Listed.of(found.names, found.unions, found.placements, found.placings, found.heads)
    return found
