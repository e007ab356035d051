"""Stays: what the trigger writes with each batch is what `keep_stays` makes of all facts."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import uuid4

import pytest

from services.metrics.tables import fact_runs
from services.metrics.tables.store import FactRow
from shared.contracts import plain
from shared.contracts.streams import FactCorrected
from shared.process import db
from tests import oracle
from tests.conftest import Database
from tests.histories import history, interleaved, refused
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

pytestmark = pytest.mark.invariant("I6")

REGISTRY, MEMBERSHIP = "/services/registry", "/services/membership"
STAYS = "SELECT subject, since, until, park, shard FROM g1.stays ORDER BY subject, since"
KNOWN = datetime(2024, 6, 3, 2, tzinfo=UTC)


async def _kept_anew(database: Database) -> list[tuple[object, ...]]:
    """What `keep_stays` makes of the facts of all subjects."""
    owner = await db.connect(database.owner_dsn, application_name="metrics.tests")
    try:
        await owner.execute("DELETE FROM g1.stays")
        await owner.execute("DELETE FROM g1.placement_rows")
        await owner.execute("SELECT g1.keep_stays(ARRAY(SELECT DISTINCT subject FROM g1.fact_rows))")
        return [tuple(row) for row in await owner.fetch(STAYS)]
    finally:
        await owner.close()


def _row(subject: str, sequence: int, kind: str, says: dict[str, Any] | None, on: str = "2024-01-01", source: str = REGISTRY) -> FactRow:
    day = date.fromisoformat(on)
    return FactRow(3, subject, source, sequence, uuid4(), f"parkunion.{kind}.v1", day, KNOWN.date(), KNOWN, says, "tester")


def _registered(subject: str, sequence: int = 1, park: str | None = "P1", **changed: str) -> FactRow:
    return _row(subject, sequence, "enterprise-registered", {"park": park} if park else {}, **changed)


def _withdrawn(subject: str, sequence: int, *ranks: int) -> FactRow:
    says = {"withdrawn": [{"fact": "enterprise-registered", "rank": rank, "occurred_on": "2024-01-01"} for rank in ranks]}
    return _row(subject, sequence, "event-withdrawn", says)


def _corrected(subject: str, sequence: int, rank: int, park: str | None, on: str = "2024-01-05") -> FactRow:
    replacement = {"occurred_on": on, "says": {"park": park}} if park else None
    withdrawn = {"fact": "enterprise-registered", "rank": rank, "occurred_on": "2024-01-01"}
    return _row(subject, sequence, "fact-corrected", {"withdrawn": withdrawn, "replacement": replacement}, on)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(4))
async def test_stays_of_histories_are_those_that_all_facts_come_to(
    metrics: Metrics, metrics_database: Database, seed: int, size: int
) -> None:
    events = [event for event in interleaved(history(seed, enterprises=6, mistakes=True, visits=True), seed) if not refused(event)]
    for start in range(0, len(events), size):
        await metrics.fold_batch(0, events[start : start + size])
    found = [tuple(row) for row in await metrics.pool.fetch(STAYS)]
    assert found
    assert found == await _kept_anew(metrics_database)


@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("seed", range(4))
async def test_every_place_that_was_ever_said_is_there(metrics: Metrics, seed: int, size: int) -> None:
    """Whether a stay says it or not: corrections and withdrawals change that."""
    events = [event for event in interleaved(history(seed, enterprises=6, mistakes=True, visits=True), seed) if not refused(event)]
    for start in range(0, len(events), size):
        await metrics.fold_batch(0, events[start : start + size])
    said = set[tuple[str, str]]()
    for event in oracle.counted(events, refused):
        stated = [event.data.withdrawn, event.data.replacement] if isinstance(event.data, FactCorrected) else [event]
        for data in [one.data if isinstance(one.data, dict) else plain(one.data) for one in stated if one is not None]:
            said |= {(data[name], event.subject) for name in ("park", "seat_area") if data.get(name)}
    found = {tuple(row) for row in await metrics.pool.fetch("SELECT park, subject FROM g1.placements")}
    assert found == said
    stays = {tuple(row) for row in await metrics.pool.fetch("SELECT park, subject FROM g1.stays")}
    others = {tuple(row) for row in await metrics.pool.fetch("SELECT park, subject FROM g1.placement_rows")}
    assert said - stays <= others
    assert len(others) < len(said), "most have one place"


async def test_first_stays_and_others_of_one_batch_are_those_that_all_facts_come_to(metrics: Metrics, metrics_database: Database) -> None:
    moved = {"park": "P2"}
    before = [
        _registered("enterprise/known"),
        _registered("enterprise/again"),
        _registered("enterprise/corrected"),
        _registered("enterprise/gone"),
    ]
    batch = [
        _registered("enterprise/new"), _row("enterprise/new", 2, "headcount-reported", {"workers": 3}),
        _registered("enterprise/both"), _row("enterprise/both", 2, "enterprise-moved", moved, "2024-02-01"),
        _row("enterprise/known", 2, "enterprise-moved", moved, "2024-02-01"),
        _registered("enterprise/again", 2, "P3", on="2023-01-01"),
        _corrected("enterprise/corrected", 2, 1, "P2"), _registered("enterprise/undone"), _corrected("enterprise/undone", 2, 1, None),
        _withdrawn("enterprise/gone", 2, 1),
        _registered("enterprise/nowhere", park=None), _registered("enterprise/elsewhere", source=MEMBERSHIP),
        _row("enterprise/only-moved", 1, "enterprise-moved", moved, "2024-02-01"),
        _row("union/new", 1, "union-founded", {"seat_area": "D1"}, source=MEMBERSHIP), _row("union/other", 1, "union-founded", {"seat_area": "D1"}),
    ]  # fmt: skip
    after = [
        _registered("enterprise/gone", 3, "P3"),
        _registered("enterprise/elsewhere", 1, "P2"),
        _registered("enterprise/undone", 3, "P4"),
    ]
    for rows in (before, batch, after):
        async with db.transaction(metrics.pool, areas=None) as conn:
            await fact_runs.keep(conn, 1, rows)
    found = [tuple(row) for row in await metrics.pool.fetch(STAYS)]
    assert found == await _kept_anew(metrics_database)
    of = {subject: [park for one, _, _, park, _ in found if one == subject] for subject, *_ in found}
    assert of == {
        "enterprise/new": ["P1"], "enterprise/both": ["P1", "P2"], "enterprise/known": ["P1", "P2"], "enterprise/again": ["P3", "P1"],
        "enterprise/corrected": ["P2"], "enterprise/gone": ["P3"], "enterprise/undone": ["P4"], "enterprise/elsewhere": ["P2"],
        "enterprise/only-moved": ["P2"], "union/new": ["D1"],
    }  # fmt: skip
