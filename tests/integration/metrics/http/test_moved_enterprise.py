"""An enterprise that moved from one district to another: what each district's officers see of it on every page and answer of metrics."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.metrics.dashboard.panels.recent import just_happened
from services.metrics.dashboard.words import Words
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, MemberJoined, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered, HeadcountReported
from shared.http.auth import Areas
from tests.integration.metrics.service import CLOCK, Metrics, enterprise, metrics_database_of_a_test, metrics_of_a_test  # noqa: F401

pytestmark = pytest.mark.invariant("I6")


@pytest.fixture
async def moved(metrics: Metrics) -> UUID:
    """An enterprise in A with 111 workers, then in B with 222 and three members."""
    made, subject = enterprise()
    for code, parent in (("C", None), ("A", "C"), ("A-P1", "A"), ("B", "C"), ("B-P1", "B")):
        metrics.area(code, parent)
    metrics.append(subject, EnterpriseRegistered(enterprise_id=made, name="示例厂", park="A-P1", district="A"), "2024-01-01")
    metrics.append(subject, HeadcountReported(workers=111), "2024-01-02")
    metrics.append(subject, EnterpriseMoved(park="B-P1", district="B"), "2024-03-01")
    metrics.append(subject, HeadcountReported(workers=222), "2024-03-02")
    union = uuid7()
    metrics.append(f"union/{union}", UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area="B-P1"), "2024-04-01")
    metrics.append(subject, CoverageStarted(enterprise_id=made, union_id=union, kind=UnionKind.ENTERPRISE_UNION), "2024-04-01")
    for _ in range(3):
        metrics.append(subject, MemberJoined(membership_id=uuid7(), enterprise_id=made, union_id=union), "2024-04-02")
    await metrics.fold()
    return made


@pytest.mark.parametrize("area", ["A", "A-P1"])
async def test_what_just_happened_where_it_was(metrics: Metrics, moved: UUID, area: str) -> None:
    for granted in (Areas.of(["A"]), Areas.all()):
        async with metrics.snapshot(granted) as snapshot:
            lines = await just_happened(snapshot, snapshot.areas.latest(), area, Words("en", CLOCK.zone))
        assert sorted((line.kind, line.park, line.amount) for line in lines) == [
            ("enterprise-moved", "A-P1", "moved"),
            ("enterprise-registered", "A-P1", "new"),
            ("headcount-reported", "A-P1", "111"),
        ]
        assert {line.name for line in lines} == {"示例厂"}
        assert {line.enterprise for line in lines} == {str(moved) if granted.everything else None}, "its page is of those where it is"


@pytest.mark.parametrize("area", ["B", "B-P1"])
async def test_what_just_happened_where_it_is(metrics: Metrics, moved: UUID, area: str) -> None:
    for granted in (Areas.of(["B"]), Areas.all()):
        async with metrics.snapshot(granted) as snapshot:
            lines = await just_happened(snapshot, snapshot.areas.latest(), area, Words("en", CLOCK.zone))
        kinds = {line.kind: (line.park, line.amount) for line in lines}
        assert kinds.keys() == {"enterprise-moved", "headcount-reported", "union-founded", "coverage-started", "member-joined"}
        assert kinds["headcount-reported"] == ("B-P1", "222"), "without the number of the other district's time"
        assert kinds["member-joined"] == ("B-P1", "+3")
        assert {line.enterprise for line in lines} == {str(moved), None}, "the union's line has no link"
