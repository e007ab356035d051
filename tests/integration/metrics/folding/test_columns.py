"""A projector that is far behind takes members' events as columns; the tables are those of the definition, whatever is odd in the log (I3)."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from datetime import date, timedelta
from operator import attrgetter
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from services.metrics.folding import projector
from services.metrics.folding.columns.facts import FRAMED, FactColumns
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS, MemberColumns
from services.metrics.folding.events.batch_effects import BatchEffects
from services.metrics.tables import fact_runs, ledger_store, row_bytes
from services.metrics.tables.fact_runs import FactRun
from shared.contracts import Envelope, encode
from shared.contracts.registry import EnterpriseRegistered
from shared.reading import fetching, turns
from shared.reading.batches import due, planning
from shared.reading.batches.planning import Planned
from shared.sequencing.columnar.columns import Columns, Names, known_days, micros_of
from shared.sequencing.columnar.decoding import decode_columns
from shared.sequencing.columnar.sorting import sort_columns, streams_of
from shared.sequencing.frames import FrameDecoder
from shared.sequencing.records import Received, received
from shared.sequencing.streams import ShardStreams, StreamState
from tests import oracle
from tests.conftest import NewDatabase
from tests.histories import history, interleaved, refused
from tests.integration.metrics.generations.test_generations import of_the_oracle
from tests.integration.metrics.log import Log, log_in
from tests.integration.metrics.service import CLOCK
from tests.unit.shared.sequencing.plain_events import rows


def told(seed: int, *, mistakes: bool = False) -> list[Envelope]:
    events = interleaved(history(seed, enterprises=8, length=30, mistakes=mistakes), seed)
    return [structs.replace(event, time=event.time.replace(microsecond=1)) for event in events]


class Seen:
    """How often columns were sorted, and how often records were asked for instead."""

    def __init__(self) -> None:
        self.columns = self.refused = 0


@pytest.fixture(name="seen", params=[7, 40, 60_000])
def seen_of_a_test(request: pytest.FixtureRequest) -> Iterator[Seen]:
    """Every shard that is not at its end is far behind, and gathers so many records."""
    found = Seen()

    plan_columns = planning.plan_columns

    async def counted(*arguments: Any) -> Planned | None:
        planned = await plan_columns(*arguments)
        found.columns += bool(planned and planned.plan.columns)
        found.refused += planned is None
        return planned

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "FAR_BEHIND", 0)
        patch.setattr(due, "COLUMNS_BATCH", request.param)
        patch.setattr(due, "FIRST_BATCH", request.param)
        patch.setattr(fetching, "TOGETHER", 5)
        patch.setattr(planning, "plan_columns", counted)
        patch.setattr(projector, "MOST_SUBJECTS", 3)
        patch.setattr(ledger_store, "SPREAD", 0)
        patch.setattr(projector, "LEAST_PLAIN", 1)
        yield found


@pytest.fixture(name="log")
async def log_of_a_test(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("mistakes", [False, True])
@pytest.mark.parametrize("seed", [3, 4])
async def test_the_tables_are_those_of_the_definition(log: Log, seen: Seen, seed: int, mistakes: bool) -> None:
    """With events that come twice, with refused, held and withdrawn ones, with facts known on many days."""
    events = told(seed, mistakes=mistakes)
    random_ = random.Random(seed)
    for event in events:
        log.publish_events([event, event] if random_.random() < 0.1 else [event])
    async with log.projecting():
        await log.read()
        # What a withdrawal sets free is applied after its offset was read.
        async with asyncio.timeout(30):
            while await log.owner.fetchval("SELECT EXISTS (SELECT FROM held)"):
                await asyncio.sleep(0.02)
    assert await log.ledger(1) == of_the_oracle(oracle.counted(events, refused))
    _, report = await log.audit()
    assert (report.differences, report.parked, report.different) == (0, [], [])
    assert seen.refused if mistakes else seen.columns and not seen.refused


async def test_a_row_that_is_there_before_its_set_is_found_by_the_objects(log: Log, seen: Seen) -> None:
    """New sets are written as if no row could be in the way; if one is, nothing is parked and every figure is right."""
    events = told(5)
    park, subject = next((event.data.park, event.subject) for event in events if isinstance(event.data, EnterpriseRegistered))
    await log.owner.execute("INSERT INTO g1.stays VALUES ($1, '-infinity', 'infinity', $2, 0)", subject, park)
    log.publish_events(events)
    await log.fold()
    assert seen.refused == 0
    assert not await log.owner.fetchval("SELECT EXISTS (SELECT FROM held)")
    assert await log.ledger(1) == of_the_oracle(events)


async def test_a_reader_that_is_stopped_and_started_goes_on(log: Log, seen: Seen) -> None:
    events = told(5)
    for part in (events[:100], events[100:110], events[110:]):
        log.publish_events(part)
        await log.fold()
    assert await log.ledger(1) == of_the_oracle(events)
    assert (await log.audit())[1].differences == 0
    assert seen.columns


async def test_days_close_with_runs_as_with_rows(log: Log, seen: Seen) -> None:
    """Moving a closed day from runs and rows to the ledger changes no sum; so it does for a release that knows no runs."""
    events = told(6)
    log.publish_events(events)
    await log.fold()
    before = await log.ledger(1)
    assert await log.owner.fetchval("SELECT sum(cardinality(net)) FROM g1.ledger_runs") > 2
    (day,) = await log.owner.fetchrow("SELECT percentile_disc(0.5) WITHIN GROUP (ORDER BY known_day) FROM g1.ledger_open")  # type: ignore[misc]
    for pair, until in ((ledger_store.LEDGER, day), (ledger_store.UNPACKED_LEDGER, date(9999, 1, 1))):
        for shard in range(3):
            await log.owner.execute(pair.statement(1), shard, until)
        assert await log.ledger(1) == before
        assert not await log.owner.fetchval("SELECT EXISTS (SELECT FROM g1.ledger_open WHERE known_day <= $1)", until)
    assert await log.owner.fetchval("SELECT count(*) FROM g1.ledger_runs") == 0


async def test_a_release_that_knows_no_runs_writes_rows(log: Log) -> None:
    columns = ", ".join(ledger_store.LEDGER_COLUMNS)
    await log.owner.execute(f"INSERT INTO g1.ledger_open ({columns}) SELECT 0, 1, '2024-01-02', '2024-01-03', {', '.join(['1'] * 19)}")
    row = (0, 1, date(2024, 1, 2), date(2024, 1, 3), *[2] * 19)
    await log.owner.copy_records_to_table("ledger_open", schema_name="g1", columns=ledger_store.LEDGER_COLUMNS, records=[row])
    assert [tuple(row) for row in await log.owner.fetch("SELECT cell, units, unions FROM g1.ledger_open ORDER BY units")] == [
        (1, 1, 1),
        (1, 2, 2),
    ]
    assert await log.owner.fetchval("SELECT count(*) FROM g1.ledger_rows") == 2


async def test_one_day_of_a_run_changed_by_one_is_named(log: Log, seen: Seen) -> None:
    log.publish_events(told(7))
    await log.fold()
    changed = await log.owner.execute("UPDATE g1.ledger_runs SET net[1] = net[1] + 1 WHERE ctid = (SELECT min(ctid) FROM g1.ledger_runs)")
    assert changed == "UPDATE 1"
    assert (await log.audit())[1].differences > 0


# The same bytes and counts as of objects


def sorted_columns(events: list[Envelope]) -> list[Columns]:
    items = decode_columns(rows(map(encode, events)), TYPES_AS_COLUMNS, Names(), Names())
    streams = ShardStreams(states={stream: StreamState() for stream in streams_of(items)})
    plan = sort_columns(streams, {"t": items}, None)
    assert plan is not None
    return plan.columns


def framed_columns(events: list[Envelope]) -> list[Columns]:
    """Those of events of one source, as a projector gets them."""
    decoder = FrameDecoder(TYPES_AS_COLUMNS, FRAMED.types, FRAMED.read_data, FRAMED.without)
    items = decoder.decode(rows(map(encode, events)), Names(), Names())
    streams = ShardStreams(states={stream: StreamState() for stream in streams_of(items)})
    plan = sort_columns(streams, {"t": items}, None)
    assert plan is not None
    return plan.columns


@pytest.mark.parametrize("source", ["/services/registry", "/services/membership"])
@pytest.mark.parametrize("seed", range(4))
def test_facts_and_changes_are_those_of_objects(seed: int, source: str) -> None:
    (columns,) = framed_columns([event for event in told(seed) if event.source == source])
    facts = FactColumns(3, columns.take(columns.type >= columns.framed), CLOCK.day_of)
    found, wanted = BatchEffects(), BatchEffects()
    alone, with_objects = facts.among([])
    assert (len(alone), with_objects) == (len(facts), [])
    found.add_attributes(facts, alone)
    found.settle(list(found.stated))
    by_id = {event.id: event for event in told(seed)}
    for row in facts.rows():
        event = by_id[row.event_id]
        wanted.add_fact(3, received(event), event.data, CLOCK.day_of(event.time))
    assert len(wanted.facts) > 10
    assert list(facts.rows()) == wanted.facts
    assert found.changes == wanted.changes
    assert (found.placements, found.moved) == (wanted.placements, wanted.moved)
    assert (found.registrations, found.foundings) == (wanted.registrations, wanted.foundings)
    assert row_bytes.HEADER + b"".join(facts.copied()) + row_bytes.TRAILER == fact_runs.copied_rows(
        sorted(wanted.facts, key=attrgetter("subject"))
    )
    subject = facts.subjects[0]
    alone, with_objects = facts.among([(source, subject), ("/elsewhere", facts.subjects[-1])])
    assert {facts.subjects[at] for at in with_objects} == {subject}
    assert sorted(alone + with_objects) == list(range(len(facts)))


def comparable(run: FactRun) -> tuple[object, ...]:
    return tuple(tuple(value) if isinstance(value, list) else value for value in run)


@pytest.mark.parametrize("seed", range(6))
def test_runs_and_counts_are_those_of_objects(seed: int) -> None:
    events = [event for event in told(seed) if event.source == "/services/membership"]
    (columns,) = sorted_columns(events)
    found = MemberColumns(3, columns, CLOCK.day_of)
    effects, wanted = BatchEffects(), BatchEffects()
    effects.add_columns(found)
    effects.count_columns()
    of_stream: dict[tuple[str, str], list[Received]] = {}
    for item in rows(map(encode, events)):
        (one,) = decode_columns([item], (), Names(), Names())
        assert isinstance(one, Columns)
        record = one.others[0]
        if record.type in TYPES_AS_COLUMNS and record.opened is not None:
            record.opened = None
        if record.type in TYPES_AS_COLUMNS:
            of_stream.setdefault(record.stream, []).append(record)
    kept = {columns.id_at(row) for row in range(len(columns))}
    for records in of_stream.values():
        if mine := [record for record in records if record.event_id in kept]:
            wanted.add_members(3, mine, CLOCK.day_of)
    assert effects.members == wanted.members
    runs = list(found.all_runs())
    assert sorted(map(comparable, runs), key=str) == sorted(map(comparable, wanted.runs), key=str)
    assert row_bytes.HEADER + b"".join(found.copied()) + row_bytes.TRAILER == fact_runs.copied(runs)
    subject = runs[0].subject
    assert [run.subject for run in found.of_stream("/services/membership", subject)] == [
        run.subject for run in runs if run.subject == subject
    ]
    assert not list(found.of_stream("/services/registry", subject))


def test_known_days_are_those_of_the_clock() -> None:
    random_, begin = random.Random(1), told(1)[0].time
    times = [begin + timedelta(seconds=random_.randrange(10**7), microseconds=random_.randrange(10**6)) for _ in range(500)]

    found = known_days(np.array([micros_of(time) for time in times]), CLOCK.day_of)
    assert found.tolist() == [CLOCK.day_of(time).toordinal() for time in times]
    assert known_days(np.array([micros_of(times[0])]), CLOCK.day_of).tolist() == [CLOCK.day_of(times[0]).toordinal()]
