"""Changes are told of sets whose past was forgotten: between the days, before and behind them."""

from __future__ import annotations

import random
from itertools import combinations
from typing import NoReturn

import pytest

from services.metrics.explaining import changes
from services.metrics.explaining.changes import START, Window
from services.metrics.figures.stores import fact_store
from services.metrics.folding.facts import FactSet
from tests import oracle
from tests.histories import history, interleaved, refused
from tests.integration.metrics.explaining.test_steps import city, every_share
from tests.integration.metrics.service import Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401


@pytest.mark.invariant("I4")
@pytest.mark.parametrize("seed", range(2))
async def test_shares_of_sets_that_forgot_days_of_the_window(metrics: Metrics, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    random_ = random.Random(seed)
    city(metrics)
    await metrics.fold()
    events = oracle.counted(interleaved(history(seed, enterprises=8, length=30), seed), refused)
    events.sort(key=lambda event: event.time)
    known = sorted({oracle.known_day(event) for event in events})
    closed = known[len(known) // 2]
    for part in (True, False):
        for event in events:
            if (oracle.known_day(event) <= closed) == part:
                await metrics.fold_batch(0, [event])
        if part:
            await metrics.close(closed)
    chosen = sorted({known[0], closed, known[-1], *random_.sample(known, 4)})
    async with metrics.snapshot() as snapshot:
        rows = await snapshot.conn.fetch("SELECT state FROM g1.states")
        forgetful = {FactSet.load(row["state"]).since for row in rows}
    assert any(known[0].toordinal() < since <= closed.toordinal() for since in forgetful), "states forgot days"
    shares = 0
    for known_from, known_to in combinations(chosen, 2):
        async with metrics.snapshot() as snapshot:
            shares += len(await every_share(snapshot, Window(None, random_.choice(known), known_from, known_to)))
    assert shares

    async def not_read(*_: object) -> NoReturn:
        raise AssertionError("all events of a set are read, though its last state is known")

    monkeypatch.setattr(fact_store, "facts_known", not_read)
    async with metrics.snapshot() as snapshot:
        found, _ = await changes.shares(snapshot, Window(None, known[-1], known[0], known[-1]), START, 1000)
        assert found
