"""Rollups under audit: one that is changed is named, a changed ledger accuses no rollup, and a rebuild and a switch have them again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta

import pytest

from services.metrics.generations import lifecycle, reporting
from services.metrics.generations.closed import rolling
from shared.broker.protocol import Message
from shared.contracts import Envelope, cases, encode, membership, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.streams import DayClosed, day_subject
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.integration.metrics.log import PARTITIONS, Log, log_in
from tests.integration.metrics.service import CLOCK
from tests.patience import PATIENCE

SEED = 21


def closing(day: date, number: int, source: str) -> bytes:
    """`day-closed`, recorded five minutes after the day."""
    return encode(
        Envelope(
            id=uuid7(),
            source=source,
            subject=day_subject(number),
            partitionkey=str(number),
            sequence=1,
            type=type_of(DayClosed(day=day)),
            time=CLOCK.opens_after(day) + timedelta(minutes=5),
            occurredon=day,
            actor="closing",
            origin="api",
            data=DayClosed(day=day),
        )
    )


def close(log: Log, day: date) -> None:
    for topic, source in zip(log.settings.topics, (registry.SOURCE, membership.SOURCE, cases.SOURCE), strict=True):
        for number in range(PARTITIONS):
            log.broker.write(topic, [Message(number, str(number).encode(), closing(day, number, source))])


async def roll(log: Log, generation: int = 1) -> None:
    while await rolling.roll(log.owner, generation, PARTITIONS) is not None:
        pass


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    """A log of which half the known days are closed and rolled up."""
    async with log_in(await database("metrics")) as made:
        events = interleaved(history(SEED, enterprises=8, length=16), SEED)
        known = sorted(CLOCK.day_of(event.time) for event in events)
        made.publish_events(events)
        close(made, known[len(known) // 2])
        await made.fold()
        await roll(made)
        assert await made.owner.fetchval("SELECT day FROM g1.rolled") == known[len(known) // 2]
        assert await made.owner.fetchval("SELECT count(*) FROM g1.ledger_open") > 0
        yield made


async def rows(log: Log, generation: int) -> list[tuple[object, ...]]:
    found = await log.owner.fetch(f"SELECT * FROM g{generation}.rollups ORDER BY known, dimension, span, start, park, code")
    return [tuple(row) for row in found if any(tuple(row)[6:])]


@pytest.mark.invariant("I3")
async def test_rollups_that_are_as_the_log_says_are_equal_and_a_rebuild_makes_them_again(log: Log) -> None:
    _, report = await log.audit()
    assert report.differences == 0
    made, _, rebuilt = await log.rebuild()
    assert rebuilt.differences == 0
    assert await rows(log, made) == await rows(log, 1) != []
    await lifecycle.switch(log.owner, made, None)
    _, again = await log.audit()
    assert (again.generation, again.differences) == (made, 0)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE g1.rollups SET units = coalesce(units, 0) + 1 WHERE ctid = (SELECT min(ctid) FROM g1.rollups WHERE span = '{span}')",
        "DELETE FROM g1.rollups WHERE ctid = (SELECT min(ctid) FROM g1.rollups WHERE span = '{span}' AND units <> 0)",
        "INSERT INTO g1.rollups (known, dimension, span, start, park, code, units) VALUES (0, 'none', '{span}', '1990-01-01', NULL, NULL, 3)",
    ],
)
@pytest.mark.parametrize("span", ["day", "month", "year"])
async def test_a_rollup_that_was_changed_is_named(log: Log, change: str, span: str, capsys: pytest.CaptureFixture[str]) -> None:
    before = await rows(log, 1)
    await log.owner.execute(change.format(span=span))
    (changed,) = {row[:6] for row in set(before) ^ set(await rows(log, 1))}
    number, report = await log.audit()
    assert report.differences == 1
    (found,) = report.different
    assert (found["table"], found["shard"], tuple(found["key"].values())) == ("rollups", None, changed)
    assert found["served"].get("units", 0) != found["refolded"].get("units", 0)
    stored = await log.owner.fetchval("SELECT report FROM reports WHERE id = $1", number)
    assert stored["different"][0]["key"]["span"] == span
    reporting.print_audit({"id": number, **report.body()})
    assert f"rollups known={changed[0]} dimension={changed[1]} span={span}" in capsys.readouterr().out


async def test_a_changed_ledger_accuses_no_rollup_that_is_as_the_log_says(log: Log) -> None:
    await log.owner.execute("UPDATE g1.ledger SET units = coalesce(units, 0) + 5 WHERE ctid = (SELECT min(ctid) FROM g1.ledger)")
    _, report = await log.audit()
    assert [found["table"] for found in report.different] == ["ledger"]


async def test_a_changed_ledger_that_was_rolled_up_is_named_with_its_rollups(log: Log) -> None:
    await log.owner.execute("UPDATE g1.ledger SET units = coalesce(units, 0) + 5 WHERE ctid = (SELECT min(ctid) FROM g1.ledger)")
    await log.owner.execute("TRUNCATE g1.rollups, g1.rolled")
    await roll(log)
    _, report = await log.audit()
    assert [found["table"] for found in report.different] == ["ledger"] + 40 * ["rollups"]
    assert all(found["served"]["units"] == found["refolded"].get("units", 0) + 5 for found in report.different)


async def test_days_that_are_rolled_up_and_not_closed_are_named(log: Log) -> None:
    await log.owner.execute("UPDATE g1.rolled SET day = day + 1")
    _, report = await log.audit()
    assert report.different[-1]["table"] == "rolled"
    assert report.different[-1]["served"] == report.different[-1]["refolded"] + timedelta(days=1)


async def test_they_are_dropped_with_their_generation(log: Log) -> None:
    made, _, _ = await log.rebuild()
    await lifecycle.drop(log.owner, made)
    assert await log.owner.fetchval("SELECT to_regclass($1)", f"g{made}.rollups") is None


async def test_a_process_rolls_up_what_is_closed(log: Log) -> None:
    before, stop = await rows(log, 1), asyncio.Event()
    await log.owner.execute("TRUNCATE g1.rollups, g1.rolled")
    running = asyncio.create_task(rolling.run(log.settings.dsn, PARTITIONS, stop, (rolling.roll,)))
    async with asyncio.timeout(PATIENCE):
        while await rows(log, 1) != before:
            await asyncio.sleep(0.05)
    stop.set()
    await running
