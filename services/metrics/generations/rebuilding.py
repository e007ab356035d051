"""Builds a generation beside the serving one: folds the log, loads the rows by COPY, and compares both at the same position vector.

A killed rebuild leaves a generation that is not marked as built; it is never read, and the next rebuild drops it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.metrics.folding.facts import FactSet
from services.metrics.folding.findings import noted
from services.metrics.folding.member_columns import MemberColumns
from services.metrics.generations import auditing, lifecycle, rolling
from services.metrics.generations.auditing import LogLost, Report
from services.metrics.generations.refold import Refolded
from services.metrics.generations.shards import CompareShards, EventLog, ShardSink, in_turn, snapshot
from services.metrics.refolding.plain_facts import FactGroup
from services.metrics.tables import fact_runs, ledger_store, store
from services.metrics.tables.fact_runs import FactRun
from services.metrics.tables.store import FactRow
from shared.process.db import Connection
from shared.reading.store import held_row
from shared.sequencing.columnar.columns import Columns

SHARD = """
INSERT INTO shards (generation, shard, next, topic_ids, newest, ends, version, closings, closed)
VALUES ($1, $2, $3, $4, $5, $3, 1, $6, $7)
"""
KEY = ("generation", "shard")
SEEN_COLUMNS = (*KEY, "source", "subject", "sequence", "event_id", "time")
HELD_COLUMNS = (*KEY, "topic", "offset", "source", "subject", "sequence", "event_id", "kind", "error", "event", "known_day")
WITHDRAWN_COLUMNS = (*KEY, "source", "subject", "sequence", "first", "last", "event_id")
STATES_AT_ONCE = 1000
ANALYZES = """
SELECT format('ANALYZE %I.%I (%s)', n.nspname, c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) AS statement
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND t.typcategory <> 'A' GROUP BY n.nspname, c.relname
"""
"""Statistics of all tables, but of no array: nobody looks for an element, and to count them takes longer than all else."""


class AlreadyRebuilding(Exception):
    """Another rebuild holds the lock; the text is in Chinese and in English."""

    def __init__(self) -> None:
        super().__init__("另一个 rebuild 正在进行 / another rebuild is at work")


class Loader(ShardSink):
    """Writes one shard of a new generation. Until the generation is built nobody reads it, so nothing is undone if this fails."""

    def __init__(self, conn: Connection, generation: int, shard: int, event_log: EventLog) -> None:
        self._conn = conn
        self._shard = shard
        self._generation = generation
        self._topic_ids = {topic: found.id for topic, found in event_log.topics.items()}
        self._clock = event_log.clock

    async def facts(
        self, rows: Sequence[FactRow], runs: Sequence[FactRun], columns: Sequence[Columns], groups: Sequence[FactGroup]
    ) -> None:
        """Write a part of the facts."""
        members = [MemberColumns(self._shard, one, self._clock.day_of) for one in columns]
        others = [row for group in groups for row in group.rows(self._shard)]
        await fact_runs.keep(self._conn, self._generation, [*rows, *others], runs, members)

    async def done(self, refolded: Refolded) -> None:
        """Write all other tables and the position."""
        conn, generation, shard = self._conn, self._generation, refolded.shard
        rows = refolded.ledger.to_write()
        await ledger_store.add_rows(conn, generation, shard, rows, await store.cell_ids_within(conn, generation, rows.cells()))
        for subjects in _parts(refolded.sets):
            states = {subject: (refolded.sets[subject].dump(), noted(refolded.sets[subject])) for subject in subjects}
            await store.keep_states(conn, generation, shard, states)
        await store.keep_areas(conn, generation, refolded.areas)
        if refolded.names:
            await store.keep_names(conn, generation, shard, refolded.names)
        if refolded.unions:
            await store.keep_unions(conn, generation, shard, refolded.unions)
        if refolded.placements:
            await store.keep_placements(conn, generation, shard, refolded.placements)
        await self._write_position(refolded)

    async def _write_position(self, refolded: Refolded) -> None:
        conn, generation, shard = self._conn, self._generation, refolded.shard
        seen = [(generation, shard, *stream, *head) for stream, head in refolded.heads.items()]
        await _copy(conn, "public", "seen", SEEN_COLUMNS, seen)
        held = [(generation, shard, *held_row(parked, self._clock.day_of)) for parked in refolded.held.values()]
        await _copy(conn, "public", "held", HELD_COLUMNS, held)
        accepted = [(generation, shard, *stream, sequence, *gone) for (stream, sequence), gone in refolded.accepted.items()]
        await _copy(conn, "public", "withdrawn", WITHDRAWN_COLUMNS, accepted)
        row = (dict(refolded.next), self._topic_ids, dict(refolded.newest), refolded.closings, refolded.closed)
        await conn.execute(SHARD, generation, shard, *row)
        if refolded.closed is not None:
            await ledger_store.close_days(conn, generation, shard, refolded.closed)


def _parts(sets: Mapping[str, FactSet]) -> Iterator[list[str]]:
    subjects = list(sets)
    for start in range(0, len(subjects), STATES_AT_ONCE):
        yield subjects[start : start + STATES_AT_ONCE]


async def _copy(conn: Connection, schema: str, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await conn.copy_records_to_table(table, schema_name=schema, columns=columns, records=rows)


async def _vector(conn: Connection, event_log: EventLog, serving: int, *, as_it_is: bool) -> Mapping[int, Mapping[str, int]]:
    """Offsets before which the log is folded: the served positions, or its end if these are no longer valid. Raises LogLost."""
    try:
        return await auditing.served_vector(event_log, await lifecycle.positions(conn, serving))
    except LogLost:
        # The log was recreated, so there is no common vector. The republished events must give the served rows all the same.
        return await auditing.log_ends(event_log) if as_it_is else await auditing.recreated_log_ends(conn, event_log, serving)


async def rebuild(
    reading: Connection, writing: Connection, event_log: EventLog, compare_shards: CompareShards | None = None, *, as_it_is: bool = False
) -> tuple[int, int, Report]:
    """Build a generation by this release's rules; returns (its id, the report's id, the report). The serving one is not changed.

    `as_it_is`: accept a log that holds less than was folded, for the case that the journals hold no more.
    Raises AlreadyRebuilding, LogDiffers, OffsetLostError, BrokerUnavailableError.
    """
    if not await writing.fetchval("SELECT pg_try_advisory_lock($1)", lifecycle.REBUILDING):
        raise AlreadyRebuilding
    async with snapshot(reading):
        serving, _ = await lifecycle.serving(reading)
        vector = await _vector(reading, event_log, serving, as_it_is=as_it_is)
        for disposable in await lifecycle.disposable(writing):
            await lifecycle.drop(writing, disposable)
        made = await lifecycle.create(writing)
        report = await auditing.compare(
            *(reading, event_log, serving, vector, compare_shards or in_turn),
            lambda own, shard: Loader(own or writing, made, shard, event_log),
        )
    roll = rolling.Roller()
    while await roll(writing, made, event_log.partitions) is not None:
        pass
    for row in await writing.fetch(ANALYZES, f"g{made}"):
        await writing.execute(row["statement"])
    stored = await lifecycle.store_report(
        writing, made, "rebuild", report.differences, {**report.body(), "compared_with": serving, "generation": made}
    )
    await lifecycle.mark_built(writing, made, stored)
    await writing.execute("SELECT pg_advisory_unlock($1)", lifecycle.REBUILDING)
    return made, stored, report
