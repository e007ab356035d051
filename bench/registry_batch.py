"""Cost of a batch of 1,000 new enterprises, and of 1,000 headcounts, in the registry: `.venv/bin/python -m bench.registry_batch [--batches N] [--profile]`.

The service's own code from the bytes of the batch to the commit (no HTTP) on a PostgreSQL of its own. Prints one line of JSON:
milliseconds a batch of wall clock, of this process's CPU and of PostgreSQL's, medians.
"""

from __future__ import annotations

import asyncio
import cProfile
import json
import pstats
import statistics
import sys
import time
from itertools import islice

from bench import command
from bench.cpu import family_seconds
from bench.registry_stage import PARKS, carry_out, names, ndjson, stage
from deploy.local.servers.postgres import PostgresServer
from shared.process.db import Pool

LINES = 1_000


async def timed(
    server: PostgresServer, pool: Pool, raws: list[bytes], profiler: cProfile.Profile | None
) -> tuple[dict[str, float], list[str]]:
    """(medians in milliseconds, ids answered)"""
    wall, own, ids = [], [], []
    database = family_seconds(server.pid)
    for raw in raws:
        start, cpu = time.perf_counter(), time.process_time()
        if profiler:
            profiler.enable()
        results = await carry_out(pool, raw)
        if profiler:
            profiler.disable()
        wall.append(time.perf_counter() - start)
        own.append(time.process_time() - cpu)
        ids += [result.id for result in results]
    figures = {
        "wall_ms": statistics.median(wall),
        "worst_ms": max(wall),
        "python_cpu_ms": statistics.median(own),
        "postgres_cpu_ms": (family_seconds(server.pid) - database) / len(raws),
    }
    return {name: round(1000 * value, 1) for name, value in figures.items()}, ids


async def measure(batches: int, profile: bool) -> dict[str, dict[str, float]]:
    """Figures of both kinds of batch."""
    profiler = cProfile.Profile() if profile else None
    async with stage() as (server, pool):
        made = names()
        enterprises = []
        for n in range(batches + 1):
            bodies: list[dict[str, object]] = [
                {"name": name, "park": PARKS[i % 20], "settled_on": "2020-01-01", "industry": "C39"}
                for i, name in enumerate(islice(made, LINES))
            ]
            enterprises.append(ndjson("enterprise", bodies, n * LINES))
        _, warm = await timed(server, pool, enterprises[:1], None)
        registered, ids = await timed(server, pool, enterprises[1:], profiler)
        ids = warm + ids
        headcounts = [
            ndjson(
                "headcount", [{"enterprise_id": e, "on": "2021-02-03", "workers": 30} for e in ids[n * LINES : (n + 1) * LINES]], n * LINES
            )
            for n in range(batches)
        ]
        reported, _ = await timed(server, pool, headcounts, None)
    if profiler:
        pstats.Stats(profiler, stream=sys.stderr).sort_stats("tottime").print_stats(25)
    return {"enterprises": registered, "headcounts": reported}


def main() -> None:
    """Run and print."""
    parser = command.options("bench.registry_batch", __doc__)
    parser.add_argument("--batches", type=command.positive, default=20)
    parser.add_argument("--profile", action="store_true")
    options = command.begin(parser)
    print(json.dumps(asyncio.run(measure(options.batches, options.profile))))


if __name__ == "__main__":
    main()
