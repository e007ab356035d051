"""Credit codes and registration numbers over HTTP: their normal forms, wrong checks, and that no two enterprises have the same."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.registry.service import CODE, Registry, line, registry_of_a_test, settling  # noqa: F401

WRONG = CODE[:-1] + "2"
NUMBER = "110108000000016"


def codes(answer: dict[str, Any]) -> list[tuple[str | None, str]]:
    return [(error["field"], error["code"]) for error in answer["errors"]]


def warned(answer: dict[str, Any]) -> list[str]:
    return [warning["code"] for warning in answer.get("warnings", [])]


@pytest.mark.invariant("I7")
async def test_a_wrong_check_character_is_refused_unless_it_is_asked_for_and_stays_with_the_enterprise(registry: Registry) -> None:
    status, refused = await registry.post("/v1/enterprises", settling(credit_code=WRONG))
    assert (status, codes(refused)) == (422, [("credit_code", "WRONG_CHECK_CHARACTER")])
    made = await registry.made("/v1/enterprises", settling(credit_code=WRONG, accept_wrong_check=True))
    assert warned(made) == ["WRONG_CHECK_CHARACTER"]
    _, found = await registry.get(f"/v1/enterprises/{made['id']}")
    assert found["credit_code"] == WRONG
    assert [finding["code"] for finding in found["findings"]] == ["WRONG_CHECK_CHARACTER"]
    _, listed = await registry.get("/v1/enterprises", q=WRONG)
    assert [item["findings"] for item in listed["items"]] == [found["findings"]]
    await registry.made("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "typo", "data": {"credit_code": CODE}})
    assert (await registry.get(f"/v1/enterprises/{made['id']}"))[1]["findings"] == []


async def test_a_registration_number_has_a_field_of_its_own_and_belongs_to_one_enterprise(registry: Registry) -> None:
    made = await registry.made("/v1/enterprises", settling(registration_number=NUMBER))
    assert warned(made) == []
    _, found = await registry.get(f"/v1/enterprises/{made['id']}")
    assert (found["registration_number"], found["credit_code"]) == (NUMBER, None)
    _, listed = await registry.get("/v1/enterprises", q=NUMBER)
    assert [item["id"] for item in listed["items"]] == [made["id"]]
    _, events = await registry.get("/v1/events", subject=made["subject"])
    assert events["items"][0]["data"]["registration_number"] == NUMBER
    status, refused = await registry.post("/v1/enterprises", settling(name="乙", registration_number=" １１０１０８０００００００１６"))
    assert (status, codes(refused)) == (409, [("registration_number", "DUPLICATE_REGISTRATION_NUMBER")])
    status, refused = await registry.post("/v1/enterprises", settling(name="乙", credit_code=NUMBER))
    assert (status, codes(refused)) == (422, [("credit_code", "INVALID_CREDIT_CODE")])
    odd = await registry.made("/v1/enterprises", settling(name="丙", registration_number=NUMBER[:-1] + "7"))
    assert warned(odd) == ["WRONG_CHECK_DIGIT"]
    taken = {"corrects": odd["event_ids"][0], "reason": "typo", "data": {"registration_number": NUMBER}}
    status, refused = await registry.post("/v1/corrections", taken)
    assert (status, codes(refused)) == (409, [("data.registration_number", "DUPLICATE_REGISTRATION_NUMBER")])
    # A number that was given up is free, in one transaction too.
    answers = await registry.batch(
        line("correction", corrects=made["event_ids"][0], reason="typo", data={"registration_number": None}), line("correction", **taken)
    )
    assert [answer["status"] for answer in answers] == [201, 201]


async def test_blanks_and_width_make_no_other_code_and_hide_no_duplicate(registry: Registry) -> None:
    first = await registry.made(
        "/v1/enterprises", settling(credit_code=f" {CODE.lower()}　", park=" D1-P001 ", settled_on="２０２０-01-01")
    )
    _, found = await registry.get(f"/v1/enterprises/{first['id']}")
    assert (found["credit_code"], found["park"], found["settled_on"]) == (CODE, "D1-P001", "2020-01-01")
    wide = "".join(chr(ord(character) + 0xFEE0) for character in CODE)
    status, refused = await registry.post("/v1/enterprises", settling(name="乙", credit_code=wide))
    assert (status, codes(refused)) == (409, [("credit_code", "DUPLICATE_CREDIT_CODE")])
    again = await registry.made("/v1/enterprises", settling(name="某某 电子\u200b有限公司 "))
    assert warned(again) == ["PROBABLE_DUPLICATE"]
    moved = {"corrects": again["event_ids"][0], "reason": "typo", "data": {"park": "Ｄ２-P001 "}}
    await registry.made("/v1/corrections", moved)
    assert (await registry.get(f"/v1/enterprises/{again['id']}"))[1]["park"] == "D2-P001"


@pytest.mark.parametrize("workers", [b"40", b"40.0", b"4e1", b"4.0E+1"])
async def test_a_whole_number_is_one_however_json_writes_it(registry: Registry, workers: bytes) -> None:
    enterprise = await registry.enterprise()
    body = b'{"on":"2021-01-01","workers":%s}' % workers
    path = f"/v1/enterprises/{enterprise}/headcounts"
    answer = await registry.http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 201, answer.text
    _, found = await registry.get(f"/v1/enterprises/{enterprise}")
    assert found["workers"] == 40
    assert type(found["workers"]) is int


@pytest.mark.invariant("I7")
@pytest.mark.parametrize(
    ("workers", "code"),
    [
        (b'"40"', "NOT_A_NUMBER"),
        (b"40.5", "NOT_A_WHOLE_NUMBER"),
        (b"true", "NOT_A_NUMBER"),
        (b"1e400", "OUT_OF_RANGE"),
        (b"NaN", "NOT_A_NUMBER"),
    ],
)
async def test_what_is_no_whole_number_is_refused(registry: Registry, workers: bytes, code: str) -> None:
    enterprise = await registry.enterprise()
    body = b'{"on":"2021-01-01","workers":%s}' % workers
    path = f"/v1/enterprises/{enterprise}/headcounts"
    answer = await registry.http.post(path, content=body, headers={"Content-Type": "application/json"})
    assert (answer.status_code, codes(answer.json())) == (422, [("workers", code)])
