"""Latency from an acknowledged command to its figure on SSE: `.venv/bin/python -m bench.latency [--data DIR] [--seconds 20]`.

Needs a running stack (`./parkunion up --detach`). Two loads: 200 single commands a second, and 2,000 a second in batches of 100.
Every park has one enterprise, so its stream's order is the order of its count: the k-th member acknowledged is served when the park's
`members` is at least k. Latency is the instant at which the stream's line arrives less the instant at which the answer arrived; beside it stands
how long the answers took from the instant at which their commands were due (`answer_*`).
The output includes the share of all cores that the stack used and the generator's share of one core, since it runs on the same machine, and the
CPU milliseconds of each process per command (of a batch: per line), which stay comparable on a busy machine.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp

from bench import command, cpu
from bench.stacks import parkunion

PARKS = 40
DAY = "2024-01-02"


@dataclass
class Park:
    """One park with one enterprise and its union; `acknowledged` holds (members so far, instant) in the order of the answers."""

    code: str
    enterprise: str
    union: str
    sent: int = 0
    acknowledged: list[tuple[int, float]] = field(default_factory=list)
    served: list[tuple[int, float]] = field(default_factory=list)


class Load:
    """The generator: prepares its parks, follows the stream, sends commands at a rate and pairs the two."""

    def __init__(self, session: aiohttp.ClientSession, status: dict[str, Any]) -> None:
        self.session, self.status, self.run = session, status, uuid4().hex[:8]
        self.urls: dict[str, str] = {name: service["url"] for name, service in status["services"].items()}
        self.parks: dict[str, Park] = {}
        self.answers: list[float] = []
        """Milliseconds until each command was answered."""

    async def batch(self, service: str, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Send one batch; every line must be accepted."""
        body = b"\n".join(json.dumps(line).encode() for line in lines)
        async with self.session.post(
            f"{self.urls[service]}/v1/batch", data=body, headers={"Content-Type": "application/x-ndjson"}
        ) as answer:
            results = [json.loads(line) for line in (await answer.text()).splitlines()]
        refused = [result for result in results if result["status"] >= 300]
        if refused:
            raise RuntimeError(refused[0])
        return results

    def line(self, op: str, body: dict[str, Any]) -> dict[str, Any]:
        """One batch line with a key of its own."""
        return {"op": op, "key": uuid4().hex, "body": body}

    async def prepare(self) -> None:
        """A division, PARKS parks, one enterprise and one union each."""
        root = f"BENCH-{self.run}"
        codes = [f"{root}-P{n:03d}" for n in range(PARKS)]
        areas = [{"code": root, "name": "Bench", "kind": "division", "parent": None}]
        areas += [{"code": code, "name": code, "kind": "park", "parent": root} for code in codes]
        await self.batch("registry", [self.line("area", area) for area in areas])
        settled = [self.line("enterprise", {"name": code, "park": code, "settled_on": DAY}) for code in codes]
        enterprises = [result["id"] for result in await self.batch("registry", settled)]
        unions = [
            self.line("union", {"kind": "enterprise_union", "seat_area": code, "approved_on": DAY, "enterprises": [enterprise]})
            for code, enterprise in zip(codes, enterprises, strict=True)
        ]
        for attempt in range(50):
            try:
                founded = await self.batch("membership", unions)
                break
            except RuntimeError:
                if attempt == 49:
                    raise
                await asyncio.sleep(0.2)
        self.root = root
        self.parks = {
            code: Park(code, enterprise, union["id"]) for code, enterprise, union in zip(codes, enterprises, founded, strict=True)
        }

    async def follow(self) -> None:
        """Note when each park's members were served."""
        async with self.session.get(
            f"{self.urls['metrics']}/v1/coverage/stream",
            params={"area": self.root, "by": "park"},
            timeout=aiohttp.ClientTimeout(total=None),
        ) as answer:
            answer.raise_for_status()
            async for raw in answer.content:
                if raw.startswith(b"data:"):
                    now = time.perf_counter()
                    for row in json.loads(raw[5:]).get("rows", ()):
                        if (park := self.parks.get(row["area"])) is not None:
                            park.served.append((row["members"], now))

    def member(self, park: Park) -> dict[str, Any]:
        """A join of a new person."""
        document = {"kind": "sample", "number": uuid4().hex}
        return {"union_id": park.union, "enterprise_id": park.enterprise, "document": document, "joined_on": DAY}

    async def single(self, park: Park) -> None:
        """One command."""
        async with self.session.post(
            f"{self.urls['membership']}/v1/members", json=self.member(park), headers={"Idempotency-Key": uuid4().hex}
        ) as answer:
            if answer.status != 201:
                raise RuntimeError(await answer.text())
            await answer.read()
        park.sent += 1
        park.acknowledged.append((park.sent, time.perf_counter()))

    async def hundred(self, park: Park) -> None:
        """One batch of a hundred."""
        await self.batch("membership", [self.line("member", self.member(park)) for _ in range(100)])
        park.sent += 100
        park.acknowledged.append((park.sent, time.perf_counter()))

    async def drive(self, send: Any, per_second: float, seconds: float, members: int = 1) -> dict[str, Any]:
        """Open loop: commands start at fixed times, independent of earlier answers. Each `send` adds `members` members."""
        for park in self.parks.values():
            park.acknowledged.clear()
        self.answers.clear()
        parks, tasks = list(self.parks.values()), []
        spent = cpu.seconds(self.status)
        started, own = time.perf_counter(), time.process_time()
        for n in range(int(per_second * seconds)):
            await asyncio.sleep(max(0.0, started + n / per_second - time.perf_counter()))
            tasks.append(asyncio.create_task(self.timed(send(parks[n % PARKS]), started + n / per_second)))
        await asyncio.gather(*tasks)
        wall, used = time.perf_counter() - started, time.process_time() - own
        deadline = time.perf_counter() + 30
        while any(park.acknowledged and (not park.served or park.served[-1][0] < park.sent) for park in parks):
            if time.perf_counter() > deadline:
                raise RuntimeError("the stream did not serve every acknowledged command within 30 s")
            await asyncio.sleep(0.02)
        after = cpu.seconds(self.status)
        return {
            "commands": len(tasks),
            "seconds": round(wall, 2),
            "cpu_share_of_all_cores": cpu.share_of_all_cores(spent, after, wall),
            "generator_cpu_share_of_one_core": round(used / wall, 3),
            **self.latencies(),
            "cpu_ms_per_member": cpu.milliseconds_each(spent, after, len(tasks) * members),
        }

    async def timed(self, command: Coroutine[Any, Any, None], due: float) -> None:
        """Note how long the answer took from the instant at which the command was due."""
        await command
        self.answers.append(1000 * (time.perf_counter() - due))

    def latencies(self) -> dict[str, Any]:
        """Percentiles in milliseconds over every command acknowledged."""
        found: list[float] = []
        for park in self.parks.values():
            served = iter(sorted(park.served))
            count, instant = next(served)
            for needed, acknowledged in park.acknowledged:
                while count < needed:
                    count, instant = next(served)
                found.append(max(0.0, (instant - acknowledged) * 1000))
        return {**_percentiles("", found), **_percentiles("answer_", self.answers)}


def _percentiles(prefix: str, found: list[float]) -> dict[str, float]:
    ordered = sorted(found)
    at = {name: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
    return {f"{prefix}{name}_ms": round(value, 1) for name, value in {**at, "max": ordered[-1]}.items()}


async def measure(data: Path | None, seconds: float, rate: float) -> None:
    """Run both loads and print one line of JSON each."""
    status = json.loads(parkunion(data, "status", "--json"))
    headers = {"Authorization": f"Bearer {parkunion(data, 'token')}"}
    connector = aiohttp.TCPConnector(limit=64)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
        load = Load(session, status)
        await load.prepare()
        follower = asyncio.create_task(load.follow())
        await asyncio.sleep(1)
        await load.drive(load.single, 50, 3)
        print(json.dumps({"load": f"{rate:g} single commands/s", **await load.drive(load.single, rate, seconds)}), flush=True)
        print(json.dumps({"load": "2,000/s in batches of 100", **await load.drive(load.hundred, 20, seconds, 100)}), flush=True)
        follower.cancel()


def main() -> None:
    """Read the options and measure."""
    options = command.options("bench.latency", __doc__)
    options.add_argument("--data", type=Path, help="folder of the stack (default: the one `parkunion` uses)")
    options.add_argument("--seconds", type=float, default=20)
    options.add_argument("--rate", type=float, default=200, help="single commands a second (fewer on a machine that does other work)")
    given = command.begin(options)
    asyncio.run(measure(given.data, given.seconds, given.rate))


if __name__ == "__main__":
    main()
