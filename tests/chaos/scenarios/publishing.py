"""Commands, relay, republishing and the end of a day: what is recorded is in the log, in sequence and once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import asyncpg

from shared.contracts import decode
from shared.contracts.ids import uuid7
from tests.chaos import processes
from tests.chaos.file_broker import FileBroker
from tests.chaos.processes import DUMMY, PARTITIONS
from tests.chaos.scenarios.scenario import Environment, Scenario

FIRST_DAY = datetime(2026, 3, 9, 4, tzinfo=UTC)


async def _new_subjects(_: Environment) -> list[str]:
    return [f"enterprise/{uuid7()}" for _ in range(4)]


async def _recorded_once(env: Environment, subjects: list[str]) -> None:
    rows = await env.pool.fetch("SELECT subject, sequence FROM journal WHERE subject = ANY($1)", subjects)
    assert sorted(map(tuple, rows)) == sorted((subject, 1) for subject in subjects)
    left = await env.pool.fetchval("SELECT count(*) FROM journal WHERE id NOT IN (SELECT id FROM outbox)")
    assert left == 0, "what is in the journal is in the outbox"


async def _recorded(env: Environment) -> list[str]:
    subjects = await _new_subjects(env)
    await processes.run_commands(env.database.app_dsn, env.log, subjects)
    await processes.run_commands(env.database.app_dsn, env.log, [subjects[1], subjects[3]])
    return subjects


async def _sent(env: Environment, _: list[str]) -> None:
    written = await env.pool.fetch("SELECT subject, sequence, event_id FROM journal ORDER BY subject, sequence")
    broker = FileBroker(env.log, DUMMY, PARTITIONS)
    sent = [decode(record.value or b"") for log in broker.logs[DUMMY[0]].partitions for record in log]
    firsts = list(dict.fromkeys((event.subject, event.sequence, event.id) for event in sent))
    assert sorted(firsts) == sorted(map(tuple, written))
    streams: dict[str, list[int]] = {}
    for subject, sequence, _id in firsts:
        streams.setdefault(subject, []).append(sequence)
    assert all(found == list(range(1, len(found) + 1)) for found in streams.values())


async def _next_day(env: Environment) -> list[str]:
    """Record and send some events, then advance the clock by a day."""
    subjects = await _recorded(env)
    await processes.send_outbox(env.database.app_dsn, env.log, [])
    env.days += 1
    owner = await asyncpg.connect(env.database.owner_dsn)
    try:
        instant = FIRST_DAY + timedelta(days=env.days)
        await owner.execute("UPDATE clock_shift SET shift = $1::timestamptz - clock_timestamp()", instant)
    finally:
        await owner.close()
    return subjects


async def _closed_once(env: Environment, _: list[str]) -> None:
    day = (FIRST_DAY + timedelta(days=env.days - 1)).date()
    rows = await env.pool.fetch("SELECT partition_key FROM journal WHERE type = 'parkunion.day-closed.v1' AND occurred_on = $1", day)
    assert sorted(row["partition_key"] for row in rows) == [str(partition) for partition in range(PARTITIONS)]
    assert await env.pool.fetchval("SELECT (day, said) = ($1, $1) FROM days_closed", day)


RUN_COMMANDS = Scenario("run_commands", "dummy", ("shared/journal/journal.py",), _new_subjects, _recorded_once)
SEND_OUTBOX = Scenario("send_outbox", "dummy", ("shared/relaying/",), _recorded, _sent)
CLOSE_DAY = Scenario("close_day", "dummy", ("shared/journal/day_closing.py",), _next_day, _closed_once)
REPUBLISH = Scenario("republish", "dummy", ("shared/relaying/republish.py",), _recorded, _sent)
