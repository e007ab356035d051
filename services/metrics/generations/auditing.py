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

from services.metrics.folding import coverage
from services.metrics.folding.store import FactRow
from services.metrics.generations import comparing, served
from services.metrics.generations import store as generations
from services.metrics.generations.refold import Refolded, refold
from services.metrics.generations.store import Position
from shared.broker.protocol import Broker, Topic
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.reading.store import withdrawn

MOST_TOLD = 10_000
"""Differing rows that a report lists; all are counted."""

PARKED = """
SELECT source, subject, min(sequence) AS sequence, count(*) AS events, string_agg(DISTINCT kind, ',' ORDER BY kind) AS kinds
FROM held WHERE generation = $1 GROUP BY source, subject ORDER BY source, subject
"""


SHORTER = """
SELECT s.shard, sum(s.sequence)::bigint - coalesce((
    SELECT sum(w.last - w.first + 1) FROM (SELECT DISTINCT source, subject, first, last FROM withdrawn WHERE shard = s.shard) w
), 0)::bigint AS events FROM seen s WHERE s.generation = $1 GROUP BY s.shard
"""
"""How many events a shard has applied at least: each is in the log once or more. What was withdrawn need not have been there."""


class LogDiffers(Exception):
    """The log is not the one that the positions speak of: in Chinese and in English. `code` for programs."""

    code = "LOG_DIFFERS"

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


class LogLost(LogDiffers):
    """The log no longer holds what was folded, and must have it again before anything can be compared: what is not there, and what else may
    be done."""

    code = "LOG_LOST"

    def __init__(self, zh: str, en: str, *, else_zh: str = "", else_en: str = "") -> None:
        super().__init__(
            f"日志不再包含已计入的内容({zh});未作比较,请先执行 ./parkunion reconcile 与 ./parkunion relay republish{else_zh}",
            f"the log no longer holds what was folded ({en}); nothing was compared: "
            f"./parkunion reconcile and ./parkunion relay republish first{else_en}",
        )


class LogNotRead(LogDiffers):
    """The log was written again, and the projector has not come to where it was."""

    code = "LOG_NOT_READ"

    def __init__(self) -> None:
        super().__init__(
            "日志已重新写入,汇总程序尚未读到原处;未作比较,请稍后重试",
            "the log was written again, and the projector has not read it to where it was; nothing was compared, try again in a moment",
        )


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
    """The log as it is now. Raises LogDiffers if it is another or not whole, BrokerUnavailableError if it does not answer."""
    found = await broker.describe(topics)
    if lost := sorted(set(topics) - found.keys()):
        raise LogLost(f"没有主题 {', '.join(lost)}", f"there is no topic {', '.join(lost)}")
    if wrong := sorted(name for name, topic in found.items() if topic.partitions != partitions):
        raise LogDiffers(f"主题 {', '.join(wrong)} 的分区数不是 {partitions}", f"{', '.join(wrong)} has not {partitions} partitions")
    for (topic, partition), extent in (await broker.extents(topics)).items():
        if extent.begin:
            raise LogLost(f"{topic}/{partition} 从 {extent.begin} 开始", f"{topic}/{partition} begins at {extent.begin}")
    return Source(broker, found, partitions, clock)


async def ends_of(source: Source) -> dict[int, Mapping[str, int]]:
    """{shard: {topic: the end of the log now}}"""
    extents = await source.broker.extents(source.topics)
    return {shard: {topic: extents[topic, shard].end for topic in source.topics} for shard in range(source.partitions)}


async def vector_of(source: Source, positions: Mapping[int, Position]) -> dict[int, Mapping[str, int]]:
    """Where a generation stands. Raises LogLost if its offsets mean nothing: a topic was made anew, and what was read of the one before was not
    read again of this one (a reader says so in `topic_ids`), or the log ends before them."""
    for place in positions.values():
        for topic, found in source.topics.items():
            if place.topic_ids.get(topic, found.id) != found.id:
                raise LogLost(f"主题 {topic} 已重建或丢失末尾", f"the topic {topic} was made anew, or lost its tail")
    nowhere = Position({}, {})
    vector: dict[int, Mapping[str, int]] = {
        shard: {topic: positions.get(shard, nowhere).next.get(topic, 0) for topic in source.topics} for shard in range(source.partitions)
    }
    # Asked after the positions were read: meanwhile the log can only have grown.
    ends = await ends_of(source)
    for shard, offsets in vector.items():
        for topic, at in offsets.items():
            if (end := ends[shard][topic]) < at:
                raise LogLost(f"{topic}/{shard} 止于 {end},已读到 {at}", f"{topic}/{shard} ends at {end}, and was read up to {at}")
    return vector


async def whole_log(conn: Connection, source: Source, generation: int) -> dict[int, Mapping[str, int]]:
    """The ends of a log that was made anew since `generation` read it. Raises LogLost if it holds fewer events than that has applied."""
    ends = await ends_of(source)
    for row in await conn.fetch(SHORTER, generation):
        there = sum(ends.get(row["shard"], {}).values())
        if there < (applied := row["events"]):
            raise LogLost(
                f"分区 {row['shard']} 有 {there} 个事件,已计入 {applied} 个",
                f"partition {row['shard']} holds {there} events, {applied} were applied",
                else_zh=";流水本身就只有这些时:rebuild --as-it-is",
                else_en="; if the journals hold no more: rebuild --as-it-is",
            )
    return ends


async def compare(
    conn: Connection, source: Source, generation: int, vector: Mapping[int, Mapping[str, int]], loading: Callable[[], Loading] = Loading
) -> Report:
    """Fold every shard to `vector` and compare it with what `conn`'s snapshot serves. `loading()` gets each shard as it is folded."""
    began = time.monotonic()
    at = await source.clock.now(conn)
    report = Report(generation, coverage.FOLD_VERSION, at, dict(vector))
    gone = await withdrawn(conn, generation)
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

    Raises LogLost if the log no longer holds what was folded, LogNotRead if it does so again; LogDiffers if another fold_version than this release's is serving: its rows
    follow other rules.
    """
    async with snapshot(conn):
        generation, fold_version = await generations.serving(conn)
        if fold_version != coverage.FOLD_VERSION:
            raise LogDiffers(
                f"正在服务的第 {generation} 代按规则版本 {fold_version} 计算,本版本为 {coverage.FOLD_VERSION};请执行 rebuild",
                f"generation {generation} was folded by version {fold_version}, this release folds {coverage.FOLD_VERSION}; rebuild",
            )
        try:
            vector = await vector_of(source, await generations.positions(conn, generation))
        except LogLost:
            await whole_log(conn, source, generation)
            raise LogNotRead from None
        report = await compare(conn, source, generation, vector)
    return await generations.keep_report(keeping, generation, "audit", report.differences, report.body()), report
