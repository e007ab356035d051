"""What must be true of a stack after any disturbance: every check of the chaos suite.

Call `settle` first: checks need every event to have arrived everywhere.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import TypeVar

from deploy.local.stack import Stack
from deploy.local.supervising.processes import PARTITIONS, TOPICS
from services.cases.entries import waking
from shared.broker.kafka import KafkaBroker
from shared.broker.protocol import Extent
from shared.contracts import Envelope, decode
from shared.journal import day_closing as closing
from shared.process import db
from shared.process.db import Pool
from tests import oracle
from tests.chaos.load import Outcome
from tests.e2e.journals import SOURCES, journals
from tests.e2e.platform import Platform, parkunion, until
from tests.integration.metrics.service import Metrics

K = TypeVar("K")
OUTAGE = 120.0
"""Seconds after the last disturbance within which everything has arrived."""
Streams = dict[str, list[tuple[int, str]]]
"""{subject: (sequence, event id) in order}"""


def settle(platform: Platform) -> None:
    """Wait until every event is projected and every process runs."""
    until(platform.settled, "every event is projected", seconds=OUTAGE)


async def check_all(platform: Platform, outcomes: Mapping[str, Sequence[Outcome]]) -> str:
    """All checks after a load with these answers; a line that sums up. Raises AssertionError."""
    events = await journals(platform)
    one_effect_each(events, outcomes)
    await log_is_journal(platform, events)
    await membership_has_learned(platform, events)
    await ledger_is_the_oracles(platform, events)
    nothing_is_held(platform)
    report = audited(platform)
    return f"{len(outcomes)} keys, {len(events)} events, {report}"


def one_effect_each(events: Sequence[Envelope], outcomes: Mapping[str, Sequence[Outcome]]) -> None:
    """Every key has one answer, its events are in the journal once, and no other event of the API is there."""
    acknowledged: dict[str, str] = {}
    for key, answers in outcomes.items():
        done = {answer for answer in answers if answer.status == 201}
        assert len(done) <= 1, f"{key} has several answers: {done}"
        if done:
            first = next(n for n, answer in enumerate(answers) if answer.status == 201)
            assert all(answer.status == 201 for answer in answers[first:]), f"{key} was done and then refused: {answers}"
        for event in {event for answer in done for event in answer.events}:
            assert event not in acknowledged, f"{event} is the answer of {key} and of {acknowledged[event]}"
            acknowledged[event] = key
    ids = [str(event.id) for event in events]
    assert len(ids) == len(set(ids)), "an event id stands in the journals twice"
    lost = acknowledged.keys() - set(ids)
    assert not lost, f"{len(lost)} acknowledged events are in no journal: {[(event, acknowledged[event]) for event in sorted(lost)[:5]]}"
    own = {closing.ACTOR.id, waking.ACTOR.id}
    unasked = [event for event in events if event.origin == "api" and event.actor not in own and str(event.id) not in acknowledged]
    assert not unasked, f"{len(unasked)} events are in a journal and in no answer: {unasked[:5]}"


def streams_of(events: Sequence[Envelope]) -> Streams:
    """In the order of sequence."""
    found: Streams = defaultdict(list)
    for event in events:
        found[event.subject].append((event.sequence, str(event.id)))
    return {subject: sorted(own) for subject, own in found.items()}


async def log_is_journal(platform: Platform, events: Sequence[Envelope]) -> None:
    """By subject, the log has the events of the journal, in sequence if repeats are left out; `reconcile` finds the same."""
    broker = KafkaBroker(Stack(platform.data).content["kafka"]["bootstrap"])
    try:
        for (service, source), topic in zip(SOURCES.items(), TOPICS, strict=True):
            logged: Streams = defaultdict(list)
            extents = await broker.extents([topic])
            wanted = {place: Extent(extent.begin, extent.end) for place, extent in extents.items() if extent.begin < extent.end}
            async with aclosing(broker.read(wanted)) as reading:
                async for records in reading:
                    for event in (decode(record.value) for record in records):
                        logged[event.subject].append((event.sequence, str(event.id)))
            found = {subject: list(dict.fromkeys(own)) for subject, own in logged.items()}
            assert found == streams_of([event for event in events if event.source == source]), f"log and journal of {service} differ"
    finally:
        await broker.close()
    done = parkunion("reconcile", "--json", "--data", platform.data, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@asynccontextmanager
async def _pool(platform: Platform, service: str) -> AsyncIterator[Pool]:
    pool = await db.create_pool(Stack(platform.data).dsn(service), application_name="chaos.judge", max_size=2)
    try:
        yield pool
    finally:
        pool.terminate()


async def membership_has_learned(platform: Platform, events: Sequence[Envelope]) -> None:
    """Membership has applied the last event of every stream of the registry."""
    wanted: dict[str, int] = defaultdict(int)
    for event in events:
        if event.source == SOURCES["registry"]:
            wanted[event.subject] = max(wanted[event.subject], event.sequence)
    async with _pool(platform, "membership") as pool:
        rows = await pool.fetch("SELECT subject, sequence FROM seen WHERE source = $1", SOURCES["registry"])
    assert {row["subject"]: row["sequence"] for row in rows} == dict(wanted)


async def ledger_is_the_oracles(platform: Platform, events: Sequence[Envelope]) -> None:
    """Ledger and durations by SQL are those of the definition (I3), over `PARTITIONS` shards."""
    async with _pool(platform, "metrics") as pool:
        metrics = Metrics(pool)
        ledger, durations = await metrics.ledger(), await metrics.durations()
        assert await pool.fetchval("SELECT count(*) FROM shards WHERE generation = 1") == PARTITIONS
    _equal(ledger, oracle.ledger(events), "ledger")
    _equal(durations, oracle.durations(events), "durations")


def _equal(found: Mapping[K, object], wanted: Mapping[K, object], what: str) -> None:
    different = [key for key in found.keys() | wanted.keys() if found.get(key) != wanted.get(key)]
    shown = [(key, found.get(key), wanted.get(key)) for key in different[:5]]
    assert not different, f"{len(different)} rows of {what} are not the oracle's (key, found, wanted): {shown}"


def nothing_is_held(platform: Platform) -> None:
    """No stream is held."""
    done = parkunion("parked", "list", "--data", platform.data, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def audited(platform: Platform) -> str:
    """`audit` finds no difference; its report in short."""
    done = parkunion("audit", "--json", "--data", platform.data, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    return f"{report['rows']} rows audited in {report['seconds']:.1f} s"
