"""The relay after a crash, a lost tail and another history; comparing log and journal; writing a topic again (I1, I2)."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace

import asyncpg
import pytest

from shared.broker.kafka import KafkaBroker
from shared.broker.memory import MemoryBroker
from shared.broker.protocol import Message, partition_of
from shared.contracts import decode, encode
from shared.process import faults
from shared.process.db import Pool
from shared.relaying.comparison import Comparison
from shared.relaying.reconcile import reconcile
from shared.relaying.recovery import Source
from shared.relaying.relay import Relay, relay_check
from shared.relaying.republish import AlreadyRepublishingError, republish
from tests.conftest import Database, NewTopics
from tests.dummy_service.reading import SOURCE, drained, effects, fact, held_kinds, message, new_reader, running, until
from tests.integration.shared.relaying.test_relay import append, empty
from tests.patience import PATIENCE

PARTITIONS = 4
HEADER = (("content-type", b"application/cloudevents+json"),)
T = Source(SOURCE, "t", PARTITIONS)
SUBJECTS = [f"enterprise/{n}" for n in range(6)]


@pytest.fixture
def broker() -> MemoryBroker:
    made = MemoryBroker(seed=5)
    made.create("t", PARTITIONS)
    return made


def told(_done: int, _total: int) -> None:
    """Nobody looks."""


def relay_of(dummy: Database, broker: MemoryBroker, batch: int = 7) -> Relay:
    return Relay(dummy.app_dsn, broker, SOURCE, "t", PARTITIONS, batch=batch)


async def compared(dummy: Database, broker: MemoryBroker | KafkaBroker, source: Source = T) -> Comparison:
    return await reconcile(dummy.app_dsn, broker, source, progress=told)


def in_the_log(broker: MemoryBroker) -> Counter[tuple[str, int]]:
    """How often each event lies in the log."""
    events = (decode(record.value) for log in broker.logs["t"].partitions for record in log)
    return Counter((event.subject, event.sequence) for event in events)


async def relayed(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    async with running(relay_of(dummy, broker)):
        await until(lambda: empty(pool))


def says(pool: Pool, words: str) -> Callable[[], Awaitable[bool]]:
    """Whether the readiness says so of the relay."""

    async def looked() -> bool:
        async with pool.acquire() as conn:
            return words in await relay_check(conn)

    return looked


@pytest.mark.invariant("I1")
@pytest.mark.parametrize("point", ["relay.read", "relay.acked", "relay.deleted", "relay.recovering"])
async def test_a_relay_that_fails_at_any_point_sends_nothing_twice(dummy: Database, pool: Pool, broker: MemoryBroker, point: str) -> None:
    for _ in range(5):
        await append(pool, *SUBJECTS)
    if point == "relay.recovering":
        await failing(dummy, broker, "relay.acked:2:raise")
        assert sum(in_the_log(broker).values()) == 7 + 14
    await failing(dummy, broker, f"{point}:1:raise")
    await relayed(dummy, pool, broker)
    assert in_the_log(broker) == {(subject, n): 1 for subject in SUBJECTS for n in range(1, 6)}
    assert (await compared(dummy, broker)).found == 0


async def failing(dummy: Database, broker: MemoryBroker, fault: str) -> None:
    """A relay that fails so, and with it its process."""

    async def process() -> None:
        faults.arm(faults.Fault.parse(fault))
        await relay_of(dummy, broker).run(asyncio.Event())

    with pytest.raises(faults.InjectedFaultError):
        await asyncio.wait_for(asyncio.create_task(process()), PATIENCE)


@pytest.mark.invariant("I2")
@pytest.mark.parametrize("left", [0, 0.5])
async def test_a_log_that_lost_its_tail_gets_it_again_in_sequence(dummy: Database, pool: Pool, broker: MemoryBroker, left: float) -> None:
    """Some partitions, cut anywhere; and events that nobody sent yet behind."""
    for _ in range(10):
        await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)
    for log in broker.logs["t"].partitions[1:]:
        del log[int(len(log) * left) :]
    lost = {event for event in ((s, n) for s in SUBJECTS for n in range(1, 11)) if event not in in_the_log(broker)}
    assert lost
    found = await compared(dummy, broker)
    assert {(one.subject, one.sequence) for one in found.missing} == lost
    assert {one.partition for one in found.lost_tail} == {1, 2, 3} - {n for n in range(1, 4) if not await marked(pool, n)}
    await pool.execute("DELETE FROM outbox")  # as if nobody had compared
    await append(pool, *SUBJECTS)
    async with running(relay_of(dummy, broker), new_reader(pool, broker, ["t"], PARTITIONS)):
        await until(lambda: empty(pool))
        await until(lambda: drained(pool, broker, ["t"]))
    assert in_the_log(broker) == {(subject, n): 1 for subject in SUBJECTS for n in range(1, 12)}
    assert await effects(pool) == {(SOURCE, subject): list(range(1, 12)) for subject in SUBJECTS}
    assert (await compared(dummy, broker)).found == 0


async def marked(pool: Pool, partition: int) -> bool:
    return bool(await pool.fetchval("SELECT EXISTS (SELECT FROM relay_marks WHERE partition = $1)", partition))


@pytest.mark.parametrize("what", ["event", "garbage", "fork", "other source"])
async def test_what_the_journal_does_not_know_stops_the_relay_until_it_is_mended(
    dummy: Database, pool: Pool, broker: MemoryBroker, what: str
) -> None:
    await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)
    strange = {
        "event": message(fact("enterprise/0", 9), PARTITIONS),
        "garbage": Message(1, b"k", b"\xff nothing"),
        "fork": message(fact("enterprise/0", 1), PARTITIONS),
        "other source": message(fact("enterprise/0", 1, source="/services/other"), PARTITIONS),
    }[what]
    broker.write("t", [strange])
    relay = relay_of(dummy, broker)
    async with running(relay):
        await until(says(pool, "stopped: t holds an event that the journal does not know"))
        await append(pool, *SUBJECTS)
        assert relay.stopped
        assert sum(in_the_log_readable(broker).values()) <= len(SUBJECTS) + 1
        found = await compared(dummy, broker)
        assert len(found.unknown) + len(found.forked) == found.found == 1
        assert len(found.forked) == (what == "fork")
        assert [*((o.partition, o.offset) for o in found.unknown), *((o.partition, o.offset) for o in found.forked)] == [
            (strange.partition, len(broker.logs["t"].partitions[strange.partition]) - 1)
        ]
        assert found.outbox == len(SUBJECTS)
        assert found.stopped == relay.stopped
        assert await republish(dummy.app_dsn, broker, T, told) == 2 * len(SUBJECTS)
        await append(pool, *SUBJECTS)
        await until(lambda: empty(pool))
        await until(says(pool, "ok"))
    assert in_the_log(broker) == {(subject, n): 1 for subject in SUBJECTS for n in (1, 2, 3)}
    assert (await compared(dummy, broker)).found == 0


def in_the_log_readable(broker: MemoryBroker) -> Counter[bytes | None]:
    return Counter(record.value for log in broker.logs["t"].partitions for record in log if b"nothing" not in (record.value or b""))


async def test_a_topic_made_anew_under_a_running_relay_stops_it(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    await append(pool, *SUBJECTS)
    async with running(relay_of(dummy, broker), new_reader(pool, broker, ["t"], PARTITIONS)):
        await until(lambda: empty(pool))
        await until(lambda: drained(pool, broker, ["t"]))
        broker.create("t", PARTITIONS)
        await append(pool, *SUBJECTS)
        await until(says(pool, "stopped: the topic t was made anew"))
        found = await compared(dummy, broker)
        assert found.made_anew
        assert found.mended == 0
        assert {one.sequence for one in found.missing} == {1}
        await republish(dummy.app_dsn, broker, T, told)
        await append(pool, *SUBJECTS)
        await until(lambda: empty(pool))
        await until(lambda: drained(pool, broker, ["t"]))
    assert await effects(pool) == {(SOURCE, subject): [1, 2, 3] for subject in SUBJECTS}
    assert await held_kinds(pool) == {}
    assert (await compared(dummy, broker)).found == 0


async def test_an_event_that_somebody_took_out_is_found_and_mended(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    """A row of the outbox deleted by hand, its event never sent: what comes after it waits in the readers until it comes."""
    await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)
    await append(pool, *SUBJECTS)
    gone = await pool.fetchrow("SELECT id, event_id FROM journal WHERE subject = 'enterprise/3' AND sequence = 2")
    assert gone is not None
    await pool.execute("DELETE FROM outbox WHERE id = $1", gone["id"])
    await append(pool, *SUBJECTS)
    async with running(relay_of(dummy, broker), new_reader(pool, broker, ["t"], PARTITIONS)):
        await until(lambda: empty(pool))
        await until(lambda: drained(pool, broker, ["t"]))
        assert await held_kinds(pool) == {("enterprise/3", 3): "early"}
        found = await compared(dummy, broker)
        assert found.found == found.mended == 1
        assert [(one.subject, one.sequence, one.event_id, one.journal_id) for one in found.missing] == [
            ("enterprise/3", 2, gone["event_id"], gone["id"])
        ]
        assert found.missing[0].partition == partition_of("3", PARTITIONS)
        await until(lambda: empty(pool))
        await until(lambda: drained(pool, broker, ["t"]))
    assert await effects(pool) == {(SOURCE, subject): [1, 2, 3] for subject in SUBJECTS}
    again = await compared(dummy, broker)
    assert (again.found, again.duplicates, again.journal, again.log) == (0, 0, 18, 18)


async def test_comparing_while_commands_go_on_finds_nothing(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    stop = asyncio.Event()

    async def membership() -> None:
        while not stop.is_set():
            await append(pool, *SUBJECTS)

    async with running(relay_of(dummy, broker, batch=50)):
        working = asyncio.create_task(membership())
        try:
            for _ in range(8):
                found = await compared(dummy, broker)
                assert found.found == 0, found
        finally:
            stop.set()
            await working
    assert (await pool.fetchval("SELECT count(*) FROM journal")) > 8 * len(SUBJECTS)


async def test_a_republish_that_was_cut_off_is_seen_and_run_again(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    for _ in range(3):
        await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)

    async def cut_off() -> None:
        faults.arm(faults.Fault.parse("republish.half:1:raise"))
        await republish(dummy.app_dsn, broker, T, told)

    with pytest.raises(faults.InjectedFaultError):
        await asyncio.create_task(cut_off())
    async with running(relay_of(dummy, broker)):
        await until(says(pool, "stopped: t was not written to its end by a republish"))
        assert (await compared(dummy, broker)).unfinished
        await republish(dummy.app_dsn, broker, T, told)
        await until(says(pool, "ok"))
        await append(pool, *SUBJECTS)
        await until(lambda: empty(pool))
    assert in_the_log(broker) == {(subject, n): 1 for subject in SUBJECTS for n in range(1, 5)}
    assert (await compared(dummy, broker)).found == 0


async def test_only_one_republishes(dummy: Database, broker: MemoryBroker) -> None:
    other = await asyncpg.connect(dummy.app_dsn, server_settings={"application_name": "republish t"})
    await other.execute("SELECT pg_advisory_lock(hashtextextended('relay t', 0))")
    with pytest.raises(AlreadyRepublishingError):
        await asyncio.wait_for(republish(dummy.app_dsn, broker, T, told), PATIENCE)
    await other.close()


async def test_events_with_a_partition_of_their_own_come_back_to_it(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    """`day/<partition>`: the partition is not in the journal, it follows from the stream."""
    await append(pool, *(f"day/{n}" for n in range(PARTITIONS)))
    await pool.execute("DELETE FROM outbox")
    assert (await compared(dummy, broker)).mended == PARTITIONS
    await relayed(dummy, pool, broker)
    await republish(dummy.app_dsn, broker, T, told)
    assert [[decode(record.value).subject for record in log] for log in broker.logs["t"].partitions] == [
        [f"day/{n}"] for n in range(PARTITIONS)
    ]


async def test_events_carry_the_header_of_cloud_events_also_after_a_republish(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    """The log of a release up to 0.2 has none: what stands there is read all the same, and a republish gives it the header."""
    await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)

    def headers() -> set[tuple[tuple[str, bytes], ...]]:
        return {tuple(record.headers) for log in broker.logs["t"].partitions for record in log}

    assert headers() == {HEADER}
    for log in broker.logs["t"].partitions:
        log[:] = [replace(record, headers=()) for record in log]
    await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)
    assert headers() == {HEADER, ()}
    assert (await compared(dummy, broker)).found == 0
    await republish(dummy.app_dsn, broker, T, told)
    assert headers() == {HEADER}
    assert in_the_log(broker) == {(subject, n): 1 for subject in SUBJECTS for n in (1, 2)}


async def test_marks_of_the_release_before_are_taken_over(dummy: Database, pool: Pool, broker: MemoryBroker) -> None:
    await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)
    await pool.execute("UPDATE relay_marks SET topic_id = NULL")
    await append(pool, *SUBJECTS)
    await relayed(dummy, pool, broker)
    assert in_the_log(broker) == {(subject, n): 1 for subject in SUBJECTS for n in (1, 2)}
    assert {row["topic_id"] for row in await pool.fetch("SELECT topic_id FROM relay_marks")} == {broker.logs["t"].id}


@pytest.mark.invariant("I1")
async def test_on_kafka_a_lost_topic_is_written_again_while_commands_and_a_reader_go_on(
    dummy: Database, pool: Pool, kafka: KafkaBroker, new_topics: NewTopics
) -> None:
    (topic,) = await new_topics("dummy", partitions=PARTITIONS)
    source = Source(SOURCE, topic, PARTITIONS)
    relay = Relay(dummy.app_dsn, kafka, SOURCE, topic, PARTITIONS)
    async with running(relay, new_reader(pool, kafka, [topic], PARTITIONS)):
        for _ in range(20):
            await append(pool, *SUBJECTS)
        await until(lambda: empty(pool))
        await until(lambda: drained(pool, kafka, [topic]))
        assert (await compared(dummy, kafka, source)).found == 0
        await kafka.delete_topic(topic)
        await kafka.create_topic(topic, PARTITIONS)
        await append(pool, *SUBJECTS)
        await until(says(pool, "was made anew"), 60)
        found = await compared(dummy, kafka, source)
        assert found.made_anew
        assert len(found.missing) == 20 * len(SUBJECTS)
        assert await republish(dummy.app_dsn, kafka, source, told) == 21 * len(SUBJECTS)
        await append(pool, *SUBJECTS)
        await until(lambda: empty(pool), 60)

        async def caught_up() -> bool:
            return all(len(found) == 22 for found in (await effects(pool)).values())

        await until(caught_up, 60)
    assert await effects(pool) == {(SOURCE, subject): list(range(1, 23)) for subject in SUBJECTS}
    assert await held_kinds(pool) == {}
    again = await compared(dummy, kafka, source)
    assert (again.found, again.duplicates, again.log) == (0, 0, 22 * len(SUBJECTS))


def test_an_event_with_the_bytes_of_the_wire_is_known_by_its_attributes() -> None:
    from shared.broker.memory import MemoryRecord
    from shared.relaying.log_entries import log_entry

    event = fact("enterprise/7", 3)
    assert log_entry(MemoryRecord("t", 1, 9, b"7", encode(event)), SOURCE) == (1, 9, "enterprise/7", 3, event.id)
    for strange in (None, b"", b"[]", b"\xff", encode(fact("enterprise/7", 3, source="/services/x"))):
        assert log_entry(MemoryRecord("t", 1, 9, b"7", strange), SOURCE) == (1, 9, None, None, None)
