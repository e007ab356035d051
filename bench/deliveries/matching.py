"""Events a second that the fan-out matches and queues, reading Kafka, with thousands of subscriptions."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from itertools import chain
from random import Random

from bench.deliveries.house import Alone, Asked, alone
from bench.deliveries.report import Result, Spent
from bench.generator.facts import DIVISIONS, park_code
from bench.generator.publishing import fill
from bench.generator.records import Record, records
from bench.generator.workload import INDUSTRIES, Workload
from shared.broker.protocol import Extent, Place

PER_SECOND = 10_000
MOST_MATCHED = 20
PARKS_PER_SUBSCRIPTION = 10
"""So many subscriptions for each park on average."""
POLL = 0.02
LONGEST = 600.0
POSITIONS = "SELECT shard, next, owner FROM shards WHERE generation = 1"
MATCHED = "SELECT c.event_id, count(*) FROM deliveries AS d JOIN contents AS c ON c.id = d.content GROUP BY 1"
LEFT = "SELECT (SELECT count(*) FROM waiting) + (SELECT count(*) FROM held)"
TYPE = "parkunion.{}.v1"
ENTERPRISES = [TYPE.format(name) for name in ("enterprise-registered", "headcount-reported")]
MEMBERS = [TYPE.format(name) for name in ("member-joined", "member-left")]
UNIONS = [TYPE.format(name) for name in ("union-founded", "coverage-started")]
LISTED = (4, 5)
"""Sections of industries that a filter names, of 20."""


def matching(events: int, subscriptions: int, workers: int, seed: int) -> Result:
    """Write the log, then start the fan-out."""
    parks = max(DIVISIONS, subscriptions // PARKS_PER_SUBSCRIPTION)
    areas = DIVISIONS + parks + 1
    workload = Workload("matching", seed, events + areas, enterprises=events // 10, parks=parks)
    log = records(workload)
    with alone(kafka=True) as house:
        asyncio.run(house.subscribe(list(_asked(subscriptions, parks, seed))))
        return asyncio.run(_matching(house, log, areas, workers, subscriptions))


def _asked(count: int, parks: int, seed: int) -> Iterator[Asked]:
    """Each asks for one park: for registrations and headcounts or for members, of some industries, or (one in ten) for all unions."""
    random = Random(f"subscriptions {seed}")
    for number in range(count):
        area, chance = park_code(random.randrange(parks)), random.random()
        industries = {"industries": random.sample(INDUSTRIES, random.choice(LISTED))}
        types, conditions = (UNIONS, {}) if chance < 0.1 else (MEMBERS, industries) if chance < 0.55 else (ENTERPRISES, industries)
        yield Asked([area], types, conditions, url=f"http://127.0.0.1:9/{number}")


async def _matching(house: Alone, log: Iterator[Record], areas: int, workers: int, subscriptions: int) -> Result:
    """The areas are known first, as in a house that runs for a while; then the fan-out begins with the rest before it."""
    first = [next(log) for _ in range(areas)]
    known = await fill(house.bootstrap, [], first)
    house.start("fanout", workers)
    await _read(house, known, None)
    house.stop("fanout")
    conn = await house.connect()
    before = int(await conn.fetchval("SELECT count(*) FROM deliveries"))
    ends = await fill(house.bootstrap, [], chain(log))
    await conn.execute("VACUUM ANALYZE")
    count = sum(extent.end for extent in ends.values()) - sum(extent.end for extent in known.values())
    house.start("fanout", workers)
    seconds, spent = await _read(house, ends, known)
    used = spent.end(count, seconds)
    matched = [row[1] for row in await conn.fetch(MATCHED)]
    left = await conn.fetchval(LEFT)
    queued = sum(matched) - before
    await conn.close()
    wrong = [f"{left} events wait"] if left else []
    if matched and max(matched) > MOST_MATCHED:
        wrong.append(f"{max(matched)} subscriptions match one event")
    rate = count / seconds
    figures = {
        "events_per_s": round(rate),
        "events": count,
        "seconds": round(seconds, 2),
        "subscriptions": subscriptions,
        "matched_on_average": round(queued / count, 2),
        "matched_at_most": max(matched, default=0),
        "queued": queued,
        "workers": workers,
    }
    return Result("matching", figures, f">= {PER_SECOND:,}/s", rate >= PER_SECOND and not wrong, wrong, **used)


async def _read(house: Alone, ends: dict[Place, Extent], begin: dict[Place, Extent] | None) -> tuple[float, Spent]:
    """Wait until the fan-out is at these ends and nothing waits; seconds since a new process owned a shard, and the CPU since then."""
    conn = await house.connect()
    owners: set[str] = set()
    if begin is not None:
        owners = {row["owner"] for row in await conn.fetch(POSITIONS) if row["owner"]}
    started: tuple[float, Spent] | None = None
    deadline = time.monotonic() + LONGEST
    while True:
        rows = await conn.fetch(POSITIONS)
        now = time.perf_counter()
        if started is None and any(row["owner"] and row["owner"] not in owners for row in rows):
            started = now, Spent(house, {})
        at = {(topic, row["shard"]): offset for row in rows for topic, offset in _offsets(row["next"]).items()}
        read = started is not None and all(at.get(place, 0) >= extent.end for place, extent in ends.items())
        if started is not None and read and not await conn.fetchval(LEFT):
            await conn.close()
            return now - started[0], started[1]
        if time.monotonic() > deadline:
            raise TimeoutError("the fan-out did not read the log")
        await asyncio.sleep(POLL)


def _offsets(value: object) -> dict[str, int]:
    found: dict[str, int] = json.loads(value) if isinstance(value, str) else value  # type: ignore[assignment]
    return found
