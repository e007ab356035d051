"""Signed deliveries a second by the one delivery process, from a queue that the fan-out has filled."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from bench.deliveries import checking
from bench.deliveries.house import SUBSCRIPTIONS, Alone, Asked, alone
from bench.deliveries.receiver import Got, Receivers
from bench.deliveries.report import Result, Spent
from bench.generator.facts import park_code
from bench.generator.records import TOPICS, ZONE, records
from bench.generator.workload import PARKS, Workload
from services.subscriptions.fanout.applying import FanOut
from shared.process.clock import Clock
from shared.process.db import create_pool
from shared.sequencing.records import Received, ShardBatch, decode, in_runs

ENDPOINTS = 20
PER_SECOND = 1_500
QUEUED_FOR = 2_200
"""Deliveries that are queued for each second that the run is to last."""
LEAST = 1_000
BATCH = 5_000
START = 3.0
"""Seconds for the process to be at rest."""
LONGEST = 600.0
QUEUED = "SELECT count(*) FROM deliveries WHERE state = 'queued'"


def sustained(seconds: float, seed: int) -> Result:
    """Fill the queue, then let it be sent."""
    events = max(LEAST, int(seconds * QUEUED_FOR))
    workload = Workload("deliveries", seed, events, enterprises=events * 2 // 5)
    with alone(kafka=False) as house, Receivers(ENDPOINTS) as receivers:
        asked = [
            Asked([park_code(park) for park in range(number, PARKS, ENDPOINTS)], url=url, status="paused")
            for number, url in enumerate(receivers.urls)
        ]
        asyncio.run(_fill(house, asked, workload))
        house.start("delivery")
        time.sleep(START)
        return asyncio.run(_run(house, receivers))


async def _fill(house: Alone, asked: Sequence[Asked], workload: Workload) -> None:
    """Give a log to the fan-out's own code, batch by batch, as a reader of all partitions would."""
    await house.subscribe(asked)
    fan, seen, batch, version = FanOut(Clock(ZONE)), set[tuple[int, int]](), list[Received](), 0
    pool = await create_pool(house.dsn(SUBSCRIPTIONS, "subscriptions_app"), application_name="bench", by_key=True)

    async def apply() -> None:
        nonlocal version
        version += 1
        async with pool.acquire() as conn, conn.transaction():
            await fan.apply(conn, ShardBatch(1, 0, version, in_runs(batch), {}))
        batch.clear()

    for record in records(workload):
        if (record.topic, record.journal_id) not in seen:
            seen.add((record.topic, record.journal_id))
            batch.append(decode(TOPICS[record.topic], 0, record.journal_id, record.value))
            if len(batch) == BATCH:
                await apply()
    await apply()
    await pool.close()


async def _run(house: Alone, receivers: Receivers) -> Result:
    deadline = time.monotonic() + LONGEST
    conn = await house.connect()
    owed = {row["subscription"]: row["next_number"] - 1 for row in await conn.fetch("SELECT subscription, next_number FROM queues")}
    total = sum(owed.values())
    await conn.execute("VACUUM ANALYZE")
    spent = Spent(house, {"receivers": [receivers.pid]})
    began = time.perf_counter()
    await house.begin()
    while receivers.count() < total and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    while await conn.fetchval(QUEUED) and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    seconds = time.perf_counter() - began
    used = spent.end(total, seconds)
    keys = checking.keys_of([row[0] for row in await conn.fetch("SELECT public FROM signing_keys")])
    await conn.close()
    got, samples = receivers.take()
    wrong = checking.differences(got, owed)
    if unsigned := checking.wrongly_signed(samples, keys):
        wrong.append(f"{unsigned} of {len(samples)} signatures")
    rate = _middle(got)
    figures = {
        "deliveries_per_s": round(rate),
        "with_start_and_end_per_s": round(total / seconds),
        "deliveries": total,
        "seconds": round(seconds, 2),
        "endpoints": len(receivers.urls),
        "signatures_checked": len(samples),
        "receivers_cpu_share": used["cpu_share"].get("receivers", 0.0),
    }
    return Result("sustained", figures, f">= {PER_SECOND:,}/s", rate >= PER_SECOND and not wrong, wrong, **used)


def _middle(got: Sequence[Got]) -> float:
    """A second, from the first tenth to the ninth: at the end a few long lines of one enterprise are left, whose events go one by one."""
    at = sorted(one.at for one in got)
    first, last = len(at) // 10, len(at) * 9 // 10
    return (last - first) / max(at[last] - at[first], 1e-6) if at else 0.0
