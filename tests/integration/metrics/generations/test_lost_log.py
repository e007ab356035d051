"""A log that lost what was folded: figures stay and say so, nothing is compared, and a republished log ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from services.metrics.app import _readiness
from services.metrics.figures.snapshots import Snapshots
from services.metrics.generations import lifecycle
from services.metrics.generations.auditing import LogDiffers, LogLost
from shared.contracts import Envelope, membership
from shared.http.operations import Readiness
from shared.process.db import create_pool
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.integration.metrics.log import DEADLINE, PARTITIONS, Log, log_in
from tests.integration.metrics.service import CLOCK


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


@pytest.fixture
def events() -> list[Envelope]:
    """A history in the order of its journals, as `relay republish` writes it."""
    told = interleaved(history(21, enterprises=8, length=16), 21)
    return sorted(told, key=lambda event: (event.time, event.sequence))


def wipe(log: Log) -> None:
    """The broker's folder is gone; topics are made anew at its start, empty."""
    for topic in log.settings.topics:
        log.broker.create(topic, PARTITIONS)


async def taken(log: Log) -> dict[int, int]:
    return {row["shard"]: row["version"] for row in await log.owner.fetch("SELECT shard, version FROM shards WHERE generation = 1")}


async def fold(log: Log) -> None:
    """Have the projectors take over every shard and read all there is; old offsets alone could look as if they had."""
    versions = await taken(log)
    async with log.projecting(), asyncio.timeout(DEADLINE):
        while True:
            rows = await taken(log)
            if len(rows) == PARTITIONS and all(version > versions.get(shard, -1) for shard, version in rows.items()):
                break
            await asyncio.sleep(0.02)
        await log.read(*(await lifecycle.active(log.owner)))


async def provisional(log: Log) -> set[str]:
    """Why figures of today may still change."""
    pool = await create_pool(log.database.app_dsn, application_name="metrics.tests")
    try:
        async with Snapshots(pool, CLOCK, PARTITIONS).snapshot() as snapshot:
            return set(snapshot.finality.provisional(snapshot.today, snapshot.today, snapshot.today))
    finally:
        pool.terminate()


async def readiness(log: Log) -> Readiness:
    pool = await create_pool(log.database.app_dsn, application_name="metrics.tests")
    try:
        return await _readiness(pool, log.broker, log.settings)  # type: ignore[arg-type]
    finally:
        pool.terminate()


@pytest.mark.invariant("I4")
async def test_from_a_wiped_log_to_the_republished_one_answers_say_that_something_is_missing(log: Log, events: list[Envelope]) -> None:
    last = max(events, key=lambda event: (event.subject.startswith("enterprise/"), event.source == membership.SOURCE, event.sequence))
    told = [event for event in events if (event.source, event.subject, event.sequence) != (last.source, last.subject, last.sequence - 1)]
    assert len(told) == len(events) - 1
    log.publish_events(told)
    await fold(log)
    assert await provisional(log) == {"NO_CLOSED_DAYS", "HELD_EVENTS"}
    assert (await readiness(log)).ready

    wipe(log)
    found = await readiness(log)
    assert not found.ready, "before a reader has seen it"
    assert "reconcile" in found.checks["log"]
    assert await provisional(log) == {"NO_CLOSED_DAYS", "HELD_EVENTS"}
    for part in (told[:0], told[: len(told) // 2], told[len(told) // 2 : -3]):
        log.publish_events(part)
        await fold(log)
        assert "LOG_INCOMPLETE" in await provisional(log)
        assert not (await readiness(log)).ready
    log.publish_events(told[-3:])
    await fold(log)
    assert await provisional(log) == {"NO_CLOSED_DAYS", "HELD_EVENTS"}
    found = await readiness(log)
    assert (found.ready, found.checks["log"]) == (True, "ok")
    assert found.held


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("read", [False, True], ids=["nobody has read it yet", "the projector has read it"])
async def test_a_wiped_log_is_neither_audited_nor_rebuilt_until_it_was_published_again(
    log: Log, events: list[Envelope], read: bool
) -> None:
    log.publish_events(events)
    await fold(log)
    wipe(log)
    half = len(events) // 2
    for part in ([], events[:half]):
        log.publish_events(part)
        if read:
            await fold(log)
        with pytest.raises(LogLost, match=r"不再包含.* / the log no longer holds what was folded .*reconcile and .*republish first"):
            await log.audit()
        with pytest.raises(LogLost, match="--as-it-is"):
            await log.rebuild()
    assert [row["id"] for row in await lifecycle.overview(log.owner)] == [1], "nothing was begun"
    assert not await log.owner.fetchval("SELECT count(*) FROM reports")
    log.publish_events(events[half:])
    made, _, rebuilt = await log.rebuild()
    assert not [found for found in rebuilt.different if found["table"] == "ledger"]
    await fold(log)
    _, audited = await log.audit()
    assert audited.differences == 0
    assert (await log.ledger(made)) == await log.ledger(1)


async def test_a_log_that_ends_before_what_was_read_is_not_compared(log: Log, events: list[Envelope]) -> None:
    log.publish_events(events)
    await fold(log)
    topic = log.settings.topics[1]
    tails = [partition[-2:] for partition in log.broker.logs[topic].partitions]
    for partition in log.broker.logs[topic].partitions:
        del partition[-2:]
    for _ in range(2):
        with pytest.raises(LogLost, match="were applied"):
            await log.audit()
        await fold(log)
    for partition, tail in zip(log.broker.logs[topic].partitions, tails, strict=True):
        partition.extend(tail)
    await fold(log)
    assert (await log.audit())[1].differences == 0


async def test_a_journal_that_was_set_back_can_be_folded_as_it_is(log: Log, events: list[Envelope]) -> None:
    log.publish_events(events)
    await fold(log)
    wipe(log)
    left = len(events) * 2 // 3
    log.publish_events(events[:left])
    with pytest.raises(LogDiffers):
        await log.rebuild()
    made, number, report = await log.rebuild(as_it_is=True)
    assert report.differences
    await lifecycle.switch(log.owner, made, number)
    _, audited = await log.audit()
    assert (audited.generation, audited.differences, audited.events) == (made, 0, left)


async def test_rows_are_counted_alike_by_audit_and_generations(log: Log, events: list[Envelope]) -> None:
    log.publish_events(events)
    await fold(log)
    _, report = await log.audit()
    raw = await log.owner.fetchval("SELECT (SELECT count(*) FROM g1.ledger_open) + (SELECT count(*) FROM g1.durations_open)")
    (listed,) = await lifecycle.overview(log.owner)
    assert listed["rows"] == report.rows
    assert raw > report.rows, "several rows of one key, and some that come to nothing"
