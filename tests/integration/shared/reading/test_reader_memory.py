"""The reader on the broker's twin: what the log does to the order of events, and what the database then holds."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable

import pytest

from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message
from shared.process.db import Connection, Pool
from shared.reading import parked
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
)

A, B = "topic.a", "topic.b"


def broker_with(partitions: int, seed: int = 1, largest: int = 7) -> MemoryBroker:
    broker = MemoryBroker(seed, largest)
    broker.create(A, partitions)
    broker.create(B, partitions)
    return broker


def all_read(pool: Pool, broker: MemoryBroker) -> Callable[[], Awaitable[bool]]:
    return lambda: drained(pool, broker, [A, B])


@pytest.mark.invariant("I2")
async def test_duplicates_take_effect_once(pool: Pool) -> None:
    broker = broker_with(1)
    events = [fact("enterprise/e", n) for n in range(1, 5)]
    broker.write(A, messages([events[i - 1] for i in (1, 2, 3, 2, 3, 4, 1)], 1))
    reader = new_reader(pool, broker, [A, B], 1)
    async with running(reader):
        await until(all_read(pool, broker))
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 2, 3, 4]}
    assert await held_kinds(pool) == {}
    assert reader.counts["duplicates"] == 3


@pytest.mark.invariant("I2")
async def test_early_events_wait_for_what_is_missing(pool: Pool) -> None:
    broker = broker_with(1)
    events = {n: fact("enterprise/e", n) for n in range(1, 7)}
    broker.write(A, messages([events[n] for n in (1, 4, 3, 6, 4)], 1))
    async with running(new_reader(pool, broker, [A, B], 1)):
        await until(all_read(pool, broker))
        assert await held_kinds(pool) == {("enterprise/e", n): "early" for n in (3, 4, 6)}
        broker.write(A, messages([events[2]], 1))
        await until(all_read(pool, broker))
        assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 2, 3, 4]}
        assert await held_kinds(pool) == {("enterprise/e", 6): "early"}
        broker.write(A, messages([events[5]], 1))
        await until(all_read(pool, broker))
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1, 2, 3, 4, 5, 6]}
    assert await held_kinds(pool) == {}


async def test_a_poisoned_event_holds_its_stream_and_no_other(pool: Pool) -> None:
    broker = broker_with(2)
    wanted = [fact(f"enterprise/{e}", n, workers=POISON if (e, n) == (3, 2) else None) for n in range(1, 6) for e in range(6)]
    broker.write(A, messages(wanted, 2))
    reader = new_reader(pool, broker, [A, B], 2)
    async with running(reader):
        await until(all_read(pool, broker))
    good = {(SOURCE, f"enterprise/{e}"): [1, 2, 3, 4, 5] for e in range(6)}
    good[SOURCE, "enterprise/3"] = [1]
    assert await effects(pool) == good
    assert await held_kinds(pool) == {("enterprise/3", 2): "refused", **{("enterprise/3", n): "early" for n in (3, 4, 5)}}
    assert "poisoned" in await pool.fetchval("SELECT error FROM held WHERE kind = 'refused'")
    assert reader.counts["parked"] == 4


async def test_an_unreadable_event_holds_its_stream_and_bytes_without_a_stream_are_kept(pool: Pool) -> None:
    broker = broker_with(1)
    first, second, third = (fact("enterprise/e", n) for n in (1, 2, 3))
    unknown = Message(0, b"e", message(second, 1).value.replace(b"headcount-reported.v1", b"headcount-guessed.v9"))
    broker.write(A, [message(first, 1), unknown, message(third, 1), Message(0, b"x", b"\x00garbage"), Message(0, b"x", b"")])
    broker.write(A, messages([fact("enterprise/f", 1)], 1))
    async with running(new_reader(pool, broker, [A, B], 1)):
        await until(all_read(pool, broker))
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1], (SOURCE, "enterprise/f"): [1]}
    rows = await pool.fetch('SELECT subject, sequence, kind, event FROM held ORDER BY "offset"')
    assert [(row["subject"], row["sequence"], row["kind"]) for row in rows] == [
        ("enterprise/e", 2, "unreadable"),
        ("enterprise/e", 3, "early"),
        ("", 0, "unreadable"),
        ("", 0, "unreadable"),
    ]
    assert rows[0]["event"] == unknown.value


async def test_held_heads_are_tried_again_at_every_start(pool: Pool) -> None:
    """A newer release may read or allow what an older one parked; what was behind follows in order."""
    broker = broker_with(1)
    second = message(fact("enterprise/e", 2), 1)
    broker.write(A, [message(fact("enterprise/e", 1), 1), second, *messages([fact("enterprise/e", n) for n in (3, 4)], 1)])
    broker.write(B, messages([fact("enterprise/f", 1, workers=POISON), fact("enterprise/f", 2)], 1))
    async with running(new_reader(pool, broker, [A, B], 1)):
        await until(all_read(pool, broker))
    assert await held_kinds(pool) == {("enterprise/f", 1): "refused", ("enterprise/f", 2): "early"}

    async def allow_all(conn: object, batch: object) -> None:
        applied.extend(event.sequence for event in batch.events)  # type: ignore[attr-defined]

    async with running(new_reader(pool, broker, [A, B], 1)):
        await until(lambda: _owned(pool))
    assert await held_kinds(pool) == {("enterprise/f", 1): "refused", ("enterprise/f", 2): "early"}
    applied: list[int] = []
    async with running(new_reader(pool, broker, [A, B], 1, apply=allow_all)):
        await until(lambda: _nothing_held(pool))
    assert applied == [1, 2]


async def _owned(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT bool_and(owner IS NOT NULL) FROM shards"))


async def _nothing_held(pool: Pool) -> bool:
    return not await held_kinds(pool)


async def test_forks_are_parked_and_never_dropped(pool: Pool) -> None:
    broker = broker_with(1)
    history = [fact("enterprise/e", n) for n in range(1, 6)]
    another_last = fact("enterprise/e", 5)
    another_early = fact("enterprise/g", 2, at=99)
    broker.write(A, messages([*history, another_last, fact("enterprise/e", 6)], 1))
    broker.write(A, messages([*(fact("enterprise/g", n) for n in range(1, 5)), another_early, fact("enterprise/h", 1)], 1))
    async with running(new_reader(pool, broker, [A, B], 1)):
        await until(all_read(pool, broker))
    assert (await effects(pool))[SOURCE, "enterprise/e"] == [1, 2, 3, 4, 5]
    assert (await effects(pool))[SOURCE, "enterprise/h"] == [1]
    assert await held_kinds(pool) == {("enterprise/e", 5): "fork", ("enterprise/e", 6): "early", ("enterprise/g", 2): "fork"}


async def test_too_many_parked_streams_stop_the_reader(pool: Pool) -> None:
    broker = broker_with(1, largest=500)
    broker.write(A, messages([fact(f"enterprise/{e}", 1, workers=POISON) for e in range(30)], 1))
    reader = new_reader(pool, broker, [A, B], 1)
    async with running(reader):
        await until(lambda: _halted(reader))
        assert len(await held_kinds(pool)) <= 20
        assert await effects(pool) == {}
    async with pool.acquire() as conn:
        assert "20 streams" in str((await parked.held_summary(conn, 1)).halted)
    with_a_new_rule = new_reader(pool, broker, [A, B], 1, apply=let_through)
    async with running(with_a_new_rule):
        await until(all_read(pool, broker))
    async with pool.acquire() as conn:
        assert (await parked.held_summary(conn, 1)).halted is None


async def let_through(_conn: Connection, _batch: ShardBatch) -> None:
    """A release that takes everything."""


async def _halted(reader: object) -> object:
    return reader.halted  # type: ignore[attr-defined]


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("seed", range(6))
async def test_any_interleaving_and_batch_size_gives_the_same_sequences(pool: Pool, seed: int) -> None:
    """Two topics, four partitions, duplicates as a relay makes them when it is killed, a reader that joins in the middle."""
    chance = random.Random(seed)
    broker = broker_with(4, seed, largest=chance.choice([1, 3, 40, 1000]))
    streams = [(topic, source, f"enterprise/{e}") for topic, source in ((A, "/services/a"), (B, "/services/b")) for e in range(8)]
    for topic, source, subject in streams:
        events = [fact(subject, n, source=source) for n in range(1, chance.randint(2, 40))]
        sent = 0
        while sent < len(events):
            back = max(0, sent - chance.randint(0, 6))
            sent = min(len(events), sent + chance.randint(1, 12))
            broker.write(topic, messages(events[back:sent], 4))
    first, second = (new_reader(pool, broker, [A, B], 4, batch=chance.choice([1, 2, 17, 5000])) for _ in range(2))
    async with running(first):
        await until(lambda: _some(pool))
        async with running(second):
            await until(all_read(pool, broker), 60)
    found = await effects(pool)
    assert len(found) == len(streams)
    assert all(sequences == list(range(1, len(sequences) + 1)) for sequences in found.values())
    assert sum(map(len, found.values())) == len({m.value for log in (A, B) for p in broker.logs[log].partitions for m in p})
    assert await held_kinds(pool) == {}


async def _some(pool: Pool) -> bool:
    return bool(await pool.fetchval("SELECT EXISTS (SELECT FROM effects)"))


async def _lost(pool: Pool, broker: MemoryBroker, topic: str = A) -> bool:
    """Whether the reader says of a topic that its log lacks what was read; else it must name the topic that is there."""
    (ids,) = [row["topic_ids"] for row in await pool.fetch("SELECT topic_ids FROM shards")]
    assert ids[topic] in ("", broker.logs[topic].id)
    return not ids[topic]


@pytest.mark.invariant("I2")
@pytest.mark.parametrize("lost", ["topic", "tail"])
async def test_a_log_that_lost_what_was_read_is_not_whole_until_all_of_it_was_read_again(pool: Pool, lost: str) -> None:
    broker = broker_with(1)
    told = messages([*(fact("enterprise/e", n) for n in range(1, 6)), fact("enterprise/f", 2, at=6)], 1)
    broker.write(A, told)
    other = messages([fact("enterprise/g", 1)], 1)
    broker.write(B, other)
    async with running(new_reader(pool, broker, [A, B], 1)):
        await until(all_read(pool, broker))
        assert not await _lost(pool, broker)
        assert await held_kinds(pool) == {("enterprise/f", 2): "early"}
        if lost == "topic":
            broker.create(A, 1)
        else:
            del broker.logs[A].partitions[0][:]
            broker.groups.clear()
    for count in (0, 3, 5):  # the reader is started again each time: it says the same
        if count:
            broker.write(A, told[len(broker.logs[A].partitions[0]) : count])
        async with running(new_reader(pool, broker, [A, B], 1)):
            await until(lambda: _owned(pool))
            await until(all_read(pool, broker))
            assert await _lost(pool, broker)
            assert not await _lost(pool, broker, B)
            before = await pool.fetchval("SELECT current_at FROM shards")
            await until(lambda: _reported(pool, broker))
            assert await pool.fetchval("SELECT current_at FROM shards") == before
        assert await held_kinds(pool) == {}
    async with running(new_reader(pool, broker, [A, B], 1)):
        broker.write(A, told[5:])
        await until(all_read(pool, broker))
        assert not await _lost(pool, broker)
        assert await held_kinds(pool) == {("enterprise/f", 2): "early"}
        broker.write(A, messages([fact("enterprise/f", 1, at=5)], 1))
        await until(all_read(pool, broker))
    assert await effects(pool) == {
        (SOURCE, "enterprise/e"): [1, 2, 3, 4, 5],
        (SOURCE, "enterprise/f"): [1, 2],
        (SOURCE, "enterprise/g"): [1],
    }
    assert await held_kinds(pool) == {}


async def _reported(pool: Pool, broker: MemoryBroker) -> bool:
    """Whether the reader has told how far the logs reach."""
    ends = await pool.fetchval("SELECT ends FROM shards")
    return all(ends.get(topic) == len(broker.logs[topic].partitions[0]) for topic in (A, B))


async def test_a_topic_made_anew_of_which_nothing_was_read_lacks_nothing(pool: Pool) -> None:
    broker = broker_with(1)
    async with running(new_reader(pool, broker, [A, B], 1)):
        await until(lambda: _owned(pool))
        broker.create(A, 1)
        broker.write(A, messages([fact("enterprise/e", 1)], 1))
        await until(all_read(pool, broker))
        assert not await _lost(pool, broker)
    assert await effects(pool) == {(SOURCE, "enterprise/e"): [1]}
