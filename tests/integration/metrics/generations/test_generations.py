"""Generations: a rebuild equals what is served, a switch is one status, and events flow all the while."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from services.metrics.generations import lifecycle
from services.metrics.generations.auditing import LogNotRead
from services.metrics.generations.lifecycle import GenerationRefused
from services.metrics.generations.rebuilding import AlreadyRebuilding, Loader
from services.metrics.measures import MEASURES
from shared.contracts import Envelope, registry, type_of
from shared.contracts.ids import uuid7
from shared.contracts.registry import AreaKind, AreaRegistered
from tests import oracle
from tests.conftest import NewDatabase
from tests.histories import history, interleaved
from tests.integration.metrics.log import DEADLINE, PARTITIONS, Log, log_in

SEED = 21


def told(seed: int = SEED, enterprises: int = 8) -> list[Envelope]:
    return interleaved(history(seed, enterprises=enterprises, length=16), seed)


def an_area() -> Envelope:
    first = told()[0]
    data = AreaRegistered(code="P1", name="示例园区", kind=AreaKind.PARK, parent=None)
    return Envelope(
        id=uuid7(), source=registry.SOURCE, subject="area/P1", partitionkey="P1", sequence=1, type=type_of(data), time=first.time,
        occurredon=first.occurredon, actor="tester", origin="api", data=data,
    )  # fmt: skip


def of_the_oracle(events: list[Envelope]) -> dict[tuple[object, ...], tuple[int, ...]]:
    return {
        (*cell, effective, known): tuple(row[name] for name in MEASURES) for (cell, effective, known), row in oracle.ledger(events).items()
    }


@pytest.fixture
async def log(database: NewDatabase) -> AsyncIterator[Log]:
    async with log_in(await database("metrics")) as made:
        yield made


@pytest.mark.invariant("I3")
async def test_a_rebuild_under_a_running_load_serves_what_the_definition_says(log: Log) -> None:
    events = told(enterprises=30)
    log.publish_events(events[: len(events) // 2])

    async def write() -> None:
        for event in events[len(events) // 2 :]:
            log.publish_events([event])
            await asyncio.sleep(0.002)

    async with log.projecting():
        await log.read(1)
        writing = asyncio.create_task(write())
        made, _, report = await log.rebuild()
        assert report.differences == 0
        async with asyncio.timeout(DEADLINE):
            while True:
                try:
                    assert await lifecycle.switch(log.owner, None, None) == (1, made)
                    break
                except lifecycle.StillBehind:
                    await asyncio.sleep(0.05)
        await writing
        await log.read(1, made)
        _, audited = await log.audit()
        assert (audited.generation, audited.differences) == (made, 0)
    assert await log.ledger(made) == of_the_oracle(events)
    assert await log.ledger(1) == of_the_oracle(events)


async def test_a_rollback_goes_to_what_was_fed_meanwhile_and_back(log: Log) -> None:
    events = told()
    half = len(events) // 2
    log.publish_events(events[:half])
    await log.fold()
    made, *_ = await log.rebuild()
    await lifecycle.switch(log.owner, made, None)
    async with log.projecting():
        log.publish_events(events[half:])
        await log.read(1, made)
        assert await lifecycle.rollback(log.owner) == (made, 1)
        assert (await log.audit())[1].generation == 1
        assert await lifecycle.rollback(log.owner) == (1, made)
    assert await log.ledger(1) == await log.ledger(made) == of_the_oracle(events)


async def test_a_day_after_it_retired_a_generation_is_let_go_and_the_next_rebuild_drops_it(log: Log) -> None:
    log.publish_events(told())
    await log.fold()
    made, *_ = await log.rebuild()
    await lifecycle.switch(log.owner, made, None)
    await log.owner.execute("UPDATE clock_shift SET shift = interval '25 hours'")
    assert list(await lifecycle.active(log.owner)) == [made]
    with pytest.raises(GenerationRefused, match="24"):
        await lifecycle.rollback(log.owner)
    with pytest.raises(GenerationRefused, match="fed no longer"):
        await lifecycle.switch(log.owner, 1, None)
    another, *_ = await log.rebuild()
    assert another > made
    assert [row["id"] for row in await lifecycle.overview(log.owner)] == [made, another]
    assert await log.owner.fetchval("SELECT to_regnamespace('g1') IS NULL")
    assert not await log.owner.fetchval("SELECT count(*) FROM shards WHERE generation = 1")


async def test_a_switch_is_refused_with_the_reason(log: Log) -> None:
    log.publish_events(told())
    await log.fold()
    with pytest.raises(GenerationRefused, match="rebuild first"):
        await lifecycle.switch(log.owner, None, None)
    with pytest.raises(GenerationRefused, match="no generation 7"):
        await lifecycle.switch(log.owner, 7, None)
    with pytest.raises(GenerationRefused, match="serving already"):
        await lifecycle.switch(log.owner, 1, None)
    made, number, _ = await log.rebuild()
    with pytest.raises(GenerationRefused, match="not that of generation"):
        await lifecycle.switch(log.owner, made, number + 1)
    await log.owner.execute(
        """UPDATE shards SET next = jsonb_set(next, ARRAY[$1], '0') WHERE generation = $2""", log.settings.topics[0], made
    )
    with pytest.raises(GenerationRefused, match="events behind"):
        await lifecycle.switch(log.owner, made, None)
    assert (await lifecycle.serving(log.owner))[0] == 1


async def test_a_rebuild_that_is_killed_leaves_what_the_next_one_drops(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    log.publish_events(told())
    await log.fold()
    done = Loader.done

    async def killed(self: Loader, refolded: object) -> None:
        await done(self, refolded)  # type: ignore[arg-type]
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(Loader, "done", killed)
        dying = await log.connect()
        with pytest.raises(asyncio.CancelledError):
            await generations_rebuild(log, dying)
        await dying.close()
    left = [row["id"] for row in await lifecycle.overview(log.owner)]
    assert len(left) == 2
    assert list(await lifecycle.active(log.owner)) == [1]
    with pytest.raises(GenerationRefused, match="not built"):
        await lifecycle.switch(log.owner, left[1], None)
    made, *_ = await log.rebuild()
    assert [row["id"] for row in await lifecycle.overview(log.owner)] == [1, made]
    assert made not in left


async def generations_rebuild(log: Log, writing: object) -> None:
    from services.metrics.generations.rebuilding import rebuild

    conn = await log.connect()
    try:
        await rebuild(conn, writing, await log.source())  # type: ignore[arg-type]
    finally:
        await conn.close()


async def test_two_rebuilds_at_once_are_one(log: Log) -> None:
    log.publish_events(told())
    await log.fold()
    other = await log.connect()
    await other.execute("SELECT pg_advisory_lock($1)", lifecycle.REBUILDING)
    with pytest.raises(AlreadyRebuilding):
        await log.rebuild()
    await other.close()


async def test_a_generation_has_the_same_catalogue_as_the_one_before(log: Log) -> None:
    await log.fold()
    made, *_ = await log.rebuild()
    queries = (
        "SELECT c.relname, c.relkind, c.reloptions, c.relrowsecurity, c.relacl::text FROM pg_class c WHERE relnamespace = $1::regnamespace",
        "SELECT c.relname, a.attnum, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attstorage, a.attcollation, "
        "pg_get_expr(d.adbin, d.adrelid) FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid LEFT JOIN pg_attrdef d ON (d.adrelid, d.adnum) "
        "= (a.attrelid, a.attnum) WHERE c.relnamespace = $1::regnamespace AND attnum > 0 AND NOT attisdropped AND c.relkind IN ('r', 'v')",
        "SELECT c.relname, k.conname, k.contype, pg_get_constraintdef(k.oid) FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid "
        "WHERE c.relnamespace = $1::regnamespace",
        "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = $1",
        "SELECT viewname, definition FROM pg_views WHERE schemaname = $1",
        "SELECT tablename, policyname, permissive, roles::text, cmd, qual, with_check FROM pg_policies WHERE schemaname = $1",
        "SELECT nspacl::text FROM pg_namespace WHERE nspname = $1",
    )
    for query in queries:
        found = []
        for schema in ("g1", f"g{made}"):
            rows = await log.owner.fetch(query, schema)
            found.append(Counter(re.sub(rf"\b{schema}\.", "g.", repr(tuple(row))) for row in rows))
        assert found[0]
        assert found[0] == found[1], query


async def test_a_log_that_was_cut_or_made_anew_is_not_audited(log: Log) -> None:
    events = told()
    log.publish_events(events)
    await log.fold()
    for topic in log.settings.topics:
        log.broker.create(topic, PARTITIONS)
    log.publish_events(sorted(events, key=lambda event: (event.time, event.sequence)))
    with pytest.raises(LogNotRead, match="written again"):
        await log.audit()
    made, _, report = await log.rebuild()
    assert not [found for found in report.different if found["table"] == "ledger"]
    await lifecycle.switch(log.owner, made, await log.owner.fetchval("SELECT report FROM generations WHERE id = $1", made))
    assert (await log.audit())[1].differences == 0


async def test_one_generation_that_cannot_go_on_stops_no_other(log: Log) -> None:
    events = told()
    half = len(events) // 2
    log.publish_events(events[:half])
    await log.fold()
    made, *_ = await log.rebuild()
    await log.owner.execute(f"DROP TABLE g{made}.placement_rows CASCADE")
    async with log.projecting():
        log.publish_events(events[half:])
        await log.read(1)
    assert await log.ledger(1) == of_the_oracle(events)
    assert await log.behind(made)
