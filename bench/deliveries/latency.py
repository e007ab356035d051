"""From a command's commit to the first byte at the endpoint, alone and beside endpoints that hang.

An event's `time` is taken inside the transaction that records it, so what is counted from it contains the rest of that transaction.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bench.deliveries import checking
from bench.deliveries.commands import Settled, join, load_of, settle
from bench.deliveries.house import Asked, DeliveryStack
from bench.deliveries.receiver import Got, Receivers, Sample
from bench.deliveries.report import Result, Spent, percentiles
from bench.latency import Load

ENDPOINTS = 20
PARKS = 40
P50, P99 = 60.0, 250.0
"""Milliseconds."""
HANGING = 0.1
RATIO = 1.5
WARM_UP = 3.0
PATIENCE = 120.0
JOINED = ["parkunion.member-joined.v1"]
ASSIGNED = "SELECT subscription, number, assigned_at FROM deliveries"
OPEN = "SELECT count(*) FROM lanes WHERE subscription <> ALL($1::uuid[])"
COUNTS = "SELECT subscription, next_number FROM queues"


def latency(stack: DeliveryStack, seconds: float, rate: float) -> Result:
    """At a rate that the whole house carries: command, relay, Kafka, fan-out, delivery."""
    with Receivers(ENDPOINTS) as receivers:
        return asyncio.run(_latency(stack, receivers, seconds, rate))


async def _latency(stack: DeliveryStack, receivers: Receivers, seconds: float, rate: float) -> Result:
    async with load_of(stack) as load:
        settled, subscriptions = await _ready(stack, load, receivers, PARKS)
        await join(load, settled.places, rate / 4, WARM_UP)
        await _drained(stack)
        before = await _counts(stack)
        receivers.take()
        spent = Spent(stack, {"receivers": [receivers.pid]})
        count, took = await join(load, settled.places, rate, seconds)
        used = spent.end(count, took)
        await _drained(stack)
        got, samples = receivers.take()
        after = await _counts(stack)
        wrong = _wrong(stack, got, samples, before, after, count)
        assigned = await _assigned(stack)
    whole = percentiles([one.at - _instant(one.time) for one in got])
    fanned = percentiles([one.at - assigned[one.webhook_id] for one in got])
    reached = whole["p50_ms"] <= P50 and whole["p99_ms"] <= P99 and not wrong
    figures: dict[str, Any] = {
        "events": count,
        "events_per_s": round(count / took, 1),
        "commit_to_first_byte": whole,
        "numbered_to_first_byte": fanned,
        "endpoints": len(subscriptions),
        "commands": "joins by POST /v1/batch, ten lines each",
        "receivers_cpu_share": used["cpu_share"].get("receivers", 0.0),
    }
    return Result("latency", figures, f"p50 <= {P50:g} ms, p99 <= {P99:g} ms at {rate:g}/s", reached, wrong, **used)


def hanging(stack: DeliveryStack, seconds: float, rate: float, endpoints: int) -> Result:
    """Four phases: all answer, some hang, some hang, all answer."""
    with Receivers(endpoints) as receivers:
        return asyncio.run(_hanging(stack, receivers, seconds, rate))


async def _hanging(stack: DeliveryStack, receivers: Receivers, seconds: float, rate: float) -> Result:
    endpoints = len(receivers.urls)
    bad = list(range(0, endpoints, round(1 / HANGING)))
    phases: dict[str, dict[str, float]] = {}
    values: dict[bool, list[float]] = {True: [], False: []}
    async with load_of(stack) as load:
        settled, subscriptions = await _ready(stack, load, receivers, endpoints)
        await join(load, settled.places, rate / 4, WARM_UP)
        await _drained(stack)
        spent, began, count = Spent(stack, {"receivers": [receivers.pid]}), time.perf_counter(), 0
        receivers.take()
        everything: list[Got] = []
        for number, hang in enumerate((False, True, True, False), 1):
            receivers.hang(bad if hang else [])
            if number == 4:
                await stack.try_again()
                await _drained(stack)
                everything += receivers.take()[0]
            sent, _ = await join(load, settled.places, rate, seconds)
            count += sent
            await _drained(stack, [subscriptions[one] for one in bad])
            got = receivers.take()[0]
            everything += got
            found = [one.at - _instant(one.time) for one in got if one.endpoint not in bad]
            values[hang] += found
            phases[f"{number} {'some hang' if hang else 'all answer'}"] = {"healthy": len(found), **percentiles(found)}
        used = spent.end(count, time.perf_counter() - began)
        await _drained(stack)
        held = receivers.held()
        ordered = checking.disordered([*everything, *receivers.take()[0]])
    calm, beside = percentiles(values[False]), percentiles(values[True])
    ratio = beside["p99_ms"] / calm["p99_ms"]
    wrong = [f"{ordered} out of order"] if ordered else []
    figures: dict[str, Any] = {
        "endpoints": endpoints,
        "hanging": len(bad),
        "attempts_that_hung": held,
        "events": count,
        "p99_without_ms": calm["p99_ms"],
        "p99_beside_hanging_ms": beside["p99_ms"],
        "ratio": round(ratio, 2),
        **phases,
        "receivers_cpu_share": used["cpu_share"].get("receivers", 0.0),
    }
    return Result("hanging", figures, f"p99 of the healthy <= {RATIO:g} x", ratio <= RATIO and held > 0 and not wrong, wrong, **used)


async def _ready(stack: DeliveryStack, load: Load, receivers: Receivers, parks: int) -> tuple[Settled, list[UUID]]:
    """Parks with enterprises, and a subscription of its own parks for every endpoint."""
    settled = await settle(load, parks)
    count = len(receivers.urls)
    asked = [Asked(settled.codes[number::count], JOINED, url=url) for number, url in enumerate(receivers.urls)]
    deadline = time.monotonic() + PATIENCE
    while not stack.idle():
        if time.monotonic() > deadline:
            raise TimeoutError("the stack did not come to rest")
        await asyncio.sleep(0.5)
    return settled, await stack.subscribe(asked)


async def _drained(stack: DeliveryStack, besides: Sequence[UUID] = ()) -> None:
    """Wait until nothing waits to be sent, a second long, but to some subscriptions."""
    conn = await stack.connect()
    deadline, calm = time.monotonic() + PATIENCE, 0
    while calm < 4:
        calm = 0 if await conn.fetchval(OPEN, list(besides)) else calm + 1
        if time.monotonic() > deadline:
            raise TimeoutError("deliveries were not sent")
        await asyncio.sleep(0.25)
    await conn.close()


async def _counts(stack: DeliveryStack) -> dict[UUID, int]:
    conn = await stack.connect()
    found = {row["subscription"]: row["next_number"] - 1 for row in await conn.fetch(COUNTS)}
    await conn.close()
    return found


async def _assigned(stack: DeliveryStack) -> dict[str, float]:
    """{webhook id: when its number was assigned}"""
    conn = await stack.connect()
    found = {f"{row[0]}.{row[1]}": row[2].timestamp() for row in await conn.fetch(ASSIGNED)}
    await conn.close()
    return found


def _wrong(
    stack: DeliveryStack, got: Sequence[Got], samples: Sequence[Sample], before: dict[UUID, int], after: dict[UUID, int], count: int
) -> list[str]:
    wrong = checking.differences(got, after, before)
    if sum(after.values()) - sum(before.values()) != count:
        wrong.append(f"{sum(after.values()) - sum(before.values())} numbers for {count} commands")
    if unsigned := checking.wrongly_signed(samples, checking.published_keys(stack.stack.url("subscriptions"))):
        wrong.append(f"{unsigned} of {len(samples)} signatures")
    return wrong


def _instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
