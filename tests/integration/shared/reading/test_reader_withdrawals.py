"""Withdrawn events and held streams that are tried again, with the reader at work on the broker's twin and a real database."""

from __future__ import annotations

import pytest
from msgspec import structs

from shared import contracts
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message
from shared.contracts.streams import EventWithdrawn
from shared.process.db import Connection, Pool
from shared.reading import parked
from shared.sequencing.parked_reasons import DomainError
from shared.sequencing.records import ShardBatch
from tests.dummy_service.reading import (
    POISON,
    SOURCE,
    drained,
    effects,
    fact,
    held_kinds,
    message,
    messages,
    new_reader,
    running,
    until,
    write_effects,
)

A = "topic.a"


def withdrawal(subject: str, sequence: int, first: int, last: int) -> contracts.Envelope:
    data = EventWithdrawn(first=first, last=last, reason="unreadable")
    return structs.replace(fact(subject, sequence), type=contracts.type_of(data), data=data)


def broker_with(seed: int = 1, largest: int = 7) -> MemoryBroker:
    broker = MemoryBroker(seed, largest)
    broker.create(A, 1)
    return broker


async def read_all(pool: Pool, broker: MemoryBroker, **options: object) -> None:
    async with running(new_reader(pool, broker, [A], 1, **options)):
        await until(lambda: drained(pool, broker, [A]))


@pytest.mark.invariant("I2")
@pytest.mark.parametrize("batch", [1, 2, 5000])
async def test_a_withdrawal_sets_a_held_stream_free_whatever_the_batch(pool: Pool, batch: int) -> None:
    broker = broker_with()
    unknown = message(fact("enterprise/e", 2), 1)
    unknown = Message(0, unknown.key, unknown.value.replace(b"headcount-reported.v1", b"headcount-guessed.v9"))
    events = [
        fact("enterprise/e", 3, workers=POISON),
        fact("enterprise/e", 4),
        withdrawal("enterprise/e", 5, 2, 3),
        fact("enterprise/e", 6),
    ]
    broker.write(A, [message(fact("enterprise/e", 1), 1), unknown, *messages(events, 1)])
    await read_all(pool, broker, batch=batch)
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 4, 6]}
    assert await held_kinds(pool) == {}
    assert await pool.fetchval("SELECT (first, last) = (2, 3) FROM withdrawn WHERE sequence = 5")


async def test_a_withdrawal_behind_a_gap_waits_over_a_restart_until_the_gap_is_filled(pool: Pool) -> None:
    broker = broker_with()
    later = [fact("enterprise/e", 3, workers=POISON), fact("enterprise/e", 4), withdrawal("enterprise/e", 5, 3, 3)]
    broker.write(A, messages([fact("enterprise/e", 1), *later], 1))
    await read_all(pool, broker)
    assert await held_kinds(pool) == {("enterprise/e", 4): "early", ("enterprise/e", 5): "early"}
    broker.write(A, messages([fact("enterprise/e", 2), later[0]], 1))
    await read_all(pool, broker)
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 2, 4]}
    assert await held_kinds(pool) == {}


async def test_a_withdrawal_of_what_counted_is_applied_and_only_what_never_counted_is_written_down_as_gone(pool: Pool) -> None:
    broker = broker_with()
    log = [fact("enterprise/e", 1), withdrawal("enterprise/e", 2, 1, 1), fact("enterprise/e", 3, workers=POISON)]
    log += [fact("enterprise/e", 4), withdrawal("enterprise/e", 5, 1, 4), fact("enterprise/e", 6)]
    broker.write(A, messages(log, 1))
    await read_all(pool, broker)
    assert await held_kinds(pool) == {}
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 6]}
    assert [tuple(row) for row in await pool.fetch("SELECT sequence, first, last FROM withdrawn")] == [(5, 3, 4)]


async def test_a_withdrawal_of_no_range_before_itself_is_held_with_the_reason(pool: Pool) -> None:
    broker = broker_with()
    broker.write(A, messages([fact("enterprise/e", 1), withdrawal("enterprise/e", 2, 2, 2), fact("enterprise/e", 3)], 1))
    await read_all(pool, broker)
    assert await held_kinds(pool) == {("enterprise/e", 2): "refused", ("enterprise/e", 3): "early"}
    assert await pool.fetchval("SELECT error FROM held WHERE kind = 'refused'") == "NO_RANGE: 2..2"


async def test_a_stream_that_an_older_release_held_for_a_withdrawal_of_what_counted_goes_on_at_the_next_start(pool: Pool) -> None:
    broker = broker_with()
    events = [fact("enterprise/e", 1), withdrawal("enterprise/e", 2, 1, 1), fact("enterprise/e", 3)]
    broker.write(A, messages(events[:1], 1))
    await read_all(pool, broker)
    for event, kind in ((events[1], "refused"), (events[2], "early")):
        await pool.execute(
            'INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, event_id, kind, error, event) '
            "VALUES (1, 0, $1, $2, $3, 'enterprise/e', $4, $5, $6, 'the withdrawal names 1 to 1, and one of them was applied', $7)",
            A,
            event.sequence - 1,
            SOURCE,
            event.sequence,
            event.id,
            kind,
            contracts.encode(event),
        )
    broker.write(A, messages(events[1:], 1))
    await pool.execute("UPDATE shards SET next = jsonb_build_object($1::text, 3)", A)
    async with running(new_reader(pool, broker, [A], 1)):
        await until(lambda: pool.fetchval("SELECT count(*) = 0 FROM held"))
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 3]}


async def test_a_withdrawal_that_an_older_release_could_not_read_is_recognised_at_the_next_start(pool: Pool) -> None:
    broker = broker_with()
    events = [fact("enterprise/e", 1, workers=POISON), withdrawal("enterprise/e", 2, 1, 1), fact("enterprise/e", 3)]
    broker.write(A, messages(events[:1], 1))
    await read_all(pool, broker)
    raw = contracts.encode(events[1])
    await pool.execute(
        'INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, event_id, kind, error, event) '
        "VALUES (1, 0, $1, 1, $2, 'enterprise/e', 2, $3, 'unreadable', 'unknown type', $4)",
        A,
        SOURCE,
        events[1].id,
        raw,
    )
    broker.write(A, messages(events[1:], 1))
    await pool.execute("UPDATE shards SET next = jsonb_build_object($1::text, 2)", A)
    await read_all(pool, broker)
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [3]}
    assert await held_kinds(pool) == {}


async def test_a_held_stream_is_tried_again_when_somebody_asks_and_tells_what_became_of_it(pool: Pool) -> None:
    broker, mended = broker_with(), set[str]()

    async def apply(conn: Connection, batch: ShardBatch) -> None:
        if any(event.data == fact("enterprise/e", 1, workers=POISON).data and event.subject not in mended for event in batch.events):
            raise DomainError("poisoned")
        await write_effects(conn, batch) if not mended else None

    broker.write(A, messages([fact(f"enterprise/{e}", n, workers=POISON if n == 1 else None) for e in "ab" for n in (1, 2)], 1))
    async with running(new_reader(pool, broker, [A], 1, apply=apply)):
        await until(lambda: drained(pool, broker, [A]))
        async with pool.acquire() as conn:
            before = await parked.streams(conn, 1, limit=10)
            assert [(one.subject, one.kind, one.sequence, one.waiting, one.tried_at) for one in before] == [
                ("enterprise/a", "refused", 1, 1, None),
                ("enterprise/b", "refused", 1, 1, None),
            ]
            mended.add("enterprise/a")
            assert await parked.retry(conn, 1) == 2

        async def tried() -> bool:
            async with pool.acquire() as conn:
                left = await parked.streams(conn, 1, limit=10)
            return [one.subject for one in left] == ["enterprise/b"] and left[0].tried_at is not None and not left[0].retry_wanted

        await until(tried)
    assert await held_kinds(pool) == {("enterprise/b", 1): "refused", ("enterprise/b", 2): "early"}
