"""An audit finds one changed row in any table, names its enterprises, and lists what is parked."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.metrics.generations import lifecycle
from services.metrics.generations.lifecycle import GenerationRefused
from shared.contracts import encode
from tests import oracle
from tests.conftest import NewDatabase
from tests.integration.metrics.generations.test_generations import an_area, of_the_oracle, told
from tests.integration.metrics.log import Log, log_in


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


@pytest.mark.invariant("I3")
async def test_a_generation_that_is_as_the_log_says_is_equal(log: Log) -> None:
    events = told()
    log.publish_events(events)
    await log.fold()
    number, report = await log.audit()
    assert (report.differences, report.parked, report.events) == (0, [], len(events))
    assert report.rows == len(of_the_oracle(events)) + len(oracle.durations(events))
    assert sum(sum(offsets.values()) for offsets in report.vector.values()) == len(events)
    (stored,) = await log.owner.fetch("SELECT kind, differences, report FROM reports WHERE id = $1", number)
    assert (stored["kind"], stored["differences"], stored["report"]["id"]) == ("audit", 0, number)


async def test_one_row_changed_by_one_is_named_with_its_enterprises(log: Log) -> None:
    events = told()
    log.publish_events(events)
    await log.fold()
    (row,) = await log.owner.fetch("SELECT ctid, shard, cell, effective_day, known_day, units FROM g1.ledger_rows WHERE units > 0 LIMIT 1")
    await log.owner.execute("UPDATE g1.ledger_rows SET units = units + 1 WHERE ctid = $1", row["ctid"])
    (cell,) = await log.owner.fetch("SELECT park, industry, size, ownership FROM g1.cells WHERE id = $1", row["cell"])

    _, report = await log.audit()
    assert report.differences == 1
    (found,) = report.different
    assert (found["table"], found["shard"], found["cell"]) == ("ledger", row["shard"], dict(cell))
    assert (found["effective_day"], found["known_day"]) == (row["effective_day"], row["known_day"])
    assert found["served"]["units"] == found["refolded"]["units"] + 1
    assert {name for name in found["served"] if found["served"][name] != found["refolded"][name]} == {"units"}
    key = (tuple(cell), row["effective_day"], row["known_day"])
    behind = {subject for subject, own in oracle.by_subject(events).items() if key in oracle.ledger(own)}
    assert behind
    assert set(found["enterprises"]) == behind

    made, _, rebuilt = await log.rebuild()
    assert rebuilt.differences == 1
    with pytest.raises(GenerationRefused, match="--accept"):
        await lifecycle.switch(log.owner, made, None)
    await lifecycle.switch(log.owner, made, await log.owner.fetchval("SELECT report FROM generations WHERE id = $1", made))
    _, again = await log.audit()
    assert (again.generation, again.differences) == (made, 0)


@pytest.mark.parametrize(
    ("change", "table"),
    [
        ("DELETE FROM g1.fact_rows WHERE ctid = (SELECT min(ctid) FROM g1.fact_rows)", "facts"),
        ("UPDATE g1.fact_rows SET says = '{}' WHERE ctid = (SELECT min(ctid) FROM g1.fact_rows WHERE says IS NOT NULL)", "facts"),
        ("DELETE FROM g1.fact_runs WHERE ctid = (SELECT min(ctid) FROM g1.fact_runs)", "facts"),
        ("UPDATE g1.fact_runs SET occurred[1] = occurred[1] - 1 WHERE ctid = (SELECT min(ctid) FROM g1.fact_runs)", "facts"),
        ("UPDATE g1.fact_runs SET first = -first WHERE ctid = (SELECT min(ctid) FROM g1.fact_runs)", "facts"),
        ("UPDATE g1.fact_runs SET newest = newest + '1 s' WHERE ctid = (SELECT min(ctid) FROM g1.fact_runs)", "facts"),
        ("UPDATE g1.fact_runs SET occurred = occurred[2:] WHERE ctid = (SELECT min(ctid) FROM g1.fact_runs)", "facts"),
        ("UPDATE g1.fact_runs SET occurred[1] = NULL WHERE ctid = (SELECT min(ctid) FROM g1.fact_runs)", "facts"),
        ("UPDATE g1.fact_runs SET actor = 'another' WHERE ctid = (SELECT min(ctid) FROM g1.fact_runs)", "facts"),
        ("UPDATE g1.fact_rows SET reason = 'another' WHERE ctid = (SELECT min(ctid) FROM g1.fact_rows)", "facts"),
        ("DELETE FROM g1.states WHERE ctid = (SELECT min(ctid) FROM g1.states)", "states"),
        ("UPDATE g1.enterprises SET name = 'other' WHERE ctid = (SELECT min(ctid) FROM g1.enterprises)", "enterprises"),
        ("DELETE FROM g1.placement_rows WHERE ctid = (SELECT min(ctid) FROM g1.placement_rows)", "placements"),
        ("INSERT INTO g1.placement_rows SELECT 'elsewhere', subject, shard FROM g1.stays LIMIT 1", "placements"),
        ("UPDATE g1.unions SET name = 'other' WHERE ctid = (SELECT min(ctid) FROM g1.unions)", "unions"),
        ("DELETE FROM g1.areas_facts WHERE ctid = (SELECT min(ctid) FROM g1.areas_facts)", "areas_facts"),
        (
            'INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, kind, event) '
            "SELECT generation, shard, 'parkunion.registry', 999, source, subject, sequence + 9, 'early', '' FROM seen ORDER BY subject LIMIT 1",
            "held",
        ),
        ("UPDATE g1.durations_open SET count = count + 1 WHERE ctid = (SELECT min(ctid) FROM g1.durations_open)", "durations"),
        (
            "INSERT INTO g1.durations (shard, cell, effective_day, known_day, kind, value, count) "
            "SELECT 0, min(id), '1990-01-01', '1990-01-01', 'founded', 3, 1 FROM g1.cells",
            "durations",
        ),
        (
            "INSERT INTO g1.ledger (shard, cell, effective_day, known_day, units) SELECT 0, min(id), '1990-01-01', '1990-01-01', 1 FROM g1.cells",
            "ledger",
        ),
        (
            "INSERT INTO g1.ledger_runs SELECT 0, min(id), '1990-01-01', false, true, '{1990-01-01}', '{1}' FROM g1.cells",
            "ledger",
        ),
        ("UPDATE g1.stays SET until = until - 1 WHERE ctid = (SELECT min(ctid) FROM g1.stays WHERE until < 'infinity')", "stays"),
        ("UPDATE seen SET sequence = sequence + 1 WHERE ctid = (SELECT min(ctid) FROM seen)", "seen"),
        ("UPDATE g1.ledger_rows SET effective_day = 'infinity' WHERE ctid = (SELECT min(ctid) FROM g1.ledger_rows)", "ledger"),
        ("DELETE FROM g1.ledger_rows WHERE ctid = (SELECT min(ctid) FROM g1.ledger_rows)", "ledger"),
        (
            "INSERT INTO g1.ledger_rows (shard, cell, effective_day, known_day, units) SELECT 0, min(id), '1990-01-01', '1990-01-01', 1 FROM g1.cells",
            "ledger",
        ),
    ],
)
async def test_whatever_is_changed_in_a_table_is_found(log: Log, change: str, table: str) -> None:
    log.publish_events([*told(), an_area()])
    await log.fold()
    assert await log.owner.execute(change) not in ("UPDATE 0", "DELETE 0", "INSERT 0 0")
    _, report = await log.audit()
    # A row whose key is changed is one too many and one too few.
    assert [found["table"] for found in report.different] == [table] * (2 if "effective_day =" in change else 1)


async def test_what_is_parked_is_listed_and_is_no_difference(log: Log) -> None:
    events = told()
    victim = next(event for event in events if event.type.startswith("parkunion.headcount-reported"))
    for event in events:
        if event is victim:
            log.publish(log.settings.topics[0], event.partitionkey, encode(event).replace(b'"workers":', b'"workers":-1,"was":'))
        else:
            log.publish_events([event])
    await log.fold()
    held = await log.owner.fetchval("SELECT count(*) FROM held")
    assert held
    _, report = await log.audit()
    assert report.differences == 0
    assert [(stream["source"], stream["subject"], stream["events"]) for stream in report.parked] == [(victim.source, victim.subject, held)]

    made, _, rebuilt = await log.rebuild()
    assert rebuilt.differences == 0
    columns = 'shard, topic, "offset", source, subject, sequence, event_id, kind, event'
    assert set(map(tuple, await log.owner.fetch(f"SELECT {columns} FROM held WHERE generation = $1", made))) == set(
        map(tuple, await log.owner.fetch(f"SELECT {columns} FROM held WHERE generation = 1"))
    )
