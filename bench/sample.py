"""From nothing to figures: `.venv/bin/python -m bench.sample [--setup]`, one line of JSON a step.

`setup` (with --setup; needs the network): a fresh clone's `make setup` with empty caches. `ready`: `up --detach` in a fresh folder until
every service is ready. `sample`: the NLRB file through the APIs until every event is projected. Own stack, ended at the end.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import time
from pathlib import Path

import asyncpg

from bench import command
from bench.stacks import ROOT, parkunion, temporary

SAMPLE = ROOT / "samples" / "nlrb" / "nlrb_union_elections_regions_01_18.csv"


def print_step(step: str, began: float, **more: object) -> None:
    """Print how long a step took."""
    print(json.dumps({"step": step, "seconds": round(time.perf_counter() - began, 2), **more}), flush=True)


def set_up(place: Path) -> None:
    """Clone and set up, as a new user does."""
    subprocess.run(["git", "clone", "-q", ROOT, place / "clone"], check=True)
    (place / "home").mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(place / "home")}
    began = time.perf_counter()
    subprocess.run(["make", "-C", place / "clone", "setup"], check=True, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    print_step("setup", began)


def is_projected(data: Path) -> bool:
    """Whether all events are projected."""
    services = json.loads(parkunion(data, "status", "--json"))["services"].values()
    return all(service["outbox"] == 0 and service["lag_events"] == 0 for service in services)


def main() -> None:
    """Measure."""
    options = command.options("bench.sample", __doc__)
    options.add_argument("--setup", action="store_true")
    given = command.begin(options)
    with temporary() as data:
        if given.setup:
            set_up(data.parent)
        began = time.perf_counter()
        parkunion(data, "up", "--detach")
        print_step("ready", began)
        began = time.perf_counter()
        parkunion(data, "import", "nlrb", str(SAMPLE))
        while not is_projected(data):
            time.sleep(0.1)
        dsn = json.loads(parkunion(data, "status", "--json", "--secrets"))["postgres"]["dsn"]
        events = sum(asyncio.run(_journal(dsn[service])) for service in ("registry", "membership"))
        print_step("sample", began, events=events)


async def _journal(dsn: str) -> int:
    conn = await asyncpg.connect(dsn)
    count: int = await conn.fetchval("SELECT count(*) FROM journal")
    await conn.close()
    return count


if __name__ == "__main__":
    main()
