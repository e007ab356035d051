"""What is measured: a stack that lets webhooks go to loopback, or PostgreSQL and Kafka with single processes of subscriptions.

Grants and subscriptions are written as the owner of the database, as many as the parts need.
"""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg

from bench.generator.records import PARTITIONS
from bench.stacks import parkunion, temporary
from deploy.local.child import end
from deploy.local.folder import Folder
from deploy.local.servers.kafka import KafkaServer
from deploy.local.servers.postgres import SUPERUSER, PostgresServer, database_of
from deploy.local.stack import Stack
from deploy.local.supervising.processes import Addresses, Choices, service_environment
from services.subscriptions.matching.catalogue import defaults
from services.subscriptions.matching.current import next_revision
from services.subscriptions.signing import store as signing
from services.subscriptions.signing.sealing import Sealing
from shared.contracts.ids import uuid7
from shared.contracts.services import SERVICES
from shared.process.migrate import migrate

SUBSCRIPTIONS = database_of("subscriptions")
NOWHERE = "http://127.0.0.1:1"
LOOPBACK = "127.0.0.0/8"
TOPICS = SERVICES["subscriptions"].topics_read()
"""What the fan-out waits for before it reads, whether or not the log of the bench has events of it."""
BUREAU = "bench-bureau"
LEGAL = "Trade Union Law"
PUT_GRANT = "INSERT INTO grants VALUES ($1, $2, 'bench', $3, 'bench', parkunion_now())"
PUT_VERSION = """
INSERT INTO grant_versions (grant_id, revision, kind, areas, types, fields, changed_by, changed_at)
VALUES ($1, $2, 'given', $3, $4, $5, 'bench', parkunion_now())
"""
PUT_SUBSCRIPTION = """
INSERT INTO subscriptions (id, grant_id, client, types, filter, kind, url, signature, status, status_at, opened_revision, created_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, parkunion_now(), $10, parkunion_now())
"""
START = "UPDATE subscriptions SET status = 'active' WHERE status = 'paused'"
DUE = "UPDATE queues SET due_at = parkunion_now() WHERE subscription IN (SELECT subscription FROM lanes)"
LANES_DUE = "UPDATE lanes SET due_at = parkunion_now(), attempts = 0"


@dataclass(frozen=True, slots=True)
class Asked:
    """A subscription to make. `types` None: all; `url` None: to be pulled."""

    areas: Sequence[str]
    types: Sequence[str] | None = None
    filter: Mapping[str, Any] = field(default_factory=dict)
    url: str | None = None
    status: str = "active"


class House:
    """A database of subscriptions. `folder`: that of its stack."""

    folder: Folder

    def dsn(self, database: str) -> str:
        """The DSN of a database for the superuser."""
        raise NotImplementedError

    def families(self) -> dict[str, list[int]]:
        """{kind of process: first processes}"""
        raise NotImplementedError

    async def connect(self) -> asyncpg.Connection[asyncpg.Record]:
        """A connection to the database of subscriptions."""
        conn = await asyncpg.connect(self.dsn(SUBSCRIPTIONS))
        for kind in ("json", "jsonb"):
            await conn.set_type_codec(kind, encoder=lambda value: json.dumps(value), decoder=json.loads, schema="pg_catalog")
        return conn

    def sealing(self) -> Sealing:
        """What seals the keys of signatures in this stack."""
        ring = (one.partition(":") for one in self.folder.versions("encryption").split(","))
        return Sealing({int(number): bytes.fromhex(key) for number, _, key in ring})

    async def subscribe(self, asked: Sequence[Asked]) -> list[UUID]:
        """Make these subscriptions, each under a grant of its own, in one transaction."""
        sealing, made, types = self.sealing(), [], list(defaults())
        shown = {name: list(fields) for name, fields in defaults().items()}
        grants, versions, subscriptions = [], [], []
        conn = await self.connect()
        try:
            async with conn.transaction():
                revision, now = await next_revision(conn), await conn.fetchval("SELECT parkunion_now()")
                key = await signing.service_key(conn, sealing, now)
                for one in asked:
                    grant, subscription = uuid7(), uuid7()
                    made.append(subscription)
                    grants.append((grant, BUREAU, LEGAL))
                    versions.append((grant, revision, list(one.areas), types, shown))
                    named = list(one.types) if one.types is not None else None
                    how = ("webhook", one.url, "v1a") if one.url is not None else ("pull", None, None)
                    subscriptions.append((subscription, grant, BUREAU, named, dict(one.filter), *how, one.status, revision))
                await conn.executemany(PUT_GRANT, grants)
                await conn.executemany(PUT_VERSION, versions)
                await conn.executemany(PUT_SUBSCRIPTION, subscriptions)
                await conn.executemany("INSERT INTO queues (subscription) VALUES ($1)", [(one,) for one in made])
                signed = [(subscription, key.kid, now) for subscription, one in zip(made, asked, strict=True) if one.url is not None]
                await conn.executemany(signing.USE_KEY, signed)
        finally:
            await conn.close()
        return made

    async def begin(self) -> None:
        """Let the delivery process send what is queued of subscriptions that were made paused."""
        conn = await self.connect()
        async with conn.transaction():
            await conn.execute(START)
            await conn.execute(DUE)
            await conn.execute("SELECT pg_notify('deliveries', '')")
        await conn.close()

    async def try_again(self) -> None:
        """Let everything that waits for its next attempt be due, as after an operator's redelivery."""
        conn = await self.connect()
        async with conn.transaction():
            await conn.execute(DUE)
            await conn.execute(LANES_DUE)
            await conn.execute("SELECT pg_notify('deliveries', '')")
        await conn.close()


class DeliveryStack(House):
    """A stack as `./parkunion up --detach --allow-network 127.0.0.0/8` starts it."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self.stack = Stack(path)

    def up(self) -> None:
        """Start it; ready when this returns."""
        parkunion(self.folder.path, "up", "--detach", "--allow-network", LOOPBACK)

    def dsn(self, database: str) -> str:
        return PostgresServer(self.folder.path / "postgres", self.stack.content["postgres"]["port"], self.folder.keys).dsn(database)

    def families(self) -> dict[str, list[int]]:
        content = self.stack.content
        found = {"postgres": [content["postgres"]["pid"]], "kafka": [content["kafka"]["pid"]], "others": list[int]()}
        for name, service in content["services"].items():
            for role, pids in service["roles"].items():
                found.setdefault(role if name == "subscriptions" else "others", []).extend(pids)
        return found

    def status(self) -> dict[str, Any]:
        """What `parkunion status --json` says."""
        found: dict[str, Any] = json.loads(parkunion(self.folder.path, "status", "--json"))
        return found

    def idle(self) -> bool:
        """Whether every event is published, and read by everyone."""
        return all(one["outbox"] == 0 and one["lag_events"] == 0 for one in self.status()["services"].values())


class Alone(House):
    """PostgreSQL with a database of subscriptions, Kafka if it is asked for, and processes of subscriptions without the other services."""

    def __init__(self, path: Path) -> None:
        self.folder = Folder(path)
        self.folder.prepare()
        self._postgres = PostgresServer(path / "postgres", None, self.folder.keys, self.folder.logs / "postgres.log")
        self._kafka = KafkaServer(path / "kafka", None, None, self.folder.logs / "kafka.log")
        self._processes: dict[str, list[subprocess.Popen[bytes]]] = {}
        self.bootstrap = "127.0.0.1:1"

    def up(self, *, kafka: bool) -> None:
        """Start the servers, with an empty database and empty topics."""
        self._postgres.start()
        self._postgres.provide("subscriptions")
        asyncio.run(migrate(self.dsn(SUBSCRIPTIONS, "subscriptions_owner"), "subscriptions"))
        if kafka:
            self._kafka.start()
            self._kafka.create_topics(TOPICS, PARTITIONS)
            self.bootstrap = self._kafka.bootstrap

    def down(self) -> None:
        """Stop everything."""
        for role in list(self._processes):
            self.stop(role)
        self._kafka.stop()
        self._postgres.stop()

    def start(self, role: str, count: int = 1) -> None:
        """Start so many processes of a role."""
        addresses = Addresses(self.dsn(SUBSCRIPTIONS, "subscriptions_app"), self.bootstrap, NOWHERE, NOWHERE, NOWHERE, 0)
        for number in range(count):
            env = service_environment("subscriptions", self.folder, addresses, Choices({}, allow_networks=[LOOPBACK]))
            env |= {"PARKUNION_INSTANCE": f"{role}-{number}"}
            with (self.folder.logs / f"{role}-{number}.log").open("ab") as log:
                process = subprocess.Popen(
                    [sys.executable, "-P", "-m", "services.subscriptions", "--role", role], env=env, cwd="/", stdout=log, stderr=log
                )
            self._processes.setdefault(role, []).append(process)

    def stop(self, role: str) -> None:
        """Stop the processes of a role."""
        for process in self._processes.pop(role, ()):
            end(process, signal.SIGTERM, 15)

    def dsn(self, database: str, user: str = SUPERUSER) -> str:
        return self._postgres.dsn(database, user)

    def families(self) -> dict[str, list[int]]:
        found = {role: [process.pid for process in processes] for role, processes in self._processes.items()}
        return {"postgres": [self._postgres.pid or 0], **({"kafka": [self._kafka.pid]} if self._kafka.pid else {}), **found}


@contextmanager
def own_stack() -> Iterator[DeliveryStack]:
    """A whole stack of its own, running."""
    with temporary() as path:
        stack = DeliveryStack(path)
        stack.up()
        yield stack


@contextmanager
def alone(*, kafka: bool) -> Iterator[Alone]:
    """PostgreSQL, and Kafka if asked for, running, without any service."""
    with temporary() as path:
        house = Alone(path)
        try:
            house.up(kafka=kafka)
            yield house
        finally:
            house.down()
