"""Steps are read before they are asked for, as many as are kept."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest

from services.metrics.explaining import changes
from services.metrics.explaining.changes import Window
from services.metrics.explaining.sets.standing import standing, standing_if_few
from services.metrics.figures import kept, questions
from services.metrics.figures.stores import name_store, set_store
from services.metrics.generations.closed import stepping
from services.metrics.http import ahead
from services.metrics.http.ahead import read_ahead, reading_ahead, rehearse
from shared.contracts.ids import uuid7
from shared.contracts.registry import EnterpriseRegistered
from shared.process.db import Connection
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401
from tests.patience import PATIENCE

PARKS = ("P1", "P2", "P3")


class Reads:
    """Counts the parks whose steps are read."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.parks = list[str]()
        self._read = set_store.steps
        monkeypatch.setattr(set_store, "steps", self._counted)

    async def _counted(self, conn: Connection, generation: int, parks: Any) -> Any:
        self.parks += parks
        return await self._read(conn, generation, parks)


async def registered(metrics: Metrics, parks: tuple[str, ...]) -> date:
    """Register an enterprise in each park; returns the day."""
    for park in parks:
        enterprise = uuid7()
        metrics.append(
            f"enterprise/{enterprise}", EnterpriseRegistered(enterprise_id=enterprise, name="厂", park=park, district="D"), "2024-01-01"
        )
    await metrics.fold()
    return metrics.known.date()


async def closed(metrics: Metrics, parks: tuple[str, ...]) -> date:
    """The same, and close the day, and have the steps kept."""
    day = await registered(metrics, parks)
    await metrics.close(day)
    async with metrics.pool.acquire() as conn:
        while await stepping.keep(conn, 1, 1) is not None:
            pass
    metrics.known += timedelta(days=1)
    return day


async def ask(metrics: Metrics, day: date) -> None:
    async with metrics.snapshot() as snapshot:
        assert (await standing(snapshot, None, day, day)).sets.parks == [*PARKS]


async def test_no_question_reads_steps_that_were_read_ahead(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    day = await closed(metrics, PARKS)
    assert await read_ahead(metrics.questions) == len(PARKS)
    reads = Reads(monkeypatch)
    await ask(metrics, day)
    assert await read_ahead(metrics.questions) == 0
    assert reads.parks == []
    later = await closed(metrics, ("P2",))
    assert await read_ahead(metrics.questions), "steps that were written anew are read again"
    assert "P2" in reads.parks
    reads.parks.clear()
    await ask(metrics, later)
    assert reads.parks == []


async def test_where_more_changed_than_a_question_reads_no_steps_are_read(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on the day of an import: each second findings of streams are read, and it took most of a second to see which of the steps still hold."""
    day = await closed(metrics, PARKS)
    later = await registered(metrics, PARKS)
    reads = Reads(monkeypatch)
    async with metrics.snapshot() as snapshot:
        with monkeypatch.context() as patched:
            patched.setattr(set_store, "subjects_without_steps", None)
            assert await standing_if_few(snapshot, None, later, later, len(PARKS) - 1) is None
        assert reads.parks == []
        found = await standing_if_few(snapshot, None, later, later, len(PARKS))
        assert found is not None
        assert len(found.rest) == len(PARKS)
        assert await standing_if_few(snapshot, None, day, day, 0) is not None


async def test_parks_are_brought_up_to_a_closed_day_together(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    """To find those that are behind costs a look at every park."""
    monkeypatch.setattr(stepping, "LONGEST", PATIENCE)
    await registered(metrics, PARKS)
    await metrics.close(metrics.known.date())
    async with metrics.pool.acquire() as conn:
        assert [await stepping.keep(conn, 1, 1) for _ in range(2)] == [PARKS[-1], None]
        assert await conn.fetchval("SELECT count(*) FROM g1.steps") == len(PARKS)
    metrics.known += timedelta(days=1)
    await metrics.close(metrics.known.date())
    monkeypatch.setattr(stepping, "LONGEST", 0.0)
    async with metrics.pool.acquire() as conn:
        assert [await stepping.keep(conn, 1, 1) for _ in range(4)] == [*PARKS, None]


async def test_what_is_not_kept_is_not_read_ahead(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    day = await closed(metrics, PARKS)
    async with metrics.snapshot() as snapshot:
        (size, *_) = [row["size"] for row in await set_store.steps_kept(snapshot.conn, 1, None)]
    monkeypatch.setattr(kept, "MOST_STEPS", 2 * size + size // 2)
    assert [await read_ahead(metrics.questions) for _ in range(2)] == [2, 0]
    await ask(metrics, day)


async def test_a_process_reads_ahead_through_failures(metrics: Metrics, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "LOOK_EVERY", 0.01)
    await closed(metrics, PARKS)
    reads, failures = Reads(monkeypatch), [OSError("away"), ValueError("broken")]
    steps_kept = set_store.steps_kept

    async def failing(*args: Any) -> Any:
        if failures:
            raise failures.pop()
        return await steps_kept(*args)

    monkeypatch.setattr(set_store, "steps_kept", failing)
    async with reading_ahead(metrics.questions), asyncio.timeout(PATIENCE):
        while len(reads.parks) < len(PARKS):
            await asyncio.sleep(0.01)
    assert sorted(reads.parks) == [*PARKS]


async def test_the_statements_of_a_park_are_prepared_before_it_is_asked_about(metrics: Metrics) -> None:
    await closed(metrics, PARKS)
    await rehearse(metrics.questions)
    async with metrics.snapshot() as snapshot:
        prepared = "SELECT statement FROM pg_prepared_statements"
        before = {row["statement"] for row in await snapshot.conn.fetch(prepared)}
        today = snapshot.today
        for by in ("park", "industry"):
            await questions.coverage(snapshot, area="P1", by=by, as_of=today, known_at=today)
        await questions.series(snapshot, parks=["P1"], days=questions.month_ends(today, 24), known_at=today)
        await changes.totals(snapshot, Window("P1", today, today - timedelta(days=1), today))
        await changes.shares(snapshot, Window("P1", today, today - timedelta(days=1), today), changes.START, 10)
        after = {row["statement"] for row in await snapshot.conn.fetch(prepared)}
    assert len(before) > 10
    assert {*map(in_words, after - before)} <= {*map(in_words, (prepared, set_store.STEPS.format(g=1), name_store.KNOWN_NAMES.format(g=1)))}


def in_words(statement: str) -> str:
    return " ".join(statement.split())
