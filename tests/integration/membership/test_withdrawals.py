"""Withdrawals in membership: those that it says itself, and those of the registry that it hears."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from services.membership.facts import TABLE
from shared.contracts.registry import EnterpriseMoved
from shared.contracts.streams import EventWithdrawn
from shared.http.auth import Areas
from shared.journal.idempotency import Result
from shared.journal.journal import Actor
from shared.journal.reasons import Reason
from shared.problems.errors import Problem
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line
from shared.writing.table import Withdraw
from tests.integration.membership.service import CONTEXT, Office, office_of_a_test

__all__ = ["office_of_a_test"]


async def withdraw(office: Office, subject: str, first: int, last: int, areas: Areas | None = None) -> Result:
    line: Line[Any] = Line(Withdraw(subject, first, last, Reason("unreadable")))
    return await commands.one(office.pool, "tester", line, carrying_out(TABLE, CONTEXT, areas or Areas.all(), Actor("tester", "api")))


async def refused(office: Office, subject: str, first: int, last: int, areas: Areas | None = None) -> tuple[int, str, str | None]:
    with pytest.raises(Problem) as problem:
        await withdraw(office, subject, first, last, areas)
    return problem.value.status, problem.value.code, problem.value.errors[0].field


async def coverage(office: Office, enterprise: UUID) -> list[bool]:
    rows = await office.pool.fetch("SELECT started FROM coverage_facts WHERE enterprise_id = $1 ORDER BY rank", enterprise)
    return [row["started"] for row in rows]


async def test_a_withdrawal_takes_facts_out_and_is_said_on_their_stream(office: Office) -> None:
    enterprise = await office.enterprise()
    union = await office.union(enterprise)
    member = await office.member(union, enterprise)
    subject = f"enterprise/{enterprise}"
    result = await withdraw(office, subject, 2, 2)
    assert (result.id, result.subject, result.sequence) == (str(result.event_ids[0]), subject, 3)
    assert (await office.said(subject))[-1][2] == {"from": 2, "to": 2, "reason": "unreadable"}
    with pytest.raises(Problem, match="UNKNOWN_MEMBER"):
        await office.do("leave", member_id=member, on="2024-01-01", reason="resigned")
    assert await refused(office, subject, 2, 2) == (409, "FACT_WITHDRAWN", "from")
    assert await refused(office, subject, 3, 3) == (422, "HOLDS_CORRECTION", "from")
    await office.member(union, enterprise)


async def test_ends_of_coverage_go_with_a_dissolution_that_is_withdrawn(office: Office) -> None:
    enterprise = await office.enterprise()
    union = await office.union(enterprise)
    await office.do("dissolution", union_id=union, on="2022-01-01", reason="merged")
    assert await coverage(office, enterprise) == [True, False]
    await withdraw(office, f"union/{union}", 2, 2)
    assert await coverage(office, enterprise) == [True]
    assert [kind for kind, _, _ in await office.said(f"union/{union}")] == ["union-founded", "union-dissolved", "event-withdrawn"]
    assert [kind for kind, _, _ in await office.said(f"enterprise/{enterprise}")] == [
        "coverage-started",
        "coverage-ended",
        "fact-corrected",
    ]


async def test_what_is_refused_leaves_nothing_behind(office: Office) -> None:
    enterprise = await office.enterprise()
    union = await office.union(enterprise)
    member = await office.member(union, enterprise)
    await office.do("leave", member_id=member, on="2024-01-01", reason="resigned")
    subject = f"enterprise/{enterprise}"
    before = await office.count("journal")
    assert await refused(office, f"union/{enterprise}", 1, 1) == (404, "UNKNOWN_STREAM", "subject")
    assert await refused(office, subject, 2, 1) == (422, "FROM_AFTER_TO", "from")
    assert await refused(office, subject, 1, 99) == (422, "UNKNOWN_SEQUENCE", "to")
    assert await refused(office, subject, 2, 2) == (409, "ALREADY_LEFT", "from")
    assert await refused(office, f"union/{union}", 1, 1) == (409, "STILL_COVERS", "from")
    assert await refused(office, subject, 3, 3, Areas.of(["ROOT"])) == (403, "AREA_NOT_GRANTED", "subject")
    assert await office.count("journal") == before
    await withdraw(office, subject, 2, 3)


async def append_unreadable(office: Office, subject: str, sequence: int) -> None:
    """Another release recorded an event that this one does not know."""
    await office.pool.execute("UPDATE streams SET sequence = $2 WHERE subject = $1", subject, sequence)
    await office.pool.execute(
        "INSERT INTO journal (subject, sequence, event_id, type, recorded_at, occurred_on, actor, origin, partition_key, data) "
        "VALUES ($1, $2, gen_random_uuid(), 'parkunion.mood-reported.v1', parkunion_now(), '2024-01-01', 'x', 'api', 'x', '{}')",
        subject,
        sequence,
    )


async def test_nothing_is_decided_on_a_stream_with_an_unreadable_event_until_it_is_withdrawn(office: Office) -> None:
    enterprise, other = await office.enterprise(), await office.enterprise()
    union = await office.union(enterprise, other, kind="joint_union")
    member = await office.member(union, enterprise)
    subject = f"enterprise/{enterprise}"
    await append_unreadable(office, subject, 3)
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
            await office.do(op, **body)
        assert (problem.value.status, problem.value.code) == (409, "STREAM_UNREADABLE")
    await office.member(union, other, number="3")
    await withdraw(office, subject, 3, 3)
    await office.do("leave", member_id=member, on="2024-01-01", reason="resigned")
    await append_unreadable(office, subject, 6)
    with pytest.raises(Problem, match="STREAM_UNREADABLE"):
        await office.member(union, enterprise, number="4")


async def test_an_event_that_this_release_cannot_read_can_be_withdrawn(office: Office) -> None:
    enterprise = await office.enterprise()
    await office.union(enterprise)
    subject = f"enterprise/{enterprise}"
    await append_unreadable(office, subject, 2)
    assert (await withdraw(office, subject, 2, 2)).sequence == 3
    assert await refused(office, subject, 2, 2) == (409, "FACT_WITHDRAWN", "from")


async def test_a_withdrawal_of_the_registrys_takes_back_what_was_learned_here(office: Office) -> None:
    enterprise = await office.enterprise()
    subject = f"enterprise/{enterprise}"
    union = await office.union(enterprise)
    await office.tell((subject, EnterpriseMoved(park="P2", district="D2"), "2021-06-01"))
    await office.close(enterprise, "2022-01-01")
    assert await coverage(office, enterprise) == [True, False]
    await office.tell((subject, EventWithdrawn(first=2, last=3, reason="unreadable"), "2024-01-01"))
    assert [tuple(row) for row in await office.pool.fetch("SELECT park, closed_on FROM enterprises WHERE id = $1", enterprise)] == [
        ("P1", None)
    ]
    assert await coverage(office, enterprise) == [True]
    assert await office.pool.fetchval("SELECT dissolved_on FROM unions WHERE id = $1", union) is None
