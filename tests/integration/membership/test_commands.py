"""Membership's commands on a real database: what is written, what is refused, and what two callers at once come to."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.membership.facts import TABLE
from services.membership.members import people
from shared.contracts import fact
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.journal.idempotency import Keys, Result
from shared.journal.journal import Actor
from shared.persons.sealing import PersonKeys
from shared.problems.errors import Problem
from shared.process import db
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line
from tests.integration.membership.service import CONTEXT, DOCUMENT, Membership, command, membership_of_a_test  # noqa: F401

OLD_ID = UUID("01800000-0000-7000-8000-000000000000")


async def refused(work: Awaitable[Any]) -> tuple[str, int]:
    with pytest.raises(Problem) as problem:
        await work
    return problem.value.code, problem.value.status


async def test_a_union_answers_its_events_founding_first(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    body: dict[str, Any] = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(a), str(b)]}
    result = await membership.do("union", **body)
    assert (result.subject, result.sequence, result.warnings) == (f"union/{result.id}", 1, [])
    rows = await membership.pool.fetch("SELECT type, subject, event_id FROM journal WHERE event_id = ANY($1::uuid[])", result.event_ids)
    order = {row["event_id"]: (row["type"], row["subject"]) for row in rows}
    assert [order[event_id] for event_id in result.event_ids] == [
        ("parkunion.union-founded.v1", f"union/{result.id}"),
        ("parkunion.coverage-started.v1", f"enterprise/{a}"),
        ("parkunion.coverage-started.v1", f"enterprise/{b}"),
    ]


async def test_what_is_dated_before_settling_is_kept_with_a_warning(membership: Membership) -> None:
    a = await membership.enterprise(settled_on="2022-01-01")
    body: dict[str, Any] = {"kind": "enterprise_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(a)]}
    assert (await membership.do("union", **body)).warnings == ["BEFORE_SETTLED"]


async def test_refusals_change_nothing(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    union = await membership.union(a)
    member = await membership.member(union, a)
    before = await membership.pool.fetchval("SELECT count(*) FROM journal")
    streams = await membership.pool.fetchval("SELECT count(*) FROM streams WHERE sequence > 0")
    document: dict[str, Any] = {"kind": "sample", "number": "2"}
    unknown: dict[str, Any] = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(OLD_ID)]}
    cases = [
        (membership.do("union", **unknown), ("NOT_YET_KNOWN", 409)),
        (membership.do("union", **{**unknown, "enterprises": ["c0ffee00-0000-4000-8000-000000000000"]}), ("UNKNOWN_ENTERPRISE", 422)),
        (membership.do("union", **{**unknown, "enterprises": [str(b)], "seat_area": "nowhere"}), ("NOT_YET_KNOWN", 409)),
        (membership.do("union", **{**unknown, "enterprises": [str(b)], "parent_union_id": str(OLD_ID)}), ("UNKNOWN_UNION", 422)),
        (membership.do("union", **{**unknown, "enterprises": [str(a)], "kind": "enterprise_union"}), ("ALREADY_COVERED", 409)),
        (membership.do("union", **{**unknown, "enterprises": [str(b)], "approved_on": "2999-01-01"}), ("DATE_OUT_OF_RANGE", 422)),
        (membership.do("coverage", union_id=OLD_ID, enterprise_id=a, on="2021-01-01", started=True), ("UNKNOWN_UNION", 422)),
        (membership.do("coverage", union_id=union, enterprise_id=a, on="2021-01-01", started=True), ("ALREADY_COVERED", 409)),
        (membership.do("dissolution", union_id=OLD_ID, on="2021-01-01", reason="merged"), ("UNKNOWN_UNION", 422)),
        (membership.do("dissolution", union_id=union, on="2021-01-01", reason="last_unit_closed"), ("RESERVED_REASON", 422)),
        (membership.do("member", union_id=union, enterprise_id=b, document=document, joined_on="2021-01-01"), ("NOT_COVERED", 422)),
        (membership.do("member", union_id=OLD_ID, enterprise_id=a, document=document, joined_on="2021-01-01"), ("UNKNOWN_UNION", 422)),
        (
            membership.do(
                "member", union_id=union, enterprise_id=a, document={"kind": "resident_id", "number": "1"}, joined_on="2021-01-01"
            ),
            ("INVALID_DOCUMENT", 422),
        ),
        (membership.do("leave", member_id=OLD_ID, on="2021-01-01", reason="other"), ("UNKNOWN_MEMBER", 404)),
        (membership.do("leave", member_id=member, on="2020-12-31", reason="other"), ("BEFORE_JOINING", 422)),
        (membership.do("transfer", member_id=member, on="2021-01-01", union_id=union, enterprise_id=a), ("SAME_MEMBERSHIP", 422)),
        (membership.do("correction", corrects=OLD_ID, reason="typo", data=None), ("UNKNOWN_EVENT", 422)),
    ]
    for work, expected in cases:
        assert await refused(work) == expected
    assert await membership.pool.fetchval("SELECT count(*) FROM journal") == before
    assert await membership.pool.fetchval("SELECT count(*) FROM streams WHERE sequence > 0") == streams
    assert await membership.pool.fetchval("SELECT count(*) FROM persons") == 1


async def test_coverage_dissolution_leave_and_transfer_are_said_on_their_streams(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    union, other = await membership.union(a, kind="joint_union"), await membership.union(b)
    started = await membership.do("coverage", union_id=union, enterprise_id=b, on="2021-02-01", started=True)
    assert (started.id, started.subject) == (str(union), f"enterprise/{b}")
    member = await membership.member(union, a)
    moved = await membership.do("transfer", member_id=member, on="2021-06-01", union_id=other, enterprise_id=b)
    assert moved.id != str(member)
    assert (moved.subject, len(moved.event_ids)) == (f"enterprise/{b}", 2)
    assert await refused(membership.do("leave", member_id=member, on="2021-06-01", reason="other")) == ("ALREADY_TRANSFERRED", 409)
    left = await membership.do("leave", member_id=UUID(moved.id), on="2021-07-01", reason="left_city", note="Moved to another city.")
    assert left.id == moved.id
    ended = await membership.do("dissolution", union_id=union, on="2021-08-01", reason="merged")
    assert len(ended.event_ids) == 3
    assert await refused(membership.do("dissolution", union_id=union, on="2021-08-01", reason="merged")) == ("ALREADY_DISSOLVED", 409)
    assert [(kind, on) for kind, on, _ in await membership.said(f"enterprise/{b}")] == [
        ("coverage-started", "2021-01-01"),
        ("coverage-started", "2021-02-01"),
        ("member-joined", "2021-06-01"),
        ("member-left", "2021-07-01"),
        ("coverage-ended", "2021-08-01"),
    ]
    left_data = (await membership.said(f"enterprise/{b}"))[3][2]
    assert left_data["reason"] == "left_city"
    assert (
        await membership.pool.fetchval("SELECT text FROM notes WHERE note_id = $1", UUID(left_data["note_id"])) == "Moved to another city."
    )


async def test_one_person_has_one_membership_at_a_time_under_any_form_of_the_number(membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    union, other = await membership.union(a), await membership.union(b)
    await membership.member(union, a, DOCUMENT, "2021-05-01", "resident_id")
    for number in (DOCUMENT, "11010519491231002x", "110105491231002"):
        assert await refused(membership.member(other, b, number, "2021-01-01", "resident_id")) == ("ALREADY_MEMBER", 409)
    assert await membership.pool.fetchval("SELECT count(*) FROM persons") == 1


async def test_of_two_concurrent_joins_of_one_person_one_wins(membership: Membership) -> None:
    pairs = [await _pair(membership) for _ in range(4)]
    for number in range(10):
        work = [membership.member(union, enterprise, f"twin-{number}") for union, enterprise in pairs]
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        codes = [outcome.code for outcome in outcomes if isinstance(outcome, Problem)]
        assert codes == ["ALREADY_MEMBER"] * 3, outcomes
    assert await membership.count("memberships") == 10
    assert await membership.pool.fetchval("SELECT count(*) FROM persons") == 10


async def _pair(membership: Membership) -> tuple[UUID, UUID]:
    enterprise = await membership.enterprise()
    return await membership.union(enterprise), enterprise


async def test_the_database_itself_refuses_a_second_membership(membership: Membership) -> None:
    insert = (
        "INSERT INTO memberships (id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on) "
        "VALUES ($1, 7, $1, $1, $2::text::date, 1, $3::text::date)"
    )
    async with membership.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('parkunion.areas', '*', true)")
        await conn.execute(insert, uuid7(), "2021-01-01", "2022-01-01")
        await conn.execute(insert, uuid7(), "2022-01-01", None)
        with pytest.raises(asyncpg.ExclusionViolationError):
            await conn.execute(insert, uuid7(), "2020-01-01", "2021-01-02")


async def test_a_batch_goes_on_past_refused_lines_and_repeats_nothing(membership: Membership) -> None:
    union, enterprise = await _pair(membership)

    def join(number: str, on: str = "2021-02-01") -> dict[str, Any]:
        document = {"kind": "sample", "number": number}
        return {"union_id": str(union), "enterprise_id": str(enterprise), "document": document, "joined_on": on}

    lines: list[tuple[str, str | None, dict[str, Any]]] = [
        ("member", "k1", join("1")),
        ("member", "k2", join("1", "2021-03-01")),
        ("member", "k1", join("1")),
        ("member", "k1", join("9")),
        ("member", "k3", join("2", "2020-01-01")),
        ("member", None, join("3")),
        ("union", "k4", {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": []}),
        ("coverage", "k5", {"union_id": str(union), "enterprise_id": str(enterprise), "on": "2021-06-01", "ended": True}),
        ("member", "k6", join("4", "2021-06-01")),
        ("member", "k7", join("5", "2021-05-31")),
    ]
    outcomes = await membership.batch(lines)
    assert [o.code if isinstance(o, Problem) else "ok" for o in outcomes] == [
        "ok",
        "ALREADY_MEMBER",
        "ok",
        "IDEMPOTENCY_KEY_REUSED",
        "NOT_COVERED",
        "ok",
        "NO_ENTERPRISES",
        "ok",
        "ok",
        "ok",
    ]
    again = await membership.batch([line for line in lines if line[1]])
    assert [o for o in again if isinstance(o, Result)] == [
        o for o, line in zip(outcomes, lines, strict=True) if isinstance(o, Result) and line[1]
    ]
    assert await membership.count("memberships") == 4
    kinds = [kind for kind, _, _ in await membership.said(f"enterprise/{enterprise}")]
    assert kinds == ["coverage-started", "member-joined", "member-joined", "coverage-ended", "member-joined", "member-joined"]


async def test_a_key_repeated_in_one_batch_gives_the_first_result(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    body: dict[str, Any] = {
        "union_id": str(union),
        "enterprise_id": str(enterprise),
        "document": {"kind": "sample", "number": "1"},
        "joined_on": "2021-02-01",
    }
    first, second = await membership.batch([("member", "k", body), ("member", "k", body)])
    assert first == second
    assert isinstance(first, Result)
    third = await membership.do("member", key="k", **body)
    assert third == first
    assert await refused(membership.do("member", key="k", **{**body, "joined_on": "2021-02-02"})) == ("IDEMPOTENCY_KEY_REUSED", 422)
    assert await refused(membership.do("member", key="k2", **body)) == ("ALREADY_MEMBER", 409)
    hashed = Keys(membership.context.fingerprint_key).hashed("tester", "k2")
    assert await membership.pool.fetchval("SELECT count(*) FROM idempotency WHERE key = $1", hashed) == 0


async def test_batches_use_the_same_number_of_statements_for_one_line_and_for_many(membership: Membership) -> None:
    union, enterprise = await _pair(membership)

    async def statements(numbers: range) -> int:
        lines: list[tuple[str, str | None, dict[str, Any]]] = [
            (
                "member",
                f"s{n}",
                {
                    "union_id": str(union),
                    "enterprise_id": str(enterprise),
                    "document": {"kind": "sample", "number": f"s{n}"},
                    "joined_on": "2021-02-01",
                },
            )
            for n in numbers
        ]
        seen: list[str] = []
        parsed: list[Line[Any]] = [Line(command(op, body), key, b"f") for op, key, body in lines]
        async with db.transaction(membership.pool, areas=Areas.all()) as conn:
            with conn.query_logger(lambda query: seen.append(query.query)):
                await commands.execute(
                    conn,
                    Keys(membership.context.fingerprint_key),
                    "tester",
                    parsed,
                    carrying_out(TABLE, membership.context, Areas.all(), Actor("tester", "api")),
                )
        return len(seen)

    await statements(range(1))
    assert await statements(range(1, 2)) == await statements(range(2, 200))


async def test_grants_are_by_seat_and_by_park(membership: Membership) -> None:
    here, there = await membership.enterprise("P1"), await membership.enterprise("P2")
    d1 = Areas(frozenset({"D1"}), False)
    union, other = await membership.union(here), await membership.union(there, seat="P2")
    member, stranger = await membership.member(union, here, "1"), await membership.member(other, there, "2")
    document: dict[str, Any] = {"kind": "sample", "number": "3"}
    allowed: dict[str, Any] = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(here)]}
    started = await membership.do("union", areas=d1, **allowed)
    assert (await membership.do("member", areas=d1, union_id=union, enterprise_id=here, document=document, joined_on="2021-01-01")).id
    joined = (await membership.do("coverage", union_id=other, enterprise_id=there, on="2022-01-01", ended=True)).event_ids[0]
    denied = [
        membership.do("union", areas=d1, **{**allowed, "seat_area": "P2"}),
        membership.do("union", areas=d1, **{**allowed, "seat_area": "ROOT"}),
        membership.do("union", areas=d1, **{**allowed, "enterprises": [str(here), str(there)]}),
        membership.do("coverage", areas=d1, union_id=started.id, enterprise_id=there, on="2021-01-01", started=True),
        membership.do("coverage", areas=d1, union_id=other, enterprise_id=here, on="2021-01-01", started=True),
        membership.do("dissolution", areas=d1, union_id=other, on="2022-01-01", reason="other"),
        membership.do("member", areas=d1, union_id=other, enterprise_id=there, document=document, joined_on="2021-01-01"),
        membership.do("leave", areas=d1, member_id=stranger, on="2022-01-01", reason="other"),
        membership.do("transfer", areas=d1, member_id=stranger, on="2021-02-01", union_id=union, enterprise_id=here),
        membership.do("transfer", areas=d1, member_id=member, on="2021-02-01", union_id=other, enterprise_id=there),
        membership.do("correction", areas=d1, corrects=joined, reason="typo", data=None),
        membership.do("correction", areas=d1, corrects=started.event_ids[0], reason="typo", data={"seat_area": "P2"}),
        membership.do(
            "member", areas=Areas(frozenset(), False), union_id=union, enterprise_id=here, document=document, joined_on="2021-01-01"
        ),
    ]
    for work in denied:
        assert await refused(work) == ("AREA_NOT_GRANTED", 403)


@pytest.mark.invariant("I5")
async def test_no_document_number_is_anywhere_but_sealed(membership: Membership, capfd: pytest.CaptureFixture[str]) -> None:
    union, enterprise = await _pair(membership)
    await membership.member(union, enterprise, DOCUMENT, "2021-02-01", "resident_id")
    with pytest.raises(Problem) as problem:
        await membership.member(union, enterprise, DOCUMENT, "2021-02-01", "resident_id")
    assert DOCUMENT not in repr(problem.value) + str(vars(problem.value))
    tables = await membership.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'")
    for table in tables:
        async with membership.pool.acquire() as conn, conn.transaction():
            await conn.execute("SELECT set_config('parkunion.areas', '*', true)")
            rows = await conn.fetch(f"SELECT t::text FROM {table[0]} AS t")
        assert not [row for row in rows if "19491231" in row[0] or DOCUMENT.encode().hex() in row[0]]
    printed = capfd.readouterr()
    assert DOCUMENT not in printed.out + printed.err


async def test_a_person_can_be_erased_without_touching_the_journal(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    member = await membership.member(union, enterprise, DOCUMENT, "2021-02-01", "resident_id")
    before = await membership.pool.fetchval("SELECT count(*) FROM journal")
    await membership.pool.execute("DELETE FROM persons")
    async with membership.pool.acquire() as conn:
        assert await people.document_of(conn, member) is None
    assert await membership.pool.fetchval("SELECT count(*) FROM journal") == before
    await membership.do("leave", member_id=member, on="2021-03-01", reason="other")


async def test_a_new_key_finds_those_whom_the_old_key_wrote(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    await membership.member(union, enterprise, "E1", "2021-02-01", "passport")
    rotated = PersonKeys({1: bytes(32), 2: bytes([7]) * 32}, {1: bytes(range(32)), 2: bytes([8]) * 32})
    new = Membership(membership.pool, replace(CONTEXT, person_keys=rotated))
    assert await refused(new.member(union, enterprise, "e1", "2021-03-01", "passport")) == ("ALREADY_MEMBER", 409)
    assert await membership.pool.fetchval("SELECT array_agg(hash_version) FROM persons") == [2]
    member = await new.member(union, enterprise, "E2", "2021-02-01", "passport")
    async with membership.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('parkunion.areas', '*', true)")
        found = await people.document_of(conn, member)
    assert found is not None
    assert rotated.open(found[0], found[2]) == "E2"
    assert found[2].key_version == 2


async def test_corrections_change_state_and_are_chained(membership: Membership) -> None:
    enterprise = await membership.enterprise()
    body: dict[str, Any] = {"kind": "enterprise_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(enterprise)]}
    union = await membership.do("union", **body)
    founded, started = union.event_ids
    first = await membership.do("correction", corrects=started, reason="typo", data={"on": "2021-03-01"})
    assert first.subject == f"enterprise/{enterprise}"
    assert first.id == str(first.event_ids[0])
    with pytest.raises(Problem) as problem:
        await membership.do("correction", corrects=started, reason="typo", data={"on": "2021-04-01"})
    assert (problem.value.code, problem.value.errors[0].params) == ("ALREADY_CORRECTED", {"latest": first.id})
    second = await membership.do("correction", corrects=first.id, reason="typo", data={"occurred_on": "2021-04-01"})
    await membership.do("correction", corrects=founded, reason="typo", data={"approved_on": "2020-06-01", "name": "新"})
    assert await refused(membership.member(UUID(union.id), enterprise, "1", "2021-03-31")) == ("NOT_COVERED", 422)
    member = await membership.member(UUID(union.id), enterprise, "1", "2021-04-01")
    third = await membership.do("correction", corrects=second.id, reason="typo", data=None)
    assert await refused(membership.do("correction", corrects=third.id, reason="typo", data=None)) == ("FACT_WITHDRAWN", 409)
    said = [
        (data["rank"], data.get("replacement", {}).get("occurred_on"))
        for kind, _, data in await membership.said(first.subject)
        if "rank" in data
    ]
    assert said == [(1, "2021-03-01"), (1, "2021-04-01"), (1, None)]
    for kind, _, data in await membership.said(first.subject):
        fact(f"parkunion.{kind}.v1", data)
    assert await membership.pool.fetchval("SELECT count(*) FROM coverage_facts") == 0
    joined = await membership.pool.fetchval("SELECT event_id FROM journal WHERE type LIKE '%member-joined%'")
    await membership.do("correction", corrects=joined, reason="never_was", data=None)
    assert await refused(membership.do("leave", member_id=member, on="2021-05-01", reason="other")) == ("UNKNOWN_MEMBER", 404)


async def test_a_refused_correction_leaves_the_rest_of_its_batch_as_it_was(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    events = await membership.pool.fetch("SELECT event_id FROM journal WHERE subject = $1", f"enterprise/{enterprise}")
    started = str(events[0]["event_id"])
    document: dict[str, Any] = {"kind": "sample", "number": "1"}
    joining = {"union_id": str(union), "enterprise_id": str(enterprise), "document": document, "joined_on": "2021-01-01"}
    outcomes = await membership.batch(
        [
            ("correction", None, {"corrects": started, "reason": "typo", "data": {"on": "2020-12-01"}}),
            ("member", None, joining),
            ("correction", None, {"corrects": started, "reason": "typo", "data": {"on": "2021-02-01"}}),
            ("correction", None, {"corrects": started, "reason": "typo", "data": {"on": "2021-02-02"}}),
        ]
    )
    assert [o.code if isinstance(o, Problem) else "ok" for o in outcomes] == ["BEFORE_FOUNDING", "ok", "ok", "ALREADY_CORRECTED"]


async def test_concurrent_commands_on_shared_streams_all_end(membership: Membership) -> None:
    enterprises = [await membership.enterprise() for _ in range(6)]
    unions = [await membership.union(*enterprises[n:], kind="joint_union") for n in range(3)]
    work: list[Awaitable[Any]] = []
    for n in range(30):
        union, enterprise = unions[n % 3], enterprises[-1 - n % 2]
        work.append(membership.member(union, enterprise, str(n)))
        if n % 10 == 5:
            work.append(membership.do("coverage", union_id=unions[n % 3], enterprise_id=enterprises[3], on="2022-01-01", ended=True))
    work.append(membership.do("dissolution", union_id=unions[0], on="2023-01-01", reason="merged"))
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, Problem)] == []
    rows = await membership.pool.fetch("SELECT subject, sequence FROM streams WHERE sequence > 0")
    for row in rows:
        count = await membership.pool.fetchval("SELECT count(*) FROM journal WHERE subject = $1", row["subject"])
        assert count == row["sequence"]
