"""Batches of the registry: mixed lines, what one line makes for the next, repeated keys."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.integration.registry.service import CODE, Registry, line, registry_of_a_test, settling  # noqa: F401


def outcome(answer: dict[str, Any]) -> tuple[int, int, str | None]:
    problem = answer.get("problem")
    return answer["line"], answer["status"], problem["code"] if problem else None


async def test_a_refused_line_changes_nothing_and_stops_no_other(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    before = await registry.count()
    answers = await registry.batch(
        line("enterprise", **settling(credit_code=CODE)),
        line("enterprise", **settling(name="别的公司", credit_code=CODE)),
        b'{"op": "enterprise", "body": {',
        line("enterprise", **settling(park="D9-P001")),
        line("headcount", enterprise_id=enterprise, on="2021-01-01", workers=-3),
        line("headcount", enterprise_id=enterprise, on="2021-01-01", workers=3),
        line("move", enterprise_id=enterprise, on="2022-01-01", park="D2-P001"),
        line("move", enterprise_id=enterprise, on="2022-01-01", park="D2-P001"),
        line("classification", enterprise_id=enterprise, on="2022-01-01", industry="M73"),
        line("closure", enterprise_id=enterprise, on="2023-01-01", reason="dissolved"),
        line("headcount", enterprise_id=enterprise, on="2023-06-01", workers=3),
        line("merger", enterprise_id=enterprise),
        line("enterprise", **settling(credit_code="91350100M000100Y44")),
    )
    assert [outcome(answer) for answer in answers] == [
        (1, 201, None),
        (2, 409, "DUPLICATE_CREDIT_CODE"),
        (3, 400, "BROKEN_JSON"),
        (4, 422, "UNKNOWN_PARK"),
        (5, 422, "BELOW_ZERO"),
        (6, 201, None),
        (7, 201, None),
        (8, 201, None),
        (9, 201, None),
        (10, 201, None),
        (11, 201, None),
        (12, 422, "UNKNOWN_OP"),
        (13, 422, "WRONG_CHECK_CHARACTER"),
    ]
    assert {answer["problem"]["errors"][0]["row"] for answer in answers if "problem" in answer} == {2, 3, 4, 5, 12, 13}
    warned = {answer["line"]: answer["warnings"][0]["code"] for answer in answers if "warnings" in answer}
    assert warned == {1: "PROBABLE_DUPLICATE", 8: "SAME_PARK", 11: "AFTER_CLOSURE"}
    after = await registry.count()
    assert (after[0] - before[0], after[2] - before[2]) == (7, 1)
    _, found = await registry.get(f"/v1/enterprises/{enterprise}")
    assert (found["park"], found["workers"], found["closed_on"], found["sequence"]) == ("D2-P001", 3, "2023-01-01", 7)


async def test_later_lines_build_on_what_earlier_ones_made(registry: Registry) -> None:
    answers = await registry.batch(
        line("enterprise", **settling(park="D3-P001")),
        line("area", code="D3-P001", name="园", kind="park", parent="D3"),
        line("area", code="D3", name="市辖区", kind="division", parent="R"),
        line("area", code="D3-P001", name="园", kind="park", parent="D3"),
        line("area", code="D3-P001", name="园", kind="park", parent="D3"),
        line("enterprise", **settling(park="D3-P001")),
    )
    assert [outcome(answer)[1:] for answer in answers] == [
        (422, "UNKNOWN_PARK"),
        (422, "UNKNOWN_AREA"),
        (201, None),
        (201, None),
        (409, "DUPLICATE_AREA"),
        (201, None),
    ]
    _, park = await registry.get("/v1/areas/D3-P001")
    _, division = await registry.get("/v1/areas/D3")
    assert (park["path"], division["level"]) == (["D3-P001", "D3", "R"], True)


@pytest.mark.invariant("I1")
async def test_a_repeated_key_returns_the_first_result(registry: Registry) -> None:
    lines = [line("enterprise", f"k{n % 3}", **settling(name=f"公司{n % 3}")) for n in range(6)]
    first = await registry.batch(*lines, line("enterprise", "k9", **settling(park="D9-P001")))
    assert [answer["id"] for answer in first[:3]] == [answer["id"] for answer in first[3:6]]
    count = await registry.count()
    again = await registry.batch(*lines, line("enterprise", "k9", **settling()), line("enterprise", "k0", **settling(name="other")))
    assert [answer["id"] for answer in again[:6]] == [answer["id"] for answer in first[:6]]
    assert [outcome(answer)[1:] for answer in again[6:]] == [(201, None), (422, "IDEMPOTENCY_KEY_REUSED")]
    assert [error["field"] for error in again[7]["problem"]["errors"]] == ["key"]
    after = await registry.count()
    assert (after[0] - count[0], after[2] - count[2]) == (1, 1)


async def test_corrections_in_a_batch(registry: Registry) -> None:
    made = await registry.made("/v1/enterprises", settling(credit_code=CODE))
    other = await registry.made("/v1/enterprises", settling(name="另一家"))
    answers = await registry.batch(
        line("correction", corrects=made["event_ids"][0], reason="typo", data={"credit_code": None}),
        line("correction", corrects=made["event_ids"][0], reason="typo", data={"name": "x"}),
        line("correction", corrects=other["event_ids"][0], reason="typo", data={"credit_code": CODE}),
    )
    assert [outcome(answer)[1:] for answer in answers] == [(201, None), (409, "ALREADY_CORRECTED"), (201, None)]
    _, found = await registry.get("/v1/enterprises", q=CODE[:8])
    assert [(item["id"], item["credit_code"]) for item in found["items"]] == [(other["id"], CODE)]


async def test_a_thousand_lines_in_one_transaction_with_as_many_statements_as_for_one(registry: Registry) -> None:
    answers = await registry.batch(*(line("enterprise", f"k{n}", **settling(name=f"公司 {n}")) for n in range(1000)))
    assert {answer["status"] for answer in answers} == {201}
    assert await registry.pool.fetchval("SELECT count(DISTINCT xmin::text) FROM journal WHERE type LIKE '%enterprise-registered%'") == 1


async def test_batches_about_the_same_enterprises_at_once_all_succeed(registry: Registry) -> None:
    ids = [await registry.enterprise(name=f"公司 {n}") for n in range(10)]
    mixed = [ids, ids[::-1], ids[5:] + ids[:5], ids[::2] + ids[1::2]]
    found = await asyncio.gather(
        *(registry.batch(*(line("headcount", enterprise_id=e, on="2021-01-01", workers=3) for e in order)) for order in mixed)
    )
    assert {answer["status"] for answers in found for answer in answers} == {201}


async def test_batches_that_take_the_same_credit_codes_at_once_share_them_out(registry: Registry) -> None:
    from services.registry.enterprises.credit_code import check_character

    codes = [body + check_character(body) for body in (f"91350100M000{n:05}" for n in range(20))]
    batches = [
        [line("enterprise", **settling(name=f"{who}-{code}", credit_code=code)) for code in order]
        for who, order in ((0, codes), (1, codes[::-1]))
    ]
    found = await asyncio.gather(*(registry.batch(*lines) for lines in batches))
    statuses = sorted(answer["status"] for answers in found for answer in answers)
    assert statuses == [201] * 20 + [409] * 20
