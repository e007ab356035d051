"""Rows of several parts of a batch go to PostgreSQL together; the first stays of subjects are written without the trigger."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from msgspec import structs

from services.metrics.folding import projector
from services.metrics.tables import copying, fresh, store
from services.metrics.tables.copying import CopyBuffer
from shared.contracts import plain, type_of
from shared.contracts.ids import uuid7
from shared.contracts.streams import FactCorrected, Placed
from shared.process import db
from shared.reading import fetching, turns
from shared.sequencing.shard import Shard
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.integration.metrics.folding.test_columns import told
from tests.integration.metrics.log import PARTITIONS, Log, log_in
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401


class Copies:
    """The tables to which rows were copied, in order."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tables = list[str]()
        copy_parts = copying.copy_parts

        async def counted(conn: Any, generation: int, table: str, columns: Any, parts: Any) -> None:
            self.tables.append(table)
            await copy_parts(conn, generation, table, columns, parts)

        monkeypatch.setattr(copying, "copy_parts", counted)


async def test_rows_are_sent_when_there_are_many_and_at_the_end(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    copies = Copies(monkeypatch)
    subjects = [f"enterprise/{number:03}" for number in range(40)]
    row = len(f"P1{subjects[0]}") + 34
    monkeypatch.setattr(copying, "MOST_BUFFERED", 15 * row)
    async with db.transaction(metrics.pool, areas=None) as conn:
        buffer = CopyBuffer(conn, 1)
        for begin in range(0, 40, 5):
            await fresh.keep_stays(buffer, 3, dict.fromkeys(subjects[begin : begin + 5], "P1"))
        assert copies.tables == ["stays"] * 2, "30 of 40 rows"
        assert await conn.fetchval("SELECT count(*) FROM g1.stays") == 30
        await fresh.keep_states(conn, buffer, 3, {"enterprise/000": (b"", 0)})
        await buffer.send()
        await buffer.send()
    assert sorted(copies.tables[2:]) == ["states", "stays"]
    found = [
        tuple(row)
        for row in await metrics.pool.fetch("SELECT subject, since::text, until::text, park, shard FROM g1.stays ORDER BY subject")
    ]
    assert found == [(subject, "-infinity", "infinity", "P1", 3) for subject in subjects]


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


async def test_a_batch_of_many_parts_is_copied_once_a_table_and_writes_first_stays_itself(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, name, value in (
        (turns, "FAR_BEHIND", 0),
        (fetching, "TOGETHER", 5),
        (projector, "MOST_SUBJECTS", 2),
        (projector, "LEAST_PLAIN", 1),
    ):
        monkeypatch.setattr(module, name, value)
    copies = Copies(monkeypatch)
    events = [event for event in told(11) if event.type == "parkunion.enterprise-registered.v1" and event.sequence == 1]
    assert len(events) >= 6, "several parts"
    # The trigger writes nothing.
    await log.owner.execute("CREATE OR REPLACE FUNCTION g1.facts_added() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'")
    log.publish_events(events)
    await log.fold()
    versions = await log.owner.fetchval("SELECT count(*) FROM g1.change_feed")
    assert max(copies.tables.count(table) for table in set(copies.tables)) <= versions
    found = {record["subject"]: record["park"] for record in await log.owner.fetch("SELECT subject, park FROM g1.stays")}
    assert found == {event.subject: event.data.park for event in events}  # type: ignore[attr-defined]


async def test_a_fact_that_is_not_the_first_about_a_place_is_left_to_the_trigger(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of subjects with several such facts, in one batch or in several, and of those whose facts come as objects, too."""
    for module, name, value in ((turns, "FAR_BEHIND", 0), (fetching, "TOGETHER", 5), (projector, "LEAST_PLAIN", 1)):
        monkeypatch.setattr(module, name, value)
    log.publish_events(interleaved(history(12, enterprises=10, length=30), 12))
    await log.fold()
    stays = "SELECT subject, since, until, park, shard FROM g1.stays ORDER BY subject, since"
    found = await log.owner.fetch(stays)
    await log.owner.execute("DELETE FROM g1.stays")
    await log.owner.execute("SELECT g1.keep_stays(ARRAY(SELECT DISTINCT subject FROM g1.fact_rows))")
    assert found == await log.owner.fetch(stays) != []
    assert len({record["subject"] for record in found}) < len(found), "somebody moved"


async def test_a_registration_that_its_own_batch_takes_back_leaves_no_stay(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """The registration comes as a column, its correction to nothing as an object: the trigger must see them in that order."""
    for module, name, value in ((turns, "FAR_BEHIND", 0), (fetching, "TOGETHER", 5), (projector, "LEAST_PLAIN", 1)):
        monkeypatch.setattr(module, name, value)
    events = [event for event in told(11) if event.type == "parkunion.enterprise-registered.v1" and event.sequence == 1]
    taken_back = events[2]
    withdrawn = Placed(occurred_on=taken_back.occurredon, data=plain(taken_back.data))
    correction = FactCorrected(corrects=taken_back.id, fact=taken_back.type, rank=1, reason="typo", withdrawn=withdrawn)
    corrected = structs.replace(
        taken_back,
        id=uuid7(),
        sequence=2,
        type=type_of(correction),
        data=correction,
        time=max(event.time for event in events) + timedelta(seconds=1),
    )
    log.publish_events([*events, corrected])
    await log.fold()
    assert await log.owner.fetchval("SELECT count(*) FROM g1.change_feed") <= 2 * PARTITIONS, "both were in one batch of their shard"
    found = {record["subject"] for record in await log.owner.fetch("SELECT subject FROM g1.stays")}
    assert found == {event.subject for event in events} - {taken_back.subject}
    report = (await log.audit())[1]
    assert report.differences == 0, "\n".join(map(str, report.different))


async def test_before_facts_are_packed_the_trigger_keeps_all_stays(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    """While a projector of 0.2 is connected, migration 0013 waits; columns are folded, and not read again as objects."""
    for module, name, value in ((turns, "FAR_BEHIND", 0), (fetching, "TOGETHER", 5), (projector, "LEAST_PLAIN", 1)):
        monkeypatch.setattr(module, name, value)

    async def nothing_is_packed(_conn: object, _generation: int, table: str) -> bool:
        return table != "fact_runs"

    monkeypatch.setattr(store, "has_table", nothing_is_packed)
    dropped = list[int]()

    def drop(shard: Shard) -> dict[str, int]:
        dropped.append(shard.number)
        return {}

    monkeypatch.setattr(Shard, "drop_columns", drop)
    events = [event for event in told(11) if event.type == "parkunion.enterprise-registered.v1" and event.sequence == 1]
    log.publish_events(events)
    await log.fold()
    found = {record["subject"]: record["park"] for record in await log.owner.fetch("SELECT subject, park FROM g1.stays")}
    assert found == {event.subject: event.data.park for event in events}  # type: ignore[attr-defined]
    assert not dropped
