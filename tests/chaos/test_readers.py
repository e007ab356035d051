"""Five projectors that join and leave while a topic tells everything the wrong way: twice, early, late, unreadable, withdrawn.

Here and not in a whole stack: a relay stops at an event of its topic that its journal does not know, by design. PostgreSQL and Kafka are
the real ones, and the projectors run as their process runs them.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterator, Sequence

import pytest

from deploy.local.servers.kafka import KafkaServer
from services.metrics import app
from services.metrics.settings import Settings
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Message, partition_of
from shared.contracts import Envelope, encode, membership
from shared.reading.lag import lag
from tests import oracle
from tests.conftest import Database, NewTopics
from tests.histories import history, interleaved, refused
from tests.integration.client import settings_of
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401
from tests.settings import ChaosSettings

SETTINGS = ChaosSettings()
PARTITIONS = 6
READERS = 5
ENTERPRISES, LENGTH = 9, 30 if SETTINGS.every_line else 14
DEADLINE = 120
"""Seconds until everything published has been dealt with."""
MOST_AT_ONCE = 25
"""Records between two changes of who reads."""


def told_wrongly(events: Sequence[Envelope], chance: random.Random) -> Iterator[Envelope]:
    """Every event at least once: some before their turn, some twice or as `1 2 3 2 3`, mistakes as a version that nobody can read."""
    late: list[Envelope] = []
    said: dict[tuple[str, str], list[Envelope]] = {}
    for event in events:
        if chance.random() < 0.12:
            late.append(event)
            continue
        yield event
        own = said.setdefault((event.source, event.subject), [])
        own.append(event)
        if chance.random() < 0.1:
            yield from own[-chance.randint(1, 3) :]
        while late and chance.random() < 0.2:
            yield late.pop(chance.randrange(len(late)))
    chance.shuffle(late)
    yield from late


def message(event: Envelope, chance: random.Random) -> Message:
    """On its way; of the mistakes, half are such that this release cannot read them."""
    value = encode(event)
    if refused(event) and chance.random() < 0.5:
        value = value.replace(b"headcount-reported.v1", b"headcount-guessed.v9")
    return Message(partition_of(event.partitionkey, PARTITIONS), event.partitionkey.encode(), value)


class Projectors:
    """Up to READERS projectors, which join, stop and are cancelled at random."""

    def __init__(self, settings: Settings, chance: random.Random) -> None:
        self._settings = settings
        self._chance = chance
        self._at_work: list[tuple[asyncio.Event, asyncio.Task[None]]] = []

    def join(self) -> None:
        stop = asyncio.Event()
        self._at_work.append((stop, asyncio.ensure_future(app.roles(self._settings)["projector"](stop))))

    async def change(self) -> None:
        """One projector joins or leaves. Raises the error of a projector that ended."""
        for _, task in self._at_work:
            if task.done():
                task.result()
        if len(self._at_work) < READERS and self._chance.random() < 0.7:
            self.join()
        elif len(self._at_work) > 1:
            stop, task = self._at_work.pop(self._chance.randrange(len(self._at_work)))
            await self._leave(stop, task, cut_off=self._chance.random() < 0.5)

    async def all_join(self) -> None:
        while len(self._at_work) < READERS:
            self.join()

    async def all_leave(self) -> None:
        await asyncio.gather(*(self._leave(stop, task, cut_off=False) for stop, task in self._at_work))
        self._at_work = []

    async def _leave(self, stop: asyncio.Event, task: asyncio.Task[None], cut_off: bool) -> None:
        stop.set()
        if cut_off:
            task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.slow
@pytest.mark.invariant("I1")
@pytest.mark.invariant("I2")
@pytest.mark.invariant("I3")
@pytest.mark.parametrize("number", range(SETTINGS.rounds))
async def test_five_projectors_joining_and_leaving_make_the_ledger_of_the_definition_of_a_topic_told_wrongly(
    kafka: KafkaBroker,
    kafka_server: KafkaServer,
    metrics_database: Database,
    metrics: Metrics,
    new_topics: NewTopics,
    topic_prefix: str,
    number: int,
) -> None:
    print(f"PARKUNION_TEST_SEED={SETTINGS.seed} [{number}]")
    chance = random.Random(f"{SETTINGS.seed}/{number}")
    await new_topics("registry.v1", "membership.v1", "cases.v1", partitions=PARTITIONS)
    settings = settings_of(
        Settings, metrics_database, kafka=kafka_server.bootstrap, partitions=PARTITIONS, topic_prefix=topic_prefix, fold_batch=7
    )
    events = interleaved(history(chance.getrandbits(32), ENTERPRISES, LENGTH, mistakes=True), chance.getrandbits(32))
    arrived: list[Envelope] = []
    projectors, producer = Projectors(settings, chance), kafka.producer()
    projectors.join()
    try:
        left = MOST_AT_ONCE
        unreadable: dict[object, Message] = {}
        for event in told_wrongly(events, chance):
            arrived.append(event)
            said = unreadable.setdefault(event.id, message(event, chance))  # what comes twice comes byte by byte
            topic = f"{topic_prefix}{'membership' if event.source == membership.SOURCE else 'registry'}.v1"
            await producer.publish(topic, [said])
            left -= 1
            if not left:
                await projectors.change()
                left = chance.randint(1, MOST_AT_ONCE)
        await projectors.all_join()
        async with asyncio.timeout(DEADLINE):
            while (
                await metrics.pool.fetchval("SELECT count(*) FROM shards") < PARTITIONS
                or (await lag(metrics.pool, kafka, 1, settings.topics)).events
            ):
                await asyncio.sleep(0.05)
    finally:
        await producer.close()
        await projectors.all_leave()
    assert [tuple(row) for row in await metrics.pool.fetch("SELECT subject, sequence, kind, error FROM held")] == []
    counted = oracle.counted(arrived, refused)
    assert await metrics.ledger() == oracle.ledger(counted)
    assert await metrics.durations() == oracle.durations(counted)
    assert sum(map(refused, events)) > 0
