"""The life of a generation: created, built, serving, retired, dropped. Holds every statement on `generations` and `reports`.

Reading needs the service's role; creating, switching and dropping need the owner's (`services.metrics.operate`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from services.metrics.folding import coverage
from services.metrics.generations import served
from services.metrics.tables.feed import CHANNEL
from shared.process.db import Connection, Record

ACTIVE_AFTER_RETIREMENT = "24 hours"
CATCH_UP_WITHIN = 5.0
"""Seconds that a switch may block the serving generation's readers, so that figures never go back."""
POLL = 0.05
DROP_TRIES = 30
REBUILDING = 0x67656E73
"""Key of the advisory lock of a rebuild."""

IS_ACTIVE = f"""
(g.status = 'serving' OR (g.status = 'building' AND g.built_at IS NOT NULL)
    OR (g.status = 'retired' AND g.retired_at > parkunion_now() - interval '{ACTIVE_AFTER_RETIREMENT}'))
"""
ACTIVE = f"SELECT g.id, g.status FROM generations g WHERE g.fold_version = $1 AND {IS_ACTIVE} ORDER BY g.status = 'serving' DESC, g.id"
ALL = f"""
SELECT g.id, g.fold_version, g.status, g.created_at, g.built_at, g.retired_at, g.report, {IS_ACTIVE} AS fed, r.differences, r.accepted_at
FROM generations g LEFT JOIN reports r ON r.id = g.report ORDER BY g.id
"""
DISPOSABLE = f"""
SELECT g.id FROM generations g WHERE g.status = 'building'
OR (g.status = 'retired' AND NOT (g.retired_at > parkunion_now() - interval '{ACTIVE_AFTER_RETIREMENT}')) ORDER BY g.id
"""
LOCK_GENERATIONS = "SELECT FROM generations ORDER BY id FOR NO KEY UPDATE"
"""Allows one switch at a time, and none to a generation that a rebuild is about to drop."""
POSITIONS = "SELECT shard, next, topic_ids, version, owner, current_at FROM shards WHERE generation = $1 ORDER BY shard"


class GenerationRefused(Exception):
    """A generation cannot be switched to; the text says why in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


class StillBehind(GenerationRefused):
    """The generation has not yet read what the serving one has."""


@dataclass(frozen=True, slots=True)
class Position:
    """Starting offsets of the next messages of one shard, per topic, and the ids of the topics that they refer to."""

    next: Mapping[str, int]
    topic_ids: Mapping[str, str]


async def serving(conn: Connection) -> tuple[int, int]:
    """(id, fold_version) of the serving generation."""
    row = await conn.fetchrow("SELECT id, fold_version FROM generations WHERE status = 'serving'")
    if row is None:
        raise GenerationRefused("没有正在服务的代", "no generation is serving")
    return row["id"], row["fold_version"]


async def attributed(conn: Connection, generation: int) -> bool:
    """Whether a generation has the actor and reason of every fact and the name of every union. One made before 0.3 needs a rebuild for it."""
    found: bool = await conn.fetchval("SELECT attributed FROM generations WHERE id = $1", generation)
    return found


async def active(conn: Connection) -> dict[int, str]:
    """{id: status} of the generations that this release keeps up to date, the serving one first."""
    return {row["id"]: row["status"] for row in await conn.fetch(ACTIVE, coverage.FOLD_VERSION)}


async def positions(conn: Connection, generation: int) -> dict[int, Position]:
    """{shard: position} of a generation."""
    return {row["shard"]: Position(row["next"], row["topic_ids"]) for row in await conn.fetch(POSITIONS, generation)}


def events_missing(old: Mapping[int, Position], new: Mapping[int, Position]) -> int:
    """Events that `old` has read and `new` has not. Offsets of recreated topics are not compared."""
    start = Position({}, {})
    return sum(
        max(0, offset - new.get(shard, start).next.get(topic, 0))
        for shard, position in old.items()
        for topic, offset in position.next.items()
        if new.get(shard, start).topic_ids.get(topic) in (None, position.topic_ids.get(topic))
    )


async def overview(conn: Connection) -> list[dict[str, Any]]:
    """Every generation with its number of rows, as an audit counts them, and its lag behind the serving one."""
    generations = []
    current, _ = await serving(conn)
    served_positions = await positions(conn, current)
    for row in await conn.fetch(ALL):
        generation = row["id"]
        report = None if row["report"] is None else {"id": row["report"], "differences": row["differences"], "accepted": row["accepted_at"]}
        generations.append(
            {
                "id": generation,
                "fold_version": row["fold_version"],
                "status": row["status"],
                "built": row["built_at"] is not None,
                "fed": row["fed"] and row["fold_version"] == coverage.FOLD_VERSION,
                "rows": await served.count(conn, generation),
                "lag": events_missing(served_positions, await positions(conn, generation)),
                "created": row["created_at"],
                "retired": row["retired_at"],
                "report": report,
            }
        )
    return generations


async def create(conn: Connection) -> int:
    """Create a generation of this release's fold_version with empty tables, cloned from the serving one's. Returns its id."""
    source, _ = await serving(conn)
    async with conn.transaction():
        generation: int = await conn.fetchval("SELECT nextval('generation_ids')::int")
        await conn.execute("SELECT clone_generation($1, $2)", source, generation)
        await conn.execute("SELECT spare_statistics($1)", f"g{generation}")
        statement = "INSERT INTO generations (id, fold_version, status, attributed) VALUES ($1, $2, 'building', true)"
        await conn.execute(statement, generation, coverage.FOLD_VERSION)
    return generation


async def mark_built(conn: Connection, generation: int, report: int) -> None:
    """Record that the tables hold everything up to the positions, so that readers may continue from there."""
    await conn.execute("UPDATE generations SET built_at = parkunion_now(), report = $2 WHERE id = $1", generation, report)


async def store_report(conn: Connection, generation: int, kind: str, differences: int, report: Mapping[str, Any]) -> int:
    """Store the report of a comparison; returns its id."""
    stored: int = await conn.fetchval(
        "WITH n AS (SELECT nextval(pg_get_serial_sequence('reports', 'id')) AS id) "
        "INSERT INTO reports (id, generation, kind, differences, report) OVERRIDING SYSTEM VALUE "
        "SELECT n.id, $1, $2, $3, jsonb_build_object('id', n.id) || $4 FROM n RETURNING id",
        *(generation, kind, differences, dict(report)),
    )
    return stored


async def switch(conn: Connection, wanted: int | None, accept: int | None) -> tuple[int, int]:
    """Make another generation serve, in one transaction; returns (previous, new). Raises GenerationRefused.

    `wanted` None: the newest built one. `accept`: id of the report whose differences are accepted.
    """
    async with conn.transaction():
        before, rows = await _locked(conn)
        if wanted is None:
            wanted = max((row["id"] for row in rows.values() if row["status"] == "building" and row["built_at"]), default=None)
            if wanted is None:
                raise GenerationRefused("没有可切换的代;请先执行 rebuild", "there is no generation to switch to; rebuild first")
        _require_switchable(rows, wanted, before)
        await _require_accepted(conn, rows[wanted], accept)
        await _make_serving(conn, before, wanted)
    return before, wanted


async def rollback(conn: Connection) -> tuple[int, int]:
    """Make the last retired generation that is still active serve again; returns (previous, new). Raises GenerationRefused."""
    async with conn.transaction():
        before, rows = await _locked(conn)
        retired = [
            row for row in rows.values() if row["status"] == "retired" and row["fed"] and row["fold_version"] == coverage.FOLD_VERSION
        ]
        if not retired:
            raise GenerationRefused(
                "没有可以退回的代:旧代只在退役后 24 小时内、由同一规则版本继续更新",
                "there is no generation to go back to: an old one is fed for 24 hours after it retired, by its own fold_version",
            )
        wanted = max(retired, key=lambda row: row["retired_at"])["id"]
        await _make_serving(conn, before, wanted)
    return before, wanted


async def _locked(conn: Connection) -> tuple[int, dict[int, Record]]:
    """The serving generation and {id: row} of all, locked until the end of the transaction."""
    await conn.execute(LOCK_GENERATIONS)
    before, _ = await serving(conn)
    return before, {row["id"]: row for row in await conn.fetch(ALL)}


def _require_switchable(rows: Mapping[int, Any], wanted: int, before: int) -> None:
    row = rows.get(wanted)
    if row is None:
        raise GenerationRefused(f"没有第 {wanted} 代", f"there is no generation {wanted}")
    if wanted == before:
        raise GenerationRefused(f"第 {wanted} 代正在服务", f"generation {wanted} is serving already")
    if row["built_at"] is None:
        raise GenerationRefused(f"第 {wanted} 代尚未建成", f"generation {wanted} is not built")
    if not row["fed"] or row["fold_version"] != coverage.FOLD_VERSION:
        raise GenerationRefused(
            f"第 {wanted} 代(规则版本 {row['fold_version']})已不再更新",
            f"generation {wanted} (fold_version {row['fold_version']}) is fed no longer",
        )


async def _require_accepted(conn: Connection, row: Any, accept: int | None) -> None:
    report = row["report"]
    if accept is not None and accept != report:
        raise GenerationRefused(f"报告 {accept} 不是第 {row['id']} 代的", f"report {accept} is not that of generation {row['id']}")
    if row["differences"] and row["accepted_at"] is None:
        if accept is None:
            raise GenerationRefused(
                f"报告 {report} 有 {row['differences']} 处差异;核对后请用 switch {row['id']} --accept {report}",
                f"report {report} has {row['differences']} differences; when they are meant: switch {row['id']} --accept {report}",
            )
        await conn.execute("UPDATE reports SET accepted_at = parkunion_now() WHERE id = $1", report)


async def _make_serving(conn: Connection, before: int, wanted: int) -> None:
    """Block the serving generation's readers until the other one has caught up, so that no figure goes back; then switch."""
    await conn.execute("SELECT FROM shards WHERE generation = $1 FOR UPDATE", before)
    served_positions = await positions(conn, before)
    deadline = asyncio.get_running_loop().time() + CATCH_UP_WITHIN
    while behind := events_missing(served_positions, await positions(conn, wanted)):
        if asyncio.get_running_loop().time() > deadline:
            raise StillBehind(f"第 {wanted} 代落后 {behind} 个事件", f"generation {wanted} is {behind} events behind")
        await asyncio.sleep(POLL)
    await conn.execute("UPDATE generations SET status = 'retired', retired_at = parkunion_now() WHERE id = $1", before)
    await conn.execute("UPDATE generations SET status = 'serving', retired_at = NULL WHERE id = $1", wanted)
    await conn.execute("SELECT pg_notify($1, $2)", CHANNEL, f"{wanted} serving")


async def disposable(conn: Connection) -> list[int]:
    """Generations that a rebuild may drop: abandoned while building, or retired for more than 24 hours."""
    return [row["id"] for row in await conn.fetch(DISPOSABLE)]


async def drop(conn: Connection, generation: int) -> None:
    """Drop a generation that does not serve. Its readers stop first; sessions that still read its tables are waited for, a second at a time."""
    deactivate = "UPDATE generations SET status = 'retired', retired_at = '-infinity' WHERE id = $1 AND status <> 'serving'"
    if await conn.execute(deactivate, generation) == "UPDATE 0":
        return
    for attempt in range(DROP_TRIES):
        try:
            async with conn.transaction():
                await conn.execute("SET LOCAL lock_timeout = '1s'")
                for table in ("held", "seen", "shards"):
                    await conn.execute(f"DELETE FROM {table} WHERE generation = $1", generation)
                await conn.execute(f"DROP SCHEMA IF EXISTS g{generation} CASCADE")
                await conn.execute("DELETE FROM generations WHERE id = $1", generation)
            return
        except (asyncpg.LockNotAvailableError, asyncpg.DeadlockDetectedError):
            if attempt == DROP_TRIES - 1:
                raise
            await asyncio.sleep(POLL * 4)
