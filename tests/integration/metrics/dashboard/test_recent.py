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
                patched.setattr(recent, "LOOKED_AT_FIRST", ())
                wanted = await happened(metrics, area)
            for first in ((min(most, 150),), (1, most, 10 * most), (10, most), (most // 2, most, 2 * most)):
                monkeypatch.setattr(recent, "LOOKED_AT_FIRST", first)
                assert await happened(metrics, area) == wanted, (most, area, first)
