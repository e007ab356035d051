"""One run of a peer over a filled log: its processes, kills, CPU, and whether its table is right."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import asyncpg

from bench.generator.truth import Truth
from bench.generator.workload import END
from bench.peers.systems import Peer
from bench.speed.projecting import KILL_AT, LONGEST, Run
from bench.speed.stack import BenchStack
from bench.speed.usage import Usage
from bench.speed.workers import Worker
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
"""Seconds without a change of the table after which a peer that is not right, and all of whose processes read, is taken to have ended."""

Table = dict[tuple[str, str], tuple[int, ...]]
"""{cell: the figures of MEASURES}"""


def jobs_of(stack: BenchStack, ends: Mapping[Place, Extent], peer: Peer, workers: int, warm: bool = False) -> list[dict[str, object]]:
    """What each process is to do: both topics of the partitions whose number falls to it. A system that divides them itself takes `run` as group."""
    jobs, run, processes = [], f"peer-{time.time_ns()}", peer.processes or workers
    folder = stack.folder.path / run
    folder.mkdir()
    for worker in range(processes):
        own: dict[str, dict[int, int]] = {}
        for (topic, number), extent in sorted(ends.items()):
            if number % processes == worker:
                own.setdefault(topic, {})[number] = extent.end
        base = {"bootstrap": stack.bootstrap, "dsn": stack.dsn(DATABASE), "worker": worker, "workers": workers, "run": run, "warm": warm}
        jobs.append({**base, "folder": str(folder), "temporary": str(folder), "group": f"{run}-{worker}", "ends": own})
    return jobs


def begin_again(stack: BenchStack) -> None:
    """An empty table in a database of the peers' own."""
    stack.postgres.execute(f"DROP DATABASE IF EXISTS {DATABASE} WITH (FORCE); CREATE DATABASE {DATABASE};")
    stack.postgres.execute(TABLE, DATABASE)


class PeerError(Exception):
    """A peer ended by itself with an error, or never wrote its table."""


async def run(
    stack: BenchStack, peer: Peer, jobs: Sequence[Mapping[str, object]], events: int, truth: Truth, kills: int
) -> tuple[Run, list[str]]:
    """Run a peer's processes until the table is right, or does not change any more; also returns what is wrong in it.

    `events`: the records of the log. Processes are killed when the table holds a third, and two thirds, of the members. If the jobs say
    `warm`, the same processes then fold the log a second time into an empty table, and the result is that of the second time.
    """
    wanted = _wanted(truth)
    conn = await asyncpg.connect(stack.dsn(DATABASE))
    began = time.perf_counter()
    usage = Usage()
    usage.look(stack.families())
    workers = [Worker(peer.command(job), stack.folder.logs / f"{peer.system}-{number}.log") for number, job in enumerate(jobs)]
    fold = _Fold(stack, peer, workers, conn, wanted)
    try:
        run, found = await fold.watched(usage, began, events, kills)
        if jobs[0]["warm"] and found == wanted:
            await _stopped(workers)
            await conn.execute("TRUNCATE coverage")
            began, usage = time.perf_counter(), Usage()
            usage.look(fold.families())
            for worker in workers:
                worker.next()
            run, found = await fold.watched(usage, began, events, 0)
    finally:
        for worker in workers:
            worker.kill()
        await conn.close()
    return run, _differences(found, wanted)


@dataclass
class _Fold:
    """Processes that fill the table."""

    stack: BenchStack
    peer: Peer
    workers: Sequence[Worker]
    conn: asyncpg.Connection[asyncpg.Record]
    wanted: Table

    def families(self) -> dict[str, list[int]]:
        return {**self.stack.families(), PEER: [worker.process.pid for worker in self.workers]}

    async def watched(self, usage: Usage, began: float, events: int, kills: int) -> tuple[Run, Table]:
        """What the fold took, and the table at its end."""
        members = sum(figures[-1] for figures in self.wanted.values())
        started, changed, found, waiting = 0.0, 0.0, Table(), list(KILL_AT[:kills])
        while found != self.wanted:
            await asyncio.sleep(POLL)
            before, found = found, await _table(self.conn)
            now = time.perf_counter()
            usage.look(self.families())
            if not started and (begun := [worker.read_from for worker in self.workers if worker.read_from is not None]):
                started = changed = min(begun)
            changed = now if found != before else changed
            if waiting and found != self.wanted and sum(figures[-1] for figures in found.values()) > waiting[0] * members:
                at_work = [worker for worker in self.workers if worker.process.poll() is None]
                if at_work:
                    waiting.pop(0)
                    at_work[len(waiting) % len(at_work)].kill()
                    at_work[len(waiting) % len(at_work)].start()
            if any(worker.process.poll() not in (None, 0) for worker in self.workers):
                raise PeerError(f"{self.peer.system} failed; {self._last_lines()}")
            reading = [worker.reads_since for worker in self.workers]
            if changed > started and all(reading) and now - max(changed, *(since or 0.0 for since in reading)) > UNCHANGED:
                break
            if now - began > LONGEST or now - max(began, changed) > NEVER_WROTE:
                raise PeerError(f"{self.peer.system} did not end; {self._last_lines()}")
        run = Run(events, changed - started, kills - len(waiting), usage.seconds(), usage.peak_mb.get(PEER, 0.0), started - began)
        return run, found

    def _last_lines(self) -> str:
        return " | ".join(last_lines(log, 2) for log in sorted(self.stack.folder.logs.glob(f"{self.peer.system}-*.log")))


async def _stopped(workers: Sequence[Worker]) -> None:
    """Have the processes end their first fold."""
    for worker in workers:
        worker.next()
    began = time.perf_counter()
    while not all(worker.stopped for worker in workers):
        if time.perf_counter() - began > NEVER_WROTE or any(worker.process.poll() is not None for worker in workers):
            raise PeerError("a process did not end its first fold")
        await asyncio.sleep(POLL)


def _differences(found: Table, wanted: Table) -> list[str]:
    return [
        f"{cell}: {found.get(cell)}, not {wanted.get(cell)}"
        for cell in sorted(found.keys() | wanted.keys())
        if found.get(cell) != wanted.get(cell)
    ]


async def _table(conn: asyncpg.Connection[asyncpg.Record]) -> Table:
    return {(park, industry): tuple(figures) for park, industry, *figures in await conn.fetch(SUMS)}


def _wanted(truth: Truth) -> Table:
    return {cell: tuple(int(figures.get(name, 0)) for name in MEASURES) for cell, figures in truth.coverage(END, truth.known).items()}
