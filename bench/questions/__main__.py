"""How long questions take on a large city: `.venv/bin/python -m bench.questions --data DIR [--times 40] [--enterprises 100000 --members 2000000]`.

The first time, DIR is filled: the log is written and folded by the product's projectors, which close each of 1,826 days in each shard, and all is
rolled up. That takes the better part of an hour; it is kept for the next time.
Prints a table of p50, p90 and p99 in milliseconds, without the first three askings, of which the first has a column of its own, and writes
`bench/out/questions.json`. Questions are asked one at a time of the functions behind the pages and the API, each in a snapshot of its own on a
warm database, in a process that has read steps ahead and collects garbage as a service does; no list is kept from one to the next. `--ledger`
asks the same of the ledger alone, without rollups.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import time
from dataclasses import replace
from pathlib import Path
from zoneinfo import ZoneInfo

from bench import command
from bench.generator.city import City
from bench.provenance import provenance
from bench.questions.asked import FREE, PAGE, QUESTIONS, Asked, Draw
from bench.questions.building import built, city_of
from bench.speed.stack import METRICS, BenchStack
from bench.stacks import ROOT as REPOSITORY
from services.metrics.dashboard.words import Words
from services.metrics.figures.kept import KeptLists
from services.metrics.figures.snapshots import Snapshots
from services.metrics.http.ahead import read_ahead
from shared.http.auth import Areas
from shared.process.clock import Clock
from shared.process.db import Pool, create_pool
from shared.process.memory import collect_seldom

OUT = REPOSITORY / "bench" / "out" / "questions.json"
ZONE = ZoneInfo("Asia/Shanghai")
MUST = {PAGE: 50.0, FREE: 1000.0}
GOAL = {PAGE: 20.0, FREE: 500.0}
"""{kind: milliseconds at p99}"""
WARM = 3
LONGEST = 60.0
"""Seconds after which a question is not asked again."""
SIZE = """
SELECT (SELECT count(*) FROM g1.enterprises) AS enterprises, (SELECT sum(events) FROM g1.recorded_facts) AS facts,
    (SELECT count(*) FROM g1.ledger) AS ledger, (SELECT count(*) FROM g1.ledger_open) AS ledger_open,
    (SELECT count(*) FROM g1.durations) AS durations, (SELECT count(*) FROM g1.rollups) AS rollups, (SELECT day FROM g1.rolled) AS rolled
"""
Times = dict[str, object]


async def measured(snapshots: Snapshots, asked: Asked, draw: Draw, times: int, *, by_ledger: bool) -> Times:
    """The times of one question, in milliseconds; `by_ledger`: as if nothing were rolled up."""
    taken, first = list[float](), 0.0
    began = time.perf_counter()
    for number in range(times + WARM):
        started = time.perf_counter()
        async with snapshots.snapshot(Areas.all()) as snapshot:
            # In a running city every event makes the lists outdated that were kept for their next pages.
            await asked.ask(replace(snapshot, lists=KeptLists(), rolled=None if by_ledger else snapshot.rolled), draw)
        spent = 1000 * (time.perf_counter() - started)
        if number == 0:
            first = spent
        elif number >= WARM:
            taken.append(spent)
        if time.perf_counter() - began > LONGEST and taken:
            break
    quantiles = statistics.quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else taken * 99
    p50, p90, p99 = (round(quantiles[at], 1) for at in (49, 89, 98))
    quantiles_ms = {"p50_ms": p50, "p90_ms": p90, "p99_ms": p99}
    return {"question": asked.name, "kind": asked.kind, "times": len(taken), "first_ms": round(first, 1), **quantiles_ms}


def line(found: Times) -> str:
    """One line of the table."""
    kind, p99 = str(found["kind"]), float(str(found["p99_ms"]))
    mark = "goal" if p99 <= GOAL[kind] else "must" if p99 <= MUST[kind] else "OVER"
    return f"{found['question']!s:45} {kind:5} {found['times']!s:>4} {found['first_ms']!s:>9} {found['p50_ms']!s:>9} {found['p90_ms']!s:>9} {p99:>9} {mark}"


async def measure(dsn: str, city: City, times: int, seed: int, wanted: str, *, by_ledger: bool) -> tuple[dict[str, object], list[Times]]:
    """The size of the database, and the times of all questions."""
    pool: Pool = await create_pool(dsn, application_name="bench", max_size=4)
    try:
        size = await _size(pool)
        ids = [
            row[0]
            for row in await pool.fetch("SELECT substr(subject, 12)::uuid FROM g1.states WHERE subject LIKE 'enterprise/%' LIMIT 20000")
        ]
        draw = Draw(city, ids, random.Random(seed), Words("zh", ZONE))
        print("  ".join(f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}" for name, value in size.items()), flush=True)
        print(f"{'question':45} {'kind':5} {'n':>4} {'first ms':>9} {'p50 ms':>9} {'p90 ms':>9} {'p99 ms':>9}", flush=True)
        found = []
        shards = await pool.fetchval("SELECT count(*) FROM shards WHERE generation = 1")
        for asked in QUESTIONS:
            if wanted in asked.name:
                snapshots = Snapshots(pool, Clock(ZONE), shards)
                await read_ahead(snapshots)
                collect_seldom()
                found.append(await measured(snapshots, asked, draw, times, by_ledger=by_ledger))
                print(line(found[-1]), flush=True)
        return size, found
    finally:
        await pool.close()


async def _size(pool: Pool) -> dict[str, object]:
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('parkunion.areas', '*', true)")
        row = await conn.fetchrow(SIZE)
    assert row is not None, "an aggregate has one row"
    return {name: value if value is None or isinstance(value, int) else str(value) for name, value in row.items()}


def main() -> None:
    """Read the options, build what is not there, and measure."""
    options = command.options("bench.questions", __doc__)
    options.add_argument("--data", type=Path, required=True, help="the folder that is filled and kept")
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--enterprises", type=command.positive, default=100_000)
    options.add_argument("--members", type=command.positive, default=2_000_000)
    options.add_argument("--times", type=command.positive, default=40, help="how often each question is asked")
    options.add_argument("--ledger", action="store_true", help="without rollups")
    options.add_argument("--only", default="", help="a part of the names of the questions")
    given = command.begin(options)
    given.data.mkdir(parents=True, exist_ok=True)
    stack = BenchStack(given.data / "stack")
    try:
        city = built(stack, city_of(given.seed, given.enterprises, given.members))
        dsn = stack.postgres.dsn(METRICS, "metrics_app")
        size, found = asyncio.run(measure(dsn, city, given.times, given.seed, given.only, by_ledger=given.ledger))
    finally:
        stack.down()
    OUT.parent.mkdir(exist_ok=True)
    OUT.write_text(
        json.dumps({"seed": city.seed, **provenance(city.last), "size": size, "rollups": not given.ledger, "results": found}, indent=1)
    )
    print(OUT)


if __name__ == "__main__":
    main()
