"""The projector: folds the events of a shard's batch into facts, ledger, directory and change feed, in the reader's transaction.

All writes are in the transaction that also moves the shard's position, and only `after_commit` updates memory: a process killed at any line
leaves nothing behind. (Ids of cells are made in a transaction of their own; an unused id does no harm.)
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import islice

from services.metrics.folding.columns.members import MIXED
from services.metrics.folding.events.batch_effects import BatchEffects
from services.metrics.folding.events.parts import parts_of
from services.metrics.folding.events.reading import read
from services.metrics.folding.facts import FactSet, last_park
from services.metrics.folding.findings import Noted, noted, noted_of_members
from services.metrics.folding.ledger import NONE, fold
from services.metrics.folding.plain.fold import add_plain, new_members
from services.metrics.folding.plain.sets import New, PlainSet, plain_sets
from services.metrics.tables import fact_runs, feed, fresh, ledger_store, store
from services.metrics.tables.copying import CopyBuffer
from services.metrics.tables.feed_rows import FeedRows
from services.metrics.tables.rows import Cell, Rows
from shared.process.clock import Clock
from shared.process.db import Connection, Pool
from shared.reading.pace import Pace
from shared.sequencing.columnar.columns import MOST_TRACES, time_of
from shared.sequencing.records import ShardBatch

MOST_SETS = 2000
MOST_SUBJECTS = 2000
"""Subjects of a part of a batch. Fewer cost more statements; the objects of more do not stay in the processor's cache."""
LEAST_PLAIN = 100
"""Sets of a part from which plain ones are folded as arrays, all at once: some 20 ms."""


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
        self._folded[batch.shard] = {}
        changed, uncounted, empty = await feed.empty_rows(conn, self._generation), False, True
        buffer = CopyBuffer(conn, self._generation)
        for part in parts_of(batch, MOST_SUBJECTS):
            effects = await read(conn, part, self._generation, self._clock.day_of)
            if effects.empty:
                continue
            if empty:
                await self._note(conn, batch.shard)
            empty, uncounted = False, uncounted | effects.uncounted
            await self._apply_part(conn, buffer, part, effects, changed)
        await buffer.send()
        if not empty:
            await feed.publish(conn, self._generation, batch.shard, batch.version, changed, _oldest(batch), _traces(batch), uncounted)

    async def _apply_part(self, conn: Connection, buffer: CopyBuffer, part: ShardBatch, effects: BatchEffects, changed: FeedRows) -> None:
        """Fold and write some subjects of a batch; their rows of the ledger are added to `changed`, too."""
        rows = Rows()
        plain = await self._plain(conn, part, effects)
        effects.settle([subject for subject in effects.stated if subject not in plain])
        effects.count_columns(plain.keys())
        subjects = [subject for subject in effects.changes.keys() | effects.members.keys() if subject not in plain]
        sets = await self._load(conn, part, subjects)
        await self._fold(conn, effects, sets, rows)
        await self._fold_plain(effects, list(plain.values()), rows)
        ids = await self._ids(rows.cells())
        await ledger_store.add_rows(conn, self._generation, part.shard, rows, ids, buffer)
        changed.add(rows, ids)
        await self._write(conn, buffer, part, effects, sets, plain)
        _keep_last(self._folded[part.shard], sets)

    async def on_closed(self, conn: Connection, shard: int, day: date) -> None:
        """No event of the shard will be known on `day` or earlier."""
        await ledger_store.close_days(conn, self._generation, shard, day)
        await self._note(conn, shard)

    def on_reset(self, shard: int) -> None:
        """Drop what is in memory of a shard, and of cells: it may differ from the tables."""
        self._cells.clear()
        self._sets.pop(shard, None)
        self._folded.pop(shard, None)
        self._all_noted.discard(shard)

    def after_commit(self, batch: ShardBatch) -> None:
        """Keep the folded sets in memory: they are committed."""
        _keep_last(self._sets[batch.shard], self._folded.pop(batch.shard, {}))

    async def _plain(self, conn: Connection, batch: ShardBatch, effects: BatchEffects) -> dict[str, PlainSet]:
        """The sets that are folded as arrays; none of a small batch, which is sooner done one by one."""
        in_columns = dict[str, int]()
        for columns in effects.columns:
            for subject, known in columns.known_days():
                in_columns[subject] = known if in_columns.get(subject, known) == known else MIXED
        new = New(effects.changes, effects.stated, effects.members, in_columns)
        subjects = sorted(new.subjects())
        if len(subjects) < LEAST_PLAIN:
            return {}
        stored = await store.states(conn, self._generation, batch.shard, batch.may_be_stored(subjects))
        closed = batch.closed.toordinal() if batch.closed is not None else 0
        found, pace = dict[str, PlainSet](), Pace(conn)
        for one in plain_sets(subjects, new, stored, closed):
            found[one.subject] = one
            if pace.over():
                await pace.rest()
        kept = self._sets[batch.shard]
        for subject in kept.keys() & found.keys():
            del kept[subject]
        return found

    async def _fold_plain(self, effects: BatchEffects, sets: Sequence[PlainSet], rows: Rows) -> None:
        if not sets:
            return
        members = new_members(sets, effects.members, effects.columns)
        add_plain(sets, members, rows)
        for number, days, net in members.of_sets():
            sets[number].count(days, net)
        await asyncio.sleep(0)

    async def _load(self, conn: Connection, batch: ShardBatch, subjects: Iterable[str]) -> dict[str, FactSet]:
        """The sets of facts, taken out of memory or read. The fold changes them before the commit, so memory must not hold them meanwhile."""
        kept = self._sets[batch.shard]
        found = {subject: kept.pop(subject, None) for subject in subjects}
        missing = batch.may_be_stored([subject for subject, facts in found.items() if facts is None])
        stored = await store.states(conn, self._generation, batch.shard, missing) if missing else {}
        return {
            subject: facts if facts is not None else FactSet.load(stored[subject]) if subject in stored else FactSet()
            for subject, facts in found.items()
        }

    async def _fold(self, conn: Connection, effects: BatchEffects, sets: dict[str, FactSet], rows: Rows) -> None:
        pace = Pace(conn)
        changes, members = effects.changes, effects.members
        for subject, facts in sets.items():
            fold(facts, changes.get(subject, ()), rows, members.get(subject, NONE))
            if pace.over():
                await pace.rest()

    async def _write(
        self, conn: Connection, buffer: CopyBuffer, batch: ShardBatch, effects: BatchEffects, sets: dict[str, FactSet],
        plain: Mapping[str, PlainSet],
    ) -> None:  # fmt: skip
        """Write everything of some subjects but their rows of the ledger."""
        generation, shard = self._generation, batch.shard

        def park_of(subject: str) -> str | None:
            return plain[subject].park() if subject in plain else last_park(sets[subject].placing())

        new = {subject for subject, one in plain.items() if one.fresh} if batch.columns else set[str]()
        # What was not looked up is written as new, so that a row that is there after all is an error and never overwritten.
        new.update({*sets}.difference(batch.may_be_stored(list(sets))))
        if sets or plain:
            dumped = dict(self._dumped(batch, effects, sets))
            dumped.update((subject, (one.dump(), one.noted())) for subject, one in plain.items())
            if new:
                await fresh.keep_states(conn, buffer, shard, {subject: dumped.pop(subject) for subject in new})
            if dumped:
                await store.keep_states(conn, generation, shard, dumped)
        stays = effects.first_stays(new) if new else {}
        if effects.columns or effects.fact_columns:
            await fact_runs.keep_columns(conn, generation, shard, buffer, effects.columns, effects.fact_columns, stays)
        await fact_runs.keep(conn, generation, effects.facts, effects.runs)
        await self._write_places(conn, shard, effects, stays, new, park_of)
        if effects.foundings:
            await store.keep_unions(conn, generation, shard, effects.union_rows())
        for code, rank, known in effects.ended:
            await store.end_area(conn, generation, code, rank, known)
        if effects.areas:
            await store.keep_areas(conn, generation, effects.areas)

    async def _write_places(
        self,
        conn: Connection,
        shard: int,
        effects: BatchEffects,
        stays: Container[str],
        new: Container[str],
        park_of: Callable[[str], str | None],
    ) -> None:
        """Write where enterprises and unions are said to be, and what enterprises are called; `stays`: subjects whose only place is that of their first
        stay, which is written; `new`: those that have no rows yet."""
        if not await store.has_table(conn, self._generation, store.PLACEMENT_ROWS):
            stays = ()
        if places := {(place, subject) for place, subject in effects.placements if subject not in stays}:
            await store.keep_placements(conn, self._generation, shard, places)
        for keep_names, ours in ((store.keep_names, False), (fresh.keep_names, True)):
            if moved := [subject for subject in effects.moved if (subject in new) is ours]:
                await keep_names(conn, self._generation, shard, effects.name_rows(moved, park_of))

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
        if unknown := {cell for cell in cells if cell not in self._cells}:
            self._cells.update(await store.cell_ids(self._pool, self._generation, unknown))
        return self._cells


def _keep_last(kept: dict[str, FactSet], more: Mapping[str, FactSet]) -> None:
    """Add sets, and drop the oldest beyond MOST_SETS."""
    kept.update(more)
    for subject in list(islice(kept, max(0, len(kept) - MOST_SETS))):
        del kept[subject]


def _oldest(batch: ShardBatch) -> datetime:
    """When the first of the events was recorded."""
    return min(
        [record.time for record in batch.records if record.time is not None]
        + [time_of(int(columns.recorded.min())) for columns in batch.columns]
    )


def _traces(batch: ShardBatch) -> list[str]:
    """The first MOST_TRACES `traceparent`s of the commands behind the events."""
    return list(islice(dict.fromkeys(batch.traceparents()), MOST_TRACES))
