"""A new generation beside the serving one: folded from the log, loaded by COPY, compared at the identical vector, fed from then on.

A rebuild that is killed leaves a generation that was never said to be built; nobody reads it, and the next rebuild drops it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from services.metrics.folding import store
from services.metrics.folding.compaction import close_days
from services.metrics.folding.store import FactRow
from services.metrics.generations import auditing
from services.metrics.generations import store as generations
from services.metrics.generations.auditing import Loading, LogLost, Report, Source
from services.metrics.generations.refold import Refolded
from shared.process.db import Connection
from shared.reading.store import held_row

SHARD = """
INSERT INTO shards (generation, shard, next, topic_ids, newest, ends, version, closings, closed)
VALUES ($1, $2, $3, $4, $5, $3, 1, $6, $7)
"""
SEEN_COLUMNS = ("generation", "shard", "source", "subject", "sequence", "event_id", "time")
HELD_COLUMNS = (
    "generation",
    "shard",
    "topic",
    "offset",
    "source",
    "subject",
    "sequence",
    "event_id",
    "kind",
    "error",
    "event",
    "known_day",
)
WITHDRAWN_COLUMNS = ("generation", "shard", "source", "subject", "sequence", "first", "last", "event_id")
TABLES = "SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables WHERE schemaname = $1"


class AlreadyRebuilding(Exception):
    """Another rebuild is at work: in Chinese and in English."""

    def __init__(self) -> None:
        super().__init__("另一个 rebuild 正在进行 / another rebuild is at work")


class Loader(Loading):
    """Writes one shard of a new generation in one transaction, from the first row of `facts` on."""

    def __init__(self, conn: Connection, generation: int, source: Source) -> None:
        self._conn = conn
        self._generation = generation
        self._ids = {topic: found.id for topic, found in source.topics.items()}
        self._clock = source.clock
        self._transaction = conn.transaction()
        self._begun = False

    async def _begin(self) -> None:
        if not self._begun:
            await self._transaction.start()
            self._begun = True

    async def facts(self, rows: Sequence[FactRow]) -> None:
        """Rows of `facts`, in parts."""
        await self._begin()
        await store.keep_facts(self._conn, self._generation, rows)

    async def done(self, refolded: Refolded) -> None:
        """Everything else, and the position, with which the shard is there."""
        await self._begin()
        conn, generation, shard = self._conn, self._generation, refolded.shard
        ids = await store.cell_ids_within(conn, generation, refolded.rows.cells())
        await store.add_rows(conn, generation, shard, refolded.rows, ids)
        states = [(shard, subject, facts.dump()) for subject, facts in refolded.sets.items()]
        await _copy(conn, f"g{generation}", "states", ("shard", "subject", "state"), states)
        await store.keep_areas(conn, generation, refolded.areas)
        if refolded.names:
            await store.keep_names(conn, generation, shard, refolded.names)
        if refolded.placements:
            await store.keep_placements(conn, generation, shard, refolded.placements)
        await self._reading(refolded)
        await self._transaction.commit()

    async def _reading(self, refolded: Refolded) -> None:
        conn, generation, shard = self._conn, self._generation, refolded.shard
        seen = [(generation, shard, *stream, *head) for stream, head in refolded.heads.items()]
        await _copy(conn, "public", "seen", SEEN_COLUMNS, seen)
        held = [(generation, shard, *held_row(parked, self._clock.day_of)) for parked in refolded.held.values()]
        await _copy(conn, "public", "held", HELD_COLUMNS, held)
        accepted = [(generation, shard, *stream, sequence, *gone) for (stream, sequence), gone in refolded.accepted.items()]
        await _copy(conn, "public", "withdrawn", WITHDRAWN_COLUMNS, accepted)
        newest: Mapping[str, datetime] = refolded.newest
        await conn.execute(SHARD, generation, shard, dict(refolded.next), self._ids, dict(newest), refolded.closings, refolded.closed)
        if refolded.closed is not None:
            await close_days(conn, generation, shard, refolded.closed)


async def _copy(conn: Connection, schema: str, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await conn.copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)


async def _vector(conn: Connection, source: Source, serving: int, *, as_it_is: bool) -> Mapping[int, Mapping[str, int]]:
    """Up to where the log is folded: to the served positions, or to its end where they mean nothing any more. Raises LogLost."""
    try:
        return await auditing.vector_of(source, await generations.positions(conn, serving))
    except LogLost:
        # There is no common vector. What was published again must come to what is served all the same.
        return await auditing.ends_of(source) if as_it_is else await auditing.whole_log(conn, source, serving)


async def rebuild(reading: Connection, writing: Connection, source: Source, *, as_it_is: bool = False) -> tuple[int, int, Report]:
    """Build a generation of this release's rules; (its id, the report's id, the report). Nothing that serves is touched.

    `as_it_is`: also of a log that holds less than was folded, when the journals themselves hold no more.
    Raises AlreadyRebuilding, LogDiffers, OffsetLostError, BrokerUnavailableError.
    """
    if not await writing.fetchval("SELECT pg_try_advisory_lock($1)", generations.REBUILDING):
        raise AlreadyRebuilding
    async with auditing.snapshot(reading):
        serving, _ = await generations.serving(reading)
        vector = await _vector(reading, source, serving, as_it_is=as_it_is)
        for useless in await generations.of_no_use(writing):
            await generations.drop(writing, useless)
        made = await generations.create(writing)
        report = await auditing.compare(reading, source, serving, vector, lambda: Loader(writing, made, source))
    for table in await writing.fetch(TABLES, f"g{made}"):
        await writing.execute(f"ANALYZE {table['name']}")
    stored = await generations.keep_report(
        writing, made, "rebuild", report.differences, {**report.body(), "compared_with": serving, "generation": made}
    )
    await generations.built(writing, made, stored)
    await writing.execute("SELECT pg_advisory_unlock($1)", generations.REBUILDING)
    return made, stored, report
