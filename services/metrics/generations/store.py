"""Which generations there are and what may be done with them: every statement about `generations` and `reports`.

Reading needs the service's role; making, switching and dropping one needs the owner's (`services.metrics.operate`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import asyncpg

from services.metrics.folding import coverage
from services.metrics.folding.feed import CHANNEL
from services.metrics.generations import served
from shared.process.db import Connection

FED_AFTER_RETIREMENT = "24 hours"
CATCH_UP_WITHIN = 5.0
"""Seconds that a switch holds the serving generation still, so that figures never go back."""
LOOK = 0.05
DROP_TRIES = 30
REBUILDING = 0x67656E73
"""The advisory lock of a rebuild."""

STILL_FED = f"""
(g.status = 'serving' OR (g.status = 'building' AND g.built_at IS NOT NULL)
    OR (g.status = 'retired' AND g.retired_at > parkunion_now() - interval '{FED_AFTER_RETIREMENT}'))
"""
FED = f"SELECT g.id, g.status FROM generations g WHERE g.fold_version = $1 AND {STILL_FED} ORDER BY g.status = 'serving' DESC, g.id"
ALL = f"""
SELECT g.id, g.fold_version, g.status, g.created_at, g.built_at, g.retired_at, g.report, {STILL_FED} AS fed, r.differences, r.accepted_at
FROM generations g LEFT JOIN reports r ON r.id = g.report ORDER BY g.id
"""
OF_NO_USE = f"""
SELECT g.id FROM generations g WHERE g.status = 'building'
OR (g.status = 'retired' AND NOT (g.retired_at > parkunion_now() - interval '{FED_AFTER_RETIREMENT}')) ORDER BY g.id
"""
NOBODY_ELSE = "SELECT FROM generations ORDER BY id FOR NO KEY UPDATE"
"""One switch at a time, and none to what a rebuild is about to drop."""
POSITIONS = "SELECT shard, next, topic_ids, version, owner, current_at FROM shards WHERE generation = $1 ORDER BY shard"


class GenerationRefused(Exception):
    """A generation cannot be switched to: what is wrong with it, in Chinese and in English."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")


class StillBehind(GenerationRefused):
    """It has not read yet what the serving one has."""


@dataclass(frozen=True, slots=True)
class Position:
    """Where a shard of a generation stands."""

    next: Mapping[str, int]
    topic_ids: Mapping[str, str]


async def serving(conn: Connection) -> tuple[int, int]:
    """(id, fold_version) of the generation that answers."""
    row = await conn.fetchrow("SELECT id, fold_version FROM generations WHERE status = 'serving'")
    if row is None:
        raise GenerationRefused("没有正在服务的代", "no generation is serving")
    return row["id"], row["fold_version"]


async def fed(conn: Connection) -> dict[int, str]:
    """{id: status} of those that a reader of this release feeds, the serving one first."""
    return {row["id"]: row["status"] for row in await conn.fetch(FED, coverage.FOLD_VERSION)}


async def positions(conn: Connection, generation: int) -> dict[int, Position]:
    """{shard: where it stands}."""
    return {row["shard"]: Position(row["next"], row["topic_ids"]) for row in await conn.fetch(POSITIONS, generation)}


def missing(old: Mapping[int, Position], new: Mapping[int, Position]) -> int:
    """How many events that the one has read the other has not. Offsets of topics that were made anew are not compared."""
    nowhere = Position({}, {})
    return sum(
        max(0, at - new.get(shard, nowhere).next.get(topic, 0))
        for shard, place in old.items()
        for topic, at in place.next.items()
        if new.get(shard, nowhere).topic_ids.get(topic) in (None, place.topic_ids.get(topic))
    )


async def listed(conn: Connection) -> list[dict[str, Any]]:
    """Every generation with the number of its rows (as an audit counts them), and how far it is behind the serving one."""
    found = []
    now, _ = await serving(conn)
    ahead = await positions(conn, now)
    for row in await conn.fetch(ALL):
        generation = row["id"]
        rows = await served.count(conn, generation)
        report = None if row["report"] is None else {"id": row["report"], "differences": row["differences"], "accepted": row["accepted_at"]}
        found.append(
            {
                "id": generation,
                "fold_version": row["fold_version"],
                "status": row["status"],
                "built": row["built_at"] is not None,
                "fed": row["fed"] and row["fold_version"] == coverage.FOLD_VERSION,
                "rows": rows,
                "lag": missing(ahead, await positions(conn, generation)),
                "created": row["created_at"],
                "retired": row["retired_at"],
                "report": report,
            }
        )
    return found


async def create(conn: Connection) -> int:
    """A new generation of this release's fold_version, its tables empty: those of the serving one, cloned from the catalogue."""
    source, _ = await serving(conn)
    async with conn.transaction():
        made: int = await conn.fetchval("SELECT nextval('generation_ids')::int")
        await conn.execute("SELECT clone_generation($1, $2)", source, made)
        await conn.execute("INSERT INTO generations (id, fold_version, status) VALUES ($1, $2, 'building')", made, coverage.FOLD_VERSION)
    return made


async def built(conn: Connection, generation: int, report: int) -> None:
    """Its tables hold everything up to its positions: readers may go on from there."""
    await conn.execute("UPDATE generations SET built_at = parkunion_now(), report = $2 WHERE id = $1", generation, report)


async def keep_report(conn: Connection, generation: int, kind: str, differences: int, report: Mapping[str, Any]) -> int:
    """Store what a comparison came to; its id."""
    stored: int = await conn.fetchval(
        "WITH n AS (SELECT nextval(pg_get_serial_sequence('reports', 'id')) AS id) "
        "INSERT INTO reports (id, generation, kind, differences, report) OVERRIDING SYSTEM VALUE "
        "SELECT n.id, $1, $2, $3, jsonb_build_object('id', n.id) || $4 FROM n RETURNING id",
        *(generation, kind, differences, dict(report)),
    )
    return stored


async def switch(conn: Connection, wanted: int | None, accept: int | None) -> tuple[int, int]:
    """Let another generation answer, in one transaction; (the one before, the one now). Raises GenerationRefused.

    `wanted` None: the newest that is built. `accept` = id of the report whose differences are meant.
    """
    async with conn.transaction():
        await conn.execute(NOBODY_ELSE)
        before, _ = await serving(conn)
        rows = {row["id"]: row for row in await conn.fetch(ALL)}
        if wanted is None:
            wanted = max((row["id"] for row in rows.values() if row["status"] == "building" and row["built_at"]), default=None)
            if wanted is None:
                raise GenerationRefused("没有可切换的代;请先执行 rebuild", "there is no generation to switch to; rebuild first")
        _require_able(rows, wanted, before)
        await _require_accepted(conn, rows[wanted], accept)
        await _turn(conn, before, wanted)
    return before, wanted


async def rollback(conn: Connection) -> tuple[int, int]:
    """Let the generation answer again that did so last and is still fed; (the one before, the one now). Raises GenerationRefused."""
    async with conn.transaction():
        await conn.execute(NOBODY_ELSE)
        before, _ = await serving(conn)
        rows = {row["id"]: row for row in await conn.fetch(ALL)}
        retired = [
            row for row in rows.values() if row["status"] == "retired" and row["fed"] and row["fold_version"] == coverage.FOLD_VERSION
        ]
        if not retired:
            raise GenerationRefused(
                "没有可以退回的代:旧代只在退役后 24 小时内、由同一规则版本继续更新",
                "there is no generation to go back to: an old one is fed for 24 hours after it retired, by its own fold_version",
            )
        wanted = max(retired, key=lambda row: row["retired_at"])["id"]
        await _turn(conn, before, wanted)
    return before, wanted


def _require_able(rows: Mapping[int, Any], wanted: int, before: int) -> None:
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


async def _turn(conn: Connection, before: int, wanted: int) -> None:
    """The serving generation is held still until the other one has read all that it has, so that no figure goes back."""
    await conn.execute("SELECT FROM shards WHERE generation = $1 FOR UPDATE", before)
    ahead = await positions(conn, before)
    deadline = asyncio.get_running_loop().time() + CATCH_UP_WITHIN
    while behind := missing(ahead, await positions(conn, wanted)):
        if asyncio.get_running_loop().time() > deadline:
            raise StillBehind(f"第 {wanted} 代落后 {behind} 个事件", f"generation {wanted} is {behind} events behind")
        await asyncio.sleep(LOOK)
    await conn.execute("UPDATE generations SET status = 'retired', retired_at = parkunion_now() WHERE id = $1", before)
    await conn.execute("UPDATE generations SET status = 'serving', retired_at = NULL WHERE id = $1", wanted)
    await conn.execute("SELECT pg_notify($1, $2)", CHANNEL, f"{wanted} serving")


async def of_no_use(conn: Connection) -> list[int]:
    """Generations that a rebuild may drop: those whose building was given up, and those retired for more than 24 hours."""
    return [row["id"] for row in await conn.fetch(OF_NO_USE)]


async def drop(conn: Connection, generation: int) -> None:
    """Remove a generation that does not serve. Readers let go of it first; whoever reads its tables now is waited for, a second at a time."""
    never = "UPDATE generations SET status = 'retired', retired_at = '-infinity' WHERE id = $1 AND status <> 'serving'"
    if await conn.execute(never, generation) == "UPDATE 0":
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
            await asyncio.sleep(LOOK * 4)
