"""One run of the product's own projectors over a filled log."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import asyncpg

from bench.speed.stack import METRICS, WORKERS, BenchStack, send
from bench.speed.usage import Usage
from shared.broker.protocol import Extent, Place

POLL = 0.1
USAGE_EVERY = 10
"""Polls of the positions between two looks at the processes."""
LONGEST = 3000.0
POSITIONS = "SELECT shard, next, owner FROM shards WHERE generation = 1"
KILL_AT = (1 / 3, 2 / 3)


@dataclass
class Run:
    """What a run took: from the first shard that a projector owns to the last event applied."""

    events: int
    seconds: float
    kills: int
    cpu: dict[str, float]
    rss_mb: float
    before: float = field(default=0.0)
    """Seconds from the start of the processes until one owned a shard."""

    @property
    def per_second(self) -> float:
        return self.events / self.seconds

    def microseconds(self) -> dict[str, float]:
        """{kind: CPU microseconds per event}, and their sum."""
        each = {kind: round(1e6 * used / self.events, 1) for kind, used in self.cpu.items()}
        return {**each, "sum": round(sum(each.values()), 1)}


async def project(stack: BenchStack, ends: Mapping[Place, Extent], kills: int = 0) -> Run:
    """Fold the whole log from the beginning, with so many SIGKILLs of a projector in between. The stack must be set back before."""
    conn = await asyncpg.connect(stack.dsn(METRICS))
    usage, polls, began = Usage(), 0, time.perf_counter()
    started: float | None = None
    waiting = list(KILL_AT[:kills])
    total = sum(extent.end for extent in ends.values())
    try:
        while True:
            rows = await conn.fetch(POSITIONS)
            now = time.perf_counter()
            if started is None and any(row["owner"] for row in rows):
                started = now
            if polls % USAGE_EVERY == 0:
                usage.look(stack.families())
            polls += 1
            at = {(topic, row["shard"]): offset for row in rows for topic, offset in json.loads(row["next"]).items()}
            applied = sum(min(at.get(place, 0), extent.end) for place, extent in ends.items())
            if applied == total and started is not None:
                usage.look(stack.families())
                return Run(total, now - started, kills - len(waiting), usage.seconds(), usage.peak_mb.get(WORKERS, 0.0), started - began)
            if waiting and applied > waiting[0] * total and (pids := stack.pids("metrics", WORKERS)):
                waiting.pop(0)
                usage.look(stack.families())
                send(pids[len(waiting) % len(pids)], signal.SIGKILL)
            if now - began > LONGEST:
                raise TimeoutError(f"{applied} of {total} events after {LONGEST} s")
            await asyncio.sleep(POLL)
    finally:
        await conn.close()
