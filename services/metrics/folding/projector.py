"""The projector: folds the events of a shard's batch into facts, ledger, directory and change feed, in the reader's transaction.

All writes are in the transaction that also moves the shard's position, and only `after_commit` updates memory: a process killed at any line
leaves nothing behind. (Ids of cells are made in a transaction of their own; an unused id does no harm.)
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime
from itertools import islice
from typing import TypeAlias

from services.metrics.counted import BY_KIND, Attribute, Matter, NotCounted, kind_of
from services.metrics.folding.columns.facts import FactColumns
from services.metrics.folding.columns.members import MIXED, TYPES_AS_COLUMNS, MemberColumns
from services.metrics.folding.effects import BatchEffects, effect_of, effect_of_withdrawal
from services.metrics.folding.facts import FactSet
from services.metrics.folding.findings import Noted, noted, noted_of_members
from services.metrics.folding.ledger import NONE, fold
from services.metrics.folding.member_events import AREA, all_of_members, of_members
from services.metrics.folding.plain.fold import add_plain, new_members
from services.metrics.folding.plain.sets import PlainSet, plain_sets
from services.metrics.folding.recorded import RecordedFact
from services.metrics.tables import fact_runs, feed, ledger_store, store
from services.metrics.tables.rows import Cell, Rows
from shared import contracts
from shared.contracts.streams import EventWithdrawn
from shared.process.clock import Clock
from shared.process.db import Connection, Pool
from shared.reading.pace import Pace
from shared.sequencing.columnar.columns import MOST_TRACES, time_of
from shared.sequencing.records import Received, Run, ShardBatch, Stream

MOST_SETS = 2000
LEAST_PLAIN, PLAIN_TOGETHER = 100, 1000
"""Sets of a batch from which plain ones are folded as arrays, and how many at once: some 20 ms."""


_Rows: TypeAlias = defaultdict[Stream, deque[tuple[FactColumns, int]]]
"""{stream: its facts by sequence, as (columns, row)}"""
FACTS = frozenset(name for name in contracts.TYPES if isinstance(BY_KIND.get(kind_of(name)), Attribute | Matter | NotCounted))
"""Types of events that state one fact, other than members, and nothing else."""


class Projector:
    """`apply`, `on_closed`, `on_reset` and `after_commit` of a Reader over one generation."""

    def __init__(self, pool: Pool, clock: Clock, generation: int = 1) -> None:
        self._pool = pool
        self._clock = clock
        self._generation = generation
        self._cells: dict[Cell, int] = {}
        self._sets: defaultdict[int, dict[str, FactSet]] = defaultdict(dict)
        self._folded: dict[int, dict[str, FactSet]] = {}
        self._all_noted = set[int]()

    async def apply(self, conn: Connection, batch: ShardBatch) -> None:
        """Fold a batch. Raises RefusedFact for an event that a rule refuses."""
        self._folded.pop(batch.shard, None)
        effects = await self._read(conn, batch)
        if not (effects.facts or effects.runs or effects.columns or effects.fact_columns):
            return
        plain = await self._plain(conn, batch, effects)
        effects.count_columns(plain.keys())
        subjects = [subject for subject in effects.changes.keys() | effects.members.keys() if subject not in plain]
        sets = await self._load(conn, batch.shard, subjects)
        rows = await self._fold(conn, effects, sets)
        await self._fold_plain(conn, effects, list(plain.values()), rows)
        await self._write(conn, batch, effects, sets, plain, rows)
        self._folded[batch.shard] = sets

    async def on_closed(self, conn: Connection, shard: int, day: date) -> None:
        """No event of the shard will be known on `day` or earlier."""
        await ledger_store.close_days(conn, self._generation, shard, day)
        await self._note(conn, shard)

    def on_reset(self, shard: int) -> None:
        """Drop what is in memory of a shard: it may differ from the tables."""
        self._sets.pop(shard, None)
        self._folded.pop(shard, None)
        self._all_noted.discard(shard)

    def after_commit(self, batch: ShardBatch) -> None:
        """Keep the folded sets in memory: they are committed."""
        kept = self._sets[batch.shard]
        kept.update(self._folded.pop(batch.shard, {}))
        for subject in list(kept)[: max(0, len(kept) - MOST_SETS)]:
            del kept[subject]

    async def _read(self, conn: Connection, batch: ShardBatch) -> BatchEffects:
        effects, shard, day_of = BatchEffects(), batch.shard, self._clock.day_of
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
        beside = await self._read_columns(batch, effects, {record.stream for record in rest}, pace)
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
                stored = await store.named(conn, self._generation, event.source, event.subject, data.first, data.last)
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
        return effects

    async def _read_columns(self, batch: ShardBatch, effects: BatchEffects, objects: Collection[Stream], pace: Pace) -> _Rows:
        """Add the events that come as columns. Returns the facts of streams that have events among `objects`, too, for they go by their order."""
        beside: _Rows = defaultdict(deque)
        for columns in batch.columns:
            of_members = columns.type < len(TYPES_AS_COLUMNS)
            if of_members.any():
                own = columns if of_members.all() else columns.take(of_members)
                effects.add_columns(MemberColumns(batch.shard, replace(own, types=TYPES_AS_COLUMNS), self._clock.day_of))
            if not of_members.all():
                facts = FactColumns(batch.shard, columns.take(~of_members), self._clock.day_of)
                effects.fact_columns.append(facts)
                alone, with_objects = facts.among(objects)
                effects.add_stated(facts, alone)
                for at in with_objects:
                    beside[facts.source, facts.subjects[at]].append((facts, at))
            if pace.over():
                await pace.rest()
        return beside

    async def _plain(self, conn: Connection, batch: ShardBatch, effects: BatchEffects) -> dict[str, PlainSet]:
        """The sets that are folded as arrays; none of a small batch, which is sooner done one by one."""
        in_columns = dict[str, int]()
        for columns in effects.columns:
            for subject, known in columns.known_days():
                in_columns[subject] = known if in_columns.get(subject, known) == known else MIXED
        subjects = list(effects.changes.keys() | effects.members.keys() | in_columns.keys())
        if len(subjects) < LEAST_PLAIN:
            return {}
        stored = await store.states(conn, self._generation, batch.shard, subjects)
        closed = batch.closed.toordinal() if batch.closed is not None else 0
        found, pace = dict[str, PlainSet](), Pace(conn)
        for one in plain_sets(subjects, effects.changes, effects.members, in_columns, stored, closed):
            found[one.subject] = one
            if pace.over():
                await pace.rest()
        kept = self._sets[batch.shard]
        for subject in kept.keys() & found.keys():
            del kept[subject]
        return found

    async def _fold_plain(self, conn: Connection, effects: BatchEffects, sets: Sequence[PlainSet], rows: Rows) -> None:
        pace = Pace(conn)
        members = new_members(sets, effects.members, effects.columns)
        for begin in range(0, len(sets), PLAIN_TOGETHER):
            part = sets[begin : begin + PLAIN_TOGETHER]
            of_part = members.of_range(begin, begin + len(part))
            add_plain(part, of_part, rows)
            for number, days, net in of_part.of_sets():
                part[number].count(days, net)
            await pace.rest()

    async def _load(self, conn: Connection, shard: int, subjects: Iterable[str]) -> dict[str, FactSet]:
        """The sets of facts, taken out of memory or read. The fold changes them before the commit, so memory must not hold them meanwhile."""
        kept = self._sets[shard]
        found = {subject: kept.pop(subject, None) for subject in subjects}
        missing = [subject for subject, facts in found.items() if facts is None]
        stored = await store.states(conn, self._generation, shard, missing) if missing else {}
        return {
            subject: facts if facts is not None else FactSet.load(stored[subject]) if subject in stored else FactSet()
            for subject, facts in found.items()
        }

    async def _fold(self, conn: Connection, effects: BatchEffects, sets: dict[str, FactSet]) -> Rows:
        rows, pace = Rows(), Pace(conn)
        changes, members = effects.changes, effects.members
        for subject, facts in sets.items():
            fold(facts, changes.get(subject, ()), rows, members.get(subject, NONE))
            if pace.over():
                await pace.rest()
        return rows

    async def _write(
        self,
        conn: Connection,
        batch: ShardBatch,
        effects: BatchEffects,
        sets: dict[str, FactSet],
        plain: Mapping[str, PlainSet],
        rows: Rows,
    ) -> None:
        generation, shard = self._generation, batch.shard
        ids = await self._ids(rows.cells())
        await self._note(conn, shard)
        if sets or plain:
            dumped = dict(self._dumped(batch, effects, sets))
            dumped.update((subject, (one.dump(), one.noted())) for subject, one in plain.items())
            await store.keep_states(conn, generation, shard, dumped)
            await ledger_store.add_rows(conn, generation, shard, rows, ids)
        await fact_runs.keep(conn, generation, effects.facts, effects.runs, effects.columns, effects.fact_columns)
        if effects.placements:
            await store.keep_placements(conn, generation, shard, effects.placements)
        if effects.moved:
            await store.keep_names(
                conn,
                generation,
                shard,
                effects.name_rows({subject: (plain.get(subject) or sets[subject]).placing() for subject in effects.moved}),
            )
        if effects.foundings:
            await store.keep_unions(conn, generation, shard, effects.union_rows())
        for code, rank, known in effects.ended:
            await store.end_area(conn, generation, code, rank, known)
        if effects.areas:
            await store.keep_areas(conn, generation, effects.areas)
        await feed.publish(conn, generation, shard, batch.version, rows, ids, _oldest(batch), _traces(batch), effects.uncounted)

    @staticmethod
    def _dumped(batch: ShardBatch, effects: BatchEffects, sets: dict[str, FactSet]) -> Iterator[tuple[str, tuple[bytes, Noted]]]:
        """(subject, (its compacted set, what is noted of it)). The note is made before days are forgotten."""
        for subject, facts in sets.items():
            members = effects.members.get(subject, NONE)
            if changes := effects.changes.get(subject):
                found = noted(facts, min((*(change.known for change in changes), *members)))
            else:
                found = noted_of_members(facts, min(members))
            if batch.closed is not None:
                facts.compact(batch.closed.toordinal())
            yield subject, (facts.dump(), found)

    async def _note(self, conn: Connection, shard: int) -> None:
        """Notes the findings of sets that an earlier release wrote, some in each transaction until the shard has none (see store.KEEP_STATES)."""
        if shard in self._all_noted:
            return
        found: dict[str, Noted] = {}
        for subject, state, possible in await store.without_note(conn, self._generation, shard):
            facts = FactSet.load(state)
            found[subject] = noted(facts) | (Noted(possible) if facts.since else Noted.NONE)
        if found:
            await store.note(conn, self._generation, shard, found)
        else:
            self._all_noted.add(shard)

    async def _ids(self, cells: set[Cell]) -> dict[Cell, int]:
        if unknown := cells - self._cells.keys():
            self._cells.update(await store.cell_ids(self._pool, self._generation, unknown))
        return self._cells


def _is_one_fact(record: Received) -> bool:
    """Whether `BatchEffects.add_fact` takes a record that can be decoded."""
    return record.type in FACTS and not record.stream[1].startswith(AREA) and not record.may_hold_nul


def _oldest(batch: ShardBatch) -> datetime:
    """When the first of the events was recorded."""
    return min(
        [record.time for record in batch.records if record.time is not None]
        + [time_of(int(columns.recorded.min())) for columns in batch.columns]
    )


def _traces(batch: ShardBatch) -> list[str]:
    """The first MOST_TRACES `traceparent`s of the commands behind the events."""
    return list(islice(dict.fromkeys(batch.traceparents()), MOST_TRACES))
