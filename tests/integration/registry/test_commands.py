"""Commands of the registry over HTTP: every route, its events, repeats and preconditions."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import uuid4

import pytest

from tests.integration.registry.service import CODE, Registry, registry_of_a_test, settling  # noqa: F401


async def test_every_route_answers_201_with_its_event(registry: Registry) -> None:
    made = await registry.made("/v1/enterprises", settling(credit_code=CODE, industry="C39", ownership="159"))
    assert set(made) == {"id", "subject", "sequence", "event_ids"}
    assert (made["subject"], made["sequence"], len(made["event_ids"])) == (f"enterprise/{made['id']}", 1, 1)
    path = f"/v1/enterprises/{made['id']}"
    said: list[dict[str, Any]] = []
    for route, body in (
        ("headcounts", {"on": "2021-06-01", "workers": 400}),
        ("classifications", {"on": "2021-07-01", "revenue": 900_000_000.5, "industry": "C3912"}),
        ("moves", {"on": "2022-01-01", "park": "D2-P001"}),
        ("closure", {"on": "2024-01-01", "reason": "bankrupt"}),
    ):
        said.append(await registry.made(f"{path}/{route}", body))
        assert said[-1]["id"] == made["id"]
    corrected = await registry.made("/v1/corrections", {"corrects": said[0]["event_ids"][0], "reason": "typo", "data": {"workers": 40}})
    # And the size class of the classification follows.
    assert (corrected["id"], corrected["sequence"], len(corrected["event_ids"])) == (corrected["event_ids"][0], 7, 2)
    status, found = await registry.get(path)
    assert status == 200
    assert found == {
        "id": made["id"],
        "name": "某某电子有限公司",
        "credit_code": CODE,
        "registration_number": None,
        "park": "D2-P001",
        "district": "D2",
        "industry": "C3912",
        "ownership": "159",
        "revenue": 900_000_000.5,
        "size": "small",
        "size_rule": "NBS-2017",
        "workers": 40,
        "workers_on": "2021-06-01",
        "settled_on": "2020-01-01",
        "closed_on": "2024-01-01",
        "closed_reason": "bankrupt",
        "placements": [
            {"park": "D1-P001", "district": "D1", "from": "2020-01-01"},
            {"park": "D2-P001", "district": "D2", "from": "2022-01-01"},
        ],
        "headcounts": [{"on": "2021-06-01", "workers": 40}],
        "subject": made["subject"],
        "sequence": 7,
        "findings": [],
    }


async def test_the_events_of_a_stream_are_cloud_events_page_by_page(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    for workers in range(5):
        await registry.made(f"/v1/enterprises/{enterprise}/headcounts", {"on": "2021-06-01", "workers": workers})
    _, first = await registry.get("/v1/events", subject=f"enterprise/{enterprise}", limit=4)
    _, last = await registry.get("/v1/events", subject=f"enterprise/{enterprise}", limit=4, after=first["next"])
    events = first["items"] + last["items"]
    assert [int(event["sequence"]) for event in events] == [1, 2, 3, 4, 5, 6]
    assert last["next"] is None
    assert {event["source"] for event in events} == {"/services/registry"}
    assert {event["partitionkey"] for event in events} == {enterprise}
    assert events[0]["data"]["district"] == "D1"
    status, areas = await registry.get("/v1/events", subject="area/D1-P001")
    assert (status, areas["items"][0]["type"], areas["items"][0]["occurredon"]) == (200, "parkunion.area-registered.v1", "1900-01-01")


async def test_free_text_is_in_no_event(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    await registry.made(f"/v1/enterprises/{enterprise}/closure", {"on": "2024-01-01", "reason": "other", "note": "老板 张三 跑路"})
    _, found = await registry.get("/v1/events", subject=f"enterprise/{enterprise}")
    assert found["items"][1]["data"].keys() == {"reason", "note_id"}
    assert (
        await registry.pool.fetchval("SELECT text FROM notes WHERE note_id = $1", found["items"][1]["data"]["note_id"]) == "老板 张三 跑路"
    )


@pytest.mark.invariant("I1")
async def test_a_repeated_key_is_done_once(registry: Registry) -> None:
    answers = [await registry.post("/v1/enterprises", settling(), Idempotency_Key="k-1") for _ in range(3)]
    assert answers[0][0] == 201
    assert answers[0] == answers[1] == answers[2]
    status, problem = await registry.post("/v1/enterprises", settling(name="another"), Idempotency_Key="k-1")
    assert (status, problem["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    registry.be("*", client="somebody else")
    assert (await registry.post("/v1/enterprises", settling(), Idempotency_Key="k-1"))[1]["id"] != answers[0][1]["id"]


async def test_a_refused_command_can_be_sent_again_under_its_key(registry: Registry) -> None:
    assert (await registry.post("/v1/enterprises", settling(park="D9-P001"), Idempotency_Key="k-2"))[0] == 422
    assert (await registry.post("/v1/enterprises", settling(), Idempotency_Key="k-2"))[0] == 201


async def test_a_precondition_that_does_not_hold_is_412(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    path = f"/v1/enterprises/{enterprise}"
    etag = (await registry.http.get(path)).headers["ETag"]
    body = {"on": "2021-06-01", "workers": 3}
    assert (await registry.post(f"{path}/headcounts", body, If_Match=etag))[0] == 201
    status, problem = await registry.post(f"{path}/headcounts", body, If_Match=etag)
    assert (status, problem["code"]) == (412, "PRECONDITION_FAILED")
    assert (await registry.post(f"{path}/headcounts", body, If_Match='"7", "2"'))[0] == 201
    assert (await registry.post(f"{path}/headcounts", body, If_Match="*"))[0] == 201
    assert (await registry.post(f"{path}/headcounts", body, If_Match="4"))[0] == 422
    assert (await registry.http.get(path, headers={"If-None-Match": '"4"'})).status_code == 304
    _, events = await registry.get("/v1/events", subject="area/D1")
    renamed = {"corrects": events["items"][0]["id"], "reason": "typo", "data": {"name": "新区"}}
    assert (await registry.post("/v1/corrections", renamed, If_Match='"2"'))[0] == 412
    assert (await registry.post("/v1/corrections", renamed, If_Match='"1"'))[0] == 201


async def test_of_two_who_register_one_credit_code_at_once_one_wins(registry: Registry) -> None:
    answers = await asyncio.gather(*(registry.post("/v1/enterprises", settling(name=f"n{n}", credit_code=CODE)) for n in range(8)))
    assert sorted(status for status, _ in answers) == [201] + [409] * 7
    assert {problem["code"] for status, problem in answers if status == 409} == {"DUPLICATE_CREDIT_CODE"}


async def test_of_two_who_register_one_area_at_once_one_wins(registry: Registry) -> None:
    body = {"code": "D3", "name": "区", "kind": "division", "parent": "R"}
    answers = await asyncio.gather(*(registry.post("/v1/areas", body) for _ in range(8)))
    assert sorted(status for status, _ in answers) == [201] + [409] * 7


async def test_headcounts_at_once_all_get_a_sequence(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    path = f"/v1/enterprises/{enterprise}/headcounts"
    answers = await asyncio.gather(*(registry.post(path, {"on": "2021-01-01", "workers": n}) for n in range(20)))
    assert sorted(answer["sequence"] for _, answer in answers) == list(range(2, 22))


async def test_an_area_that_moves_takes_what_lies_in_it_along(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    _, events = await registry.get("/v1/events", subject="area/D1")
    await registry.made(
        "/v1/corrections", {"corrects": events["items"][0]["id"], "reason": "typo", "data": {"parent": "D2", "name": "新区"}}
    )
    _, park = await registry.get("/v1/areas/D1-P001")
    assert park["path"] == ["D1-P001", "D1", "D2", "R"]
    registry.be("D2")
    assert (await registry.get(f"/v1/enterprises/{enterprise}"))[0] == 200


async def test_a_withdrawn_enterprise_is_gone_and_its_code_free(registry: Registry) -> None:
    made = await registry.made("/v1/enterprises", settling(credit_code=CODE))
    await registry.made("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "duplicate", "data": None})
    assert (await registry.get(f"/v1/enterprises/{made['id']}"))[0] == 404
    assert (await registry.get("/v1/enterprises", q="某某"))[1]["items"] == []
    assert (await registry.get("/v1/events", subject=made["subject"]))[0] == 200
    assert (await registry.post(f"/v1/enterprises/{made['id']}/headcounts", {"on": "2021-01-01", "workers": 1}))[0] == 404
    await registry.made("/v1/enterprises", settling(credit_code=CODE))
    registry.be("D1")
    status, problem = await registry.post("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "other", "data": None})
    assert (status, problem["code"], problem["errors"][0]["field"]) == (403, "AREA_NOT_GRANTED", "corrects")


async def test_an_area_in_use_cannot_be_withdrawn_and_an_unused_one_can_be_registered_again(registry: Registry) -> None:
    await registry.enterprise()
    for code, status in (("D1", 409), ("D1-P001", 409), ("D2-P001", 201)):
        _, events = await registry.get("/v1/events", subject=f"area/{code}")
        answer = await registry.post("/v1/corrections", {"corrects": events["items"][0]["id"], "reason": "typo", "data": None})
        assert answer[0] == status, answer
    assert (await registry.get("/v1/areas/D2-P001"))[0] == 404
    again = await registry.made("/v1/areas", {"code": "D2-P001", "name": "园", "kind": "park", "parent": "D2"})
    assert again["sequence"] == 3


@pytest.mark.invariant("I7")
async def test_bad_input_names_the_field_in_both_languages_and_changes_nothing(registry: Registry) -> None:
    enterprise = await registry.enterprise(credit_code=CODE)
    path = f"/v1/enterprises/{enterprise}"
    unknown = f"/v1/enterprises/{uuid4()}"
    area = {"code": "D3-P001", "name": "园", "kind": "park", "parent": "D2"}
    count = {"on": "2021-01-01", "workers": 3}
    cases: list[tuple[str, Any, int, str, str | None]] = [
        ("/v1/enterprises", settling(park="D9-P001"), 422, "UNKNOWN_PARK", "park"),
        ("/v1/enterprises", settling(park="D1"), 422, "NOT_A_PARK", "park"),
        ("/v1/enterprises", settling(park="-"), 422, "BAD_AREA_CODE", "park"),
        ("/v1/enterprises", settling(settled_on="2999-01-01"), 422, "DATE_OUT_OF_RANGE", "settled_on"),
        ("/v1/enterprises", settling(settled_on="1899-12-31"), 422, "DATE_OUT_OF_RANGE", "settled_on"),
        ("/v1/enterprises", settling(settled_on="2021-02-30"), 422, "INVALID_DATE", "settled_on"),
        ("/v1/enterprises", settling(settled_on=20210201), 422, "INVALID_DATE", "settled_on"),
        ("/v1/enterprises", settling(settled_on=None), 422, "INVALID_DATE", "settled_on"),
        ("/v1/enterprises", {"name": "x", "park": "D1-P001"}, 422, "FIELD_REQUIRED", "settled_on"),
        ("/v1/enterprises", settling(credit_code="91350100M000100Y44"), 422, "WRONG_CHECK_CHARACTER", "credit_code"),
        ("/v1/enterprises", settling(credit_code="9135"), 422, "INVALID_CREDIT_CODE", "credit_code"),
        ("/v1/enterprises", settling(credit_code=CODE), 409, "DUPLICATE_CREDIT_CODE", "credit_code"),
        ("/v1/enterprises", settling(name=" "), 422, "EMPTY", "name"),
        ("/v1/enterprises", settling(name="x" * 201), 422, "TOO_LONG", "name"),
        ("/v1/enterprises", settling(name="a\u0000b"), 422, "CONTROL_CHARACTERS", "name"),
        ("/v1/enterprises", settling(name="abc\u202edef"), 422, "CONTROL_CHARACTERS", "name"),
        ("/v1/enterprises", settling(name="\u200b"), 422, "EMPTY", "name"),
        ("/v1/enterprises", settling(industry="Z1"), 422, "INVALID_INDUSTRY", "industry"),
        ("/v1/enterprises", settling(ownership="a b"), 422, "INVALID_OWNERSHIP", "ownership"),
        ("/v1/enterprises", settling(colour="red"), 422, "UNKNOWN_FIELD", "colour"),
        (f"{path}/headcounts", {**count, "workers": -1}, 422, "BELOW_ZERO", "workers"),
        (f"{path}/headcounts", {**count, "workers": "many"}, 422, "NOT_A_NUMBER", "workers"),
        (f"{path}/headcounts", {**count, "workers": True}, 422, "NOT_A_NUMBER", "workers"),
        (f"{path}/headcounts", {**count, "workers": 2.5}, 422, "NOT_A_WHOLE_NUMBER", "workers"),
        (f"{path}/headcounts", {**count, "workers": 10**9}, 422, "OUT_OF_RANGE", "workers"),
        (f"{path}/headcounts", {"workers": 3}, 422, "FIELD_REQUIRED", "on"),
        (f"{unknown}/headcounts", count, 404, "UNKNOWN_ENTERPRISE", "enterprise_id"),
        ("/v1/enterprises/7/headcounts", count, 422, "INVALID_ID", "enterprise_id"),
        (f"{path}/moves", {"on": "2019-01-01", "park": "D2-P001"}, 422, "MOVED_BEFORE_SETTLING", "on"),
        (f"{path}/moves", {"on": "2021-01-01", "park": "D7-P001"}, 422, "UNKNOWN_PARK", "park"),
        (f"{path}/classifications", {"on": "2021-01-01"}, 422, "NOTHING_TO_CHANGE", "industry"),
        (f"{path}/classifications", {"on": "2021-01-01", "revenue": 1.005}, 422, "TOO_MANY_DECIMALS", "revenue"),
        (f"{path}/classifications", {"on": "2021-01-01", "revenue": -1}, 422, "BELOW_ZERO", "revenue"),
        (f"{path}/classifications", {"on": "2021-01-01", "revenue": "十二"}, 422, "NOT_A_NUMBER", "revenue"),
        (f"{path}/classifications", {"on": "2021-01-01", "revenue": "1_000"}, 422, "NOT_A_NUMBER", "revenue"),
        (f"{path}/closure", {"on": "2021-01-01"}, 422, "FIELD_REQUIRED", "reason"),
        (f"{path}/closure", {"on": "2019-01-01", "reason": "other"}, 422, "CLOSED_BEFORE_SETTLING", "on"),
        ("/v1/areas", {**area, "parent": "X"}, 422, "UNKNOWN_AREA", "parent"),
        ("/v1/areas", {**area, "parent": "D1-P001"}, 422, "NOT_A_DIVISION", "parent"),
        ("/v1/areas", {**area, "parent": None}, 422, "PARENT_REQUIRED", "parent"),
        ("/v1/areas", {**area, "code": "D1-P001"}, 409, "DUPLICATE_AREA", "code"),
        ("/v1/areas", {**area, "code": "ä"}, 422, "BAD_AREA_CODE", "code"),
        ("/v1/areas", {**area, "kind": "city"}, 422, "NOT_ONE_OF", "kind"),
        ("/v1/areas", {**area, "valid_from": "x"}, 422, "INVALID_DATE", "valid_from"),
        ("/v1/corrections", {"corrects": str(uuid4()), "reason": "typo", "data": None}, 422, "UNKNOWN_EVENT", "corrects"),
        ("/v1/corrections", {"corrects": str(uuid4()), "reason": "typo"}, 422, "FIELD_REQUIRED", "data"),
    ]
    before = await registry.count()
    for url, body, status, code, field in cases:
        got, problem = await registry.post(url, body, Idempotency_Key=f"bad-{uuid4()}")
        assert (got, problem["code"], problem["errors"][0]["field"]) == (status, code, field), (url, body, problem)
        assert problem["errors"][0]["message_zh"]
        assert problem["errors"][0]["message_en"] != problem["errors"][0]["message_zh"]
    assert await registry.count() == before
    broken = await registry.http.post("/v1/enterprises", content=b'{"name": ', headers={"Content-Type": "application/json"})
    assert (broken.status_code, broken.json()["code"]) == (400, "BROKEN_JSON")
    large = await registry.http.post(
        "/v1/enterprises", content=b'{"name": "' + b"x" * 2**21 + b'"}', headers={"Content-Type": "application/json"}
    )
    assert (large.status_code, large.json()["code"]) == (413, "BODY_TOO_LARGE")
    assert await registry.count() == before


async def test_warnings_stand_beside_a_success_also_when_repeated(registry: Registry) -> None:
    await registry.enterprise(name="Acme Co., Ltd")
    for _ in range(2):
        status, answer = await registry.post("/v1/enterprises", settling(name="ACME CO LTD"), Idempotency_Key="w")
        assert (status, [warning["code"] for warning in answer["warnings"]]) == (201, ["PROBABLE_DUPLICATE"])
        assert answer["warnings"][0]["message_zh"]
