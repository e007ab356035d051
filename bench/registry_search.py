"""Latency of a search by part of a name among 100,000 enterprises: `.venv/bin/python -m bench.registry_search [--enterprises N]`.

The service's own listing on a PostgreSQL of its own, with all areas and with one division granted. Prints one line of JSON per search:
what was asked, rows found on the first page of 100, and the median and worst of five in milliseconds.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import time
from itertools import islice

from bench import command
from bench.registry_stage import PARKS, carry_out, names, ndjson, stage
from services.registry.enterprises import store
from shared.http.auth import Areas
from shared.process import db
from shared.process.db import Pool

SEARCHES = [
    "",
    "a",
    "q",
    "公",
    "鼎",
    "有限",
    "杭州",
    "xy",
    "鼎鼎",
    "电子有限公司",
    "acme 77",
    "acme 123456",
    "springfield",
    "no such name",
    "华兴盛达",
    "7q",
]


async def ask(pool: Pool, areas: Areas, area: str | None, q: str) -> dict[str, object]:
    """One search, five times."""
    took = []
    for _ in range(5):
        start = time.perf_counter()
        async with db.transaction(pool, areas=areas) as conn:
            rows = await store.page(conn, q, area, None, 101)
        took.append(1000 * (time.perf_counter() - start))
    asked = {"q": q, "area": area, "granted": areas.setting()}
    return {**asked, "rows": len(rows), "median_ms": round(statistics.median(took), 1), "worst_ms": round(max(took), 1)}


async def measure(count: int) -> None:
    """Fill the registry through its own commands, then ask."""
    async with stage() as (server, pool):
        made = names()
        for start in range(0, count, 1000):
            bodies: list[dict[str, object]] = [
                {"name": name, "park": PARKS[i % 20], "settled_on": "2020-01-01"} for i, name in enumerate(islice(made, 1000))
            ]
            await carry_out(pool, ndjson("enterprise", bodies, start))
        for phase in ("at once", "after ANALYZE"):
            if phase != "at once":
                server.execute("VACUUM ANALYZE", "parkunion_registry")
            for q in SEARCHES:
                for areas, area in ((Areas.all(), None), (Areas.of(["D2"]), "D2"), (Areas.of([PARKS[3]]), PARKS[3])):
                    print(json.dumps({"phase": phase, **await ask(pool, areas, area, q)}, ensure_ascii=False), flush=True)


def main() -> None:
    """Run and print."""
    parser = command.options("bench.registry_search", __doc__)
    parser.add_argument("--enterprises", type=command.positive, default=100_000)
    asyncio.run(measure(command.begin(parser).enterprises))


if __name__ == "__main__":
    main()
