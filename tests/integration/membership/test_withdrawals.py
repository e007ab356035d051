"""Withdrawals in membership: those that it says itself, and those of the registry that it hears."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from services.membership.facts import TABLE
from shared.contracts.registry import EnterpriseMoved
from shared.contracts.streams import EventWithdrawn
from shared.http.auth import Areas
from shared.journal.idempotency import Keys, Result
from shared.journal.journal import Actor
from shared.journal.reasons import Reason
from shared.problems.errors import Problem
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line
from shared.writing.facts import Withdraw
from tests.integration.membership.service import CONTEXT, Membership, membership_of_a_test

__all__ = ["membership_of_a_test"]


async def withdraw(membership: Membership, subject: str, first: int, last: int, areas: Areas | None = None) -> Result:
    line: Line[Any] = Line(Withdraw(subject, first, last, Reason("unreadable")))
    return await commands.one(
        membership.pool,
        Keys(CONTEXT.fingerprint_key),
        "tester",
        line,
        carrying_out(TABLE, CONTEXT, areas or Areas.all(), Actor("tester", "api")),
    )


async def refused(membership: Membership, subject: str, first: int, last: int, areas: Areas | None = None) -> tuple[int, str, str | None]:
    with pytest.raises(Problem) as problem:
        await withdraw(membership, subject, first, last, areas)
    return problem.value.status, problem.value.code, problem.value.errors[0].field


async def coverage(membership: Membership, enterprise: UUID) -> list[bool]:
    rows = await membership.pool.fetch("SELECT started FROM coverage_facts WHERE enterprise_id = $1 ORDER BY rank", enterprise)
    return [row["started"] for row in rows]


async def test_a_withdrawal_takes_facts_out_and_is_said_on_their_stream(membership: Membership) -> None:
    enterprise = await membership.enterprise()
    union = await membership.union(enterprise)
    member = await membership.member(union, enterprise)
    subject = f"enterprise/{enterprise}"
    result = await withdraw(membership, subject, 2, 2)
    assert (result.id, result.subject, result.sequence) == (str(result.event_ids[0]), subject, 3)
    assert (await membership.said(subject))[-1][2] == {"from": 2, "to": 2, "reason": "unreadable"}
    with pytest.raises(Problem, match="UNKNOWN_MEMBER"):
        await membership.do("leave", member_id=member, on="2024-01-01", reason="resigned")
    assert await refused(membership, subject, 2, 2) == (409, "FACT_WITHDRAWN", "from")
    assert await refused(membership, subject, 3, 3) == (422, "HOLDS_CORRECTION", "from")
    await membership.member(union, enterprise)


async def test_ends_of_coverage_go_with_a_dissolution_that_is_withdrawn(membership: Membership) -> None:
    enterprise = await membership.enterprise()
    union = await membership.union(enterprise)
    await membership.do("dissolution", union_id=union, on="2022-01-01", reason="merged")
    assert await coverage(membership, enterprise) == [True, False]
    await withdraw(membership, f"union/{union}", 2, 2)
    assert await coverage(membership, enterprise) == [True]
    assert [kind for kind, _, _ in await membership.said(f"union/{union}")] == ["union-founded", "union-dissolved", "event-withdrawn"]
    assert [kind for kind, _, _ in await membership.said(f"enterprise/{enterprise}")] == [
        "coverage-started",
        "coverage-ended",
        "fact-corrected",
    ]


async def test_what_is_refused_leaves_nothing_behind(membership: Membership) -> None:
    enterprise = await membership.enterprise()
    union = await membership.union(enterprise)
    member = await membership.member(union, enterprise)
    await membership.do("leave", member_id=member, on="2024-01-01", reason="resigned")
    subject = f"enterprise/{enterprise}"
    before = await membership.count("journal")
    assert await refused(membership, f"union/{enterprise}", 1, 1) == (404, "UNKNOWN_STREAM", "subject")
    assert await refused(membership, subject, 2, 1) == (422, "FROM_AFTER_TO", "from")
    assert await refused(membership, subject, 1, 99) == (422, "UNKNOWN_SEQUENCE", "to")
    assert await refused(membership, subject, 2, 2) == (409, "ALREADY_LEFT", "from")
    assert await refused(membership, f"union/{union}", 1, 1) == (409, "STILL_COVERS", "from")
    assert await refused(membership, subject, 3, 3, Areas.of(["ROOT"])) == (403, "AREA_NOT_GRANTED", "subject")
    assert await membership.count("journal") == before
    await withdraw(membership, subject, 2, 3)


async def append_unreadable(membership: Membership, subject: str, sequence: int) -> None:
    """Another release recorded an event that this one does not know."""
    await membership.pool.execute("UPDATE streams SET sequence = $2 WHERE subject = $1", subject, sequence)
    await membership.pool.execute(
        "INSERT INTO journal (subject, sequence, event_id, type, recorded_at, occurred_on, actor, origin, partition_key, data) "
        "VALUES ($1, $2, gen_random_uuid(), 'parkunion.mood-reported.v1', parkunion_now(), '2024-01-01', 'x', 'api', 'x', '{}')",
        subject,
        sequence,
    )


async def test_nothing_is_decided_on_a_stream_with_an_unreadable_event_until_it_is_withdrawn(membership: Membership) -> None:
    enterprise, other = await membership.enterprise(), await membership.enterprise()
    union = await membership.union(enterprise, other, kind="joint_union")
    member = await membership.member(union, enterprise)
    subject = f"enterprise/{enterprise}"
    await append_unreadable(membership, subject, 3)
    refusals: tuple[tuple[str, dict[str, Any]], ...] = (
        ("leave", {"member_id": member, "on": "2024-01-01", "reason": "resigned"}),
        (
            "member",
            {"union_id": union, "enterprise_id": enterprise, "document": {"kind": "sample", "number": "2"}, "joined_on": "2024-01-01"},
        ),
        ("dissolution", {"union_id": union, "on": "2024-01-01", "reason": "merged"}),
    )
    for op, body in refusals:
        with pytest.raises(Problem) as problem:
            await membership.do(op, **body)
        assert (problem.value.status, problem.value.code) == (409, "STREAM_UNREADABLE")
    await membership.member(union, other, number="3")
    await withdraw(membership, subject, 3, 3)
    await membership.do("leave", member_id=member, on="2024-01-01", reason="resigned")
    await append_unreadable(membership, subject, 6)
    with pytest.raises(Problem, match="STREAM_UNREADABLE"):
        await membership.member(union, enterprise, number="4")


async def test_an_event_that_this_release_cannot_read_can_be_withdrawn(membership: Membership) -> None:
    enterprise = await membership.enterprise()
    await membership.union(enterprise)
    subject = f"enterprise/{enterprise}"
    await append_unreadable(membership, subject, 2)
    assert (await withdraw(membership, subject, 2, 2)).sequence == 3
    assert await refused(membership, subject, 2, 2) == (409, "FACT_WITHDRAWN", "from")


async def test_a_withdrawal_of_the_registrys_takes_back_what_was_learned_here(membership: Membership) -> None:
    enterprise = await membership.enterprise()
    subject = f"enterprise/{enterprise}"
    union = await membership.union(enterprise)
    await membership.receive((subject, EnterpriseMoved(park="P2", district="D2"), "2021-06-01"))
    await membership.close(enterprise, "2022-01-01")
    assert await coverage(membership, enterprise) == [True, False]
    await membership.receive((subject, EventWithdrawn(first=2, last=3, reason="unreadable"), "2024-01-01"))
    assert [tuple(row) for row in await membership.pool.fetch("SELECT park, closed_on FROM enterprises WHERE id = $1", enterprise)] == [
        ("P1", None)
    ]
    assert await coverage(membership, enterprise) == [True]
    assert await membership.pool.fetchval("SELECT dissolved_on FROM unions WHERE id = $1", union) is None
