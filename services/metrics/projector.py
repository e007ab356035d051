"""The projector: folds the events of a shard's batch into facts, ledger, directory and change feed, in the reader's transaction.

A process killed anywhere in here leaves nothing behind: all writes are in the transaction that also moves the shard's position, and what is
kept in memory is put there by `after_commit` alone. (Ids of cells are made outside; an unused one means nothing.)
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from opentelemetry.trace import SpanKind

from services.metrics import feed, store
from services.metrics.closing import close_days
from services.metrics.coverage import Cell
from services.metrics.facts import Change, FactSet, RefusedFact, change, kind_of, summary
from services.metrics.ledger import Rows, fold
from services.metrics.store import AreaRow, FactRow, NameRow
from shared import contracts
from shared.clock import Clock, utc_now
from shared.consumer import ShardBatch
from shared.contracts import Envelope, UnreadableEvent
from shared.contracts.registry import AreaRegistered, EnterpriseRegistered
from shared.contracts.streams import DayClosed, EventWithdrawn, FactCorrected, Placed
from shared.db import Connection, Pool
from shared.telemetry import commands_reached

SLICE = 0.02
MOST_SETS = 2000
MOST_TRACES = 64
AREA = "area/"


@dataclass(slots=True)
class News:
    """What a batch says, sorted out: changes by subject, rows of `facts`, versions of areas, names by enterprise."""

    changes: defaultdict[str, list[Change]] = field(default_factory=lambda: defaultdict(list))
    facts: list[FactRow] = field(default_factory=list)
    areas: list[AreaRow] = field(default_factory=list)
    ended: list[tuple[str, int, date]] = field(default_factory=list)
    names: dict[str, EnterpriseRegistered] = field(default_factory=dict)
    placements: set[tuple[str, str]] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)


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
        news = await self._sort_out(batch)
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

    async def _sort_out(self, batch: ShardBatch) -> News:
        news, until = News(), time.perf_counter() + SLICE
        for event in batch.events:
            known = self._clock.day_of(event.time)
            if batch.closed is not None and known <= batch.closed:
                raise RefusedFact(f"recorded on {known}, which is closed: nothing may become known on it any more")
            if isinstance(event.data, DayClosed | EventWithdrawn):
                # What a withdrawal names was never applied: it changes no figure, so it is none of the events that explain one.
                continue
            if event.subject.startswith(AREA):
                _hear_of_area(news, batch.shard, event, known)
            else:
                _hear(news, batch.shard, event, known)
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
            await store.keep_names(conn, generation, shard, [_name_row(subject, news, sets[subject]) for subject in sorted(news.moved)])
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


def _hear(news: News, shard: int, event: Envelope, known: date) -> None:
    """An event of an enterprise or a union."""
    told, kind, subject = change(event, known.toordinal()), kind_of(event.type), event.subject
    news.changes[subject].append(told)
    says = summary(told, kind)
    news.facts.append(_fact_row(shard, event, known, says))
    if says is None:
        return
    for placed in (told.withdrawn, told.placed):
        if placed is not None and (place := placed.says.get("park") or placed.says.get("seat_area")):
            news.placements.add((place, subject))
            if "park" in placed.says:
                news.moved.add(subject)
    data = event.data
    if isinstance(data, FactCorrected) and data.replacement is not None:
        data = contracts.fact(data.fact, data.replacement.data)
    if isinstance(data, EnterpriseRegistered):
        news.names[subject] = data


def _fact_row(shard: int, event: Envelope, known: date, says: dict[str, Any] | None) -> FactRow:
    return FactRow(shard, event.subject, event.source, event.sequence, event.id, event.type, event.occurredon, known, event.time, says)


def _hear_of_area(news: News, shard: int, event: Envelope, known: date) -> None:
    """An event of a division or park: a version of it, kept beside the figures and never folded into them."""
    news.facts.append(_fact_row(shard, event, known, contracts.plain(event.data)))
    data, rank, on = event.data, event.sequence, event.occurredon
    if isinstance(data, FactCorrected):
        code, rank = event.subject.removeprefix(AREA), data.rank
        told = [row for row in news.areas if row.code == code and row.rank == rank and row.known_until is None]
        for row in told:
            row.known_until = known
        if not told:
            news.ended.append((code, rank, known))
        if data.replacement is None:
            return
        on, data = data.replacement.occurred_on, _corrected_area(data.fact, data.replacement)
    if not isinstance(data, AreaRegistered):
        raise RefusedFact(f"{event.type} is no fact of an area")
    news.areas.append(
        AreaRow(shard, data.code, rank, event.id, on, known, None, event.time, data.name, str(data.kind), data.parent, data.level)
    )


def _corrected_area(fact: str, replacement: Placed) -> contracts.Event:
    try:
        return contracts.fact(fact, replacement.data)
    except UnreadableEvent as error:
        raise RefusedFact(str(error)) from error


def _name_row(subject: str, news: News, facts: FactSet) -> NameRow:
    """The park is that of the last fact that names one, whatever the day."""
    placed = [fact for fact in facts.in_force() if "park" in fact.says]
    park = max(placed, key=lambda fact: (fact.occurred, fact.rank)).says["park"] if placed else None
    data = news.names.get(subject)
    return NameRow(UUID(subject.partition("/")[2]), data.name if data else None, data.credit_code if data else None, park)
