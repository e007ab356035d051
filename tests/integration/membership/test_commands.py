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
from services.membership.members.documents import Documents
from shared.contracts import fact
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.journal.idempotency import Result
from shared.journal.journal import Actor
from shared.problems.errors import Problem
from shared.process import db
from shared.writing import commands
from shared.writing.carry_out import carrying_out
from shared.writing.commands import Line
from tests.integration.membership.service import CONTEXT, DOCUMENT, Office, command, office_of_a_test  # noqa: F401

OLD_ID = UUID("01800000-0000-7000-8000-000000000000")


async def refused(work: Awaitable[Any]) -> tuple[str, int]:
    with pytest.raises(Problem) as problem:
        await work
    return problem.value.code, problem.value.status


async def test_a_union_answers_its_events_founding_first(office: Office) -> None:
    a, b = await office.enterprise(), await office.enterprise()
    body: dict[str, Any] = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(a), str(b)]}
    result = await office.do("union", **body)
    assert (result.subject, result.sequence, result.warnings) == (f"union/{result.id}", 1, [])
    rows = await office.pool.fetch("SELECT type, subject, event_id FROM journal WHERE event_id = ANY($1::uuid[])", result.event_ids)
    order = {row["event_id"]: (row["type"], row["subject"]) for row in rows}
    assert [order[event_id] for event_id in result.event_ids] == [
        ("parkunion.union-founded.v1", f"union/{result.id}"),
        ("parkunion.coverage-started.v1", f"enterprise/{a}"),
        ("parkunion.coverage-started.v1", f"enterprise/{b}"),
    ]


async def test_what_is_dated_before_settling_is_kept_with_a_warning(office: Office) -> None:
    a = await office.enterprise(settled_on="2022-01-01")
    body: dict[str, Any] = {"kind": "enterprise_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(a)]}
    assert (await office.do("union", **body)).warnings == ["BEFORE_SETTLED"]


async def test_refusals_change_nothing(office: Office) -> None:
    a, b = await office.enterprise(), await office.enterprise()
    union = await office.union(a)
    member = await office.member(union, a)
    before = await office.pool.fetchval("SELECT count(*) FROM journal")
    streams = await office.pool.fetchval("SELECT count(*) FROM streams WHERE sequence > 0")
    document: dict[str, Any] = {"kind": "sample", "number": "2"}
    unknown: dict[str, Any] = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(OLD_ID)]}
    cases = [
        (office.do("union", **unknown), ("NOT_YET_KNOWN", 409)),
        (office.do("union", **{**unknown, "enterprises": ["c0ffee00-0000-4000-8000-000000000000"]}), ("UNKNOWN_ENTERPRISE", 422)),
        (office.do("union", **{**unknown, "enterprises": [str(b)], "seat_area": "nowhere"}), ("NOT_YET_KNOWN", 409)),
        (office.do("union", **{**unknown, "enterprises": [str(b)], "parent_union_id": str(OLD_ID)}), ("UNKNOWN_UNION", 422)),
        (office.do("union", **{**unknown, "enterprises": [str(a)], "kind": "enterprise_union"}), ("ALREADY_COVERED", 409)),
        (office.do("union", **{**unknown, "enterprises": [str(b)], "approved_on": "2999-01-01"}), ("DATE_OUT_OF_RANGE", 422)),
        (office.do("coverage", union_id=OLD_ID, enterprise_id=a, on="2021-01-01", started=True), ("UNKNOWN_UNION", 422)),
        (office.do("coverage", union_id=union, enterprise_id=a, on="2021-01-01", started=True), ("ALREADY_COVERED", 409)),
        (office.do("dissolution", union_id=OLD_ID, on="2021-01-01", reason="merged"), ("UNKNOWN_UNION", 422)),
        (office.do("dissolution", union_id=union, on="2021-01-01", reason="last_unit_closed"), ("RESERVED_REASON", 422)),
        (office.do("member", union_id=union, enterprise_id=b, document=document, joined_on="2021-01-01"), ("NOT_COVERED", 422)),
        (office.do("member", union_id=OLD_ID, enterprise_id=a, document=document, joined_on="2021-01-01"), ("UNKNOWN_UNION", 422)),
        (
            office.do("member", union_id=union, enterprise_id=a, document={"kind": "resident_id", "number": "1"}, joined_on="2021-01-01"),
            ("INVALID_DOCUMENT", 422),
        ),
        (office.do("leave", member_id=OLD_ID, on="2021-01-01", reason="x"), ("UNKNOWN_MEMBER", 404)),
        (office.do("leave", member_id=member, on="2020-12-31", reason="x"), ("BEFORE_JOINING", 422)),
        (office.do("transfer", member_id=member, on="2021-01-01", union_id=union, enterprise_id=a), ("SAME_MEMBERSHIP", 422)),
        (office.do("correction", corrects=OLD_ID, reason="typo", data=None), ("UNKNOWN_EVENT", 422)),
    ]
    for work, expected in cases:
        assert await refused(work) == expected
    assert await office.pool.fetchval("SELECT count(*) FROM journal") == before
    assert await office.pool.fetchval("SELECT count(*) FROM streams WHERE sequence > 0") == streams
    assert await office.pool.fetchval("SELECT count(*) FROM persons") == 1


async def test_coverage_dissolution_leave_and_transfer_are_said_on_their_streams(office: Office) -> None:
    a, b = await office.enterprise(), await office.enterprise()
    union, other = await office.union(a, kind="joint_union"), await office.union(b)
    started = await office.do("coverage", union_id=union, enterprise_id=b, on="2021-02-01", started=True)
    assert (started.id, started.subject) == (str(union), f"enterprise/{b}")
    member = await office.member(union, a)
    moved = await office.do("transfer", member_id=member, on="2021-06-01", union_id=other, enterprise_id=b)
    assert moved.id != str(member)
    assert (moved.subject, len(moved.event_ids)) == (f"enterprise/{b}", 2)
    assert await refused(office.do("leave", member_id=member, on="2021-07-01", reason="x")) == ("ALREADY_LEFT", 409)
    left = await office.do("leave", member_id=UUID(moved.id), on="2021-07-01", reason="Moved to another city.")
    assert left.id == moved.id
    ended = await office.do("dissolution", union_id=union, on="2021-08-01", reason="merged")
    assert len(ended.event_ids) == 3
    assert await refused(office.do("dissolution", union_id=union, on="2021-08-01", reason="merged")) == ("ALREADY_DISSOLVED", 409)
    assert [(kind, on) for kind, on, _ in await office.said(f"enterprise/{b}")] == [
        ("coverage-started", "2021-01-01"),
        ("coverage-started", "2021-02-01"),
        ("member-joined", "2021-06-01"),
        ("member-left", "2021-07-01"),
        ("coverage-ended", "2021-08-01"),
    ]
    left_data = (await office.said(f"enterprise/{b}"))[3][2]
    assert left_data["reason"] == "note"
    assert await office.pool.fetchval("SELECT text FROM notes WHERE note_id = $1", UUID(left_data["note_id"])) == "Moved to another city."


async def test_one_person_has_one_membership_at_a_time_under_any_form_of_the_number(office: Office) -> None:
    a, b = await office.enterprise(), await office.enterprise()
    union, other = await office.union(a), await office.union(b)
    await office.member(union, a, DOCUMENT, "2021-05-01", "resident_id")
    for number in (DOCUMENT, "11010519491231002x", "110105491231002"):
        assert await refused(office.member(other, b, number, "2021-01-01", "resident_id")) == ("ALREADY_MEMBER", 409)
    assert await office.pool.fetchval("SELECT count(*) FROM persons") == 1


async def test_of_two_concurrent_joins_of_one_person_one_wins(office: Office) -> None:
    pairs = [await _pair(office) for _ in range(4)]
    for number in range(10):
        work = [office.member(union, enterprise, f"twin-{number}") for union, enterprise in pairs]
        outcomes = await asyncio.gather(*work, return_exceptions=True)
        codes = [outcome.code for outcome in outcomes if isinstance(outcome, Problem)]
        assert codes == ["ALREADY_MEMBER"] * 3, outcomes
    assert await office.count("memberships") == 10
    assert await office.pool.fetchval("SELECT count(*) FROM persons") == 10


async def _pair(office: Office) -> tuple[UUID, UUID]:
    enterprise = await office.enterprise()
    return await office.union(enterprise), enterprise


async def test_the_database_itself_refuses_a_second_membership(office: Office) -> None:
    insert = (
        "INSERT INTO memberships (id, person_no, enterprise_id, union_id, joined_on, joined_rank, left_on) "
        "VALUES ($1, 7, $1, $1, $2::text::date, 1, $3::text::date)"
    )
    async with office.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('parkunion.areas', '*', true)")
        await conn.execute(insert, uuid7(), "2021-01-01", "2022-01-01")
        await conn.execute(insert, uuid7(), "2022-01-01", None)
        with pytest.raises(asyncpg.ExclusionViolationError):
            await conn.execute(insert, uuid7(), "2020-01-01", "2021-01-02")


async def test_a_batch_goes_on_past_refused_lines_and_repeats_nothing(office: Office) -> None:
    union, enterprise = await _pair(office)

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
    outcomes = await office.batch(lines)
    assert [o.code if isinstance(o, Problem) else "ok" for o in outcomes] == [
        "ok",
        "ALREADY_MEMBER",
        "ok",
        "IDEMPOTENCY_KEY_REUSED",
        "NOT_COVERED",
        "ok",
        "NO_ENTERPRISES",
        "ok",
        "NOT_COVERED",
        "ok",
    ]
    again = await office.batch([line for line in lines if line[1]])
    assert [o for o in again if isinstance(o, Result)] == [
        o for o, line in zip(outcomes, lines, strict=True) if isinstance(o, Result) and line[1]
    ]
    assert await office.count("memberships") == 3
    kinds = [kind for kind, _, _ in await office.said(f"enterprise/{enterprise}")]
    assert kinds == ["coverage-started", "member-joined", "member-joined", "coverage-ended", "member-joined"]


async def test_a_key_repeated_in_one_batch_gives_the_first_result(office: Office) -> None:
    union, enterprise = await _pair(office)
    body: dict[str, Any] = {
        "union_id": str(union),
        "enterprise_id": str(enterprise),
        "document": {"kind": "sample", "number": "1"},
        "joined_on": "2021-02-01",
    }
    first, second = await office.batch([("member", "k", body), ("member", "k", body)])
    assert first == second
    assert isinstance(first, Result)
    third = await office.do("member", key="k", **body)
    assert third == first
    assert await refused(office.do("member", key="k", **{**body, "joined_on": "2021-02-02"})) == ("IDEMPOTENCY_KEY_REUSED", 422)
    assert await refused(office.do("member", key="k2", **body)) == ("ALREADY_MEMBER", 409)
    assert await office.pool.fetchval("SELECT count(*) FROM idempotency WHERE key = 'k2'") == 0


async def test_batches_use_the_same_number_of_statements_for_one_line_and_for_many(office: Office) -> None:
    union, enterprise = await _pair(office)

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
        async with db.transaction(office.pool, areas=Areas.all()) as conn:
            with conn.query_logger(lambda query: seen.append(query.query)):
                await commands.execute(conn, "tester", parsed, carrying_out(TABLE, office.context, Areas.all(), Actor("tester", "api")))
        return len(seen)

    await statements(range(1))
    assert await statements(range(1, 2)) == await statements(range(2, 200))


async def test_grants_are_by_seat_and_by_park(office: Office) -> None:
    here, there = await office.enterprise("P1"), await office.enterprise("P2")
    d1 = Areas(frozenset({"D1"}), False)
    union, other = await office.union(here), await office.union(there, seat="P2")
    member, stranger = await office.member(union, here, "1"), await office.member(other, there, "2")
    document: dict[str, Any] = {"kind": "sample", "number": "3"}
    allowed: dict[str, Any] = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(here)]}
    started = await office.do("union", areas=d1, **allowed)
    assert (await office.do("member", areas=d1, union_id=union, enterprise_id=here, document=document, joined_on="2021-01-01")).id
    joined = (await office.do("coverage", union_id=other, enterprise_id=there, on="2022-01-01", ended=True)).event_ids[0]
    denied = [
        office.do("union", areas=d1, **{**allowed, "seat_area": "P2"}),
        office.do("union", areas=d1, **{**allowed, "seat_area": "ROOT"}),
        office.do("union", areas=d1, **{**allowed, "enterprises": [str(here), str(there)]}),
        office.do("coverage", areas=d1, union_id=started.id, enterprise_id=there, on="2021-01-01", started=True),
        office.do("coverage", areas=d1, union_id=other, enterprise_id=here, on="2021-01-01", started=True),
        office.do("dissolution", areas=d1, union_id=other, on="2022-01-01", reason="x"),
        office.do("member", areas=d1, union_id=other, enterprise_id=there, document=document, joined_on="2021-01-01"),
        office.do("leave", areas=d1, member_id=stranger, on="2022-01-01", reason="x"),
        office.do("transfer", areas=d1, member_id=stranger, on="2021-02-01", union_id=union, enterprise_id=here),
        office.do("transfer", areas=d1, member_id=member, on="2021-02-01", union_id=other, enterprise_id=there),
        office.do("correction", areas=d1, corrects=joined, reason="typo", data=None),
        office.do("correction", areas=d1, corrects=started.event_ids[0], reason="typo", data={"seat_area": "P2"}),
        office.do("member", areas=Areas(frozenset(), False), union_id=union, enterprise_id=here, document=document, joined_on="2021-01-01"),
    ]
    for work in denied:
        assert await refused(work) == ("AREA_NOT_GRANTED", 403)


@pytest.mark.invariant("I5")
async def test_no_document_number_is_anywhere_but_sealed(office: Office, capfd: pytest.CaptureFixture[str]) -> None:
    union, enterprise = await _pair(office)
    await office.member(union, enterprise, DOCUMENT, "2021-02-01", "resident_id")
    with pytest.raises(Problem) as problem:
        await office.member(union, enterprise, DOCUMENT, "2021-02-01", "resident_id")
    assert DOCUMENT not in repr(problem.value) + str(vars(problem.value))
    tables = await office.pool.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations'")
    for table in tables:
        async with office.pool.acquire() as conn, conn.transaction():
            await conn.execute("SELECT set_config('parkunion.areas', '*', true)")
            rows = await conn.fetch(f"SELECT t::text FROM {table[0]} AS t")
        assert not [row for row in rows if "19491231" in row[0] or DOCUMENT.encode().hex() in row[0]]
    printed = capfd.readouterr()
    assert DOCUMENT not in printed.out + printed.err


async def test_a_person_can_be_erased_without_touching_the_journal(office: Office) -> None:
    union, enterprise = await _pair(office)
    member = await office.member(union, enterprise, DOCUMENT, "2021-02-01", "resident_id")
    before = await office.pool.fetchval("SELECT count(*) FROM journal")
    await office.pool.execute("DELETE FROM persons")
    async with office.pool.acquire() as conn:
        assert await people.document_of(conn, member) is None
    assert await office.pool.fetchval("SELECT count(*) FROM journal") == before
    await office.do("leave", member_id=member, on="2021-03-01", reason="x")


async def test_a_new_key_finds_those_whom_the_old_key_wrote(office: Office) -> None:
    union, enterprise = await _pair(office)
    await office.member(union, enterprise, "E1", "2021-02-01", "passport")
    rotated = Documents({1: bytes(32), 2: bytes([7]) * 32}, {1: bytes(range(32)), 2: bytes([8]) * 32})
    new = Office(office.pool, replace(CONTEXT, documents=rotated))
    assert await refused(new.member(union, enterprise, "e1", "2021-03-01", "passport")) == ("ALREADY_MEMBER", 409)
    assert await office.pool.fetchval("SELECT array_agg(hash_version) FROM persons") == [2]
    member = await new.member(union, enterprise, "E2", "2021-02-01", "passport")
    async with office.pool.acquire() as conn, conn.transaction():
        await conn.execute("SELECT set_config('parkunion.areas', '*', true)")
        found = await people.document_of(conn, member)
    assert found is not None
    assert rotated.open(found[0], found[2]) == "E2"
    assert found[2].key_version == 2


async def test_corrections_change_state_and_are_chained(office: Office) -> None:
    enterprise = await office.enterprise()
    body: dict[str, Any] = {"kind": "enterprise_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(enterprise)]}
    union = await office.do("union", **body)
    founded, started = union.event_ids
    first = await office.do("correction", corrects=started, reason="typo", data={"on": "2021-03-01"})
    assert first.subject == f"enterprise/{enterprise}"
    assert first.id == str(first.event_ids[0])
    with pytest.raises(Problem) as problem:
        await office.do("correction", corrects=started, reason="typo", data={"on": "2021-04-01"})
    assert (problem.value.code, problem.value.errors[0].params) == ("ALREADY_CORRECTED", {"latest": first.id})
    second = await office.do("correction", corrects=first.id, reason="typo", data={"occurred_on": "2021-04-01"})
    await office.do("correction", corrects=founded, reason="typo", data={"approved_on": "2020-06-01", "name": "新"})
    assert await refused(office.member(UUID(union.id), enterprise, "1", "2021-03-31")) == ("NOT_COVERED", 422)
    member = await office.member(UUID(union.id), enterprise, "1", "2021-04-01")
    third = await office.do("correction", corrects=second.id, reason="typo", data=None)
    assert await refused(office.do("correction", corrects=third.id, reason="typo", data=None)) == ("FACT_WITHDRAWN", 409)
    said = [
        (data["rank"], data.get("replacement", {}).get("occurred_on"))
        for kind, _, data in await office.said(first.subject)
        if "rank" in data
    ]
    assert said == [(1, "2021-03-01"), (1, "2021-04-01"), (1, None)]
    for kind, _, data in await office.said(first.subject):
        fact(f"parkunion.{kind}.v1", data)
    assert await office.pool.fetchval("SELECT count(*) FROM coverage_facts") == 0
    joined = await office.pool.fetchval("SELECT event_id FROM journal WHERE type LIKE '%member-joined%'")
    await office.do("correction", corrects=joined, reason="never was", data=None)
    assert await refused(office.do("leave", member_id=member, on="2021-05-01", reason="x")) == ("UNKNOWN_MEMBER", 404)


async def test_a_refused_correction_leaves_the_rest_of_its_batch_as_it_was(office: Office) -> None:
    union, enterprise = await _pair(office)
    events = await office.pool.fetch("SELECT event_id FROM journal WHERE subject = $1", f"enterprise/{enterprise}")
    started = str(events[0]["event_id"])
    document: dict[str, Any] = {"kind": "sample", "number": "1"}
    joining = {"union_id": str(union), "enterprise_id": str(enterprise), "document": document, "joined_on": "2021-01-01"}
    outcomes = await office.batch(
        [
            ("correction", None, {"corrects": started, "reason": "typo", "data": {"on": "2020-12-01"}}),
            ("member", None, joining),
            ("correction", None, {"corrects": started, "reason": "typo", "data": {"on": "2021-02-01"}}),
            ("correction", None, {"corrects": started, "reason": "typo", "data": {"on": "2021-02-02"}}),
        ]
    )
    assert [o.code if isinstance(o, Problem) else "ok" for o in outcomes] == ["BEFORE_FOUNDING", "ok", "ok", "ALREADY_CORRECTED"]


async def test_concurrent_commands_on_shared_streams_all_end(office: Office) -> None:
    enterprises = [await office.enterprise() for _ in range(6)]
    unions = [await office.union(*enterprises[n:], kind="joint_union") for n in range(3)]
    work: list[Awaitable[Any]] = []
    for n in range(30):
        union, enterprise = unions[n % 3], enterprises[-1 - n % 2]
        work.append(office.member(union, enterprise, str(n)))
        if n % 10 == 5:
            work.append(office.do("coverage", union_id=unions[n % 3], enterprise_id=enterprises[3], on="2022-01-01", ended=True))
    work.append(office.do("dissolution", union_id=unions[0], on="2023-01-01", reason="merged"))
    outcomes = await asyncio.gather(*work, return_exceptions=True)
    assert [o for o in outcomes if isinstance(o, BaseException) and not isinstance(o, Problem)] == []
    rows = await office.pool.fetch("SELECT subject, sequence FROM streams WHERE sequence > 0")
    for row in rows:
        count = await office.pool.fetchval("SELECT count(*) FROM journal WHERE subject = $1", row["subject"])
        assert count == row["sequence"]
