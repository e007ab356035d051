"""Connections to PostgreSQL are cut after COMMIT was sent and before its answer arrived; half of these commits happen, half do not.

The registry's API, its relay and a projector each use such a proxy; clients repeat unanswered commands under their keys.
"""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest

from deploy.local.servers.kafka import KafkaServer
from services.metrics import app as metrics_app
from services.metrics.settings import Settings as MetricsSettings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import partition_of
from shared.contracts import registry
from shared.process import db
from shared.reading.lag import lag
from shared.relaying.relay import Relay
from tests import oracle
from tests.chaos.checks import one_effect_each
from tests.chaos.cutting_proxy import CuttingProxy
from tests.chaos.load import Outcome
from tests.conftest import NewDatabase, NewTopics
from tests.dummy_service.reading import running, until
from tests.e2e.journals import journal_of
from tests.integration.client import settings_of
from tests.integration.metrics.service import Metrics
from tests.integration.registry.service import Registry, at_work, settling
from tests.settings import ChaosSettings

SETTINGS = ChaosSettings()
PARTITIONS = 4
CLIENTS, COMMANDS = 5, 25
CHANCE = 0.2


def through(dsn: str, port: int) -> str:
    """The same database, behind the proxy."""
    parts = urlsplit(dsn)
    return urlunsplit(parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}"))


@asynccontextmanager
async def cutting(dsn: str, seed: str) -> AsyncIterator[CuttingProxy]:
    """A proxy before the server of that DSN."""
    parts = urlsplit(dsn)
    assert parts.hostname is not None
    assert parts.port is not None
    async with CuttingProxy(parts.hostname, parts.port, CHANCE, random.Random(seed).getrandbits(32)) as proxy:
        yield proxy


class Client:
    """Sends commands about its own enterprises until each is answered, and sometimes repeats one."""

    def __init__(self, registry: Registry, number: int, outcomes: dict[str, list[Outcome]]) -> None:
        self._registry = registry
        self._number = number
        self._chance = random.Random(f"{SETTINGS.seed}/{number}")
        self._outcomes = outcomes

    async def run(self) -> None:
        enterprises: list[str] = []
        for n in range(COMMANDS * SETTINGS.rounds):
            key = f"{self._number}/{n}"
            path, body = "/v1/enterprises", settling(name=f"示例{key}")
            if enterprises and self._chance.random() < 0.7:
                path = f"/v1/enterprises/{self._chance.choice(enterprises)}/headcounts"
                body = {"on": f"2024-{self._chance.randint(1, 12):02d}-01", "workers": self._chance.randint(0, 60)}
            made = await self._send(path, body, key)
            if path == "/v1/enterprises":
                enterprises.append(made.id)
            if self._chance.random() < 0.1:
                await self._send(path, body, key)

    async def _send(self, path: str, body: Any, key: str) -> Outcome:
        while True:
            status, answer = await self._registry.post(path, body, Idempotency_Key=key)
            if status != 503:
                outcome = Outcome.of(status, answer)
                self._outcomes[key].append(outcome)
                assert outcome.status == 201, outcome
                return outcome


@pytest.mark.slow
@pytest.mark.invariant("I1")
async def test_whatever_commit_is_cut_off_every_command_counts_once(
    database: NewDatabase, kafka: KafkaBroker, kafka_server: KafkaServer, new_topics: NewTopics, topic_prefix: str
) -> None:
    print(f"PARKUNION_TEST_SEED={SETTINGS.seed}")
    topic, *_ = await new_topics("registry.v1", "membership.v1", "cases.v1", partitions=PARTITIONS)
    registers, metrics_database = await database("registry"), await database("metrics")
    outcomes: dict[str, list[Outcome]] = defaultdict(list)
    look = await db.create_pool(metrics_database.app_dsn, application_name="chaos.judge", max_size=2)
    async with (
        cutting(registers.app_dsn, f"{SETTINGS.seed}/registry") as before,
        cutting(metrics_database.app_dsn, f"{SETTINGS.seed}/metrics") as behind,
    ):
        pool = await db.create_pool(through(registers.app_dsn, before.port), application_name="registry.commands", by_key=True, min_size=1)
        settings = settings_of(
            MetricsSettings,
            dsn=through(metrics_database.app_dsn, behind.port),
            kafka=kafka_server.bootstrap,
            partitions=PARTITIONS,
            topic_prefix=topic_prefix,
        )
        relay = Relay(through(registers.app_dsn, before.port), kafka, registry.SOURCE, topic, PARTITIONS, batch=5)
        stop = asyncio.Event()
        projecting = asyncio.ensure_future(metrics_app.roles(settings)["projector"](stop))
        try:
            async with at_work(pool) as api, running(relay):
                await _areas(api, outcomes)
                async with asyncio.TaskGroup() as clients:
                    for number in range(CLIENTS):
                        clients.create_task(Client(api, number, outcomes).run())
                before.cutting = False

                async def sent() -> bool:
                    return not await pool.fetchval("SELECT EXISTS (SELECT FROM outbox)")

                await until(sent, 60)
                behind.cutting = False

                async def projected() -> bool:
                    found = await look.fetchval("SELECT count(*) FROM shards") == PARTITIONS
                    return found and not (await lag(look, kafka, 1, settings.topics)).events

                await until(projected, 60)
        finally:
            stop.set()
            await asyncio.gather(projecting, return_exceptions=True)
            pool.terminate()
        print(f"cut: {before.cuts} commits of commands and relay, {behind.cuts} of the projector")
        assert before.cuts > 0
        assert behind.cuts > 0
    conn = await asyncpg.connect(registers.app_dsn)
    said = await journal_of(conn, registry.SOURCE)
    await conn.close()
    one_effect_each(said, outcomes)
    metrics = Metrics(look)
    assert await metrics.ledger() == oracle.ledger(said)
    assert await metrics.durations() == oracle.durations(said)
    assert await metrics.folded() == len(said)
    assert len({partition_of(event.partitionkey, PARTITIONS) for event in said}) > 1
    look.terminate()


async def _areas(registry: Registry, outcomes: dict[str, list[Outcome]]) -> None:
    for code, kind, parent in (("D1", "division", None), ("D1-P001", "park", "D1")):
        body = {"code": code, "name": code, "kind": kind, "parent": parent}
        while not outcomes[code]:
            status, answer = await registry.post("/v1/areas", body, Idempotency_Key=code)
            if status != 503:
                outcomes[code].append(Outcome.of(status, answer))
