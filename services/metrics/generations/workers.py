"""Compares shards in processes of their own, one for each processor, on one snapshot.

They are forked, so they have what the command has loaded and decided; each has its own connections and reads the log itself, and takes the next shard
when it is done with one. What they find is what one process finds (`shards.in_turn`). An error of one ends all; they end with the command, also if it
is killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import multiprocessing
import os
import pickle
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection as Pipe
from multiprocessing.context import ForkProcess
from typing import Any

from services.metrics.generations.shards import Basis, ShardReport, compare_shard, in_turn, snapshot
from shared.broker.protocol import Broker
from shared.process.db import Connection

MOST = 8
"""Processes; each has two connections and a shard in memory."""
END_WITHIN = 5.0
EXPORT = "SELECT pg_export_snapshot()"


class WorkerEnded(Exception):
    """A process that compared a shard ended by itself; the text is in Chinese and in English."""

    def __init__(self, code: int | None) -> None:
        super().__init__(f"比较分区的进程意外结束(退出码 {code}) / a process that compared a shard ended by itself (exit code {code})")


class WorkerFailed(Exception):
    """An error of a process that compared a shard, which cannot be carried over as it was; the text is in Chinese and in English."""

    def __init__(self, what: str) -> None:
        super().__init__(f"比较分区时出错:{what} / a shard could not be compared: {what}")


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Workers:
    """`compare` of up to `number` processes; `connect(name)` and `broker()` make what each of them needs."""

    number: int
    connect: Callable[[], Coroutine[Any, Any, Connection]]
    broker: Callable[[], Broker]

    async def compare(self, conn: Connection, basis: Basis) -> list[ShardReport]:
        """Compare every shard with the rows in the snapshot of `conn`; the reports by shard. Raises the first error of a worker."""
        number = min(self.number, MOST, len(basis.vector))
        if number < 2:
            return await self._alone(conn, basis)
        exported = await conn.fetchval(EXPORT)
        waiting = iter(sorted(basis.vector, key=lambda shard: -sum(basis.vector[shard].values())))
        gc.collect()
        gc.freeze()
        started = list[_Worker]()
        try:
            for _ in range(number):
                started.append(_Worker(self, basis, exported, started))
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(_feed(worker, waiting)) for worker in started]
        except ExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            for worker in started:
                worker.end()
            gc.unfreeze()
        return sorted((report for task in tasks for report in task.result()), key=lambda report: report.shard)

    async def _alone(self, conn: Connection, basis: Basis) -> list[ShardReport]:
        writing = await self.connect()
        try:
            return await in_turn(conn, basis, writing)
        finally:
            await writing.close(timeout=END_WITHIN)

    async def work(self, pipe: Pipe, basis: Basis, exported: str) -> None:
        """Compare the shards that are named through `pipe` until it ends."""
        async with self._opened(basis, exported) as (reading, writing, own):
            while (shard := await _received(pipe)) is not None:
                pipe.send(await compare_shard(reading, writing, own, shard))

    @asynccontextmanager
    async def _opened(self, basis: Basis, exported: str) -> AsyncIterator[tuple[Connection, Connection, Basis]]:
        broker = self.broker()
        reading, writing = await self.connect(), await self.connect()
        async with snapshot(reading, exported):
            yield reading, writing, replace(basis, event_log=replace(basis.event_log, broker=broker))
        for conn in (reading, writing):
            await conn.close(timeout=END_WITHIN)
        await broker.close()


def _first(errors: ExceptionGroup[Exception]) -> Exception:
    first: Exception = errors
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


async def _feed(worker: _Worker, waiting: Iterator[int]) -> list[ShardReport]:
    """Give a worker one shard after the other until none is left."""
    found = []
    for shard in waiting:
        worker.pipe.send(shard)
        answer = await worker.answer()
        if isinstance(answer, BaseException):
            raise answer
        found.append(answer)
    return found


class _Worker:
    """A process, and this end of the pipe to it."""

    def __init__(self, workers: Workers, basis: Basis, exported: str, earlier: list[_Worker]) -> None:
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        ours = [self.pipe, *(worker.pipe for worker in earlier)]
        self._process: ForkProcess = context.Process(target=_run, args=(workers, other, basis, exported, ours), daemon=True)
        self._process.start()
        other.close()

    async def answer(self) -> ShardReport | BaseException:
        """What it sends next; an error if it ended."""
        try:
            found: ShardReport | BaseException | None = await _received(self.pipe)
        except OSError:
            found = None
        if found is None:
            await asyncio.to_thread(self._process.join, END_WITHIN)
            return WorkerEnded(self._process.exitcode)
        return found

    def end(self) -> None:
        """End it; what it was doing is thrown away."""
        self.pipe.close()
        self._process.join(0.2 if self._process.is_alive() else 0)
        if self._process.is_alive():
            self._process.kill()
        self._process.join(END_WITHIN)


async def _received(pipe: Pipe) -> Any:
    """The next message; None at the end of the pipe."""
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(pipe.fileno(), ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(pipe.fileno())
    try:
        return pipe.recv()
    except EOFError:
        return None


def _run(workers: Workers, pipe: Pipe, basis: Basis, exported: str, ours: list[Pipe]) -> None:
    """A worker's process. Ctrl-C is for the command, which ends its workers."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    for end in ours:
        end.close()
    try:
        asyncio.run(_until_the_command_ends(workers.work(pipe, basis, exported)))
    except Exception as error:
        with contextlib.suppress(OSError):
            pipe.send(_portable(error))


async def _until_the_command_ends(work: Coroutine[Any, Any, None]) -> None:
    """Do the work, unless the command that started this process ends first."""
    parent = multiprocessing.parent_process()
    loop = asyncio.get_running_loop()
    if parent is not None:
        loop.add_reader(parent.sentinel, os._exit, 1)
    await work


def _portable(error: Exception) -> Exception:
    """The error as it is, if it can be carried over, or its text."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - our own bytes
    except Exception:
        return WorkerFailed(f"{type(error).__name__}: {error}")
    return error
