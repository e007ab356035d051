"""A stack of the bench's own: filled while its services are down, and set back before each run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path

from bench.generator.publishing import fill
from bench.generator.records import PARTITIONS, SERVICE_NAMES, TOPICS, Record
from bench.speed.idle import Answers, wait_until_idle
from bench.stacks import parkunion, stop, temporary
from deploy.local.folder import Folder, read_json
from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import PostgresServer, database_of
from deploy.local.stack import Stack
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Extent, Place
from shared.process.migrate import migrate

METRICS = database_of("metrics")
LOCK_OUT = f"""
ALTER ROLE metrics_app NOLOGIN;
SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = '{METRICS}';
DROP DATABASE {METRICS} WITH (FORCE);
"""
LET_IN = "ALTER ROLE metrics_app LOGIN"
WORKERS = "projector"


class BenchStack:
    """A stack in `data`, as `./parkunion up --detach --workers N` starts it."""

    def __init__(self, data: Path) -> None:
        self.folder = Folder(data)
        self.stack = Stack(data)
        self.workers = 0
        self._started_here = False
        self._token = ""
        self._alone: dict[str, list[int]] = {}

    def up(self, workers: int) -> None:
        """Start it, with so many projectors. Does nothing if it runs like that."""
        if self.workers not in (0, workers):
            self.down()
        if not self.workers:
            self._started_here = not self.stack.alive()
            parkunion(self.folder.path, "up", "--detach", "--workers", str(workers))
            self.workers, self._token = workers, ""

    def down(self) -> None:
        """Stop it, if it was started here, and be it half."""
        self.workers = 0
        if self._started_here:
            stop(self.folder.path)

    @property
    def postgres(self) -> PostgresServer:
        """The server, wherever it was started."""
        port = read_json(self.folder.ports)["postgres"]
        return PostgresServer(self.folder.path / "postgres", port, self.folder.keys, self.folder.logs / "postgres.log")

    @property
    def bootstrap(self) -> str:
        return f"127.0.0.1:{read_json(self.folder.ports)['kafka']}"

    def dsn(self, database: str) -> str:
        """The DSN of a database for the superuser."""
        return self.postgres.dsn(database)

    def fill(self, log: Iterable[Record], closed: date | None = None) -> dict[Place, Extent]:
        """Write a log into a new stack's topics and journals, and leave its services down. Returns the extents of the topics.

        `closed`: the last day that the log closes.
        """
        self.up(1)
        self.down()
        with self.servers():
            if closed is not None:
                self._forget()
            return asyncio.run(fill(self.bootstrap, [self.dsn(database_of(name)) for name in SERVICE_NAMES], log, closed))

    def _forget(self) -> None:
        """Empty databases and topics: the sources have closed yesterday already, and a log that closes days begins before."""

        async def topics_anew() -> None:
            broker = KafkaBroker(self.bootstrap)
            for topic in TOPICS:
                await broker.delete_topic(topic)
                await broker.create_topic(topic, PARTITIONS)
            await broker.close()

        for name in (*SERVICE_NAMES, "metrics"):
            self.postgres.execute(f"DROP DATABASE {database_of(name)} WITH (FORCE)")
            self.postgres.provide(name)
            asyncio.run(migrate(self.postgres.dsn(database_of(name), f"{name}_owner"), name))
        asyncio.run(topics_anew())

    @contextlib.contextmanager
    def servers(self) -> Iterator[None]:
        """PostgreSQL and Kafka, without services."""
        self.down()
        ports = read_json(self.folder.ports)
        kafka = KafkaServer(self.folder.path / "kafka", ports["kafka"], ports["kafka_controller"], self.folder.logs / "kafka.log")
        postgres = self.postgres
        try:
            postgres.start()
            kafka.start()
            os.sync()
            self._alone = {"postgres": [postgres.pid or 0], "kafka": [kafka.pid or 0]}
            yield
        finally:
            self._alone = {}
            kafka.stop()
            postgres.stop()

    def begin_again(self) -> None:
        """Empty the database of metrics, and have the supervisor start its processes anew: they read the topics from their beginning.

        They are stopped meanwhile: a projector that finds no database ends, and after some failures is started again only seconds later.
        First all other services read the log to its end, and what the log and they have left to PostgreSQL and to the file system is done: else PostgreSQL
        takes up to 5.7 µs of CPU an event more in the first of several runs.
        """
        wait_until_idle(self._others)
        for name in self.stack.services:
            self.postgres.execute("VACUUM ANALYZE", database_of(name))
        self.postgres.execute("CHECKPOINT")
        os.sync()
        stopped = self._stop_metrics()
        self.postgres.execute(LOCK_OUT)
        self.postgres.provide("metrics")
        asyncio.run(migrate(self.postgres.dsn(METRICS, "metrics_owner"), "metrics"))
        self.postgres.execute(LET_IN)
        for pid in {*stopped, *self.pids("metrics")}:
            send(pid, signal.SIGKILL)

    def _others(self) -> Answers:
        """{service: its answer to /readyz} of all but metrics, whose processes are stopped, so that the others have the machine for themselves.

        The supervisor ends a stopped process after some seconds and starts another, which is stopped the next time.
        """
        self._stop_metrics()
        return {name: self.stack.readiness(name) for name in self.stack.services if name != "metrics"}

    def _stop_metrics(self) -> list[int]:
        stopped = self.pids("metrics")
        for pid in stopped:
            send(pid, signal.SIGSTOP)
        return stopped

    def token(self) -> str:
        """A token for all questions, made once."""
        if not self._token:
            self._token = self.stack.token()
        return self._token

    def pids(self, service: str, role: str | None = None) -> list[int]:
        """The processes of a service, or of one of its roles."""
        roles = self.stack.content["services"][service]["roles"]
        return [pid for name, pids in roles.items() if role in (None, name) for pid in pids]

    def families(self) -> dict[str, list[int]]:
        """{kind: first processes}: `projector`, `postgres`, `kafka`, `others`; without services the servers alone."""
        if self._alone:
            return self._alone
        content = self.stack.content
        others = [content["supervisor"][0]] if content else []
        found: dict[str, list[int]] = {
            WORKERS: [],
            "postgres": [content["postgres"]["pid"]],
            "kafka": [content["kafka"]["pid"]],
            "others": others,
        }
        for service in content["services"].values():
            for role, pids in service["roles"].items():
                found[WORKERS if role == WORKERS else "others"] += pids
        return found


@contextlib.contextmanager
def own_stack() -> Iterator[BenchStack]:
    """A stack of its own that is not started yet; stopped and removed at the end."""
    with temporary() as path:
        yield BenchStack(path)


def send(pid: int, number: int) -> None:
    """A signal, if the process is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
