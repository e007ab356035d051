"""One number is one person, whatever kind was typed and whichever release wrote the row."""

from __future__ import annotations

from uuid import UUID

import pytest

from services.membership.members.numbering import number_all
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.problems.errors import Problem
from shared.process import db
from tests.integration.membership.service import CONTEXT, DOCUMENT, Membership, membership_of_a_test  # noqa: F401

DOCUMENTS = CONTEXT.person_keys


async def refusal(membership: Membership, union: UUID, enterprise: UUID, kind: str, number: str, on: str = "2023-02-01") -> str | None:
    try:
        await membership.member(union, enterprise, number, on, kind)
    except Problem as problem:
        return problem.code
    return None


async def written_by_an_earlier_release(membership: Membership, union: UUID, enterprise: UUID, kind: str, number: str, on: str) -> None:
    """A person and a membership as release 0.2 wrote them: hashed with the kind, which was free, and so was the form."""
    person = uuid7()
    sealed = DOCUMENTS.seal(person, number)
    (version, digest) = DOCUMENTS.hashes(kind, number)[0]
    no = await membership.pool.fetchval(
        "INSERT INTO persons (id, document_kind, hash, hash_version, document, key_version) VALUES ($1, $2, $3, $4, $5, $6) RETURNING no",
        *(person, kind, digest, version, sealed.blob, sealed.key_version),
    )
    insert = "INSERT INTO memberships (id, person_no, enterprise_id, union_id, joined_on, joined_rank) VALUES ($1, $2, $3, $4, $5::text::date, 1)"
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        await conn.execute(insert, uuid7(), no, enterprise, union, on)


async def _pair(membership: Membership) -> tuple[UUID, UUID]:
    enterprise = await membership.enterprise()
    return await membership.union(enterprise), enterprise


async def test_a_resident_number_is_one_member_under_every_kind(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    assert await refusal(membership, union, enterprise, "passport", DOCUMENT) is None
    for kind in ("resident_id", "residence_permit", "taiwan_permit", "sample", "military_id"):
        assert await refusal(membership, union, enterprise, kind, f"{DOCUMENT[:6]}-{DOCUMENT[6:].lower()} ") == "ALREADY_MEMBER"
    assert await refusal(membership, union, enterprise, "idcard", DOCUMENT) == "NOT_ONE_OF"
    assert await membership.pool.fetchval("SELECT array_agg(document_kind) FROM persons") == ["resident_id"]


async def test_other_numbers_are_one_member_under_every_kind(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    assert await refusal(membership, union, enterprise, "hong_kong_macao_permit", "H12345678 01") is None
    assert await refusal(membership, union, enterprise, "hong_kong_macao_permit", "h12345678") == "ALREADY_MEMBER"
    assert await refusal(membership, union, enterprise, "passport", "H12345678") == "ALREADY_MEMBER"


@pytest.mark.invariant("I8")
@pytest.mark.parametrize("numbered", [False, True])
@pytest.mark.parametrize(("kind", "number"), [("idcard", DOCUMENT), ("id_15", "110105491231002"), ("resident_id", DOCUMENT)])
async def test_whom_an_earlier_release_wrote_is_found(membership: Membership, kind: str, number: str, numbered: bool) -> None:
    union, enterprise = await _pair(membership)
    await written_by_an_earlier_release(membership, union, enterprise, kind, number, "2022-01-01")
    if numbered:
        async with membership.pool.acquire() as conn:
            assert await number_all(conn, DOCUMENTS) == 0
    assert await refusal(membership, union, enterprise, "resident_id", DOCUMENT) == "ALREADY_MEMBER"
    assert await refusal(membership, union, enterprise, "passport", DOCUMENT) == "ALREADY_MEMBER"
    assert await membership.pool.fetchval("SELECT count(*) FROM persons") == 1


@pytest.mark.invariant("I8")
async def test_an_old_number_in_another_form_is_found_once_it_is_numbered(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    await written_by_an_earlier_release(membership, union, enterprise, "passport_no", "E-1234.5678", "2022-01-01")
    await written_by_an_earlier_release(membership, union, enterprise, "sample", "01-RC-1/7", "2022-01-01")
    async with membership.pool.acquire() as conn:
        await number_all(conn, DOCUMENTS)
    assert await refusal(membership, union, enterprise, "passport", "E12345678") == "ALREADY_MEMBER"
    assert await refusal(membership, union, enterprise, "sample", "01-rc-1/7") == "ALREADY_MEMBER"


async def test_who_was_written_twice_has_the_memberships_of_both_rows(membership: Membership) -> None:
    union, enterprise = await _pair(membership)
    await written_by_an_earlier_release(membership, union, enterprise, "resident_id", DOCUMENT, "2022-01-01")
    await written_by_an_earlier_release(membership, union, enterprise, "idcard", DOCUMENT, "2024-01-01")
    async with db.transaction(membership.pool, areas=Areas.all()) as conn:
        await conn.execute("UPDATE memberships SET left_on = '2022-06-01', left_rank = 2 WHERE joined_on = '2022-01-01'")
    assert await refusal(membership, union, enterprise, "resident_id", DOCUMENT, "2023-01-01") == "ALREADY_MEMBER"
    async with membership.pool.acquire() as conn:
        assert await number_all(conn, DOCUMENTS) == 1
        assert await number_all(conn, DOCUMENTS) == 0
    assert await membership.pool.fetchval("SELECT array_agg(copy ORDER BY no) FROM persons") == [0, 1]
    assert await refusal(membership, union, enterprise, "resident_id", DOCUMENT, "2023-01-01") == "ALREADY_MEMBER"
    await membership.do(
        "member",
        union_id=union,
        enterprise_id=enterprise,
        document={"kind": "resident_id", "number": DOCUMENT},
        joined_on="2023-01-01",
        left_on="2023-06-01",
        left_reason="retired",
    )
