"""Tallies on a real database: as the definition says whatever the order, audited row by row, rebuilt, and frozen when their day closes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import date, timedelta
from typing import Any

import pytest

from services.metrics.generations import lifecycle
from shared.contracts import Envelope
from tests import oracle
from tests.conftest import NewDatabase
from tests.histories import history, interleaved, refused
from tests.histories_of_cases import with_cases
from tests.integration.metrics.log import Log, log_in
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401
from tests.unit.metrics.folding.test_tallies import at_once, no_areas, written

SEED = 21
OF = (
    "SELECT c.park, c.industry, c.size, c.ownership, effective_day, known_day, name, code, value, sum(count)::bigint FROM "
    "(TABLE g{g}.tallies UNION ALL TABLE g{g}.tallies_open) d JOIN g{g}.cells c ON c.id = d.cell GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9"
)


def told(seed: int = SEED) -> list[Envelope]:
    return interleaved(with_cases(history(seed, enterprises=6, length=12), seed), seed)


def expected(events: list[Envelope]) -> dict[Any, int]:
    rows = written(at_once(no_areas(oracle.counted(events, refused))))
    return {
        (cell, date.fromordinal(on), date.fromordinal(known), str(name), code, value): n
        for (cell, on, known, name, code, value), n in rows.items()
    }


async def rows_of(log: Log, generation: int) -> dict[Any, int]:
    return {(tuple(row)[:4], *tuple(row)[4:9]): row[9] for row in await log.owner.fetch(OF.format(g=generation)) if row[9]}


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


@pytest.mark.invariant("I3")
async def test_the_projector_writes_the_rows_of_the_definition(metrics: Metrics) -> None:
    events = oracle.counted(interleaved(with_cases(history(3, enterprises=6, mistakes=True), 3, mistakes=True), 3), refused)
    for start in range(0, len(events), 7):
        await metrics.fold_batch(0, events[start : start + 7])
    assert await metrics.tallies() == expected(events)
    assert await metrics.ledger() == oracle.ledger(events)


@pytest.mark.invariant("I3")
async def test_an_audit_is_equal_and_a_rebuild_writes_the_same_rows(log: Log) -> None:
    events = told()
    log.publish_events(events)
    await log.fold()
    assert await rows_of(log, 1) == expected(events)
    _, report = await log.audit()
    assert (report.differences, report.events) == (0, len(events))
    made, _, rebuilt = await log.rebuild()
    assert rebuilt.differences == 0
    assert await rows_of(log, made) == expected(events)
    await lifecycle.switch(log.owner, made, None)
    more = told(SEED + 1)
    log.publish_events(more)
    await log.fold()
    assert await rows_of(log, made) == expected([*events, *more])
    assert (await log.audit())[1].differences == 0


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE g1.tallies_open SET count = count + 1 WHERE ctid = (SELECT min(ctid) FROM g1.tallies_open)",
        "DELETE FROM g1.tallies_open WHERE ctid = (SELECT min(ctid) FROM g1.tallies_open)",
        "INSERT INTO g1.tallies SELECT 0, min(id), '1990-01-01', '1990-01-01', 'case_open', 'other', 0, 1 FROM g1.cells",
        "UPDATE g1.tallies_open SET code = 'x' WHERE ctid = (SELECT min(ctid) FROM g1.tallies_open)",
    ],
)
async def test_a_row_that_somebody_changed_is_found(log: Log, change: str) -> None:
    log.publish_events(told())
    await log.fold()
    await log.owner.execute(change)
    _, report = await log.audit()
    assert report.differences in (1, 2)
    assert {found["table"] for found in report.different} == {"tallies"}
    assert any(found["enterprises"] for found in report.different) or "INSERT" in change


@pytest.mark.invariant("I4")
async def test_rows_of_a_closed_day_are_moved_and_stay(metrics: Metrics) -> None:
    events = oracle.counted(sorted(told(), key=lambda event: (event.time, event.source, event.subject, event.sequence)), refused)
    half = len(events) // 2
    await metrics.fold_batch(0, events[:half])
    day = oracle.known_day(events[half - 1]) - timedelta(days=1)
    await metrics.close(day)
    frozen = await metrics.pool.fetch("SELECT * FROM g1.tallies ORDER BY 1, 2, 3, 4, 5, 6, 7")
    assert frozen
    assert await metrics.pool.fetchval("SELECT count(*) FROM g1.tallies_open WHERE known_day <= $1", day) == 0
    await metrics.fold_batch(0, events[half:])
    assert await metrics.pool.fetch("SELECT * FROM g1.tallies ORDER BY 1, 2, 3, 4, 5, 6, 7") == frozen
    assert await metrics.tallies() == expected(events)


async def test_a_generation_that_never_had_the_topic_is_rebuilt_from_its_beginning(log: Log) -> None:
    """Fold version 2 read no cases: its successor starts at 0 of the new topic, and the comparison accepts that it adds rows."""
    events = told()
    cases = [event for event in events if event.source == "/services/cases"]
    log.publish_events([event for event in events if event.source != "/services/cases"])
    await log.fold()
    await log.owner.execute("UPDATE shards SET next = next - 'parkunion.cases.v1' WHERE generation = 1")
    await log.owner.execute("UPDATE generations SET fold_version = 2 WHERE id = 1")
    log.publish_events(cases)
    made, _, report = await log.rebuild()
    assert report.differences == 0
    async with log.projecting():
        await log.read(made)
    assert await rows_of(log, made) == expected(events)
    await lifecycle.switch(log.owner, made, None)
    assert (await log.audit())[1].differences == 0
