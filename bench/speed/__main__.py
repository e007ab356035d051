"""Measure: `.venv/bin/python -m bench.speed quick|full|one [--seed N]`, behind `make bench-quick SEED=N` and `make bench-speed`.

`one` measures a single cell: `--events 400000 --workload in-order --workers 2 --kills 0 --times 1 --system parkunion --operator
--enterprises 1000000 --years 10`.
"""

from __future__ import annotations

import asyncio
import math
import secrets
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from bench import command
from bench.generator.facts import facts
from bench.generator.records import ZONE, records
from bench.generator.truth import Truth
from bench.generator.workload import Workload
from bench.peers.systems import SYSTEMS
from bench.speed import ceilings, peering, report, rightness
from bench.speed.operating import operate
from bench.speed.plans import PLANS, Cell, Log, Plan, one
from bench.speed.projecting import Run, project
from bench.speed.report import Result
from bench.speed.stack import BenchStack, own_stack
from shared.broker.protocol import Extent, Place

PRODUCT = "parkunion"
Ends = Mapping[Place, Extent]


@contextmanager
def filled(workload: Workload) -> Iterator[tuple[BenchStack, Ends, Truth]]:
    """A stack of its own with the workload's log, its services down; removed afterwards."""
    with own_stack() as stack:
        began = time.perf_counter()
        announce(f"{workload.name}: starting a stack, then writing a log of {workload.events:,} records into its topics and journals")
        ends = stack.fill(records(workload))
        say(f"{workload.name}: {in_log(ends):,} records, day closings among them, written in {time.perf_counter() - began:.0f} s")
        yield stack, ends, Truth(workload)


def product(stack: BenchStack, ends: Ends, truth: Truth, cell: Cell) -> tuple[Run, list[str]]:
    """One run of the product's projectors, and what is wrong with its figures."""
    stack.up(cell.workers)
    stack.begin_again()
    run = asyncio.run(project(stack, ends, cell.kills))
    return run, rightness.differences(stack, truth)


def peer(stack: BenchStack, ends: Ends, truth: Truth, cell: Cell) -> tuple[Run, list[str]]:
    """One run of a peer beside PostgreSQL and Kafka alone, and what is wrong with its table."""
    with stack.servers():
        peering.begin_again(stack)
        system = SYSTEMS[cell.system]
        jobs = peering.jobs_of(stack, ends, system, cell.workers, cell.warm)
        try:
            return asyncio.run(peering.run(stack, system, jobs, in_log(ends), truth, cell.kills))
        except peering.PeerError as error:
            # The other cells are measured all the same.
            return Run(in_log(ends), math.inf, cell.kills, {}, 0.0), [str(error)]


def result_of(stack: BenchStack, ends: Ends, truth: Truth, workload: Workload, cell: Cell) -> Result:
    """The median of a cell's runs."""
    found = []
    for number in range(1, cell.times + 1):
        with_kills = f", {cell.kills} kills" if cell.kills else ""
        announce(
            f"{workload.name}: {cell.system}, {cell.workers} workers{with_kills}{', warm' if cell.warm else ''}, run {number} of {cell.times}"
        )
        run, wrong = (product if cell.system == PRODUCT else peer)(stack, ends, truth, cell)
        task = "ledger" if cell.system == PRODUCT else "plain"
        made = Result(
            *(cell.system, task, workload.name, run.events, cell.workers, round(run.per_second), not wrong, cell.kills),
            rss_mb=round(run.rss_mb),
            cpu_us=run.microseconds(),
            wrong=wrong,
            warm=cell.warm,
        )
        for line in report.table([made], {}).splitlines()[:2]:
            say(line)
        found.append(made)
    return report.median(found)


def in_log(ends: Ends) -> int:
    """How many records the topics hold: those of the workload, and the day that the sources closed when they were first started."""
    return sum(extent.end for extent in ends.values())


def say(line: str) -> None:
    """Print what was measured."""
    print(line, flush=True)


def announce(line: str) -> None:
    """Print what comes next and takes a while, on stderr."""
    print(line, file=sys.stderr, flush=True)


def measure(plan: Plan, seed: int) -> list[Result]:
    """Do all of a plan, print the table and write the file, which is written after each log."""
    known, began = datetime.now(ZONE).date(), time.perf_counter()
    results: list[Result] = []
    limits: dict[str, int] = {}
    for log in plan.logs:
        workload = log.generated(seed, known)
        with filled(workload) as (stack, ends, truth):
            for cell in log.cells:
                if cell.optional and time.perf_counter() - began > plan.optional_until:
                    say(f"left out, {plan.optional_until:.0f} s have passed: {cell.system}, {cell.workers} workers, {cell.kills} kills")
                    continue
                results.append(result_of(stack, ends, truth, workload, cell))
                if not limits and cell.system == PRODUCT:
                    limits = ceilings.measured(stack, ends)
            if log.operator:
                stack.up(2)
                results += operate(stack, workload.name, ends)
        path = report.write(plan.name, seed, known, results, limits)
    print(report.table(results, limits))
    print(path)
    return results


def main() -> None:
    """Read the options and measure; exit 1 if a figure of the product was not right."""
    options = command.options("bench.speed", __doc__)
    options.add_argument("plan", choices=[*PLANS, "one"])
    options.add_argument("--seed", type=int, default=None, help="of the log; left out: chosen at random and printed")
    options.add_argument("--events", type=command.positive, default=400_000)
    options.add_argument("--workload", default="in-order", choices=["in-order", "backdated", "many-enterprises"])
    options.add_argument("--system", default=PRODUCT, choices=[PRODUCT, *SYSTEMS])
    options.add_argument("--kills", type=int, choices=range(3), default=0)
    for name, default in (("workers", 2), ("times", 1)):
        options.add_argument(f"--{name}", type=command.positive, default=default)
    for name in ("enterprises", "years"):
        options.add_argument(f"--{name}", type=command.positive, default=None, help=f"{name} of the log, if not those of the workload")
    options.add_argument("--operator", action="store_true", help="time audit, reconcile, rebuild and republish too")
    options.add_argument("--warm", action="store_true", help="time the second fold of the same processes (the peers on Java)")
    given = command.begin(options)
    seed = secrets.randbelow(2**32) if given.seed is None else given.seed
    say(f"SEED={seed}")
    cell = Cell(given.workers, given.kills, given.times, given.system, given.warm)
    plan = PLANS.get(given.plan) or one(Log(given.events, given.workload, [cell], given.operator, given.enterprises, given.years))
    for log in plan.logs:
        try:
            next(facts(log.generated(seed, datetime.now(ZONE).date())))
        except ValueError as error:
            options.error(f"--events, --enterprises, --years: {error}")
    if wrong := report.wrong_of(PRODUCT, measure(plan, seed)):
        sys.exit("\n".join(["NOT RIGHT", *wrong]))


if __name__ == "__main__":
    main()
