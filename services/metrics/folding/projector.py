"""The projector: folds the events of a shard's batch into facts, ledger, directory and change feed, in the reader's transaction.

A process killed anywhere in here leaves nothing behind: all writes are in the transaction that also moves the shard's position, and what is
kept in memory is put there by `after_commit` alone. (Ids of cells are made outside; an unused one means nothing.)
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime

from opentelemetry.trace import SpanKind

from services.metrics.folding import feed, store
from services.metrics.folding.compaction import close_days
from services.metrics.folding.coverage import Cell
from services.metrics.folding.facts import FactSet
from services.metrics.folding.ledger import Rows, fold
from services.metrics.folding.news import News, hear, name_row, take_back
from shared.contracts.streams import EventWithdrawn
from shared.process.clock import Clock, utc_now
from shared.process.db import Connection, Pool
from shared.process.telemetry import commands_reached
from shared.sequencing.records import ShardBatch

SLICE = 0.02
MOST_SETS = 2000
MOST_TRACES = 64


class Projector:
    """`apply`, `on_closed`, `on_reset` and `after_commit` of a Reader over one generation."""

    def __init__(self, pool: Pool, clock: Clock, generation: int = 1) -> None:
        self._pool = pool
        self._clock = clock
        self._generation = generation
        self._cells: dict[Cell, int] = {}
        self._sets: defaultdict[int, dict[str, FactSet]] = defaultdict(dict)
        self._folded: dict[int, dict[str, FactSet]] = {}
        self._began: dict[int, datetime] = {}

    async def apply(self, conn: Connection, batch: ShardBatch) -> None:
        """Fold a batch. Raises RefusedFact for an event that cannot be counted."""
        self._folded.pop(batch.shard, None)
        self._began[batch.shard] = utc_now()
        news = await self._hear(conn, batch)
        if not news.facts:
            return
        sets = await self._load(conn, batch.shard, news.changes)
        rows = await self._fold(news, sets)
        await self._write(conn, batch, news, sets, rows)
        self._folded[batch.shard] = sets

    async def on_closed(self, conn: Connection, shard: int, day: date) -> None:
        """Nothing will become known in the shard on `day` or before it any more."""
        await close_days(conn, self._generation, shard, day)

    def on_reset(self, shard: int) -> None:
        """What is kept of a shard may be untrue."""
        self._sets.pop(shard, None)
        self._folded.pop(shard, None)

    def after_commit(self, batch: ShardBatch) -> None:
        """What was folded is true now."""
        kept = self._sets[batch.shard]
        kept.update(self._folded.pop(batch.shard, {}))
        for subject in list(kept)[: max(0, len(kept) - MOST_SETS)]:
            del kept[subject]
        attributes = {"parkunion.shard": batch.shard, "parkunion.version": batch.version, "parkunion.events": len(batch.events)}
        commands = (event.traceparent for event in batch.events)
        commands_reached(commands, "metrics.project", SpanKind.CONSUMER, self._began.pop(batch.shard, utc_now()), attributes)

    async def _hear(self, conn: Connection, batch: ShardBatch) -> News:
        news, until = News(), time.perf_counter() + SLICE
        for event in batch.events:
            known, said = self._clock.day_of(event.time), event.data
            if isinstance(said, EventWithdrawn):
                told = await store.named(conn, self._generation, event.source, event.subject, said.first, said.last)
                heard = take_back(event, batch.shard, known, told + news.named(event, said))
            else:
                heard = hear(event, batch.shard, known)
            if heard is not None:
                news.take(heard)
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + SLICE
        return news

    async def _load(self, conn: Connection, shard: int, subjects: Iterable[str]) -> dict[str, FactSet]:
        """The sets of facts, taken out of memory or read: they are changed before the commit, so they must not be found there meanwhile."""
        kept = self._sets[shard]
        found = {subject: kept.pop(subject, None) for subject in subjects}
        missing = [subject for subject, facts in found.items() if facts is None]
        stored = await store.states(conn, self._generation, shard, missing) if missing else {}
        return {
            subject: facts if facts is not None else FactSet.load(stored[subject]) if subject in stored else FactSet()
            for subject, facts in found.items()
        }

    async def _fold(self, news: News, sets: dict[str, FactSet]) -> Rows:
        rows, until = Rows(), time.perf_counter() + SLICE
        for subject, changes in news.changes.items():
            fold(sets[subject], changes, rows)
            if time.perf_counter() > until:
                await asyncio.sleep(0)
                until = time.perf_counter() + SLICE
        return rows

    async def _write(self, conn: Connection, batch: ShardBatch, news: News, sets: dict[str, FactSet], rows: Rows) -> None:
        generation, shard = self._generation, batch.shard
        ids = await self._ids(rows.cells())
        if sets:
            if batch.closed is not None:
                for facts in sets.values():
                    facts.compact(batch.closed.toordinal())
            await store.keep_states(conn, generation, shard, {subject: facts.dump() for subject, facts in sets.items()})
            await store.add_rows(conn, generation, shard, rows, ids)
        await store.keep_facts(conn, generation, news.facts)
        if news.placements:
            await store.keep_placements(conn, generation, shard, news.placements)
        if news.moved:
            named = [name_row(subject, news.names.get(subject), sets[subject]) for subject in sorted(news.moved)]
            await store.keep_names(conn, generation, shard, named)
        for code, rank, known in news.ended:
            await store.end_area(conn, generation, code, rank, known)
        if news.areas:
            await store.keep_areas(conn, generation, news.areas)
        oldest = min(event.time for event in batch.events)
        await feed.tell(conn, generation, shard, batch.version, feed.summed(rows, ids), oldest, _traces(batch))

    async def _ids(self, cells: set[Cell]) -> dict[Cell, int]:
        if unknown := cells - self._cells.keys():
            self._cells.update(await store.cell_ids(self._pool, self._generation, unknown))
        return self._cells


def _traces(batch: ShardBatch) -> list[str]:
    """The commands that a batch comes from, as `traceparent`s."""
    return list(dict.fromkeys(event.traceparent for event in batch.events if event.traceparent))[:MOST_TRACES]
