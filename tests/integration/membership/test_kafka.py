"""Membership between two topics of a real Kafka: it learns from the registry's, and what it says arrives on its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from deploy.local.servers.kafka import KafkaServer
from services.membership.app import context_of, roles
from services.membership.settings import Settings
from shared import contracts
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Message, Place, partition_of
from shared.contracts import Envelope
from shared.contracts.ids import uuid7
from shared.contracts.registry import AreaKind, AreaRegistered, EnterpriseClosed, EnterpriseRegistered
from shared.directory.not_yet_known import areas_may_follow, may_follow
from shared.problems.errors import Problem
from shared.process import db
from shared.process.clock import utc_now
from tests.conftest import NewDatabase, NewTopics
from tests.integration.client import settings_of
from tests.integration.membership.service import DOCUMENT, Membership
from tests.patience import PATIENCE

PARTITIONS = 4
DEADLINE = PATIENCE


class Town:
    """One service between its topics."""

    def __init__(self, membership: Membership, broker: KafkaBroker, settings: Settings) -> None:
        self.membership = membership
        self.broker = broker
        self.settings = settings

    async def publish(self, *events: Envelope) -> None:
        """What the registry's relay would send."""
        messages = [Message(partition_of(e.partitionkey, PARTITIONS), e.partitionkey.encode(), contracts.encode(e)) for e in events]
        producer = self.broker.producer()
        await producer.publish(self.settings.registry_topic, messages)
        await producer.close()

    @asynccontextmanager
    async def running(self, *names: str) -> AsyncIterator[None]:
        """The background roles at work."""
        stop = asyncio.Event()
        tasks = [asyncio.ensure_future(roles(self.settings)[name](stop)) for name in names]
        try:
            yield
        finally:
            stop.set()
            await asyncio.wait_for(asyncio.gather(*tasks), DEADLINE)

    async def said(self) -> list[Envelope]:
        """Everything on membership's topic."""
        extents = await self.broker.extents([self.settings.topic])
        assigned: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def ours(_: frozenset[Place]) -> None:
            if not assigned.done():
                assigned.set_result(None)

        consumer = self.broker.consumer(f"test-{uuid7()}", [self.settings.topic], assigned=ours, revoked=ours)
        await consumer.start()
        left = {place: extent.end for place, extent in extents.items() if extent.end}
        found: list[Envelope] = []
        sought = False
        while left:
            batches = await consumer.fetch(0.2)
            if assigned.done() and not sought:
                for place in extents:
                    consumer.seek(place, 0)
                sought = True
            for batch in batches:
                for record in batch:
                    found.append(contracts.decode(record.value))
                    if record.offset + 1 >= left.get((record.topic, record.partition), 0):
                        left.pop((record.topic, record.partition), None)
        await consumer.close()
        return found


async def until(condition: Callable[[], Awaitable[Any]]) -> Any:
    async with asyncio.timeout(DEADLINE):
        while not (found := await condition()):
            await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def town(
    database: NewDatabase, kafka_server: KafkaServer, kafka: KafkaBroker, new_topics: NewTopics, topic_prefix: str
) -> AsyncIterator[Town]:
    await new_topics("registry.v1", "membership.v1", partitions=PARTITIONS)
    made = await database("membership")
    settings = settings_of(Settings, made, kafka=kafka_server.bootstrap, partitions=PARTITIONS, topic_prefix=topic_prefix)
    pool = await db.create_pool(made.app_dsn, application_name="membership.tests")
    yield Town(Membership(pool, context_of(settings)), kafka, settings)
    pool.terminate()


def area(membership: Membership, code: str, parent: str | None = None) -> Envelope:
    return membership.event(f"area/{code}", AreaRegistered(code=code, name=code, kind=AreaKind.PARK, parent=parent), "1900-01-01")


def settled(membership: Membership, enterprise: UUID) -> Envelope:
    data = EnterpriseRegistered(enterprise_id=enterprise, name="示例", park="P1", district="D1")
    return membership.event(f"enterprise/{enterprise}", data, "2020-01-01")


@pytest.mark.invariant("I1")
async def test_what_the_registry_says_becomes_known_and_what_follows_is_said_exactly_once(town: Town) -> None:
    membership, a, b = town.membership, uuid7(), uuid7()
    news = [area(membership, "D1"), area(membership, "P1", "D1"), settled(membership, a), settled(membership, b)]
    async with town.running("consumer"):
        await town.publish(*news)
        await until(lambda: membership.pool.fetchval("SELECT (SELECT count(*) FROM enterprises) + (SELECT count(*) FROM areas) = 4"))
        union = await membership.union(a, b, kind="joint_union")
        await membership.member(union, a, DOCUMENT, "2021-02-01", "resident_id")
    closures = [
        membership.event(f"enterprise/{e}", EnterpriseClosed(reason="bankrupt"), on) for e, on in ((a, "2022-03-01"), (b, "2022-02-01"))
    ]
    await town.publish(*closures)
    async with town.running("consumer", "relay"):
        await until(lambda: _dissolved(membership))
        await town.publish(*news, *closures)
        await until(lambda: membership.pool.fetchval("SELECT count(*) = 0 FROM outbox"))
        await until(lambda: _read_all(town))
    events = [event for event in await town.said() if not event.subject.startswith("day/")]
    streams: dict[str, list[str]] = {}
    for event in events:
        streams.setdefault(event.subject, []).append(event.type.split(".")[1])
        assert event.sequence == len(streams[event.subject])
    assert streams == {
        f"union/{union}": ["union-founded", "union-dissolved"],
        f"enterprise/{a}": ["coverage-started", "member-joined", "coverage-ended"],
        f"enterprise/{b}": ["coverage-started", "coverage-ended"],
    }
    assert next(e for e in events if e.type.endswith("union-dissolved.v1")).occurredon.isoformat() == "2022-03-01"
    assert {e.causeid for e in events if e.origin.startswith("event:")} == {closure.id for closure in closures}
    assert not [e for e in events if DOCUMENT.encode() in contracts.encode(e)]


async def _dissolved(membership: Membership) -> bool:
    return bool(await membership.pool.fetchval("SELECT count(*) FROM journal WHERE type LIKE '%union-dissolved%'"))


async def _read_all(town: Town) -> bool:
    ends = {partition: extent.end for (_, partition), extent in (await town.broker.extents([town.settings.registry_topic])).items()}
    rows = await town.membership.pool.fetch("SELECT shard, next FROM shards")
    return {row["shard"]: row["next"].get(town.settings.registry_topic, 0) for row in rows} == ends


async def _knows_the_ends(town: Town) -> bool:
    async with town.membership.pool.acquire() as conn:
        return not await areas_may_follow(conn, (), town.settings.registry_topic, PARTITIONS)


async def test_an_id_younger_than_what_was_read_is_asked_for_again_and_an_older_one_does_not_exist(town: Town) -> None:
    membership, known, missing = town.membership, uuid7(), uuid7()
    later = settled(membership, known)
    while partition_of(str(missing), PARTITIONS) != partition_of(str(known), PARTITIONS):
        missing = uuid7()

    async def refusal(enterprise: UUID) -> tuple[str, int]:
        with pytest.raises(Problem) as refused:
            await membership.union(enterprise)
        return refused.value.code, refused.value.status

    assert await refusal(missing) == ("NOT_YET_KNOWN", 409)
    async with town.running("consumer"):
        await town.publish(area(membership, "P1"), later)
        await until(lambda: _read_all(town))
        assert await refusal(missing) == ("NOT_YET_KNOWN", 409)
        again = replace_event(later, 2, utc_now() + timedelta(seconds=61))
        await town.publish(again)
        await until(lambda: _read_all(town))
        await until(lambda: _knows_the_ends(town))
    assert await refusal(missing) == ("UNKNOWN_ENTERPRISE", 422)
    await membership.pool.execute("UPDATE shards SET current_at = parkunion_now()")
    async with town.membership.pool.acquire() as conn:
        # Both were unknown when a command looked; one of them was read before it asked whether it may follow.
        assert await may_follow(conn, {known, missing}, town.settings.registry_topic, PARTITIONS) == {known}
        assert await areas_may_follow(conn, {"P1"}, town.settings.registry_topic, PARTITIONS)
        assert not await areas_may_follow(conn, {"nowhere"}, town.settings.registry_topic, PARTITIONS)
    await membership.pool.execute("UPDATE shards SET current_at = parkunion_now()")
    body: dict[str, Any] = {"kind": "joint_union", "seat_area": "nowhere", "approved_on": "2021-01-01", "enterprises": [str(known)]}
    with pytest.raises(Problem) as refused:
        await membership.do("union", **body)
    assert (refused.value.code, refused.value.status) == ("UNKNOWN_AREA", 422)
    # Nobody has heard of the log for a while: the area may be in it.
    await membership.pool.execute("UPDATE shards SET current_at = parkunion_now() - interval '1 minute'")
    with pytest.raises(Problem) as refused:
        await membership.do("union", **body)
    assert (refused.value.code, refused.value.status) == ("NOT_YET_KNOWN", 409)


def replace_event(event: Envelope, sequence: int, time: Any) -> Envelope:
    fields = {name: getattr(event, name) for name in event.__struct_fields__}
    return Envelope(**{**fields, "id": uuid7(), "sequence": sequence, "time": time})
