"""Builds a generation beside the serving one: folds the log, loads the rows by COPY, and compares both at the same position vector.

A killed rebuild leaves a generation that is not marked as built; it is never read, and the next rebuild drops it.
"""

from __future__ import annotations

from collections.abc import Mapping

from services.metrics.generations import auditing, lifecycle, loading
from services.metrics.generations.auditing import LogLost, Report
from services.metrics.generations.closed import rolling
from services.metrics.generations.loading import Loader
from services.metrics.generations.shards import CompareShards, EventLog, in_turn, snapshot
from shared.process.db import Connection

ANALYZES = """
SELECT format('ANALYZE %I.%I (%s)', n.nspname, c.relname, string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum)) AS statement
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid JOIN pg_type t ON t.oid = a.atttypid
WHERE n.nspname = $1 AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped AND t.typcategory <> 'A'
GROUP BY n.nspname, c.relname, c.relpages ORDER BY c.relpages DESC
"""
"""Statistics of all tables, but of no array: nobody looks for an element, and to count them takes longer than all else."""


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
        later = await loading.set_aside(writing, made)
        report = await auditing.compare(
            *(reading, event_log, serving, vector, compare_shards or in_turn),
            lambda own, shard: Loader(own or writing, made, shard, event_log),
        )
    await loading.carry_out((reading, writing), later)
    roll = rolling.Roller()
    while await roll(writing, made, event_log.partitions) is not None:
        pass
    await loading.carry_out((reading, writing), [row["statement"] for row in await writing.fetch(ANALYZES, f"g{made}")])
    stored = await lifecycle.store_report(
        writing, made, "rebuild", report.differences, {**report.body(), "compared_with": serving, "generation": made}
    )
    await lifecycle.mark_built(writing, made, stored)
    await writing.execute("SELECT pg_advisory_unlock($1)", lifecycle.REBUILDING)
    return made, stored, report
