"""Cost of a batch of 1,000 joining members in membership: `.venv/bin/python -m bench.membership_batch [--batches N] [--profile]`.

A PostgreSQL of its own in a temporary folder, the service's own code from the parsed line to the commit (no HTTP), persons all new.
Prints one line of JSON: milliseconds a batch of wall clock, of this process's CPU and of PostgreSQL's, medians.
"""

from __future__ import annotations

import asyncio
import cProfile
import gc
import json
import pstats
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import msgspec

from bench import command
from bench.cpu import family_seconds
from deploy.local.servers.postgres import PostgresServer
from services.membership.facts import TABLE
from services.membership.needs import Context
from services.membership.unions.commands import Found
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionKind
from shared.contracts.registry import AreaKind, AreaRegistered
from shared.directory import store
from shared.directory.store import EnterpriseFact
from shared.http.auth import Areas
from shared.journal.idempotency import Keys, Result
from shared.journal.journal import Actor
from shared.persons.sealing import PersonKeys
from shared.process import db
from shared.process.clock import Clock
from shared.process.db import Pool
from shared.process.memory import COLLECT_AFTER
from shared.process.migrate import migrate
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line
from shared.writing.lines.batch import Line as BatchLine
from shared.writing.lines.batch import LineResult, NdjsonBatch
from shared.writing.lines.bodies import command_of, models
from shared.writing.routes import line_fingerprint

ENTERPRISES = 2_000
LINES = 1_000
DAY = date(2020, 5, 6)
ACTOR = Actor("bench", "api", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
CONTEXT = Context(
    Clock(ZoneInfo("Asia/Shanghai")), PersonKeys({1: bytes(32)}, {1: bytes(range(32))}), bytes(32), "parkunion.registry.v1", 12
)
BATCH = NdjsonBatch(models(TABLE))
KEYS = Keys(CONTEXT.fingerprint_key)
WORK = carrying_out(TABLE, CONTEXT, Areas.all(), ACTOR)


async def prepare(pool: Pool) -> list[tuple[UUID, UUID]]:
    """Enterprises, each with its union: (union, enterprise)."""
    ids = [uuid7() for _ in range(ENTERPRISES)]
    async with db.transaction(pool, areas=Areas.all()) as conn:
        await store.put_areas(conn, {"P": (AreaRegistered(code="P", name="Park", kind=AreaKind.PARK), DAY)})
        await store.put_facts(conn, {(e, 1): EnterpriseFact("settled", DAY, "P", uuid7()) for e in ids})
    pairs: list[tuple[UUID, UUID]] = []
    for start in range(0, ENTERPRISES, LINES):
        part = ids[start : start + LINES]
        lines: list[Line[Any]] = [Line(Found(UnionKind.ENTERPRISE_UNION, None, None, "P", DAY, (e,))) for e in part]
        outcomes = await commands.many(pool, KEYS, "bench", lines, WORK)
        pairs += [(UUID(o.id), e) for o, e in zip(outcomes, part, strict=True) if isinstance(o, Result)]
    return pairs


def bodies(pairs: list[tuple[UUID, UUID]]) -> Iterator[bytes]:
    """Batches as they arrive: about 30 members an enterprise, one enterprise after the other."""
    number = 0
    while True:
        lines = []
        for _ in range(LINES):
            union, enterprise = pairs[number // 30 % len(pairs)]
            document = {"kind": "sample", "number": f"01-RC-{number // 30}/{number % 30}/{number}"}
            body = {"union_id": str(union), "enterprise_id": str(enterprise), "document": document, "joined_on": "2021-02-03"}
            lines.append(msgspec.json.encode({"op": "member", "key": f"member-{number}", "body": body}))
            number += 1
        yield b"\n".join(lines)


async def join(pool: Pool, raw: bytes) -> None:
    """One batch from its bytes to the bytes of its answer."""

    async def decide(given: list[BatchLine]) -> Sequence[LineResult]:
        lines = [
            Line(
                command_of(TABLE, line.op, line.body),
                line.key,
                line_fingerprint(TABLE, CONTEXT.fingerprint_key, line.op, line.values),
                number=line.number,
            )
            for line in given
        ]
        return await commands.many(pool, KEYS, "bench", lines, WORK)

    answer = await BATCH.answer(raw, decide)
    assert bytes(answer.body).count(b'"status":201') == LINES, bytes(answer.body[:500])


async def measure(server: PostgresServer, batches: int, profile: bool) -> dict[str, float]:
    """Medians over the batches, milliseconds."""
    await migrate(server.dsn("parkunion_membership", "membership_owner"), "membership")
    pool = await db.create_pool(server.dsn("parkunion_membership", "membership_app"), application_name="bench", by_key=True)
    source = bodies(await prepare(pool))
    await join(pool, next(source))
    # As a service's process does it (shared/process/serve.py).
    gc.collect()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    wall, own = [], []
    before = family_seconds(server.pid)
    profiler = cProfile.Profile()
    for _ in range(batches):
        raw = next(source)
        start, cpu = time.perf_counter(), time.process_time()
        if profile:
            profiler.enable()
        await join(pool, raw)
        profiler.disable()
        wall.append(time.perf_counter() - start)
        own.append(time.process_time() - cpu)
    database = (family_seconds(server.pid) - before) / batches
    await pool.close()
    if profile:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(30)
    figures = {"wall_ms": statistics.median(wall), "python_cpu_ms": statistics.median(own), "postgres_cpu_ms": database}
    return {name: round(1000 * value, 1) for name, value in figures.items()}


def main() -> None:
    """Run and print."""
    parser = command.options("bench.membership_batch", __doc__)
    parser.add_argument("--batches", type=command.positive, default=20)
    parser.add_argument("--profile", action="store_true")
    options = command.begin(parser)
    with tempfile.TemporaryDirectory() as folder:
        server = PostgresServer(Path(folder))
        Path(folder).chmod(0o755)
        server.start()
        try:
            server.provide("membership")
            print(json.dumps(asyncio.run(measure(server, options.batches, options.profile))))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
