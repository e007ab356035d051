"""Closed days in the figures: open rows become the ledger's, states forget, and every question about the past is answered as before."""

from __future__ import annotations

import random
from datetime import date, timedelta
from typing import Any

import pytest

from services.metrics.explaining import changes, ranking
from services.metrics.explaining.changes import Window
from services.metrics.explaining.contributors import Contributors, Question
from services.metrics.explaining.ranking import Listing
from services.metrics.figures.questions import coverage
from services.metrics.folding.projector import Projector
from services.metrics.measures import unpacked
from shared.contracts import Envelope
from shared.contracts.registry import EnterpriseRegistered, HeadcountReported
from shared.contracts.streams import DayClosed
from shared.process.db import create_pool
from tests import oracle
from tests.conftest import NewDatabase
from tests.histories import history, interleaved, refused
from tests.integration.metrics.service import CLOCK, Metrics, enterprise, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401


async def told(metrics: Metrics, events: list[Envelope], seed: int, *, close: bool) -> None:
    """Folded in batches, with restarts; every known day of which nothing is to come closes now and then."""
    random_ = random.Random(seed)
    start, projector, closed = 0, metrics.projector, date.min
    while start < len(events):
        end = start + random_.choice((1, 7, 40))
        if random_.random() < 0.3:
            projector = Projector(metrics.pool, CLOCK)
        await metrics.fold_batch(0, events[start:end], projector)
        start = end
        if close and start < len(events) and random_.random() < 0.5:
            day = min(map(oracle.known_day, events[start:])) - timedelta(days=1)
            if day > closed:
                await metrics.close(day, projector=projector)
                closed = day


async def everything(metrics: Metrics, days: list[tuple[date, date]]) -> list[Any]:
    """What the questions answer: contributors of some figures, and shares of changes."""
    found: list[Any] = []
    async with metrics.snapshot() as snapshot:
        for as_of, known_at in days:
            for measure in ("units", "members", "workers", "covered_all", "worker_joining_rate_all"):
                question = Question(measure, None, None, None, as_of, known_at)
                found.append(await ranking.everything(snapshot, question, Listing()))
            window = Window(None, as_of, known_at, known_at + timedelta(days=40))
            found.append(await changes.shares(snapshot, window, ("", -1), 1000))
            before, after = await changes.totals(snapshot, window)
            found.append((before, after))
    return found


def by_day(events: list[Envelope]) -> list[Envelope]:
    """In the order in which they were recorded, so that days can close."""
    return sorted(events, key=lambda event: (event.time, event.source, event.subject, event.sequence))


@pytest.mark.invariant("I3")
@pytest.mark.invariant("I4")
@pytest.mark.parametrize("seed", range(3))
async def test_closed_days_change_no_row_and_no_answer(metrics: Metrics, database: NewDatabase, seed: int) -> None:
    events = oracle.counted(by_day(interleaved(history(seed, enterprises=6, length=20, mistakes=True), seed)), refused)
    await told(metrics, events, seed, close=True)
    assert await metrics.ledger() == oracle.ledger(events)
    closed = metrics.closed[0]
    assert not await metrics.pool.fetchval("SELECT count(*) FROM g1.ledger_open WHERE known_day <= $1", closed)
    assert await metrics.pool.fetchval("SELECT count(*) FROM g1.ledger") > 0
    random_ = random.Random(seed)
    first, last = oracle.known_day(events[0]), oracle.known_day(events[-1])
    span = (last - first).days + 20
    days = [
        (date(2023, 1, 1) + timedelta(days=random_.randint(0, 900)), first + timedelta(days=random_.randint(-10, span))) for _ in range(12)
    ]
    never = Metrics(await create_pool((await database("metrics")).app_dsn, application_name="metrics.tests"))
    await told(never, events, seed, close=False)
    assert await everything(metrics, days) == await everything(never, days)
    never.pool.terminate()


@pytest.mark.invariant("I4")
@pytest.mark.parametrize("seed", range(3, 5))
async def test_contributors_add_up_to_the_ledger_at_any_known_day(metrics: Metrics, seed: int) -> None:
    events = oracle.counted(by_day(interleaved(history(seed, enterprises=5, length=16, mistakes=True), seed)), refused)
    await told(metrics, events, seed, close=True)
    random_ = random.Random(seed)
    first, last = oracle.known_day(events[0]), oracle.known_day(events[-1])
    async with metrics.snapshot() as snapshot:
        for _ in range(15):
            as_of = date(2023, 1, 1) + timedelta(days=random_.randint(0, 900))
            known_at = first + timedelta(days=random_.randint(0, (last - first).days + 5))
            total = (await coverage(snapshot, as_of=as_of, known_at=known_at)).total.measures
            for measure in ("units", "members", "workers", "unions"):
                found = await ranking.everything(snapshot, Question(measure, None, None, None, as_of, known_at), Listing())
                assert sum(one.amounts[0] for one in found) == total[measure]


async def settled(metrics: Metrics) -> str:
    made, subject = enterprise()
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name="示例厂", park="P1", district="D"), "2024-01-01")
    metrics.append(subject, HeadcountReported(workers=40), "2024-02-01")
    return subject


async def test_rows_of_a_closed_day_are_summed_once_and_rows_that_come_to_nothing_go(metrics: Metrics) -> None:
    subject = await settled(metrics)
    wrong = metrics.append(subject, HeadcountReported(workers=7), "2024-03-01")
    await metrics.fold(size=1)
    metrics.correct(wrong, None)
    await metrics.fold()
    day = metrics.today
    open_rows = await metrics.pool.fetchval("SELECT count(*) FROM g1.ledger_open")
    before = await metrics.ledger()
    await metrics.close(day)
    assert await metrics.ledger() == before
    assert 0 < await metrics.pool.fetchval("SELECT count(*) FROM g1.ledger") < open_rows
    assert await metrics.pool.fetchval("SELECT count(*) FROM g1.ledger_open") == 0
    metrics.next_day()
    metrics.append(subject, HeadcountReported(workers=41), "2024-04-01")
    await metrics.fold()
    await metrics.close(day)
    assert await metrics.pool.fetchval("SELECT count(*) FROM g1.ledger_open") > 0


async def test_the_news_of_a_closed_day_is_no_fact_of_anybody(metrics: Metrics) -> None:
    metrics.append("day/0", DayClosed(day=metrics.today), metrics.today.isoformat())
    await metrics.fold()
    assert await metrics.folded() == 0
    assert await metrics.pool.fetchval("SELECT count(*) FROM g1.states") == 0


async def test_a_state_forgets_what_the_facts_still_tell(metrics: Metrics) -> None:
    subject = await settled(metrics)
    report = metrics.events[-1]
    first = metrics.today
    await metrics.fold()
    metrics.next_day(3)
    metrics.correct(report, "2024-02-01", workers=50)
    await metrics.fold()
    metrics.next_day(3)
    await metrics.close(metrics.today - timedelta(days=1))
    metrics.append(subject, HeadcountReported(workers=60), "2024-06-01")
    await metrics.fold()
    async with metrics.snapshot() as snapshot:
        for known_at, workers in ((first, 40), (first + timedelta(days=3), 50), (metrics.today, 60)):
            one = await Contributors(snapshot, Question("workers", None, None, None, metrics.today, known_at)).one(subject)
            assert one is not None
            assert one.amounts == (workers,)
            total = (await coverage(snapshot, as_of=metrics.today, known_at=known_at)).total.figures
            assert workers in unpacked(total)
