"""First step: what becomes of the records of a shard, by what is stored of their streams. Nothing is written yet."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

from shared.process.db import Connection
from shared.reading.config import ReaderConfig
from shared.reading.heads import applied_bound, head_columns, heads
from shared.reading.store import columns_of
from shared.sequencing.columnar.columns import Item
from shared.sequencing.columnar.heads import HeadColumns, kind_of
from shared.sequencing.columnar.sorting import Gathered, gather, sort_gathered
from shared.sequencing.plan import BatchPlan
from shared.sequencing.records import NO_STREAM, Received, Stream, decode
from shared.sequencing.shard import Shard
from shared.sequencing.sorting import sort_records
from shared.sequencing.withdrawals import withdrawal_of

KEPT = """
SELECT topic, "offset", source, subject, sequence, kind, event FROM unnest($3::text[], $4::text[]) AS w(source, subject) CROSS JOIN LATERAL (
    SELECT topic, "offset", sequence, kind, event FROM held
    WHERE generation = $1 AND shard = $2 AND held.source = w.source AND held.subject = w.subject AND kind <> 'fork' OFFSET 0
) AS h
"""


class Planned(NamedTuple):
    """What becomes of the records of a shard. `first` = their streams of which no event was applied before."""

    shard: Shard
    plan: BatchPlan
    first: set[Stream]


async def plan_records(conn: Connection, config: ReaderConfig, shard: Shard, records: list[Received]) -> Planned:
    """Sort the records of a shard."""
    streams = shard.streams
    wanted = {record.stream for record in records} - {NO_STREAM}
    first = await _look_up(conn, config, shard, wanted)
    # A withdrawal may unblock its stream.
    reopened = {record.stream for record in records if not record.ordinary and withdrawal_of(record) is not None}
    behind = {s for s in wanted if (state := streams.states[s]).waiting and (not state.blocked or s in reopened)}
    kept = await kept_events(conn, config.generation, shard.number, behind | streams.ready.keys())
    plan = sort_records(streams, records, kept, shard.refused, shard.limit, day_of=config.late_day_of)
    return Planned(shard, plan, first)


async def plan_columns(conn: Connection, config: ReaderConfig, shard: Shard, columns: Mapping[str, Sequence[Item]]) -> Planned | None:
    """Sort the columns of a shard; None: something in them is unusual."""
    gathered, known = dict[str, Gathered](), dict[str, HeadColumns]()
    for topic, items in columns.items():
        if (one := gather(items)) is None:
            return None
        gathered[topic] = one
        await _look_up(conn, config, shard, {record.stream for record in one.between})
    kinds = {kind_of(subject) for one in gathered.values() for subject in (*one.subjects, *(record.stream[1] for record in one.between))}
    elsewhere = await config.elsewhere(conn)
    bound = await applied_bound(conn, config.generation, shard.number, kinds, elsewhere)
    for topic, one in gathered.items():
        if one.columns is not None:
            known[topic] = await head_columns(conn, config.generation, shard.number, one.columns.source, one.subjects, bound, elsewhere)
    plan = sort_gathered(shard.streams, gathered, known, config.late_day_of)
    if plan is None:
        return None
    plan.before = bound
    return Planned(shard, plan, set())


async def _look_up(conn: Connection, config: ReaderConfig, shard: Shard, wanted: set[Stream]) -> set[Stream]:
    """Add the wanted streams that are not in memory to the shard's; returns those that are not in the tables either."""
    unknown = {stream for stream in wanted if stream not in shard.streams.states}
    found = await heads(conn, config.generation, shard.number, unknown, await config.elsewhere(conn))
    shard.streams.add(found)
    return {stream for stream, head in found.items() if head is None}


async def kept_events(conn: Connection, generation: int, shard: int, wanted: Collection[Stream]) -> dict[Stream, dict[int, Received]]:
    """{stream: {sequence: held event}}, decoded again: a newer release may understand more."""
    kept: dict[Stream, dict[int, Received]] = {}
    if wanted:
        for row in await conn.fetch(KEPT, generation, shard, *columns_of(wanted)):
            record = decode(row["topic"], shard, row["offset"], row["event"], held=row["kind"])
            kept.setdefault((row["source"], row["subject"]), {})[row["sequence"]] = record
    return kept
