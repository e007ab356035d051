"""Shards that are compared by several processes: what they find and write is what one process does, and nothing outlives an error."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
from collections.abc import AsyncIterator
from typing import Any

import pytest

from services.metrics.generations import auditing, workers
from services.metrics.generations.auditing import Report
from services.metrics.generations.rebuilding import rebuild
from services.metrics.generations.shards import compare_shard
from services.metrics.generations.workers import WorkerEnded, Workers
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import BrokerUnavailableError
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.integration.metrics.log import DEADLINE, PARTITIONS, Log, log_in

BROKEN = (
    "UPDATE g1.ledger_rows SET units = coalesce(units, 0) + 1 WHERE ctid = (SELECT min(ctid) FROM g1.ledger_rows)",
    "DELETE FROM g1.states WHERE ctid = (SELECT min(ctid) FROM g1.states)",
    "UPDATE g1.fact_rows SET says = '{}' WHERE ctid = (SELECT min(ctid) FROM g1.fact_rows WHERE says IS NOT NULL)",
)
ROWS = {
    "enterprises": "id, shard, name, credit_code, park",
    "unions": "id, shard, name, seat",
    "stays": "subject, since, until, park, shard",
    "placements": "DISTINCT park, subject, shard",
    "facts": "shard, subject, source, sequence, event_id, type, occurred_on, known_day, recorded_at, says, actor, reason",
}


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        made.publish_events(interleaved(history(33, enterprises=6, length=16, mistakes=True), 33))
        async with made.projecting(), asyncio.timeout(DEADLINE):
            await made.read(1)
            # Every mistake is withdrawn: what waited behind one is applied with the next batches.
            while await made.owner.fetchval("SELECT count(*) FROM held"):
                await asyncio.sleep(0.02)
        yield made


def two(log: Log, broker: MemoryBroker | None = None) -> Workers:
    """Two processes; each has the log in memory as it was when they were forked."""
    return Workers(2, log.connect, lambda: broker or log.broker)


async def audited(log: Log, by: Workers) -> Report:
    conn = await log.connect()
    try:
        return (await auditing.audit(conn, log.owner, await log.source(), by.compare))[1]
    finally:
        await conn.close()


def comparable(report: Report) -> dict[str, Any]:
    body = report.body()
    return {name: body[name] for name in body.keys() - {"at", "seconds"}}


async def test_two_processes_find_what_one_finds(log: Log) -> None:
    for change in BROKEN:
        await log.owner.execute(change)
    _, alone = await log.audit()
    together = await audited(log, two(log))
    left, right = comparable(alone), comparable(together)
    # The digest of facts holds in one process.
    for one in (*left["different"], *right["different"]):
        if one["table"] == "facts":
            one["served"] = one["refolded"] = None
    assert left == right
    assert alone.differences >= len(BROKEN)


async def test_a_generation_that_two_processes_have_built_is_equal(log: Log) -> None:
    reading = await log.connect()
    try:
        made, _, report = await rebuild(reading, log.owner, await log.source(), two(log).compare)
    finally:
        await reading.close()
    assert report.differences == 0
    assert await log.ledger(made) == await log.ledger(1) != {}
    for table, columns in ROWS.items():
        left, right = [
            {tuple(map(repr, row)) for row in await log.owner.fetch(f"SELECT {columns} FROM g{one}.{table}")} for one in (1, made)
        ]
        assert left == right, table
    seen = "SELECT shard, source, subject, sequence, event_id, time FROM seen WHERE generation = $1"
    assert set(map(tuple, await log.owner.fetch(seen, made))) == set(map(tuple, await log.owner.fetch(seen, 1)))


async def test_the_error_of_a_process_is_the_errors_cause_and_ends_all(log: Log) -> None:
    away = MemoryBroker()
    away.available = False
    with pytest.raises(BrokerUnavailableError, match="switched off"):
        await audited(log, two(log, away))
    assert not multiprocessing.active_children()


async def test_a_process_that_is_killed_ends_the_comparison(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    async def killed(*args: Any) -> Any:
        if args[3] == PARTITIONS - 1:
            os.kill(os.getpid(), signal.SIGKILL)
        return await compare_shard(*args)

    monkeypatch.setattr(workers, "compare_shard", killed)
    with pytest.raises(WorkerEnded, match="exit code -9"):
        await audited(log, two(log))
    assert not multiprocessing.active_children()


async def test_who_gives_up_leaves_no_process(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    async def waits(*_: Any) -> Any:
        await asyncio.Event().wait()

    monkeypatch.setattr(workers, "compare_shard", waits)
    source, conn = await log.source(), await log.connect()
    task = asyncio.create_task(auditing.audit(conn, log.owner, source, two(log).compare))
    while len(multiprocessing.active_children()) < 2:
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not multiprocessing.active_children()
    await conn.close()
