"""Reads the events of a batch, as records and as columns, into what they change (`effects`)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection
from dataclasses import replace
from typing import TypeAlias

from services.metrics.counted import BY_KIND, Attribute, Matter, NotCounted, kind_of
from services.metrics.folding.columns.facts import FactColumns
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS, MemberColumns
from services.metrics.folding.events.batch_effects import BatchEffects
from services.metrics.folding.events.effect import effect_of, effect_of_withdrawal
from services.metrics.folding.events.member_events import AREA, all_of_members, of_members
from services.metrics.folding.events.recorded import RecordedFact
from services.metrics.tables import store
from shared import contracts
from shared.contracts.streams import EventWithdrawn
from shared.process.db import Connection
from shared.reading.pace import Pace
from shared.sequencing.closed_days import DayOf
from shared.sequencing.records import Received, Run, ShardBatch, Stream

FACTS = frozenset(name for name in contracts.TYPES if isinstance(BY_KIND.get(kind_of(name)), Attribute | Matter | NotCounted))
"""Types of events that state one fact, other than members, and nothing else."""

_Rows: TypeAlias = defaultdict[Stream, deque[tuple[FactColumns, int]]]
"""{stream: its facts by sequence, as (columns, row)}"""


async def read(conn: Connection, batch: ShardBatch, generation: int, day_of: DayOf) -> BatchEffects:
    """What a batch changes. `generation`: where the events stand that withdrawals name. Raises RefusedFact for an event that a rule refuses."""
    effects, shard = BatchEffects(), batch.shard
    members: dict[Stream, Run] = {}
    rest: list[Received] = []
    for run in batch.runs:
        of_stream = run
        if not all_of_members(run):
            of_stream = [record for record in run if of_members(record)]
            rest += [record for record in run if not of_members(record)]
        if of_stream:
            stream = run[0].stream
            members[stream] = [*members[stream], *of_stream] if stream in members else of_stream
    pace = Pace(conn)
    beside = await _read_columns(batch, effects, {record.stream for record in rest}, day_of, pace)
    for records in members.values():
        effects.add_members(shard, records, day_of)
        if pace.over():
            await pace.rest()
    for record in rest:
        waiting = beside.get(record.stream)
        while waiting and waiting[0][0].sequences[waiting[0][1]] < record.sequence:
            facts, at = waiting.popleft()
            effects.add_stated(facts, [at])
        event = record.event
        assert event is not None, "only what can be decoded is applied"
        known, data = day_of(event.time), event.data
        if _is_one_fact(record):
            effects.add_fact(shard, record, data, known)
            if pace.over():
                await pace.rest()
            continue
        if type(data) is EventWithdrawn:
            stored = await store.named(conn, generation, event.source, event.subject, data.first, data.last)
            named = [(one.sequence, RecordedFact(kind_of(one.type), one.occurred_on, one.says)) for one in stored]
            effect = effect_of_withdrawal(event, shard, known, named + effects.named(event, data))
        else:
            effect = effect_of(event, shard, known, may_hold_nul=record.may_hold_nul)
        if effect is not None:
            effects.add(effect)
        if pace.over():
            await pace.rest()
    for waiting in beside.values():
        for facts, at in waiting:
            effects.add_stated(facts, [at])
    effects.settle(effects.changes.keys() & effects.stated.keys())
    return effects


async def _read_columns(batch: ShardBatch, effects: BatchEffects, objects: Collection[Stream], day_of: DayOf, pace: Pace) -> _Rows:
    """Add the events that come as columns. Returns the facts of streams that have events among `objects`, too, for they go by their order."""
    beside: _Rows = defaultdict(deque)
    for columns in batch.columns:
        of_members = columns.type < len(TYPES_AS_COLUMNS)
        if of_members.any():
            own = columns if of_members.all() else columns.take(of_members)
            effects.add_columns(MemberColumns(batch.shard, replace(own, types=TYPES_AS_COLUMNS), day_of))
        if not of_members.all():
            facts = FactColumns(batch.shard, columns.take(~of_members), day_of)
            effects.fact_columns.append(facts)
            alone, with_objects = facts.among(objects)
            effects.add_attributes(facts, alone)
            for at in with_objects:
                beside[facts.source, facts.subjects[at]].append((facts, at))
        if pace.over():
            await pace.rest()
    return beside


def _is_one_fact(record: Received) -> bool:
    """Whether `BatchEffects.add_fact` takes a record that can be decoded."""
    return record.type in FACTS and not record.stream[1].startswith(AREA) and not record.may_hold_nul
