"""Fan-out and delivery: every event has one number of each subscription, and arrives under it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from uuid import UUID

from services.subscriptions.matching.catalogue import defaults
from shared.contracts import Envelope
from shared.contracts.streams import FactCorrected
from shared.directory.visibility import PLACING
from shared.process.faults import LINES
from tests.chaos import processes
from tests.chaos.scenarios.reading import published
from tests.chaos.scenarios.scenario import Environment, Scenario
from tests.histories import PARKS
from tests.integration.subscriptions.delivering.sending import KIND, Endpoint, Sending
from tests.integration.subscriptions.house import House


def _subscribed(prepare: Callable[[Environment], Awaitable[list[str]]]) -> Callable[[Environment], Awaitable[list[str]]]:
    """Before the first round, two subscriptions to everything, and the parks of the histories."""

    async def prepare_with_subscriptions(env: Environment) -> list[str]:
        if not await env.pool.fetchval("SELECT EXISTS (SELECT FROM subscriptions)"):
            async with env.pool.acquire() as conn, conn.transaction():
                await conn.execute("UPDATE revision SET number = 1")
                await conn.execute("INSERT INTO area_versions SELECT code, 1, NULL, true FROM unnest($1::text[]) AS a(code)", list(PARKS))
            house = House(env.pool)
            grant = await house.grant(["*"], [name.split(".")[1] for name in defaults()])
            for kind in ("pull", "webhook"):
                await house.subscribe(grant, kind=kind)
        return await prepare(env)

    return prepare_with_subscriptions


def _retracted(event: Envelope, said: Mapping[UUID, Envelope], found: set[UUID]) -> bool:
    """Whether nobody need be told of an event: it says where its subject is, and was corrected before anybody was told; or it is such a correction."""
    if isinstance(event.data, FactCorrected):
        return event.data.corrects in said and event.data.corrects not in found
    corrected = any(isinstance(other.data, FactCorrected) and other.data.corrects == event.id for other in said.values())
    return corrected and event.type.split(".")[1] in PLACING


async def _numbered(env: Environment, _subjects: list[str]) -> None:
    """Every event has one number of each subscription, or waits for its enterprise; numbers have no gaps, and follow the streams."""
    said = {event.id: event for event in env.published}
    waiting = [row["event_id"] for row in await env.pool.fetch("SELECT event_id FROM waiting")]
    for row in await env.pool.fetch("SELECT id, kind FROM subscriptions"):
        got = await env.pool.fetch(
            "SELECT d.number, c.event_id FROM deliveries AS d JOIN contents AS c ON c.id = d.content WHERE d.subscription = $1 ORDER BY d.number",
            row["id"],
        )
        assert [one["number"] for one in got] == list(range(1, len(got) + 1))
        assert await env.pool.fetchval("SELECT next_number FROM queues WHERE subscription = $1", row["id"]) == len(got) + 1
        found = [*(one["event_id"] for one in got), *waiting]
        assert len(found) == len(set(found))
        assert [event for event in env.published if event.id not in found and not _retracted(event, said, set(found))] == []
        streams: dict[tuple[str, str], list[int]] = {}
        for one in got:
            event = said[one["event_id"]]
            streams.setdefault((event.source, event.subject), []).append(event.sequence)
        assert all(sequences == sorted(sequences) for sequences in streams.values())
        lanes = {one["subject"] for one in await env.pool.fetch("SELECT subject FROM lanes WHERE subscription = $1", row["id"])}
        assert lanes == ({said[one["event_id"]].subject for one in got} if row["kind"] == "webhook" else set())


async def _queued(env: Environment) -> list[str]:
    """A new subscription with twelve events of four enterprises."""
    sending = Sending(House(env.pool), env.database, Endpoint(1))
    await env.pool.execute("INSERT INTO shards (generation, shard) VALUES (1, 0) ON CONFLICT DO NOTHING")
    if not await env.pool.fetchval("SELECT EXISTS (SELECT FROM area_versions)"):
        sending.house.area("P1", None)
        await sending.house.fan()
    sending.grant = await sending.house.grant(["P1"], [KIND])
    key = await sending.subscribe()
    await sending.queue(key, 12, subjects=4)
    return [str(key)]


async def _delivered(env: Environment, subjects: list[str]) -> None:
    rows = await env.pool.fetch(
        "SELECT number, content, subject, state, pending FROM deliveries WHERE subscription = $1", UUID(subjects[0])
    )
    assert {(row["state"], row["pending"]) for row in rows} == {("delivered", False)}
    ids = {
        str(row["event_id"])
        for row in await env.pool.fetch("SELECT event_id FROM contents WHERE id = ANY($1)", [row["content"] for row in rows])
    }
    with (env.log / processes.RECEIVED).open("rb") as file:
        got = [event for event in map(json.loads, file) if event["id"] in ids]
    firsts: dict[str, list[int]] = {}
    for event in got:
        numbers = firsts.setdefault(event["subject"], [])
        if event["deliverynumber"] not in numbers:
            numbers.append(event["deliverynumber"])
    assert sorted(number for numbers in firsts.values() for number in numbers) == list(range(1, 13)), "every number arrived"
    assert all(numbers == sorted(numbers) for numbers in firsts.values()), "each subject in order"


FAN_OUT = Scenario(
    "fan_out",
    "subscriptions",
    tuple(module for module in LINES if module.startswith("services/subscriptions/fanout/")),
    _subscribed(published(processes.BOTH)),
    _numbered,
)
DELIVER = Scenario("deliver", "subscriptions", (), _queued, _delivered)
