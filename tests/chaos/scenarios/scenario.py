"""A job of `processes` with its input, and what must be true after it ran, whatever interrupted it."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import psutil

from shared.contracts import Envelope
from shared.process import db, faults
from shared.process.db import Pool
from tests.chaos import processes
from tests.conftest import Database, NewDatabase
from tests.patience import PATIENCE
from tests.settings import ChaosSettings

SETTINGS = ChaosSettings()
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(["tests.chaos.processes"])


@dataclass
class Environment:
    """A database, a log and the events published so far; each round adds to them."""

    database: Database
    pool: Pool
    log: Path
    chance: random.Random
    published: list[Envelope] = field(default_factory=list)
    days: int = 0

    def begin(self, scenario: Scenario, subjects: list[str], fault: str | None = None) -> ForkServerProcess:
        """Start the job in a process of its own."""
        arguments = (scenario.job, self.database.app_dsn, str(self.log), subjects, fault, scenario.modules)
        process = FORKS.Process(target=processes.main, args=arguments)
        process.start()
        return process

    def run(self, scenario: Scenario, subjects: list[str], fault: str | None = None) -> int:
        """Run the job to its end; its exit code, negative for a signal."""
        return exit_code_of(self.begin(scenario, subjects, fault), f"{scenario.job} with {fault}")


def exit_code_of(process: ForkServerProcess, what: str) -> int:
    """Wait until the process ends; its exit code."""
    process.join(4 * PATIENCE)
    if process.exitcode is None:
        process.kill()
    assert process.exitcode is not None, f"{what} does not end"
    return process.exitcode


def is_stopped(process: ForkServerProcess) -> bool:
    """Wait until the process ends (False) or is stopped by SIGSTOP (True)."""
    deadline = time.monotonic() + 4 * PATIENCE
    while process.exitcode is None and time.monotonic() < deadline:
        try:
            if psutil.Process(process.pid).status() == psutil.STATUS_STOPPED:
                return True
        except psutil.NoSuchProcess:
            return False
        process.join(0.02)
    return False


async def new_environment(database: NewDatabase, service: str, log: Path) -> Environment:
    """A fresh database of a service; prints the seed."""
    made = await database(service)
    print(f"PARKUNION_TEST_SEED={SETTINGS.seed}")
    pool = await db.create_pool(made.app_dsn, application_name="chaos.judge", max_size=2)
    return Environment(made, pool, log, random.Random(SETTINGS.seed))


@dataclass(frozen=True)
class Scenario:
    """A job with its input and its checks.

    `prepare` makes input and returns its subjects, `check` asserts the result for these subjects, `check_all` for the whole database at the
    end. `modules` are those of faults.LINES that this job covers, so that every line is covered by one job.
    """

    job: str
    service: str
    modules: tuple[str, ...]
    prepare: Callable[[Environment], Awaitable[list[str]]]
    check: Callable[[Environment, list[str]], Awaitable[None]]
    check_all: Callable[[Environment], Awaitable[None]] | None = None

    def __post_init__(self) -> None:
        """A module that was moved would be covered no longer, and nobody would see it."""
        missing = [module for module in self.modules if not (Path(faults.ROOT) / module).exists()]
        assert not missing, f"{self.job} covers what is not there: {missing}"


async def run_job(env: Environment, scenario: Scenario, subjects: list[str], fault: str | None = None) -> int:
    """Run the job in a process of its own; its exit code."""
    return await asyncio.to_thread(env.run, scenario, subjects, fault)
