"""Commands at a fixed rate: joins of members, in batches, as an importing system sends them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp

from bench.deliveries.house import DeliveryStack
from bench.latency import DAY, Load, Park

LINES = 10
"""Commands of a batch."""
ENTERPRISES = 5
"""Of each park."""
HUNDRED = 100


class Settled(NamedTuple):
    """`codes`: the parks; `members`: where members can join, park after park again and again."""

    root: str
    codes: Sequence[str]
    places: Sequence[Park]


@asynccontextmanager
async def load_of(stack: DeliveryStack) -> AsyncIterator[Load]:
    """What sends commands to a stack."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=64), headers={"Authorization": f"Bearer {stack.stack.token()}"}
    ) as session:
        yield Load(session, stack.status())


async def settle(load: Load, parks: int) -> Settled:
    """A division with so many parks, and ENTERPRISES with their unions in each."""
    root = f"BENCH-{load.run}"
    codes = [f"{root}-P{number:03d}" for number in range(parks)]
    areas: list[dict[str, Any]] = [{"code": root, "name": "Bench", "kind": "division", "parent": None}]
    areas += [{"code": code, "name": code, "kind": "park", "parent": root} for code in codes]
    await load.batch("registry", [load.line("area", area) for area in areas])
    homes = [code for _ in range(ENTERPRISES) for code in codes]
    made = await _all(
        load, "registry", [load.line("enterprise", {"name": f"{code} 有限公司", "park": code, "settled_on": DAY}) for code in homes]
    )
    unions = [
        load.line("union", {"kind": "enterprise_union", "seat_area": code, "approved_on": DAY, "enterprises": [one["id"]]})
        for code, one in zip(homes, made, strict=True)
    ]
    founded = await _all(load, "membership", unions)
    return Settled(root, codes, [Park(code, one["id"], union["id"]) for code, one, union in zip(homes, made, founded, strict=True)])


async def _all(load: Load, service: str, lines: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Send lines by hundreds; what one service does not know yet from the other is tried again."""
    found: list[dict[str, Any]] = []
    for first in range(0, len(lines), HUNDRED):
        for attempt in range(100):
            try:
                found += await load.batch(service, list(lines[first : first + HUNDRED]))
                break
            except RuntimeError:
                if attempt == 99:
                    raise
                await asyncio.sleep(0.2)
    return found


async def join(load: Load, places: Sequence[Park], rate: float, seconds: float) -> tuple[int, float]:
    """Joins at a rate, in batches of LINES that begin at fixed times; returns how many, and how long it took."""
    batches = int(rate * seconds / LINES)
    began, tasks = time.perf_counter(), []
    following = _cycle(places)
    for number in range(batches):
        await asyncio.sleep(max(0.0, began + number * LINES / rate - time.perf_counter()))
        lines = [load.line("member", load.member(next(following))) for _ in range(LINES)]
        tasks.append(asyncio.create_task(load.batch("membership", lines)))
    await asyncio.gather(*tasks)
    return batches * LINES, time.perf_counter() - began


def _cycle(places: Sequence[Park]) -> Iterator[Park]:
    while True:
        yield from places
