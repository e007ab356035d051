"""What is withdrawn is absent at every known day if it never counted, else taken back, whatever the order, the batches and the restarts."""

from __future__ import annotations

import random

import pytest

from services.metrics.folding.projector import Projector
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message
from shared.contracts import Envelope, encode, membership
from shared.process.db import Pool, create_pool
from shared.reading.reader import Reader
from tests import oracle
from tests.conftest import NewDatabase
from tests.dummy_service.reading import drained, running, until
from tests.histories import history, interleaved, refused
from tests.integration.metrics.service import CLOCK, Metrics

TOPICS = ["registry", "membership"]


def sent(event: Envelope) -> tuple[str, Message]:
    topic = "membership" if event.source == membership.SOURCE else "registry"
    return topic, Message(0, event.partitionkey.encode(), encode(event))


async def nothing_held(pool: Pool) -> bool:
    return not await pool.fetchval("SELECT count(*) FROM held")


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("seed", range(6))
async def test_the_ledger_is_that_of_the_facts_without_those_that_never_counted(database: NewDatabase, seed: int) -> None:
    pool = await create_pool((await database("metrics")).app_dsn, application_name="metrics.tests", by_key=True)
    random_, broker = random.Random(seed), MemoryBroker(seed, 9)
    for topic in TOPICS:
        broker.create(topic, 1)
    events = interleaved(history(seed, enterprises=3, length=16, mistakes=True), seed)
    assert any(event.type.endswith("event-withdrawn.v1") for event in events)
    start = 0
    while start < len(events):
        end = start + random_.randint(20, 80)
        for topic, message in map(sent, events[start:end]):
            broker.write(topic, [message])
        work = Projector(pool, CLOCK)
        reader = Reader(
            pool,
            broker,
            name="metrics",
            topics=TOPICS,
            partitions=1,
            apply=work.apply,
            on_reset=work.on_reset,
            after_commit=work.after_commit,
            batch=random_.choice((1, 5, 50)),
        )
        async with running(reader):
            await until(lambda: drained(pool, broker, TOPICS))
            if end >= len(events):
                # What a withdrawal sets free is applied after its place in the log was read.
                await until(lambda: nothing_held(pool))
        start = end
    metrics, counted = Metrics(pool), oracle.counted(events, refused)
    assert await metrics.ledger() == oracle.ledger(counted)
    assert await metrics.durations() == oracle.durations(counted)
    pool.terminate()
