"""The newest facts are the same whether few or many are looked through for them."""

from __future__ import annotations

import random
from datetime import timedelta

import pytest

from services.metrics.dashboard.panels import recent
from services.metrics.dashboard.words import Words
from shared.contracts.ids import uuid7
from shared.contracts.membership import MemberJoined
from shared.contracts.registry import EnterpriseRegistered, HeadcountReported
from tests.integration.metrics.service import CLOCK, Metrics, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

PARKS = ("D1-P001", "D1-P002", "D2-P003")


async def happened(metrics: Metrics, area: str | None) -> list[recent.Happened]:
    async with metrics.snapshot() as snapshot:
        return await recent.just_happened(snapshot, snapshot.areas.latest(), area, Words("en", CLOCK.zone))


@pytest.mark.parametrize("seed", range(3))
async def test_the_newest_facts_are_the_same_whether_few_or_many_are_looked_through(
    metrics: Metrics, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    random_ = random.Random(seed)
    for code, parent in (("C", None), ("D1", "C"), ("D2", "C"), *((park, park[:2]) for park in PARKS)):
        metrics.area(code, parent)
    enterprises = {uuid7(): park for park in PARKS for _ in range(4)}
    for enterprise, park in enterprises.items():
        metrics.append(
            f"enterprise/{enterprise}", EnterpriseRegistered(enterprise_id=enterprise, name="厂", park=park, district="D"), "2024-01-01"
        )
    await metrics.fold()
    for _ in range(25):
        # Runs of several members at once, minutes apart or within one.
        enterprise = random_.choice(list(enterprises))
        metrics.known += timedelta(seconds=random_.choice((1, 20, 70)))
        for _ in range(random_.choice((1, 1, 3, 8))):
            said = MemberJoined(membership_id=uuid7(), enterprise_id=enterprise, union_id=uuid7())
            metrics.append(f"enterprise/{enterprise}", said, "2024-05-01")
        if random_.random() < 0.3:
            metrics.append(f"enterprise/{enterprise}", HeadcountReported(workers=random_.randint(1, 50)), "2024-05-01")
        if random_.random() < 0.7:
            await metrics.fold()
    await metrics.fold()
    for most in (3000, 60, 20):
        monkeypatch.setattr(recent, "LOOKED_AT", most)
        for area in (None, "C", "D1", *PARKS):
            with monkeypatch.context() as patched:
                patched.setattr(recent, "LOOKED_AT_FIRST", most)
                patched.setattr(recent, "ROWS_FIRST", ())
                wanted = await happened(metrics, area)
            for of_all, of_park in ((min(most, 150), (24, 400)), (1, (1, 2, 3, 5, 8)), (10, (6, 12)), (most // 2, (40,))):
                monkeypatch.setattr(recent, "LOOKED_AT_FIRST", of_all)
                monkeypatch.setattr(recent, "ROWS_FIRST", of_park)
                for sought_in in (30_000, 20):
                    monkeypatch.setattr(recent, "SOUGHT_IN", sought_in)
                    assert await happened(metrics, area) == wanted, (most, area, of_all, of_park, sought_in)


async def test_the_newest_facts_of_a_park_are_found_without_all_facts_of_its_enterprises(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sorting all of them takes longer the older the park is. Neither are they sorted if many became known within a minute."""
    for code, parent in (("C", None), ("D1", "C"), ("D1-P001", "D1")):
        metrics.area(code, parent)
    enterprises = [uuid7() for _ in range(30)]
    for number, enterprise in enumerate(enterprises):
        registered = EnterpriseRegistered(enterprise_id=enterprise, name=f"厂{number}", park="D1-P001", district="D1")
        metrics.append(f"enterprise/{enterprise}", registered, "2024-01-01")
    await metrics.fold()
    monkeypatch.setattr(recent, "LOOKED_AT", 20)
    monkeypatch.setattr(recent, "ROWS", "all facts of the park are not sorted")
    assert len(await happened(metrics, "D1-P001")) == recent.SHOWN
    for enterprise in enterprises:
        metrics.known += timedelta(minutes=2)
        metrics.append(f"enterprise/{enterprise}", HeadcountReported(workers=30), "2024-05-01")
    await metrics.fold()
    monkeypatch.setattr(recent, "SINCE", "nor are many of them")
    assert len(await happened(metrics, "D1-P001")) == recent.SHOWN
