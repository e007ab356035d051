"""When the relay looks into the outbox: it sleeps while nothing comes, and no event waits for it to wake by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import date, timedelta

import asyncpg
import pytest

from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message
from shared.contracts.registry import HeadcountReported
from shared.journal import journal
from shared.process.db import Pool, transaction
from shared.relaying import pacing as module
from shared.relaying import relay as relay_module
from shared.relaying.pacing import GOING_ON, LONGEST_REST, MANY_FULL, QUIET, REST, Pacing
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


async def test_a_relay_far_behind_rests_for_commands_and_not_for_what_is_queued_again(
    dummy: Database, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is queued again has lower ids than the newest event, so it is no command."""
    now = 0.0
    conn = await asyncpg.connect(dummy.app_dsn)
    pacing = Pacing(conn, 0.025, clock=lambda: now)

    async def rest(last: str = "min") -> float:
        """The rest after a batch that took a second, long after the one before."""
        nonlocal now
        now += GOING_ON
        pacing._began = now
        now += 1.0
        await pacing.saw(MANY_FULL, full=True, last=await pool.fetchval(f"SELECT {last}(id) FROM journal"))
        return max(0.0, pacing._next - now)

    try:
        await append(pool, "enterprise/e", "enterprise/f")
        monkeypatch.setattr(module, "OLD", timedelta(0))
        await pool.execute("DELETE FROM outbox WHERE id = (SELECT min(id) FROM outbox)")
        assert await rest() == 0.0
        await pool.execute("INSERT INTO outbox (id) SELECT id FROM journal ON CONFLICT DO NOTHING")
        assert await rest() == 0.0
        await append(pool, "enterprise/e")
        assert await rest() == pytest.approx(min(LONGEST_REST, REST))
        assert await rest() == 0.0
        await append(pool, "enterprise/e")
        monkeypatch.setattr(module, "OLD", timedelta(hours=1))
        assert await rest() == 0.0
    finally:
        await conn.close()


async def test_batches_are_small_while_a_relay_far_behind_shares_the_machine_with_commands(
    dummy: Database, pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch doubles while more waits, up to a limit that is lower while commands go on."""
    monkeypatch.setattr(module, "OLD", timedelta(0))
    monkeypatch.setattr(module, "MANY_FULL", 14)
    monkeypatch.setattr(module, "GOING_ON", NEVER)
    monkeypatch.setattr(module, "REST", 0.0)
    monkeypatch.setattr(relay_module, "LARGEST_SHARED", 4)
    broker = MemoryBroker()
    broker.create("t", PARTITIONS)

    class WithCommands(Counting):
        async def publish(self, topic: str, messages: Sequence[Message]) -> dict[int, int]:
            await append(pool, "enterprise/new")
            return await super().publish(topic, messages)

    for n in range(10):
        await append(pool, *(f"enterprise/{n}-{m}" for m in range(10)))
    producer = WithCommands(broker)
    async with running(Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS, batch=2, producer=producer)):
        await until(lambda: longer(producer.sizes, 9))
    # The third batch is the first one after which the newest event is looked at, the fourth the first one after which it is a newer one.
    assert producer.sizes[:9] == [2, 4, 8, 16, 32, 4, 4, 4, 4]


async def longer(sizes: list[int], than: int) -> bool:
    return len(sizes) > than
