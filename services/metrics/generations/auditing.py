"""Folds the log again to exactly the served positions and compares every row (docs/design/ENGINE.md, Generations).

Positions and rows are read in one REPEATABLE READ snapshot, so an audit blocks nothing and sees no change.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import Any

from services.metrics.folding import coverage
from services.metrics.generations import comparing, lifecycle
from services.metrics.generations.closed import checking, stepping
from services.metrics.generations.lifecycle import Position
from services.metrics.generations.shards import (
    MOST_LISTED,
    Basis,
    CompareShards,
    EventLog,
    NewSink,
    ShardSink,
    in_turn,
    snapshot,
)
from services.metrics.tables.heads import all_heads
from shared.broker.protocol import Broker
from shared.process.clock import Clock
from shared.process.db import Connection
from shared.reading.store import withdrawn

PARKED = """
SELECT source, subject, min(sequence) AS sequence, count(*) AS events, string_agg(DISTINCT kind, ',' ORDER BY kind) AS kinds
FROM held WHERE generation = $1 GROUP BY source, subject ORDER BY source, subject
"""
EVENTS_APPLIED = """
SELECT s.shard, sum(s.sequence)::bigint - coalesce((
    SELECT sum(w.last - w.first + 1) FROM (SELECT DISTINCT source, subject, first, last FROM withdrawn WHERE shard = s.shard) w
), 0)::bigint AS events FROM ({heads}) s GROUP BY s.shard
"""
"""The least number of events that the log of each shard must hold: those applied, without withdrawn ones, which may never have been in it."""


class LogDiffers(Exception):
    """The log is not the one that the positions refer to; the text is in Chinese and in English. `code` is for programs."""

    code = "LOG_DIFFERS"

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


class LogLost(LogDiffers):
    """The log no longer holds what was folded; it must be published again before a comparison. The text says what is missing."""

    code = "LOG_LOST"

    def __init__(self, zh: str, en: str, *, else_zh: str = "", else_en: str = "") -> None:
        super().__init__(
            f"日志不再包含已计入的内容({zh});未作比较,请先执行 ./parkunion reconcile 与 ./parkunion relay republish{else_zh}",
            f"the log no longer holds what was folded ({en}); nothing was compared: "
            f"./parkunion reconcile and ./parkunion relay republish first{else_en}",
        )


class LogNotRead(LogDiffers):
    """The log was published again, and the projector has not yet read it up to its former position."""

    code = "LOG_NOT_READ"

    def __init__(self) -> None:
        super().__init__(
            "日志已重新写入,汇总程序尚未读到原处;未作比较,请稍后重试",
            "the log was written again, and the projector has not read it to where it was; nothing was compared, try again in a moment",
        )


@dataclass(slots=True)
class Report:
    """The result of a comparison. `vector` = {shard: {topic: offset before which the log was folded}}."""

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

    def add(self, differences: int, different: Sequence[comparing.Difference]) -> None:
        """Count `differences`, some of which are `different`, and list these while there is room."""
        self.differences += differences
        self.different += different[: MOST_LISTED - len(self.different)]

    def body(self) -> dict[str, Any]:
        """The report as printed and stored, without its id."""
        vector = {str(shard): dict(offsets) for shard, offsets in self.vector.items()}
        return {field.name: getattr(self, field.name) for field in fields(self)} | {
            "vector": vector,
            "left_out": self.differences - len(self.different),
            "seconds": round(self.seconds, 2),
        }


async def open_log(broker: Broker, topics: Sequence[str], partitions: int, clock: Clock) -> EventLog:
    """The log as it is now. Raises LogLost or LogDiffers if it is not whole or has other partitions, BrokerUnavailableError if it does not answer."""
    found = await broker.describe(topics)
    if lost := sorted(name for name in {*topics} if name not in found):
        raise LogLost(f"没有主题 {', '.join(lost)}", f"there is no topic {', '.join(lost)}")
    if wrong := sorted(name for name, topic in found.items() if topic.partitions != partitions):
        raise LogDiffers(f"主题 {', '.join(wrong)} 的分区数不是 {partitions}", f"{', '.join(wrong)} has not {partitions} partitions")
    for (topic, partition), extent in (await broker.extents(topics)).items():
        if extent.begin:
            raise LogLost(f"{topic}/{partition} 从 {extent.begin} 开始", f"{topic}/{partition} begins at {extent.begin}")
    return EventLog(broker, found, partitions, clock)


async def log_ends(event_log: EventLog) -> dict[int, Mapping[str, int]]:
    """{shard: {topic: offset of the end of the log now}}"""
    extents = await event_log.broker.extents(event_log.topics)
    return {shard: {topic: extents[topic, shard].end for topic in event_log.topics} for shard in range(event_log.partitions)}


async def served_vector(event_log: EventLog, positions: Mapping[int, Position]) -> dict[int, Mapping[str, int]]:
    """The positions of a generation as a vector. Raises LogLost if they are not valid for this log: it ends before them, or a topic was recreated
    and the reader has not yet read the new one up to its former position (see `topic_ids`)."""
    for position in positions.values():
        for topic, found in event_log.topics.items():
            if position.topic_ids.get(topic, found.id) != found.id:
                raise LogLost(f"主题 {topic} 已重建或丢失末尾", f"the topic {topic} was made anew, or lost its tail")
    start = Position({}, {})
    vector: dict[int, Mapping[str, int]] = {
        shard: {topic: positions.get(shard, start).next.get(topic, 0) for topic in event_log.topics}
        for shard in range(event_log.partitions)
    }
    # Read after the positions: the log can only have grown since.
    ends = await log_ends(event_log)
    for shard, offsets in vector.items():
        for topic, offset in offsets.items():
            if (end := ends[shard][topic]) < offset:
                raise LogLost(f"{topic}/{shard} 止于 {end},已读到 {offset}", f"{topic}/{shard} ends at {end}, and was read up to {offset}")
    return vector


async def recreated_log_ends(conn: Connection, event_log: EventLog, generation: int) -> dict[int, Mapping[str, int]]:
    """The ends of a log that was recreated since `generation` read it. Raises LogLost if it holds fewer events than the generation applied."""
    ends = await log_ends(event_log)
    for row in await conn.fetch(EVENTS_APPLIED.format(heads=await all_heads(conn, generation))):
        present = sum(ends.get(row["shard"], {}).values())
        if present < (applied := row["events"]):
            raise LogLost(
                f"分区 {row['shard']} 有 {present} 个事件,已计入 {applied} 个",
                f"partition {row['shard']} holds {present} events, {applied} were applied",
                else_zh=";流水本身就只有这些时:rebuild --as-it-is",
                else_en="; if the journals hold no more: rebuild --as-it-is",
            )
    return ends


async def compare(
    conn: Connection,
    event_log: EventLog,
    generation: int,
    vector: Mapping[int, Mapping[str, int]],
    compare_shards: CompareShards,
    new_sink: NewSink = lambda _writing, _shard: ShardSink(),
) -> Report:
    """Fold every shard up to `vector` and compare it with the rows in `conn`'s snapshot."""
    began = time.monotonic()
    at = await event_log.clock.now(conn)
    report = Report(generation, coverage.FOLD_VERSION, at, dict(vector))
    rollups = await checking.Expected.of(conn, generation, event_log.partitions)
    attributed = await lifecycle.attributed(conn, generation)
    steps = await stepping.Kept.of(conn, generation)
    basis = Basis(event_log, generation, vector, await withdrawn(conn, generation), rollups, steps, attributed, new_sink)
    for found in await compare_shards(conn, basis):
        report.rows += found.rows
        report.events += found.events
        report.add(found.differences, found.different)
        rollups.add(found.missing)
    of_rollups = await rollups.differences(conn)
    report.add(len(of_rollups), of_rollups)
    report.parked = [dict(row) for row in await conn.fetch(PARKED, generation)]
    report.seconds = time.monotonic() - began
    return report


async def audit(conn: Connection, writing: Connection, event_log: EventLog, compare_shards: CompareShards = in_turn) -> tuple[int, Report]:
    """Compare the serving generation with the log; returns (the report's id, the report). `writing` is a second connection, which stores it.

    Raises LogLost if the log no longer holds what was folded, LogNotRead if it does again but was not read yet, and LogDiffers if the serving
    generation has another fold_version than this release.
    """
    async with snapshot(conn):
        generation, fold_version = await lifecycle.serving(conn)
        if fold_version != coverage.FOLD_VERSION:
            raise LogDiffers(
                f"正在服务的第 {generation} 代按规则版本 {fold_version} 计算,本版本为 {coverage.FOLD_VERSION};请执行 rebuild",
                f"generation {generation} was folded by version {fold_version}, this release folds {coverage.FOLD_VERSION}; rebuild",
            )
        try:
            vector = await served_vector(event_log, await lifecycle.positions(conn, generation))
        except LogLost:
            await recreated_log_ends(conn, event_log, generation)
            raise LogNotRead from None
        report = await compare(conn, event_log, generation, vector, compare_shards)
    return await lifecycle.store_report(writing, generation, "audit", report.differences, report.body()), report
