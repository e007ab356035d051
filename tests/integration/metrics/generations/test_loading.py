"""What a rebuild loads is what a projector would have written, and what it put aside for that is back when it is done."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from services.metrics.generations import lifecycle
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.histories_of_cases import with_cases
from tests.integration.metrics.generations.test_rollups import close
from tests.integration.metrics.log import Log, log_in
from tests.integration.metrics.service import CLOCK

INDEXES = "SELECT tablename, indexname, replace(indexdef, schemaname || '.', '') FROM pg_indexes WHERE schemaname = $1 ORDER BY 1, 2"
TRIGGERS = """
SELECT c.relname, t.tgname, t.tgenabled::text FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
WHERE c.relnamespace = $1::regnamespace AND NOT t.tgisinternal ORDER BY 1, 2
"""
SAME = {
    "facts": "shard, subject, source, sequence, event_id, type, occurred_on, known_day, recorded_at, says, actor, reason",
    "durations": "shard, (SELECT c::text FROM (SELECT park, industry, size, ownership FROM g{g}.cells WHERE id = d.cell) c), effective_day, known_day, kind, value",
    "stays": "subject, since, until, park, shard",
    "enterprises": "id, name, credit_code, park, shard",
    "unions": "id, name, seat, shard",
    "placements": "DISTINCT park, subject, shard",
    "states": "shard, subject, findings, noted_by = xmin",
}
"""{table: its columns that are equal in every generation}"""


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    """A log of which half the known days are closed, with cases."""
    async with log_in(await database("metrics")) as made:
        events = interleaved(with_cases(history(23, enterprises=6, length=14), 23, length=14), 23)
        known = sorted(CLOCK.day_of(event.time) for event in events)
        made.publish_events(events)
        close(made, known[len(known) // 2])
        await made.fold()
        yield made


async def rows(log: Log, table: str, generation: int) -> list[tuple[object, ...]]:
    chosen = SAME[table].format(g=generation)
    return sorted((tuple(row) for row in await log.owner.fetch(f"SELECT {chosen} FROM g{generation}.{table} d")), key=repr)


async def catalogue(log: Log, statement: str, generation: int) -> list[tuple[object, ...]]:
    return [tuple(row) for row in await log.owner.fetch(statement, f"g{generation}")]


async def test_a_rebuilt_generation_has_the_rows_the_indexes_and_the_triggers_of_the_served_one(log: Log) -> None:
    made, _, report = await log.rebuild()
    assert report.differences == 0
    for table in SAME:
        assert await rows(log, table, made) == await rows(log, table, 1), table
        assert table == "unions" or await rows(log, table, made)
    assert await log.ledger(made) == await log.ledger(1) != {}
    for table in ("ledger", "durations", "tallies"):
        of_both = [await log.owner.fetchval(f"SELECT count(*) FROM g{generation}.{table}") for generation in (1, made)]
        assert of_both[0] == of_both[1], "what is closed stands where closed days stand"
    assert await catalogue(log, INDEXES, made) == await catalogue(log, INDEXES, 1)
    assert await catalogue(log, TRIGGERS, made) == await catalogue(log, TRIGGERS, 1) != []


async def test_it_goes_on_as_the_served_one_does(log: Log) -> None:
    made, *_ = await log.rebuild()
    await lifecycle.switch(log.owner, made, None)
    later = interleaved(with_cases(history(24, enterprises=3, length=8), 24, length=8), 24)
    log.publish_events(later)
    await log.fold()
    _, report = await log.audit()
    assert (report.generation, report.differences) == (made, 0)
    assert await rows(log, "stays", made) == await rows(log, "stays", 1) != []


async def test_columns_of_which_nobody_seeks_a_value_have_no_statistics_in_any_generation(log: Log) -> None:
    """And tables that are read by their key alone are not vacuumed for new rows; a clone is as what it was made from."""
    targets = """
    SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND a.attstattarget = 0 ORDER BY 1, 2
    """
    options = "SELECT relname, reloptions FROM pg_class WHERE relnamespace = $1::regnamespace AND reloptions IS NOT NULL AND relkind = 'r' ORDER BY 1"
    made, *_ = await log.rebuild()
    found = [tuple(row) for row in await log.owner.fetch(targets, "g1")]
    assert found == [tuple(row) for row in await log.owner.fetch(targets, f"g{made}")]
    assert {("fact_rows", "says"), ("fact_runs", "recorded"), ("states", "state"), ("change_feed", "packed")} <= set(found)
    assert not {("fact_rows", "subject"), ("tallies", "name"), ("stays", "park"), ("fact_runs", "newest")} & set(found)
    assert await log.owner.fetch(options, "g1") == await log.owner.fetch(options, f"g{made}")
    unseen = await log.owner.fetchval("SELECT reloptions FROM pg_class WHERE oid = 'g1.states'::regclass")
    assert "autovacuum_vacuum_insert_threshold=-1" in unseen
