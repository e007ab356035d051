"""The log folded again to exactly the served positions, and every row compared (docs/design/ENGINE.md, Generations).

Everything served is read in one REPEATABLE READ transaction, positions and rows, so an audit holds nothing up and nothing disturbs it. One
shard at a time is in memory.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from services.metrics import comparing, coverage, generations, served
from services.metrics.generations import Position
from services.metrics.refold import Refolded, refold
from services.metrics.store import FactRow
from shared.broker import Broker, Topic
from shared.clock import Clock
from shared.db import Connection
from shared.reading.store import withdrawn

MOST_TOLD = 10_000
"""Differing rows that a report lists; all are counted."""

PARKED = """
SELECT source, subject, min(sequence) AS sequence, count(*) AS events, string_agg(DISTINCT kind, ',' ORDER BY kind) AS kinds
FROM held WHERE generation = $1 GROUP BY source, subject ORDER BY source, subject
"""


class LogDiffers(Exception):
    """The log is not the one that the positions speak of: in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


@dataclass(frozen=True, slots=True)
class Source:
    """The log that is folded: `topics` by name with their ids, `partitions` of each."""

    broker: Broker
    topics: Mapping[str, Topic]
    partitions: int
    clock: Clock


@dataclass(slots=True)
class Report:
    """What a comparison came to. `vector` = {shard: {topic: offset before which the log was folded}}."""

    generation: int
    fold_version: int
    at: datetime
    vector: dict[int, Mapping[str, int]]
    rows: int = 0
    events: int = 0
    differences: int = 0
    different: list[comparing.Difference] = field(default_factory=list)
    parked: list[dict[str, Any]] = field(default_factory=list)
    seconds: float = 0.0

    def body(self) -> dict[str, Any]:
        """As it is printed and stored, without its id."""
        return {
            "generation": self.generation,
            "fold_version": self.fold_version,
            "at": self.at,
            "vector": {str(shard): dict(offsets) for shard, offsets in self.vector.items()},
            "rows": self.rows,
            "events": self.events,
            "differences": self.differences,
            "different": self.different,
            "parked": self.parked,
            "seconds": round(self.seconds, 2),
        }


class Loading:
    """What becomes of a shard while it is folded; this one does nothing with it."""

    async def facts(self, rows: Sequence[FactRow]) -> None:
        """Rows of `facts`, in parts."""

    async def done(self, refolded: Refolded) -> None:
        """Everything else."""


@asynccontextmanager
async def snapshot(conn: Connection) -> AsyncIterator[None]:
    """One REPEATABLE READ transaction that only reads."""
    async with conn.transaction(isolation="repeatable_read", readonly=True):
        yield


async def log_of(broker: Broker, topics: Sequence[str], partitions: int, clock: Clock) -> Source:
    """The log as it is now. Raises LogDiffers if it is not whole, BrokerUnavailable if it does not answer."""
    found = await broker.describe(topics)
    if lost := sorted(set(topics) - found.keys()):
        raise LogDiffers(f"没有主题 {', '.join(lost)}", f"there is no topic {', '.join(lost)}")
    if wrong := sorted(name for name, topic in found.items() if topic.partitions != partitions):
        raise LogDiffers(f"主题 {', '.join(wrong)} 的分区数不是 {partitions}", f"{', '.join(wrong)} has not {partitions} partitions")
    for (topic, partition), extent in (await broker.extents(topics)).items():
        if extent.begin:
            raise LogDiffers(
                f"{topic}/{partition} 从 {extent.begin} 开始,日志不完整;请先 relay republish",
                f"{topic}/{partition} begins at {extent.begin}: the log is not whole; relay republish first",
            )
    return Source(broker, found, partitions, clock)


async def ends_of(source: Source) -> dict[int, Mapping[str, int]]:
    """{shard: {topic: the end of the log now}}"""
    extents = await source.broker.extents(source.topics)
    return {shard: {topic: extents[topic, shard].end for topic in source.topics} for shard in range(source.partitions)}


def vector_of(source: Source, positions: Mapping[int, Position]) -> dict[int, Mapping[str, int]]:
    """Where a generation stands. Raises LogDiffers if a topic was made anew since: its offsets mean nothing then."""
    for place in positions.values():
        for topic, found in source.topics.items():
            if place.topic_ids.get(topic, found.id) != found.id:
                raise LogDiffers(
                    f"主题 {topic} 已重建,原有位置失效;请执行 rebuild --switch",
                    f"the topic {topic} was made anew, so the served positions mean nothing; rebuild --switch",
                )
    nowhere = Position({}, {})
    return {
        shard: {topic: positions.get(shard, nowhere).next.get(topic, 0) for topic in source.topics} for shard in range(source.partitions)
    }


async def compare(
    conn: Connection, source: Source, generation: int, vector: Mapping[int, Mapping[str, int]], loading: Callable[[], Loading] = Loading
) -> Report:
    """Fold every shard to `vector` and compare it with what `conn`'s snapshot serves. `loading()` gets each shard as it is folded."""
    began = time.monotonic()
    at = await source.clock.now(conn)
    report = Report(generation, coverage.FOLD_VERSION, at, dict(vector))
    gone = await withdrawn(conn)
    for shard, until in vector.items():
        load = loading()
        refolded = await refold(source.broker, shard, until, gone, source.clock, load.facts)
        await load.done(refolded)
        report.rows += sum(1 for value in refolded.rows.figures.values() if value)
        report.rows += sum(1 for value in refolded.rows.durations.values() if value)
        report.events += refolded.events
        ledger = await served.ledger(conn, generation, shard)
        _add(report, comparing.ledger_differences(ledger, refolded))
        del ledger
        _add(report, comparing.duration_differences(await served.durations(conn, generation, shard), refolded))
        contents = await served.contents(conn, generation, shard)
        _add(report, comparing.other_differences(contents, served.expected(refolded, contents), shard))
    report.parked = [dict(row) for row in await conn.fetch(PARKED, generation)]
    report.seconds = time.monotonic() - began
    return report


def _add(report: Report, differences: Iterable[comparing.Difference]) -> None:
    for difference in differences:
        report.differences += 1
        if len(report.different) < MOST_TOLD:
            report.different.append(difference)


async def audit(conn: Connection, keeping: Connection, source: Source) -> tuple[int, Report]:
    """Compare the serving generation with the log; the report's id and the report. `keeping` is a second connection, which stores it.

    Raises LogDiffers, also if another fold_version than this release's is serving: its rows follow other rules.
    """
    async with snapshot(conn):
        generation, fold_version = await generations.serving(conn)
        if fold_version != coverage.FOLD_VERSION:
            raise LogDiffers(
                f"正在服务的第 {generation} 代按规则版本 {fold_version} 计算,本版本为 {coverage.FOLD_VERSION};请执行 rebuild",
                f"generation {generation} was folded by version {fold_version}, this release folds {coverage.FOLD_VERSION}; rebuild",
            )
        vector = vector_of(source, await generations.positions(conn, generation))
        report = await compare(conn, source, generation, vector)
    return await generations.keep_report(keeping, generation, "audit", report.differences, report.body()), report
