"""The service cases: `.venv/bin/python -m bench.cases [--cases 10000] [--rate 100] [--seconds 15] [--fmcs]`.

- `clocks`: `GET /v1/clocks` of a district with that many open cases: its first page, the page of what is due, and the last one.
- `statistics`: every statistic of that district, by park and without.
- `commands`: steps of cases at `rate` a second through HTTP, with token, key and journal; open loop.
- `fmcs`: with `--fmcs`, the whole sample by `./parkunion import fmcs`, until every figure has it.

It starts a stack of its own in a temporary folder. Prints lines of JSON; times in milliseconds, CPU in milliseconds a command by process.
"""

from __future__ import annotations

import asyncio
import json
import time
from argparse import Namespace
from datetime import date, timedelta
from typing import Any
from uuid import uuid4

from bench import command, cpu
from bench.bulk import session_of
from bench.latency import PARKS, Load
from bench.speed.stack import BenchStack, own_stack
from bench.stacks import ROOT, parkunion

KINDS = ("wage_arrears", "pay_cut", "social_insurance_arrears", "labour_dispute")
FIRST = date(2026, 1, 5)
ASKED = 30
"""Questions of each kind, after three that warm up."""
STATISTICS = (
    *("cases_open", "cases_opened", "cases_overdue", "cases_per_1000_workers", "collective_cases", "days_to_close", "contract_coverage"),
    *("wage_negotiation_coverage", "congress_rate", "harmonious_enterprises", "aid_by_kind", "mediation_settlement"),
    *("letters_answered_in_time", "cases_by_coverage"),
)
SAMPLE = ROOT / "samples" / "fmcs" / "fmcs_work_stoppages_1984_2009.csv"


def percentiles(found: list[float]) -> dict[str, float]:
    """p50, p99 and the longest, in milliseconds."""
    ordered = sorted(found)
    return {"p50": ordered[len(ordered) // 2], "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))], "max": ordered[-1]}


def rounded(values: dict[str, float]) -> dict[str, float]:
    """To a tenth."""
    return {name: round(value, 1) for name, value in values.items()}


async def seeded(load: Load, count: int) -> list[str]:
    """So many open cases over the parks of a district, two in three with an application for arbitration; their ids."""
    parks, ids = list(load.parks.values()), []
    for start in range(0, count, 1000):
        lines = [_case(load, parks[n % PARKS].enterprise, n) for n in range(start, min(start + 1000, count))]
        ids += [result["id"] for result in await load.batch("cases", lines)]
    steps = [_step(load, case, n) for n, case in enumerate(ids) if n % 3]
    for start in range(0, len(steps), 1000):
        await load.batch("cases", steps[start : start + 1000])
    return ids


def _case(load: Load, enterprise: str, n: int) -> dict[str, Any]:
    on = (FIRST + timedelta(days=n % 200)).isoformat()
    return load.line("case", {"kind": KINDS[n % len(KINDS)], "enterprise_id": enterprise, "occurred_on": on, "reported_on": on})


def _step(load: Load, case: str, n: int) -> dict[str, Any]:
    on = (FIRST + timedelta(days=n % 200 + 7)).isoformat()
    return load.line("case_step", {"case_id": case, "step": "arbitration_applied", "on": on})


async def asked(load: Load, service: str, path: str, **params: str) -> dict[str, float]:
    """How long a question takes."""
    found = []
    for n in range(ASKED + 3):
        started = time.perf_counter()
        async with load.session.get(f"{load.urls[service]}{path}", params=params) as answer:
            content = await answer.read()
            if answer.status != 200:
                raise RuntimeError(content.decode())
        if n >= 3:
            found.append(1000 * (time.perf_counter() - started))
    return rounded(percentiles(found))


async def commands(load: Load, ids: list[str], rate: float, seconds: float) -> dict[str, Any]:
    """Steps at a rate, each on a case of its own; from sending to the answer."""
    found: list[float] = []

    async def one(case: str) -> None:
        started = time.perf_counter()
        body = {"step": "interrupted", "on": "2026-09-01", "ground": "claim"}
        headers = {"Idempotency-Key": uuid4().hex}
        async with load.session.post(f"{load.urls['cases']}/v1/cases/{case}/steps", json=body, headers=headers) as answer:
            if answer.status != 201:
                raise RuntimeError(await answer.text())
            await answer.read()
        found.append(1000 * (time.perf_counter() - started))

    before, started, tasks = cpu.seconds(load.status), time.perf_counter(), []
    for n in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, started + n / rate - time.perf_counter()))
        tasks.append(asyncio.create_task(one(ids[n % len(ids)])))
    await asyncio.gather(*tasks)
    used = cpu.milliseconds_each(before, cpu.seconds(load.status), len(tasks))
    return {"answered_per_s": round(len(tasks) / (time.perf_counter() - started), 1), **rounded(percentiles(found)), "cpu_ms": used}


async def until_projected(stack: BenchStack) -> None:
    """Every service has read what the others have said."""
    while True:
        services = json.loads(parkunion(stack.folder.path, "status", "--json"))["services"].values()
        if all(not one.get("outbox") and not one.get("lag_events") for one in services):
            return
        await asyncio.sleep(0.2)


async def run(stack: BenchStack, options: Namespace) -> None:
    """All parts, each a line."""
    stack.up(1)
    if options.fmcs:
        started = time.perf_counter()
        parkunion(stack.folder.path, "import", "fmcs", str(SAMPLE))
        loaded = time.perf_counter() - started
        await until_projected(stack)
        print(json.dumps({"fmcs_s": round(time.perf_counter() - started, 1), "loaded_s": round(loaded, 1)}), flush=True)
    async with session_of(stack) as session:
        load = Load(session, json.loads(parkunion(stack.folder.path, "status", "--json")))
        await load.prepare()
        await asyncio.sleep(2)
        ids = await seeded(load, options.cases)
        await until_projected(stack)
        for name, params in (("first page", {}), ("due", {"until": "2026-12-31"}), ("page of 500", {"limit": "500"})):
            print(
                json.dumps({"clocks": name, "cases": len(ids), **await asked(load, "cases", "/v1/clocks", area=load.root, **params)}),
                flush=True,
            )
        for name in STATISTICS:
            print(
                json.dumps({"statistic": name, **await asked(load, "metrics", f"/v1/statistics/{name}", area=load.root)}),
                flush=True,
            )
        print(json.dumps({"commands_per_s": options.rate, **await commands(load, ids, options.rate, options.seconds)}), flush=True)


def main() -> None:
    """Read the options, run, and remove the stack."""
    parser = command.options("bench.cases", __doc__)
    parser.add_argument("--cases", type=command.positive, default=10_000)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--fmcs", action="store_true")
    options = command.begin(parser)
    with own_stack() as stack:
        asyncio.run(run(stack, options))


if __name__ == "__main__":
    main()
