"""Builds the stack on which the questions are measured: a city's log, folded by the product's own projectors. It is kept for the next time."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict
from datetime import date, datetime, timedelta
from typing import Any

from bench.generator.city import City
from bench.generator.city_records import records
from bench.generator.records import ZONE
from bench.speed.projecting import project
from bench.speed.stack import METRICS, BenchStack
from services.metrics.generations.closed import rolling, stepping
from shared.process import db

NOTE = "city.json"
"""Beside the stack's folder: which city it holds."""
WORKERS = 2
SHORT = 1.0
"""Seconds of which nothing is said."""


def city_of(seed: int, enterprises: int, members: int) -> City:
    """A city whose last known day is yesterday."""
    return City(seed, datetime.now(ZONE).date() - timedelta(days=1), enterprises, members)


def built(stack: BenchStack, city: City) -> City:
    """The city that the stack then runs with, folded: the one that is there, or `city`."""
    note = stack.folder.path.parent / NOTE
    if note.exists():
        found: dict[str, Any] = json.loads(note.read_text())
        stack.up(1)
        asyncio.run(_catch_up(stack))
        return City(**{**found, "last": date.fromisoformat(found["last"])})
    began = time.perf_counter()
    ends = stack.fill(records(city), city.last)
    events = sum(extent.end for extent in ends.values())
    print(f"{events:,} records written in {time.perf_counter() - began:.0f} s", flush=True)
    stack.up(WORKERS)
    run = asyncio.run(project(stack, ends))
    print(f"folded in {run.seconds:.0f} s by {WORKERS} projectors: {run.per_second:,.0f}/s", flush=True)
    note.write_text(json.dumps({**asdict(city), "last": city.last.isoformat()}))
    asyncio.run(_catch_up(stack))
    return city


async def _catch_up(stack: BenchStack) -> None:
    """Have all closed days rolled up and all steps kept: a projector takes a tenth of its time for it, so that it would take hours after a fold of
    five years."""
    began = time.perf_counter()
    conn = await db.connect(stack.dsn(METRICS), application_name="bench")
    try:
        shards = await conn.fetchval("SELECT count(*) FROM shards WHERE generation = 1")
        for job in (rolling.Roller(), stepping.keep):
            while (done := await job(conn, 1, shards)) is not None:
                print(f"\rkept up to {done}", end="", flush=True)
        if (seconds := time.perf_counter() - began) > SHORT:
            await conn.execute("ANALYZE")
            print(f"\rclosed days rolled up, and steps kept, in {seconds:.0f} s", flush=True)
    finally:
        await conn.close()
