"""A whole log against its journal, by the definition, whatever fits into memory (I1)."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace

import pytest

from shared.broker.memory import MemoryBroker, MemoryRecord
from shared.contracts import encode
from shared.process.db import Pool
from shared.relaying.log_entries import log_entry
from shared.relaying.reconcile import WINDOW, reconcile
from tests.conftest import Database
from tests.dummy_service.reading import SOURCE, fact, running, until
from tests.integration.shared.relaying.test_relay import append, empty
from tests.integration.shared.relaying.test_relay_recovery import PARTITIONS, SUBJECTS, T, relay_of, relayed, told


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker(seed=5)
    made.create("t", PARTITIONS)
    return made


def disturb(broker: MemoryBroker, chance: random.Random) -> None:
    """Take records out, put others and second ones in, and move all: nothing of it is what a relay does."""
    for number, log in enumerate(broker.logs["t"].partitions):
        left = [record for record in log if chance.random() > 0.15]
        second = [record for record in log if chance.random() < 0.2]
        by_others = [
            encode(fact(chance.choice(SUBJECTS), chance.randint(1, 30))),
            encode(fact("enterprise/unknown", 1)),
            encode(fact("enterprise/0", 1, source="/services/other")),
            b"\xff nothing",
        ]
        first = left[0].value or b""
        in_capitals = first.replace(first[first.index(b'"id":"') + 6 :][:36], first[first.index(b'"id":"') + 6 :][:36].upper())
        strange = [MemoryRecord("t", number, 0, b"k", value) for value in (*by_others, in_capitals) if chance.random() < 0.7]
        moved = [*left, *second, *strange]
        chance.shuffle(moved)
        log[:] = [replace(record, offset=offset) for offset, record in enumerate(moved)]


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("seed", range(3))
async def test_every_difference_is_found_whatever_fits_into_memory(dummy: Database, pool: Pool, broker: MemoryBroker, seed: int) -> None:
    for _ in range(25):
        await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)
    await append(pool, *SUBJECTS)
    disturb(broker, random.Random(seed))

    rows = await pool.fetch("SELECT subject, sequence, event_id, id IN (SELECT id FROM outbox) AS queued FROM journal")
    journal = {(row["subject"], row["sequence"]): row["event_id"] for row in rows}
    log = [log_entry(record, SOURCE) for part in broker.logs["t"].partitions for record in part]
    there = {entry[2:] for entry in log}
    ids = [entry.event_id for entry in log if entry.event_id is not None]
    others = [entry for entry in log if journal.get((entry.subject or "", entry.sequence or 0)) != entry.event_id or entry.subject is None]
    forked = {entry[:2]: entry for entry in others if (entry.subject, entry.sequence) in journal}
    at_forks = {(entry.subject, entry.sequence) for entry in forked.values()}
    missing = {
        (row["subject"], row["sequence"], row["event_id"])
        for row in rows
        if not row["queued"] and tuple(row)[:3] not in there and tuple(row)[:2] not in at_forks
    }
    for window in (7, 40, WINDOW):
        async with pool.acquire() as conn, conn.transaction():
            await conn.execute("DELETE FROM outbox WHERE id <= (SELECT max(id) - $1 FROM journal)", len(SUBJECTS))
        found = await reconcile(dummy.app_dsn, broker, T, progress=told, window=window)
        assert (found.journal, found.log, found.duplicates) == (len(rows), len(log), len(ids) - len(set(ids))), window
        assert {(one.subject, one.sequence, one.event_id) for one in found.missing} == missing
        assert {(one.partition, one.offset) for one in found.forked} == forked.keys()
        assert {(one.partition, one.offset) for one in found.unknown} == {entry[:2] for entry in others} - forked.keys()
        assert found.mended == len(missing)


async def test_comparing_with_little_memory_while_commands_go_on_finds_nothing(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    stop = asyncio.Event()

    async def membership() -> None:
        while not stop.is_set():
            await append(pool, *SUBJECTS)

    async with running(relay_of(dummy, broker, batch=50)):
        working = asyncio.create_task(membership())
        try:
            for window in (5, 20, 100):
                found = await reconcile(dummy.app_dsn, broker, T, progress=told, window=window)
                assert (found.found, found.duplicates) == (0, 0), found
        finally:
            stop.set()
            await working
        await until(lambda: empty(pool))
