"""The projector on a real database writes the ledger of the definition, whatever the order, the batches and the restarts."""

from __future__ import annotations

import asyncio
import random

import pytest

from services.metrics.figures.questions import coverage
from services.metrics.folding.projector import Projector
from services.metrics.measures import unpacked
from services.metrics.tables import feed
from shared.http.auth import Areas
from shared.sequencing.records import ShardBatch, in_runs, received
from tests import oracle
from tests.histories import history, interleaved, refused
from tests.integration.metrics.service import CLOCK, Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401
from tests.patience import PATIENCE


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("seed", range(4))
async def test_any_order_any_batches_any_restarts_give_the_ledger_of_the_definition(metrics: Metrics, seed: int) -> None:
    random_ = random.Random(seed)
    events = oracle.counted(interleaved(history(seed, enterprises=6, length=20, mistakes=True), seed), refused)
    start, projector = 0, metrics.projector
    while start < len(events):
        end = start + random_.choice((1, 7, 40))
        if random_.random() < 0.3:
            projector = Projector(metrics.pool, CLOCK)
        await metrics.fold_batch(0, events[start:end], projector)
        start = end
    assert await metrics.ledger() == oracle.ledger(events)
    assert await metrics.durations() == oracle.durations(events)


@pytest.mark.invariant("I1")
async def test_a_batch_that_does_not_commit_leaves_nothing_in_memory_either(metrics: Metrics) -> None:
    events = interleaved(history(11, enterprises=3), 11)
    half = len(events) // 2
    await metrics.fold_batch(0, events[:half])

    async with metrics.pool.acquire() as conn:
        killed = conn.transaction()
        await killed.start()
        await metrics.projector.apply(conn, ShardBatch(1, 0, 99, in_runs(map(received, events[half:])), {}))
        await killed.rollback()
    await metrics.fold_batch(0, events[half:])
    assert await metrics.ledger() == oracle.ledger(events)
    assert await metrics.durations() == oracle.durations(events)


async def test_the_feed_tells_what_each_batch_changed(metrics: Metrics) -> None:
    events = interleaved(history(5, enterprises=4, length=20), 5)
    heard: asyncio.Queue[str] = asyncio.Queue()
    async with metrics.pool.acquire() as conn:

        def hear(*said: object) -> None:
            heard.put_nowait(str(said[3]))

        await conn.add_listener(feed.CHANNEL, hear)
        await metrics.fold_batch(0, events[:30])
        async with metrics.snapshot() as snapshot:
            before = await coverage(snapshot, as_of=metrics.today, known_at=metrics.today.replace(year=2026))
            versions = snapshot.versions
        await metrics.fold_batch(0, events[30:])
        async with metrics.snapshot() as snapshot:
            after = await coverage(snapshot, as_of=metrics.today, known_at=metrics.today.replace(year=2026))
            changes = await feed.since(snapshot.conn, 1, versions)
        async with asyncio.timeout(PATIENCE):
            assert [await heard.get(), await heard.get()] == ["1 0 1", "1 0 2"]
        await conn.remove_listener(feed.CHANNEL, hear)
    assert changes is not None
    told = sum(value for change in changes for value in change.on(metrics.today.toordinal()).values())
    assert unpacked(before.total.figures + told) == unpacked(after.total.figures)


async def test_the_directory_shows_only_rows_of_granted_areas(metrics: Metrics) -> None:
    metrics.area("ROOT", None)
    metrics.area("D1", "ROOT")
    metrics.area("D2", "ROOT")
    metrics.area("P1", "D1")
    metrics.area("P2", "D2")
    await metrics.fold()
    await metrics.fold_batch(0, interleaved(history(3), 3))
    seen = {}
    for name, areas in {"all": Areas.all(), "D1": Areas.of(["D1"]), "none": Areas.of([])}.items():
        async with metrics.snapshot(areas) as snapshot:
            seen[name] = {row["park"] for row in await snapshot.conn.fetch("SELECT park FROM g1.enterprises")}
    assert seen["none"] == set()
    assert seen["D1"] <= {"P1"}
    assert seen["all"] >= seen["D1"]
