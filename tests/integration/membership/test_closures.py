"""What membership does when the registry says that an enterprise closed, and when it says that it did not."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from shared.contracts.ids import uuid7
from shared.contracts.registry import EnterpriseClosed, EnterpriseMoved, EnterpriseRegistered
from shared.http.auth import Areas
from shared.problems.errors import Problem
from shared.process import db
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401


async def test_closing_one_unit_of_a_joint_union_ends_only_its_coverage(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    union = await membership.union(a, b, kind="joint_union")
    member = await membership.member(union, a)
    closure = await membership.close(a, "2022-03-01")
    kind, on, data = (await membership.said(f"enterprise/{a}"))[-1]
    assert (kind, on, data["reason"]) == ("coverage-ended", "2022-03-01", "enterprise_closed")
    row = await membership.pool.fetchrow("SELECT cause_id, origin, actor FROM journal ORDER BY id DESC LIMIT 1")
    assert row is not None
    assert tuple(row) == (closure.id, f"event:{closure.id}", "registrar")
    assert len(await membership.said(f"union/{union}")) == 1
    assert len(await membership.said(f"enterprise/{b}")) == 1
    other = await membership.enterprise()
    moved = await membership.do("transfer", member_id=member, on="2022-04-01", union_id=await membership.union(other), enterprise_id=other)
    assert moved.id


async def test_the_last_unit_takes_its_union_with_it(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    union = await membership.union(a, b, kind="joint_union")
    await membership.close(a, "2022-06-01")
    await membership.close(b, "2022-03-01")
    assert (await membership.said(f"union/{union}"))[-1][:2] == ("union-dissolved", "2022-06-01")
    # One that is entered takes the place of that, as if it had been known before; a second one contradicts it.
    await membership.do("dissolution", union_id=union, on="2023-01-01", reason="merged")
    kind, on, data = (await membership.said(f"union/{union}"))[-1]
    assert (kind, on, data["replacement"]["data"]["reason"]) == ("fact-corrected", "2023-01-01", "merged")
    with pytest.raises(Problem) as refused:
        await membership.do("dissolution", union_id=union, on="2023-01-01", reason="merged")
    assert refused.value.code == "ALREADY_DISSOLVED"


async def test_a_closure_seen_twice_ends_coverage_once(membership: Membership) -> None:
    a = await membership.enterprise()
    await membership.union(a)
    closure = await membership.close(a, "2022-03-01")
    await membership.receive((closure.subject, closure.data, "2022-03-01"))
    assert [kind for kind, _, _ in await membership.said(f"enterprise/{a}")] == ["coverage-started", "coverage-ended"]


async def test_a_founding_typed_after_the_closure_ends_with_it(membership: Membership) -> None:
    a = await membership.enterprise()
    closure = await membership.close(a, "2022-03-01")
    union = await membership.union(a, on="2021-05-01")
    assert [(kind, on) for kind, on, _ in await membership.said(f"enterprise/{a}")] == [
        ("coverage-started", "2021-05-01"),
        ("coverage-ended", "2022-03-01"),
    ]
    assert [(kind, on) for kind, on, _ in await membership.said(f"union/{union}")] == [
        ("union-founded", "2021-05-01"),
        ("union-dissolved", "2022-03-01"),
    ]
    assert await membership.pool.fetchval("SELECT array_agg(cause_id) FROM journal WHERE cause_id IS NOT NULL") == [closure.id] * 2


async def test_a_founding_after_the_closure_is_kept_with_a_warning_and_ends_at_once(membership: Membership) -> None:
    a = await membership.enterprise()
    await membership.close(a, "2022-03-01")
    founding: dict[str, Any] = {"kind": "enterprise_union", "seat_area": "P1", "approved_on": "2022-03-01", "enterprises": [str(a)]}
    made = await membership.do("union", **founding)
    assert [getattr(one, "code", one) for one in (*made.warnings, *made.notices)] == ["AFTER_CLOSURE"]
    assert [(kind, on) for kind, on, _ in await membership.said(f"enterprise/{a}")] == [
        ("coverage-started", "2022-03-01"),
        ("coverage-ended", "2022-03-01"),
    ]
    assert [(kind, on) for kind, on, _ in await membership.said(f"union/{made.id}")] == [
        ("union-founded", "2022-03-01"),
        ("union-dissolved", "2022-03-01"),
    ]


async def test_a_corrected_closure_corrects_what_it_led_to(membership: Membership) -> None:
    a = await membership.enterprise()
    union = await membership.union(a)
    closure = await membership.close(a, "2022-03-01")
    corrected = await membership.correct_closure(closure, "2022-05-01")
    for subject in (f"enterprise/{a}", f"union/{union}"):
        kind, on, data = (await membership.said(subject))[-1]
        assert (kind, on, data["rank"], data["withdrawn"]["occurred_on"]) == ("fact-corrected", "2022-05-01", 2, "2022-03-01")
        original = await membership.pool.fetchval("SELECT event_id FROM journal WHERE subject = $1 AND sequence = 2", subject)
        assert UUID(data["corrects"]) == original
    assert await membership.pool.fetchval("SELECT count(*) FROM journal WHERE cause_id = $1", corrected.id) == 2
    again = await membership.correct_closure(closure, None)
    for subject in (f"enterprise/{a}", f"union/{union}"):
        data = (await membership.said(subject))[-1][2]
        assert data.get("replacement") is None
        assert UUID(data["corrects"]) == await membership.pool.fetchval(
            "SELECT event_id FROM journal WHERE subject = $1 AND sequence = 3", subject
        )
    assert await membership.pool.fetchval("SELECT count(*) FROM journal WHERE cause_id = $1", again.id) == 2
    await membership.member(union, a, "1", "2023-01-01")


async def test_a_founding_and_a_closure_at_the_same_time_come_to_the_same_end(membership: Membership) -> None:
    for _ in range(8):
        a, b = await membership.enterprise(), await membership.enterprise()
        joint = await membership.union(b, kind="joint_union")
        outcomes = await asyncio.gather(
            membership.close(a, "2022-03-01"),
            membership.union(a),
            membership.do("coverage", union_id=joint, enterprise_id=a, on="2021-06-01", started=True),
            return_exceptions=True,
        )
        assert not [o for o in outcomes if isinstance(o, BaseException)], outcomes
        facts = [(kind, data["union_id"]) for kind, _, data in await membership.said(f"enterprise/{a}")]
        assert sorted(kind for kind, _ in facts) == ["coverage-ended"] * 2 + ["coverage-started"] * 2
        own = str(outcomes[1])
        assert [kind for kind, _, _ in await membership.said(f"union/{own}")] == ["union-founded", "union-dissolved"]
        assert [kind for kind, _, _ in await membership.said(f"union/{joint}")] == ["union-founded"]


async def test_placement_follows_moves_by_date_and_not_by_arrival(membership: Membership) -> None:
    a = await membership.enterprise("P1")
    await membership.receive(
        (f"enterprise/{a}", EnterpriseMoved(park="P2", district="D2"), "2023-01-01"),
        (f"enterprise/{a}", EnterpriseMoved(park="ROOT", district="ROOT"), "2022-01-01"),
    )
    assert await membership.pool.fetchval("SELECT park FROM enterprises WHERE id = $1", a) == "P2"


@pytest.mark.endurance
async def test_a_federation_of_ten_thousand_units_is_founded_loses_a_thousand_and_is_dissolved_in_single_transactions(
    membership: Membership,
) -> None:
    units = [uuid7() for _ in range(10_000)]
    news = [(f"enterprise/{e}", EnterpriseRegistered(enterprise_id=e, name="示例", park="P1", district="D1"), "2020-01-01") for e in units]
    await membership.receive(*news)
    union = await membership.union(*units, kind="regional_federation", seat="D1")
    await membership.receive(*((f"enterprise/{e}", EnterpriseClosed(reason="bankrupt"), "2022-01-01") for e in units[:1000]))
    ended = await membership.do("dissolution", union_id=union, on="2023-01-01", reason="merged")
    assert len(ended.event_ids) == 9_001
    assert await membership.pool.fetchval("SELECT count(*) FROM journal WHERE type LIKE '%coverage-ended%'") == 10_000


async def test_nobody_takes_back_what_a_closure_led_to(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    own = await membership.union(a)
    await membership.union(a, b, kind="joint_union")
    await membership.close(a, "2022-03-01")
    found = "SELECT event_id FROM journal WHERE type = $1 AND (subject = $2 OR data->>'kind' = 'joint_union')"
    ends = {
        kind: await membership.pool.fetchval(found, kind, f"union/{own}")
        for kind in ("parkunion.coverage-ended.v1", "parkunion.union-dissolved.v1")
    }
    for kind, data, code in [
        ("parkunion.coverage-ended.v1", None, "ENTERPRISE_CLOSED"),
        ("parkunion.coverage-ended.v1", {"on": "2022-03-02"}, "ENTERPRISE_CLOSED"),
        ("parkunion.union-dissolved.v1", None, "RESERVED_REASON"),
        ("parkunion.union-dissolved.v1", {"on": "2022-04-01"}, "RESERVED_REASON"),
    ]:
        with pytest.raises(Problem) as refused:
            await membership.do("correction", corrects=ends[kind], reason="typo", data=data)
        assert (kind, refused.value.code) == (kind, code)


async def test_with_a_start_that_is_withdrawn_goes_the_end_that_the_closure_gave_it(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    await membership.union(a, b, kind="joint_union")
    await membership.close(a, "2022-03-01")
    start = await membership.pool.fetchval("SELECT event_id FROM journal WHERE subject = $1 AND sequence = 1", f"enterprise/{a}")
    await membership.do("correction", corrects=start, reason="typo", data=None)
    assert [(kind, data.get("rank")) for kind, _, data in await membership.said(f"enterprise/{a}")][2:] == [
        ("fact-corrected", 1),
        ("fact-corrected", 2),
    ]
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        assert await conn.fetchval("SELECT count(*) FROM coverage_facts WHERE enterprise_id = $1", a) == 0


async def test_what_was_said_of_an_enterprise_that_the_registry_withdrew_can_still_be_ended(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    union = await membership.union(a, b, kind="joint_union")
    left, moved = await membership.member(union, a, "1"), await membership.member(union, a, "2")
    await membership.withdraw(a)
    with pytest.raises(Problem) as refused:
        await membership.do("leave", areas=Areas.of(["P1"]), member_id=left, on="2021-06-01", reason="retired")
    assert refused.value.code == "AREA_NOT_GRANTED"
    await membership.do("leave", member_id=left, on="2021-06-01", reason="retired")
    await membership.do("transfer", member_id=moved, on="2021-06-01", union_id=union, enterprise_id=b)
    await membership.do("dissolution", union_id=union, on="2022-01-01", reason="merged")
    assert [kind for kind, _, _ in await membership.said(f"enterprise/{a}")] == [
        "coverage-started",
        "member-joined",
        "member-joined",
        "member-left",
        "member-left",
        "coverage-ended",
    ]
