"""A fact is seen by those in whose areas the enterprise was on its day: row-level security, `shown`, and a plain statement of the rule agree."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from services.metrics.figures import visibility
from services.metrics.folding.facts import FactSet
from shared.contracts import Envelope
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.directory.visibility import Stay, stays
from shared.http.auth import Areas
from shared.process import db
from tests.histories import history, interleaved, refused
from tests.integration.metrics.service import Metrics, enterprise, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

pytestmark = pytest.mark.invariant("I6")

GRANTS: tuple[tuple[str, ...], ...] = ((), ("P1",), ("D1",), ("D2",), ("P2", "P3"), ("D",), ("*",), ("NOWHERE",))
PARKS_OF = {"D": {"P1", "P2", "P3"}, "D1": {"P1"}, "D2": {"P2", "P3"}, "*": {"P1", "P2", "P3"}}


async def _folded(metrics: Metrics, seed: int) -> list[Envelope]:
    for code, parent in (("D", None), ("D1", "D"), ("D2", "D"), ("P1", "D1"), ("P2", "D2"), ("P3", "D2")):
        metrics.area(code, parent)
    await metrics.fold()
    events = [event for event in interleaved(history(seed, enterprises=6, mistakes=True, visits=True), seed) if not refused(event)]
    for start in range(0, len(events), 7):
        await metrics.fold_batch(0, events[start : start + 7])
    return events


async def _seen(metrics: Metrics, areas: Areas | None) -> set[tuple[str, str, int]]:
    async with db.transaction(metrics.pool, areas=areas) as conn:
        rows = await conn.fetch("SELECT subject, source, sequence FROM g1.facts WHERE NOT starts_with(subject, 'area/')")
    return {(row["subject"], row["source"], row["sequence"]) for row in rows}


@pytest.mark.parametrize("seed", range(8))
async def test_stays_are_what_the_standing_facts_come_to(metrics: Metrics, seed: int) -> None:
    await _folded(metrics, seed)
    found: dict[str, list[Stay]] = {}
    for row in await metrics.pool.fetch("SELECT subject, since, until, park FROM g1.stays ORDER BY subject, since"):
        found.setdefault(row["subject"], []).append(Stay(row["since"], row["until"], row["park"]))
    expected = {}
    for row in await metrics.pool.fetch("SELECT subject, state FROM g1.states"):
        if placing := FactSet.load(row["state"]).placing():
            expected[row["subject"]] = stays(placing)
    assert found == expected


@pytest.mark.parametrize("seed", range(8))
async def test_row_level_security_shows_the_events_of_the_days_in_the_callers_areas_and_no_others(metrics: Metrics, seed: int) -> None:
    events = await _folded(metrics, seed)
    for grant in GRANTS:
        expected = {(event.subject, event.source, event.sequence) for event in events if _is_seen(event, events, grant)}
        areas = Areas.of(grant)
        assert await _seen(metrics, areas) == expected, grant
        async with metrics.snapshot(Areas.all()) as snapshot:
            rows = await snapshot.conn.fetch("SELECT * FROM g1.facts WHERE NOT starts_with(subject, 'area/')")
        async with metrics.snapshot(areas) as snapshot:
            shown = await visibility.shown_rows(snapshot, [dict(row) for row in rows])
        assert {(row["subject"], row["source"], row["sequence"]) for row in shown} == expected, grant
        own = PARKS_OF.get(grant[0], set(grant)) if grant else set()
        assert all(park in own for row in shown for park in _parks(row["says"])), "no park that is not the caller's is named"
    assert await _seen(metrics, None) == set()


def _parks(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for name, one in value.items():
            if name in ("park", "seat_area", "district"):
                yield one
            yield from _parks(one)
    if isinstance(value, list):
        for one in value:
            yield from _parks(one)


def _is_seen(event: Envelope, events: list[Envelope], grant: tuple[str, ...]) -> bool:
    """The rule, plainly: one of the event's days lies where the caller may look, by what stands of the placing facts in the end."""
    own = set(grant).union(*(PARKS_OF.get(code, set()) for code in grant))
    days = list(_days(event, events))  # none: a withdrawal of what was never applied, which has no row
    return bool(days) if "*" in grant else any(_place(event.subject, day, events) in own for day in days)


def _days(event: Envelope, events: list[Envelope]) -> Iterator[date]:
    data, placed = event.data, list[tuple[str, date]]()
    if isinstance(data, FactCorrected):
        placed = [(data.fact, content.occurred_on) for content in (data.withdrawn, data.replacement) if content is not None]
    elif isinstance(data, EventWithdrawn):
        placed = [
            (one.type, one.occurredon)
            for one in events
            if (one.source, one.subject) == (event.source, event.subject)
            and data.first <= one.sequence <= data.last
            and not isinstance(one.data, FactCorrected | EventWithdrawn)
        ]
    else:
        placed = [(event.type, event.occurredon)]
    for type_name, day in placed:
        yield day
        if type_name == "parkunion.enterprise-moved.v1":
            yield day - timedelta(days=1)


def _place(subject: str, day: date, events: list[Envelope]) -> str | None:
    standing: dict[int, tuple[date, str]] = {}
    for event in sorted((one for one in events if one.subject == subject), key=lambda one: one.sequence):
        data = event.data
        if isinstance(data, FactCorrected) and data.fact.split(".")[1] in ("enterprise-registered", "enterprise-moved", "union-founded"):
            standing.pop(data.rank, None)
            if data.replacement is not None:
                fields = data.replacement.data
                standing[data.rank] = data.replacement.occurred_on, fields.get("park") or fields["seat_area"]
        elif isinstance(data, EventWithdrawn) and event.source == (
            "/services/membership" if subject.startswith("union/") else "/services/registry"
        ):
            standing = {rank: fact for rank, fact in standing.items() if not data.first <= rank <= data.last}
        elif (park := getattr(data, "park", None) or getattr(data, "seat_area", None)) is not None:
            standing[event.sequence] = event.occurredon, park
    if not standing:
        return None
    order = sorted((on, rank, park) for rank, (on, park) in standing.items())
    before = [park for on, _, park in order if on <= day]
    return before[-1] if before else order[0][2]


async def test_a_new_generation_is_guarded_as_the_one_before(metrics: Metrics, metrics_database: Any) -> None:
    await _folded(metrics, 3)
    owner = await db.connect(metrics_database.owner_dsn, application_name="metrics.tests")
    await owner.execute("SELECT clone_generation(1, 2)")
    for table in ("areas_facts", "facts"):
        await owner.execute(f"INSERT INTO g2.{table} SELECT * FROM g1.{table}")
    assert await owner.fetchval("SELECT count(*) FROM (TABLE g1.stays EXCEPT TABLE g2.stays) d") == 0
    assert await owner.fetchval("SELECT count(*) FROM g2.stays") == await owner.fetchval("SELECT count(*) FROM g1.stays") > 0
    await owner.close()
    async with db.transaction(metrics.pool, areas=Areas.of(["P1"])) as conn:
        rows = await conn.fetch("SELECT subject, source, sequence FROM g2.facts WHERE NOT starts_with(subject, 'area/')")
    assert {(row["subject"], row["source"], row["sequence"]) for row in rows} == await _seen(metrics, Areas.of(["P1"]))


async def test_the_name_is_known_wherever_it_was_and_the_park_only_where_it_is(metrics: Metrics) -> None:
    made, subject = enterprise()
    for code, parent in (("A", None), ("A-P1", "A"), ("B", None), ("B-P1", "B")):
        metrics.area(code, parent)
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name="示例厂", park="A-P1", district="A"), "2024-01-01")
    metrics.append(subject, HeadcountReported(workers=111), "2024-01-02")
    metrics.append(subject, EnterpriseMoved(park="B-P1", district="B"), "2024-03-01")
    metrics.append(subject, HeadcountReported(workers=222), "2024-03-02")
    await metrics.fold()
    for area, names, parks in (("A", ["示例厂"], []), ("B", ["示例厂"], ["B-P1"]), ("C", [], [])):
        async with db.transaction(metrics.pool, areas=Areas.of([area])) as conn:
            assert [row["name"] for row in await conn.fetch("SELECT name FROM g1.names")] == names
            assert [row["park"] for row in await conn.fetch("SELECT park FROM g1.enterprises")] == parks
