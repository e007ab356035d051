"""Measure: `python -m bench.speed quick|full [--seed N]`, behind `make bench-quick SEED=N` and `make bench-speed`."""

from __future__ import annotations

import argparse
import asyncio
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from bench.generator.records import ZONE, records
from bench.generator.truth import Truth
from bench.generator.workload import Workload, workloads
from bench.speed import ceilings, report, rightness
from bench.speed.projecting import project
from bench.speed.report import Result
from bench.speed.stack import BenchStack
from shared.broker.protocol import Extent, Place


@dataclass(frozen=True)
class Cell:
    """Runs of the projectors on one log."""

    workers: int
    kills: int = 0
    times: int = 1


@dataclass(frozen=True)
class Plan:
    """`logs`: (events, name of the workload, what is measured on it); the ceilings are measured on the first."""

    name: str
    logs: Sequence[tuple[int, str, Sequence[Cell]]]


QUICK = Plan("quick", [(400_000, "in-order", [Cell(2), Cell(2, kills=2), Cell(1)])])
FULL = Plan(
    "speed",
    [
        (1_000_000, "in-order", [Cell(2, times=3), Cell(2, kills=2, times=3), Cell(1, times=3)]),
        (1_000_000, "backdated", [Cell(2, times=3)]),
        (1_000_000, "many-enterprises", [Cell(2, times=3)]),
        (4_000_000, "in-order", [Cell(2)]),
    ],
)
PLANS = {"quick": QUICK, "full": FULL}


@contextmanager
def filled(workload: Workload) -> Iterator[tuple[BenchStack, Mapping[Place, Extent], Truth]]:
    """A stack of its own with the workload's log, its services down; removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="parkunion-bench-"))
    stack = BenchStack(folder / "stack")
    try:
        began = time.perf_counter()
        ends = stack.fill(records(workload))
        say(f"{workload.name}: {workload.events:,} records written in {time.perf_counter() - began:.0f} s")
        yield stack, ends, Truth(workload)
    finally:
        stack.down()
        shutil.rmtree(folder, ignore_errors=True)


def runs_of(stack: BenchStack, ends: Mapping[Place, Extent], truth: Truth, workload: Workload, cell: Cell) -> Result:
    """The product's result in one cell."""
    found = []
    for _ in range(cell.times):
        stack.up(cell.workers)
        stack.begin_again()
        run = asyncio.run(project(stack, ends, cell.kills))
        wrong = rightness.differences(stack, truth)
        made = Result(
            *("parkunion", "ledger", workload.name, run.events, cell.workers, round(run.per_second), not wrong, cell.kills),
            rss_mb=round(run.rss_mb),
            cpu_us=run.microseconds(),
            wrong=wrong,
        )
        say(report.table([made], {}).splitlines()[1])
        found.append(made)
    return report.median(found)


def say(line: str) -> None:
    """Print progress."""
    print(line, flush=True)


def measure(plan: Plan, seed: int) -> None:
    """Do all of a plan, print the table and write the file."""
    known = datetime.now(ZONE).date()
    results: list[Result] = []
    limits: dict[str, int] = {}
    for events, name, cells in plan.logs:
        workload = workloads(seed, events, known)[name]
        with filled(workload) as (stack, ends, truth):
            for cell in cells:
                results.append(runs_of(stack, ends, truth, workload, cell))
            limits = limits or ceilings.measured(stack, ends)
        path = report.write(plan.name, seed, results, limits)
    print(report.table(results, limits))
    print(path)


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("plan", choices=PLANS)
    options.add_argument("--seed", type=int, default=None, help="of the log; left out: chosen at random and printed")
    given = options.parse_args()
    seed = secrets.randbelow(2**32) if given.seed is None else given.seed
    say(f"SEED={seed}")
    measure(PLANS[given.plan], seed)


if __name__ == "__main__":
    main()
