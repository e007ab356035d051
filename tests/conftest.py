"""The real PostgreSQL and the real Kafka of the local stack: one of each per test worker, a fresh database and fresh topics per test.

`PARKUNION_TEST_CONTAINERS=1` runs both in containers instead (`make test-containers`).
"""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any

import asyncpg
import hypothesis
import pytest
import structlog
from xdist.scheduler.loadscope import LoadScopeScheduling

from deploy.local.child import StartError
from deploy.local.servers.kafka import KafkaServer, create_topics
from deploy.local.servers.postgres import SETTINGS, PostgresServer
from shared.broker.kafka import KafkaBroker
from shared.contracts.ids import uuid7
from shared.process.db import Pool, create_pool
from shared.process.memory import COLLECT_AFTER
from shared.process.migrate import migrate
from tests import kept
from tests.in_memory import folder_in_memory
from tests.settings import ChaosSettings, ServerSettings

TOGETHER = ("tests/e2e/city", "tests/e2e/demo_city", "tests/integration/local/stack")
"""Folders whose tests share one stack."""
APART = ("tests/chaos/test_every_line.py", "tests/chaos/test_every_point.py", "tests/unit/metrics/folding/test_histories.py")
"""Files of long tests that need nothing of each other."""
FIRST = ("tests/unit/test_hanging_tests.py",)
"""Files that take long and would come last, when the other workers have nothing left to do."""
BUSY = ("tests/e2e/", "tests/browser/", "tests/chaos/", "tests/migrations/", "tests/integration/local/")
"""Where tests have whole stacks and browsers: a file of each in turn, and with each some of the others, which mostly wait. All of these at once take
turns for the processors, and all of the others at once leave them idle."""
BESIDE = 4
"""Other files that begin after each of these; few enough that the last of these is not the last of all."""
TERMINAL = pytest.StashKey[int]()
"""Where the stacks of a process go that is ended by force."""
UNSYNCED = {**SETTINGS, "fsync": "off", "full_page_writes": "off", "scram_iterations": "1", "max_wal_size": "128MB"}
"""Tests kill processes, not machines: what was written survives that, and waiting for a disk proves nothing. Nobody guesses their passwords.
Their log needs no more room than in memory."""
PLAIN = "?sslmode=disable"
"""The servers of the tests have no TLS. Without this each connection prepares it first, and asks for it in vain."""
DUMMY_MIGRATIONS = Path(__file__).parent / "dummy_service" / "migrations"


@dataclass(frozen=True, slots=True)
class Database:
    """A migrated database of one service, empty but for what its migrations put there."""

    name: str
    service: str
    app_dsn: str
    owner_dsn: str


NewDatabase = Callable[[str], Awaitable[Database]]
NewTopics = Callable[..., Awaitable[list[str]]]


def pytest_configure(config: pytest.Config) -> None:
    """One seed for all workers, and one line instead of an error for every test if containers are wanted and there is no engine."""
    # Later, while a test runs, its output is captured.
    config.stash[TERMINAL] = os.dup(2)
    os.environ.setdefault("PARKUNION_TEST_SEED", str(ChaosSettings().seed))
    # No property is about how long an example takes, and on a machine with much to do some take long.
    hypothesis.settings.register_profile("untimed", hypothesis.settings.default, deadline=None)
    hypothesis.settings.load_profile("untimed")
    # Tracebacks with the values of all variables take a second each, in the loop of the test.
    console = structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], console])
    kept.keep()
    if ServerSettings().containers:
        from tests.containers import require_engine

        try:
            require_engine()
        except StartError as failure:
            raise pytest.UsageError(str(failure)) from None


def pytest_sessionstart() -> None:
    """What a collection makes stays: looking for garbage meanwhile finds none."""
    gc.disable()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with `FIRST`; several workers mix what computes with what waits, one keeps the order of the folders."""
    items.sort(key=lambda item: item.nodeid.partition("::")[0] not in FIRST)
    if hasattr(config, "workerinput"):
        items[:] = mixed(items)


def mixed(items: Iterable[pytest.Item]) -> list[pytest.Item]:
    """The tests of `BUSY` among the others, those of a scope together."""
    scopes: dict[str, list[pytest.Item]] = {}
    for item in items:
        scopes.setdefault(scope_of(item.nodeid), []).append(item)
    kinds = zip_longest(*([scope for scope in scopes if scope.startswith(kind)] for kind in BUSY))
    busy = [scope for of_each_kind in kinds for scope in of_each_kind if scope]
    others = iter([scope for scope in scopes if not scope.startswith(BUSY)])
    order = [scope for one in busy for scope in (one, *islice(others, BESIDE))]
    return [item for scope in (*order, *others) for item in scopes[scope]]


def scope_of(nodeid: str) -> str:
    """What goes to one worker together: a file's tests, those of `TOGETHER` with their neighbours, each of `APART` alone."""
    file = nodeid.partition("::")[0]
    folder = file.rpartition("/")[0]
    return folder if folder in TOGETHER else nodeid if file in APART else file


def pytest_collection_finish() -> None:
    """Nothing of what was imported is looked at for garbage, now or later. The readers look for theirs at the end of each session, and tests have
    hundreds of sessions in one process, each of which would go through half a million objects of other tests."""
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    gc.enable()


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Whoever is free takes the next scope."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)

    def remove_node(self, node: Any) -> str | None:
        """Returns the test during which the worker ended. pytest-xdist 3.8 would run it again, and give whoever is free what is done already."""
        work = self.assigned_work[node]
        ended = next((test for unit in work.values() for test, done in unit.items() if not done), None)
        for unit in work.values():
            if ended in unit:
                unit[ended] = True
        self.assigned_work[node] = {scope: unit for scope, unit in work.items() if not all(unit.values())}
        super().remove_node(node)
        return ended


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together:
    """How pytest-xdist divides the tests (`--dist loadgroup` of version 3.8 does nothing under pytest 9.2)."""
    return Together(config, log)


def _ended_by_force(item: pytest.Item) -> Generator[None, object, object]:
    """Ends the worker, with the stacks of all threads, if a phase of a test goes on although pytest-timeout has failed the test."""
    given = item.config.getoption("timeout")
    # 0 on the command line means no limit at all.
    if limit := 1.2 * float(item.config.getini("timeout") if given is None else given):
        faulthandler.dump_traceback_later(limit, exit=True, file=item.config.stash[TERMINAL])
    try:
        return (yield)
    finally:
        faulthandler.cancel_dump_traceback_later()


# For each phase anew: pytest takes the limit back when a phase has failed.
pytest_runtest_setup = pytest_runtest_call = pytest_runtest_teardown = pytest.hookimpl(wrapper=True, tryfirst=True)(_ended_by_force)


def pytest_runtest_logfinish(nodeid: str) -> None:
    """The applications of a test end with it. A comparison of generations by several processes, which divides its memory with them, has given
    everything back to the collector: what is young is looked through, not all that was ever imported."""
    kept.let_go()
    if "/generations/" in nodeid and not gc.get_freeze_count():
        gc.collect(1)
        gc.freeze()


@pytest.fixture(scope="session")
def postgres_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    folder, settings = tmp_path_factory.mktemp("postgres"), ServerSettings()
    if settings.containers:
        from tests.containers import PostgresContainer

        with PostgresContainer(folder, settings.postgres_image) as contained:
            yield contained
        return
    with folder_in_memory("postgres") as data:
        server = PostgresServer(data, log=folder / "postgres.log", settings=UNSYNCED)
        server.start()
        yield server
        server.stop()


@pytest.fixture(scope="session")
def kafka_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaServer]:
    folder, settings = tmp_path_factory.mktemp("kafka"), ServerSettings()
    if settings.containers:
        from tests.containers import KafkaContainer

        with KafkaContainer(folder, settings.kafka_image) as contained:
            yield contained
        return
    with folder_in_memory("kafka") as data:
        server = KafkaServer(data, log=folder / "kafka.log")
        server.start()
        yield server
        # Nobody reads its folder again, and an orderly stop takes it seconds.
        server.stop(grace=0)


@pytest.fixture(scope="session")
def templates() -> set[str]:
    """The services whose migrated templates this worker's server has."""
    return set()


@pytest.fixture
async def database(postgres_server: PostgresServer, templates: set[str]) -> AsyncIterator[NewDatabase]:
    """`await database("registry")` copies a migrated template of that service, which is made once per worker; `dummy` is tests/dummy_service."""
    made: list[str] = []

    async def administer(*statements: str) -> None:
        admin = await asyncpg.connect(postgres_server.dsn() + PLAIN)
        for statement in statements:
            await admin.execute(statement)
        await admin.close()

    async def new(service: str) -> Database:
        owner, app, template = f"{service}_owner", f"{service}_app", f"template_{service}"
        if service not in templates:
            postgres_server.create_role(owner)
            postgres_server.create_role(app)
            postgres_server.create_database(template, owner)
            await migrate(postgres_server.dsn(template, owner), service, folder=DUMMY_MIGRATIONS if service == "dummy" else None)
            templates.add(service)
        name = f"{service}_{uuid7().hex[-12:]}"
        await administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{owner}" STRATEGY FILE_COPY')
        made.append(name)
        return Database(name, service, postgres_server.dsn(name, app) + PLAIN, postgres_server.dsn(name, owner) + PLAIN)

    yield new
    if made:
        await administer(*(f'DROP DATABASE "{name}" WITH (FORCE)' for name in made))


@pytest.fixture
async def dummy(database: NewDatabase) -> Database:
    """A fresh database of the dummy service."""
    return await database("dummy")


@pytest.fixture
async def pool(dummy: Database) -> AsyncIterator[Pool]:
    """A pool of the dummy service's database, with the role of a running service."""
    pool = await create_pool(dummy.app_dsn, application_name="dummy.tests")
    yield pool
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(5):
            await pool.close()


@pytest.fixture
async def kafka(kafka_server: KafkaServer) -> AsyncIterator[KafkaBroker]:
    broker = KafkaBroker(kafka_server.bootstrap)
    yield broker
    await broker.close()


@pytest.fixture
def topic_prefix() -> str:
    """Unlike any other test's."""
    return f"test-{uuid7().hex[-12:]}."


@pytest.fixture
def new_topics(kafka_server: KafkaServer, topic_prefix: str) -> NewTopics:
    """`await new_topics("a", "b", partitions=4)` creates topics that are this test's own, and returns their names."""

    async def new(*names: str, partitions: int = 4) -> list[str]:
        topics = [topic_prefix + name for name in names]
        await create_topics(kafka_server.bootstrap, topics, partitions)
        return topics

    return new
