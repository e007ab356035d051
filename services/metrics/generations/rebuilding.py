"""Builds a generation beside the serving one: folds the log, loads the rows by COPY, and compares both at the same position vector.

Until the generation is built nobody reads it: nothing is undone if a rebuild is killed, the next one drops what it left. What the tables do for single
rows (index entries that nobody looks up yet, the stays that a trigger keeps) is left to the end (`set_aside`) or done here.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from services.metrics.folding.columns.members import MemberColumns
from services.metrics.folding.findings import noted
from services.metrics.generations import auditing, lifecycle
from services.metrics.generations.auditing import LogLost, Report
from services.metrics.generations.closed import rolling
from services.metrics.generations.refold import Refolded
from services.metrics.generations.shards import CompareShards, EventLog, ShardSink, in_turn, snapshot
from services.metrics.refolding import listed, written
from services.metrics.refolding.ledger import Ledger
from services.metrics.refolding.plain_facts import FactGroup
from services.metrics.tables import copying, fact_runs, ledger_store, row_bytes, store
from services.metrics.tables.fact_runs import FactRun
from services.metrics.tables.rows import Cell
from services.metrics.tables.store import FactRow
from shared.process.db import Connection
from shared.reading.batches.parking import held_row
from shared.sequencing.columnar.columns import Columns, joined

SHARD = """
INSERT INTO shards (generation, shard, next, topic_ids, newest, ends, version, closings, closed)
VALUES ($1, $2, $3, $4, $5, $3, 1, $6, $7)
"""
KEY = ("generation", "shard")
SEEN_COLUMNS = (*KEY, *listed.COLUMNS["seen"], "time")
HELD_COLUMNS = (*KEY, "topic", "offset", "source", "subject", "sequence", "event_id", "kind", "error", "event", "known_day")
WITHDRAWN_COLUMNS = (*KEY, "source", "subject", "sequence", "first", "last", "event_id")
STATE_COLUMNS = ("shard", "subject", "state", "findings", "noted_by")
STATES_AT_ONCE = 5000
MEMBERS_AT_ONCE = 100_000
"""Members' events that are kept to be written together: runs are as long as that allows."""
XID = "SELECT pg_current_xact_id()::xid::text::bigint"

READ = ("cells",)
"""Tables that a rebuild reads by their indexes while it loads; to all others it only appends."""
INDEXES = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, pg_get_indexdef(i.indexrelid) AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE n.nspname = $1 AND t.relname <> ALL ($2::text[]) AND NOT i.indisunique ORDER BY t.relpages DESC, c.relname
"""
STAYS_KEPT = """
SELECT format('%I.%I', n.nspname, c.relname) AS name, quote_ident(t.tgname) AS trigger
FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND t.tgname = 'stays' AND NOT t.tgisinternal
"""


async def set_aside(conn: Connection, generation: int) -> list[str]:
    """Leave a new generation only the indexes that make rows unique, and no trigger that keeps the stays. Returns what brings the others back, in any
    order."""
    schema, later = f"g{generation}", list[str]()
    for row in await conn.fetch(INDEXES, schema, READ):
        await conn.execute(f"DROP INDEX {row['name']}")
        later.append(row["definition"])
    for row in await conn.fetch(STAYS_KEPT, schema):
        await conn.execute(f"ALTER TABLE {row['name']} DISABLE TRIGGER {row['trigger']}")
        later.append(f"ALTER TABLE {row['name']} ENABLE TRIGGER {row['trigger']}")
    return later


async def carry_out(conns: Sequence[Connection], statements: Iterable[str]) -> None:
    """Execute statements, of which none needs another, as many at a time as there are connections."""
    waiting = iter(statements)

    async def work(conn: Connection) -> None:
        for statement in waiting:
            await conn.execute(statement)

    await asyncio.gather(*map(work, conns))


class Loader(ShardSink):
    """Writes one shard of a new generation, of which `set_aside` has put aside what slows it down."""

    def __init__(self, conn: Connection, generation: int, shard: int, event_log: EventLog) -> None:
        self._conn = conn
        self._shard = shard
        self._generation = generation
        self._topic_ids = {topic: found.id for topic, found in event_log.topics.items()}
        self._clock = event_log.clock
        self._members = defaultdict[tuple[str, str], list[Columns]](list)

    async def facts(
        self, rows: Sequence[FactRow], runs: Sequence[FactRun], columns: Sequence[Columns], groups: Sequence[FactGroup]
    ) -> None:
        """Write a part of the facts; those of members when there are enough of them."""
        await fact_runs.keep(self._conn, self._generation, rows, runs)
        await self._keep_groups(groups)
        for one in columns:
            own = self._members[one.topic, one.source]
            own.append(one)
            if sum(map(len, own)) >= MEMBERS_AT_ONCE:
                await self._keep_members(own)

    async def _keep_groups(self, groups: Sequence[FactGroup]) -> None:
        if not groups:
            return
        if await store.has_table(self._conn, self._generation, "fact_runs"):
            data = written.fact_rows(groups, self._shard)
            await copying.copy_bytes(self._conn, self._generation, "fact_rows", written.FACT_COLUMNS, data)
        else:
            await fact_runs.keep(self._conn, self._generation, [row for group in groups for row in group.rows(self._shard)])

    async def _keep_members(self, parts: list[Columns]) -> None:
        """Write members' events, those of a stream together."""
        together = joined(parts)
        parts.clear()
        by_stream = together.take(np.argsort(together.subject, kind="stable"))
        await fact_runs.keep(self._conn, self._generation, (), (), [MemberColumns(self._shard, by_stream, self._clock.day_of)])

    async def done(self, refolded: Refolded) -> None:
        """Write all other tables and the position."""
        conn, generation, shard = self._conn, self._generation, refolded.shard
        for parts in self._members.values():
            if parts:
                await self._keep_members(parts)
        await self._keep_ledger(refolded)
        await self._keep_states(refolded)
        await store.keep_areas(conn, generation, refolded.areas)
        places = store.PLACEMENT_ROWS if await store.has_table(conn, generation, store.PLACEMENT_ROWS) else "placements"
        for table in ("enterprises", "unions", places, "stays"):
            columns, rows = listed.COLUMNS[table], getattr(refolded.listed, table)
            if rows:
                await copying.copy_bytes(conn, generation, table, ("shard", *columns), listed.stream(rows, len(columns), (shard,)))
        await self._write_position(refolded)

    async def _keep_ledger(self, refolded: Refolded) -> None:
        conn, generation, shard, ledger = self._conn, self._generation, refolded.shard, refolded.ledger
        if not await store.has_table(conn, generation, "ledger_runs"):
            rows = ledger.to_write()
            buffer = copying.CopyBuffer(conn, generation)
            await ledger_store.add_rows(conn, generation, shard, rows, await store.cell_ids_within(conn, generation, rows.cells()), buffer)
            await buffer.send()
            if refolded.closed is not None:
                await ledger_store.close_days(conn, generation, shard, refolded.closed)
            return
        closed = refolded.closed.toordinal() if refolded.closed is not None else 0
        ids = await self._cell_ids(ledger)
        steps, members, durations = (known <= closed for known in (ledger.steps[2], ledger.members[2], ledger.durations[2]))
        nobody = np.zeros(len(members), np.bool_)
        for table, blocks in (("ledger", ledger.measures(steps, members)), ("ledger_rows", ledger.measures(~steps, nobody))):
            for keys, measures in blocks:
                data = written.ledger_rows(keys, measures, shard, ids)
                await copying.copy_bytes(conn, generation, table, ledger_store.LEDGER_COLUMNS, data)
        if not members.all():
            data = written.member_runs(ledger.members[:, ~members], list(ledger.numbers.each), shard, ids)
            await copying.copy_bytes(conn, generation, "ledger_runs", ledger_store.RUN_COLUMNS, data)
        for table, chosen in (("durations", durations), ("durations_open", ~durations)):
            if chosen.any():
                data = written.duration_rows(ledger.durations[:, chosen], shard, ids)
                await copying.copy_bytes(conn, generation, table, ledger_store.DURATION_COLUMNS, data)
        cells = dict(zip(ledger.numbers.cells, ids.tolist(), strict=True))
        for table, is_closed in (("tallies", True), ("tallies_open", False)):
            chosen_tallies = {key: count for key, count in ledger.tallies.items() if (key[2] <= closed) is is_closed}
            rows_of_tallies = row_bytes.tally_rows(chosen_tallies, shard, cells)
            await copying.copy_rows(conn, generation, table, ledger_store.TALLY_COLUMNS, rows_of_tallies)

    async def _cell_ids(self, ledger: Ledger) -> Any:
        """The id of each cell by its number."""
        cells: Collection[Cell] = ledger.numbers.cells.keys() | {cell for cell, *_ in ledger.tallies}
        for cell in cells:
            ledger.numbers.cell(cell)
        found = await store.cell_ids_within(self._conn, self._generation, list(ledger.numbers.cells))
        return np.array([found[cell] for cell in ledger.numbers.cells], np.int64)

    async def _keep_states(self, refolded: Refolded) -> None:
        conn, generation, shard = self._conn, self._generation, refolded.shard
        for subjects in _parts(list(refolded.dumps)):
            sets, dumps, odd = refolded.sets, refolded.dumps, refolded.may_be_noted
            dumped = [(subject, dumps[subject], int(noted(sets[subject])) if subject in odd else 0) for subject in subjects]
            async with conn.transaction():
                # A note is valid for the row that its own transaction wrote (store.KEEP_STATES).
                rows = listed.states(dumped, await conn.fetchval(XID))
                data = listed.stream(rows, len(STATE_COLUMNS) - 1, (shard,))
                await copying.copy_bytes(conn, generation, "states", STATE_COLUMNS, data)

    async def _write_position(self, refolded: Refolded) -> None:
        conn, generation, shard = self._conn, self._generation, refolded.shard
        seen = [row + time for row, time in zip(refolded.listed.seen, listed.seen_times(refolded.heads), strict=True)]
        data = listed.stream(seen, len(SEEN_COLUMNS) - len(KEY), (generation, shard))
        await copying.copy_into(conn, "public", "seen", SEEN_COLUMNS, data)
        held = [(generation, shard, *held_row(parked, self._clock.day_of)) for parked in refolded.held.values()]
        await _copy(conn, "held", HELD_COLUMNS, held)
        accepted = [(generation, shard, *stream, sequence, *gone) for (stream, sequence), gone in refolded.accepted.items()]
        await _copy(conn, "withdrawn", WITHDRAWN_COLUMNS, accepted)
        row = (dict(refolded.next), self._topic_ids, dict(refolded.newest), refolded.closings, refolded.closed)
        await conn.execute(SHARD, generation, shard, *row)


def _parts(subjects: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(subjects), STATES_AT_ONCE):
        yield subjects[start : start + STATES_AT_ONCE]


async def _copy(conn: Connection, table: str, columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> None:
    if rows:
        await conn.copy_records_to_table(table, schema_name="public", columns=columns, records=rows)


ANALYZES = """
SELECT format('ANALYZE %I.%I', n.nspname, c.relname) AS statement FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind = 'r' ORDER BY c.relpages DESC
"""
"""Statistics of all tables; which columns have none says migrations/0026_less_upkeep.sql."""


class AlreadyRebuilding(Exception):
    """Another rebuild holds the lock; the text is in Chinese and in English."""

    def __init__(self) -> None:
        super().__init__("另一个 rebuild 正在进行 / another rebuild is at work")


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
        later = await set_aside(writing, made)
        report = await auditing.compare(
            *(reading, event_log, serving, vector, compare_shards or in_turn),
            lambda own, shard: Loader(own or writing, made, shard, event_log),
        )
    await carry_out((reading, writing), later)
    roll = rolling.Roller()
    while await roll(writing, made, event_log.partitions) is not None:
        pass
    await carry_out((reading, writing), [row["statement"] for row in await writing.fetch(ANALYZES, f"g{made}")])
    stored = await lifecycle.store_report(
        writing, made, "rebuild", report.differences, {**report.body(), "compared_with": serving, "generation": made}
    )
    await lifecycle.mark_built(writing, made, stored)
    await writing.execute("SELECT pg_advisory_unlock($1)", lifecycle.REBUILDING)
    return made, stored, report
