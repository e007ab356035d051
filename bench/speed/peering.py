"""One run of a peer over a filled log: its processes, kills, CPU, and whether its table is right."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from bench.generator.truth import Truth
from bench.generator.workload import END
from bench.speed.projecting import KILL_AT, LONGEST, Run
from bench.speed.stack import BenchStack
from bench.speed.usage import Usage
from deploy.local.child import last_lines
from shared.broker.protocol import Extent, Place

DATABASE = "bench_peers"
TABLE = """
CREATE TABLE coverage (
    worker int NOT NULL, park text NOT NULL, industry text NOT NULL,
    units bigint NOT NULL, covered_units bigint NOT NULL, workers bigint NOT NULL, members bigint NOT NULL,
    PRIMARY KEY (worker, park, industry)
);
"""
SUMS = """
SELECT park, industry, sum(units)::bigint, sum(covered_units)::bigint, sum(workers)::bigint, sum(members)::bigint
FROM coverage GROUP BY park, industry HAVING sum(units) <> 0
"""
MEASURES = ("units", "covered_units", "workers", "members")
PEER = "peer"
POLL = 0.2
NEVER_WROTE = 180.0
UNCHANGED = 30.0
"""Seconds without a change of the table after which a peer that is not right is taken to have ended."""

Table = dict[tuple[str, str], tuple[int, ...]]
"""{cell: the figures of MEASURES}"""


@dataclass(frozen=True)
class Peer:
    """A system: `command(job)` is the program of one worker. It prints `reading` when it begins, keeps the table, and may end or stay."""

    system: str
    command: Callable[[Mapping[str, object]], Sequence[str]]


def jobs_of(stack: BenchStack, ends: Mapping[Place, Extent], workers: int) -> list[dict[str, object]]:
    """What each worker is to do: both topics of the partitions whose number falls to it. A system that divides them itself takes `run` as group."""
    jobs, run = [], f"peer-{time.time_ns()}"
    for worker in range(workers):
        own: dict[str, dict[int, int]] = {}
        for (topic, number), extent in sorted(ends.items()):
            if number % workers == worker:
                own.setdefault(topic, {})[number] = extent.end
        base = {"bootstrap": stack.bootstrap, "dsn": stack.dsn(DATABASE), "worker": worker, "run": run}
        jobs.append({**base, "folder": str(stack.folder.path / run), "group": f"{run}-{worker}", "ends": own})
    return jobs


def begin_again(stack: BenchStack) -> None:
    """An empty table in a database of the peers' own."""
    stack.postgres.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE); CREATE DATABASE {DATABASE};")
    stack.postgres.execute(TABLE, DATABASE)


class PeerError(Exception):
    """A peer ended by itself with an error, or never wrote its table."""


class _Worker:
    """One process of a peer. `read_from`: when it began to read first."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self._command, self._log = command, log
        self.read_from: float | None = None
        self.start()

    def start(self) -> None:
        """Start it, again if it was killed."""
        with self._log.open("ab") as errors:
            self.process = subprocess.Popen(self._command, stdout=subprocess.PIPE, stderr=errors, text=True)
        threading.Thread(target=self._follow, args=(self.process,), daemon=True).start()

    def _follow(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if line.strip() == "reading" and self.read_from is None:
                self.read_from = time.perf_counter()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


async def run(
    stack: BenchStack, peer: Peer, jobs: Sequence[Mapping[str, object]], events: int, truth: Truth, kills: int
) -> tuple[Run, list[str]]:
    """Run a peer's workers until the table is right, or does not change any more; also returns what is wrong in it.

    `events`: the records of the log. Workers are killed when the table holds a third, and two thirds, of the members.
    """
    wanted = _wanted(truth)
    members = sum(figures[-1] for figures in wanted.values())
    conn = await asyncpg.connect(stack.dsn(DATABASE))
    usage, began = Usage(), time.perf_counter()
    usage.look(stack.families())
    workers = [_Worker(peer.command(job), stack.folder.logs / f"{peer.system}-{number}.log") for number, job in enumerate(jobs)]
    started, changed, found, waiting = 0.0, 0.0, Table(), list(KILL_AT[:kills])
    try:
        while found != wanted:
            await asyncio.sleep(POLL)
            before, found = found, await _table(conn)
            now = time.perf_counter()
            usage.look({**stack.families(), PEER: [worker.process.pid for worker in workers]})
            if not started and (begun := [worker.read_from for worker in workers if worker.read_from is not None]):
                started = changed = min(begun)
            changed = now if found != before else changed
            if waiting and found != wanted and sum(figures[-1] for figures in found.values()) > waiting[0] * members:
                at_work = [worker for worker in workers if worker.process.poll() is None]
                if at_work:
                    waiting.pop(0)
                    at_work[len(waiting) % len(at_work)].kill()
                    at_work[len(waiting) % len(at_work)].start()
            if any(worker.process.poll() not in (None, 0) for worker in workers):
                raise PeerError(f"{peer.system} failed; {_last_lines(stack.folder.logs, peer.system)}")
            if changed > started and now - changed > UNCHANGED:
                break
            if now - began > LONGEST or (changed == started and now - began > NEVER_WROTE):
                raise PeerError(f"{peer.system} did not end; {_last_lines(stack.folder.logs, peer.system)}")
    finally:
        for worker in workers:
            worker.kill()
        await conn.close()
    wrong = [
        f"{cell}: {found.get(cell)}, not {wanted.get(cell)}"
        for cell in sorted(found.keys() | wanted.keys())
        if found.get(cell) != wanted.get(cell)
    ]
    return Run(events, changed - started, kills - len(waiting), usage.seconds(), usage.peak_mb.get(PEER, 0.0), started - began), wrong


def _last_lines(logs: Path, system: str) -> str:
    return " | ".join(last_lines(log, 2) for log in sorted(logs.glob(f"{system}-*.log")))


async def _table(conn: asyncpg.Connection[asyncpg.Record]) -> Table:
    return {(park, industry): tuple(figures) for park, industry, *figures in await conn.fetch(SUMS)}


def _wanted(truth: Truth) -> Table:
    return {cell: tuple(int(figures.get(name, 0)) for name in MEASURES) for cell, figures in truth.coverage(END, truth.known).items()}
