"""When the relay looks into the outbox: it sleeps while nothing comes, and no event waits for it to wake by itself."""

from __future__ import annotations

import time
from datetime import date

import pytest

from shared.broker.memory import MemoryBroker
from shared.contracts.registry import HeadcountReported
from shared.journal import journal
from shared.process.db import Pool, transaction
from shared.relaying.pacing import QUIET
from shared.relaying.relay import Relay
from tests.conftest import Database
from tests.dummy_service.reading import SOURCE, running, until
from tests.integration.shared.relaying.test_relay import ACTOR, PARTITIONS, Counting, append, empty
from tests.patience import PATIENCE

NEVER = 10 * PATIENCE
SLEEPS = """
SELECT count(*) = 2 FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.mode = 'ExclusiveLock' AND a.application_name = 'relay t' AND a.datname = current_database()
"""


def relay_of(dummy: Database, idle: float = 0.005, asleep: float = NEVER) -> tuple[Relay, Counting]:
    broker = MemoryBroker()
    broker.create("t", PARTITIONS)
    producer = Counting(broker)
    return Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS, idle=idle, asleep=asleep, producer=producer), producer


def draft(subject: str) -> journal.Draft:
    return journal.Draft(subject, HeadcountReported(workers=1), date(2026, 1, 1))


async def sleeps(pool: Pool) -> bool:
    """Whether the relay holds two locks: its own, and that of its sleep."""
    return bool(await pool.fetchval(SLEEPS))


async def test_a_command_wakes_a_relay_that_sleeps(dummy: Database, pool: Pool) -> None:
    relay, producer = relay_of(dummy)
    async with running(relay):
        for n in range(3):
            await until(lambda: sleeps(pool))
            await append(pool, f"enterprise/{n}")
            await until(lambda: empty(pool))
            assert len(producer.sizes) == n + 1


async def test_a_relay_does_not_fall_asleep_while_something_is_being_appended(dummy: Database, pool: Pool) -> None:
    """The transaction finds the relay awake, so it sends no notification; were the relay to sleep before its commit, nothing would wake it."""
    relay, _ = relay_of(dummy)

    async def append_while_awake() -> bool:
        async with transaction(pool) as conn:
            await journal.lock(conn, ["enterprise/f"])
            await append(pool, "enterprise/e")
            await journal.append(conn, [draft("enterprise/f")], ACTOR)
            if await sleeps(pool):
                return False  # it fell asleep before: this transaction wakes it
            until_then = time.monotonic() + 5 * QUIET
            while time.monotonic() < until_then:
                assert not await sleeps(pool)
            return True

    async with running(relay):
        await until(append_while_awake)
        await until(lambda: empty(pool))
        await until(lambda: sleeps(pool))


async def test_what_is_rolled_back_wakes_nobody_and_keeps_nobody_awake(dummy: Database, pool: Pool) -> None:
    relay, producer = relay_of(dummy)

    class Refused(Exception):
        pass

    async def refuse() -> None:
        async with transaction(pool) as conn:
            await journal.lock(conn, ["enterprise/e"])
            await journal.append(conn, [draft("enterprise/e")], ACTOR)
            raise Refused

    async with running(relay):
        await until(lambda: sleeps(pool))
        with pytest.raises(Refused):
            await refuse()
        assert await sleeps(pool)
        assert producer.sizes == []


async def test_what_is_queued_without_a_notification_is_found_by_the_look_of_a_relay_that_sleeps(dummy: Database, pool: Pool) -> None:
    relay, producer = relay_of(dummy, asleep=0.05)
    async with running(relay):
        await append(pool, "enterprise/e")
        await until(lambda: empty(pool))
        await until(lambda: sleeps(pool))
        await pool.execute("INSERT INTO outbox (id) SELECT id FROM journal")
        await until(lambda: empty(pool))
    assert producer.sizes == [1, 1]
