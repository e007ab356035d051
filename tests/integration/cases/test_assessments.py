"""Assessments and awards over HTTP: entered, listed, corrected, expired; no free text reaches an event."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from tests.integration.cases.service import Cases, cases_of_a_test, client_of_a_test
from tests.integration.client import Client

__all__ = ["cases_of_a_test", "client_of_a_test"]
UNKNOWN = "01938c5e-7f00-4000-8000-0000000000e1"


async def test_enterprises_parks_and_townships_are_assessed(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    said = {"on": "2026-03-02", "level": "city", "grade": "AAA", "valid_until": "2029-03-01"}
    own = await client.made("/v1/assessments", {**said, "subject": "enterprise", "enterprise_id": str(enterprise)})
    park = await client.made("/v1/assessments", {**said, "subject": "park", "area": "P1"})
    township = await client.made("/v1/assessments", {**said, "subject": "township", "area": "D1", "valid_until": None})
    assert (own["subject"], park["subject"], township["subject"]) == (f"enterprise/{enterprise}", "area/P1", "area/D1")
    _, found = await client.get(f"/v1/assessments/{own['id']}")
    assert {name: found[name] for name in said} == said
    assert (found["subject"], found["area"], found["enterprise_id"]) == ("enterprise", "P1", str(enterprise))
    assert [one["id"] for one in (await client.get("/v1/assessments", area="P1"))[1]["items"]] == [own["id"], park["id"]]
    assert [one["id"] for one in (await client.get("/v1/assessments", area="D1", kind="township"))[1]["items"]] == [township["id"]]
    assert [one["id"] for one in (await client.get("/v1/assessments", enterprise=str(enterprise)))[1]["items"]] == [own["id"]]
    assert len((await client.get("/v1/assessments", area="D1", until="2029-03-01"))[1]["items"]) == 2
    assert (await client.get("/v1/assessments", area="D2"))[1]["items"] == []


async def test_what_was_entered_is_shown_and_events_hold_codes(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    said = {"subject": "enterprise", "enterprise_id": str(enterprise), "on": "2026-03-02", "level": "市级", "grade": "和谐 张三推荐"}
    made = await client.made("/v1/assessments", said)
    ((_, _, data),) = await cases.said(f"enterprise/{enterprise}")
    assert (data["level"], data["grade"]) == ("city", "other")
    _, found = await client.get(f"/v1/assessments/{made['id']}")
    assert (found["level"], found["grade"], found["grade_code"]) == ("city", said["grade"], "other")
    correction = {"corrects": made["event_ids"][0], "reason": "typo"}
    status, refused = await client.post("/v1/corrections", {**correction, "data": {"grade": "张三"}})
    assert (status, refused["code"]) == (422, "INVALID_VALUE")
    status, refused = await client.post("/v1/corrections", {**correction, "data": {"valid_until": "2026-03-01"}})
    assert (status, refused["code"]) == (422, "DATE_OUT_OF_RANGE")
    await client.made("/v1/corrections", {**correction, "data": {"grade": "A", "level": "province", "valid_until": "2027-01-01"}})
    _, found = await client.get(f"/v1/assessments/{made['id']}")
    assert (found["level"], found["grade"], found["valid_until"]) == ("province", "A", "2027-01-01")


async def test_an_award_expires_by_itself_and_its_title_stays_private(client: Client, cases: Cases) -> None:
    enterprise = await cases.enterprise()
    await cases.turn(date(2026, 3, 31))
    said = {
        "enterprise_id": str(enterprise),
        "title": "和谐劳动关系示范企业",
        "level": "本市特别级",
        "on": "2026-03-02",
        "until": "2026-03-31",
    }
    made = await client.made("/v1/awards", said)
    for_ever = await client.made(
        "/v1/awards", {"enterprise_id": str(enterprise), "title": "五一劳动奖状", "level": "nation", "on": "2026-03-02"}
    )
    assert await cases.wake() == 0
    await cases.turn(date(2026, 4, 1))
    assert await cases.wake() == 1
    assert await cases.wake() == 0
    stream = await cases.said(f"enterprise/{enterprise}")
    assert [(name, on) for name, on, _ in stream] == [
        ("award-granted", "2026-03-02"),
        ("award-granted", "2026-03-02"),
        ("award-expired", "2026-04-01"),
    ]
    assert stream[0][2]["level"] == "other"
    assert not [text for _, _, data in stream for text in (said["title"], said["level"]) if text in str(data)]
    _, found = await client.get(f"/v1/awards/{made['id']}")
    assert {name: found[name] for name in said} == said
    assert (found["state"], found["expired_on"]) == ("expired", "2026-04-01")
    assert (await client.get("/v1/awards", area="P1", state="granted"))[1]["items"][0]["id"] == for_ever["id"]
    assert [one["id"] for one in (await client.get("/v1/awards", enterprise=str(enterprise), until="2026-12-31"))[1]["items"]] == [
        made["id"]
    ]
    # It holds longer than was known: the expiry is taken back.
    await client.made("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "typo", "data": {"until": "2026-12-31"}})
    assert await cases.wake() == 1
    _, found = await client.get(f"/v1/awards/{made['id']}")
    assert (found["state"], found["title"], found["until"]) == ("granted", said["title"], "2026-12-31")
    await client.made("/v1/corrections", {"corrects": found["event_id"], "reason": "never_was", "data": None})
    assert (await client.get(f"/v1/awards/{made['id']}"))[0] == 404
    assert await cases.wake() == 0


@pytest.mark.parametrize(
    ("path", "change", "code", "field"),
    [
        ("assessments", {"enterprise_id": None}, "FIELD_REQUIRED", "enterprise_id"),
        ("assessments", {"subject": "park", "enterprise_id": None}, "FIELD_REQUIRED", "area"),
        ("assessments", {"subject": "park", "area": "P1"}, "ENTERPRISE_OR_AREA", "area"),
        ("assessments", {"subject": "park", "area": "X9", "enterprise_id": None}, "UNKNOWN_AREA", "area"),
        ("assessments", {"subject": "city"}, "NOT_ONE_OF", "subject"),
        ("assessments", {"valid_until": "2026-03-01"}, "DATE_OUT_OF_RANGE", "valid_until"),
        ("assessments", {"on": "2999-01-01"}, "DATE_OUT_OF_RANGE", "on"),
        ("assessments", {"grade": "x" * 65}, "TOO_LONG", "grade"),
        ("assessments", {"enterprise_id": UNKNOWN}, "UNKNOWN_ENTERPRISE", "enterprise_id"),
        ("awards", {"until": "2026-03-01"}, "DATE_OUT_OF_RANGE", "until"),
        ("awards", {"title": " "}, "EMPTY", "title"),
        ("awards", {"title": "身份证 110101199003078515"}, "HOLDS_RESIDENT_NUMBER", "title"),
        ("awards", {"enterprise_id": UNKNOWN}, "UNKNOWN_ENTERPRISE", "enterprise_id"),
    ],
)
async def test_what_cannot_be_entered(client: Client, cases: Cases, path: str, change: dict[str, Any], code: str, field: str) -> None:
    own = {"enterprise_id": str(await cases.enterprise()), "on": "2026-03-02", "level": "city"}
    more = {"subject": "enterprise", "grade": "A"} if path == "assessments" else {"title": "示范企业"}
    body = {name: value for name, value in {**own, **more, **change}.items() if value is not None}
    status, refused = await client.post(f"/v1/{path}", body)
    assert (status, refused["code"], refused["errors"][0]["field"]) == (422, code, field)
    assert await cases.count("entries") == 0


async def test_a_caller_sees_and_enters_what_lies_in_its_areas(client: Client, cases: Cases) -> None:
    there = await cases.enterprise("P2")
    said = {"on": "2026-03-02", "level": "city", "grade": "A"}
    park = await client.made("/v1/assessments", {**said, "subject": "park", "area": "P2"})
    award = await client.made("/v1/awards", {"enterprise_id": str(there), "title": "示范企业", "level": "city", "on": "2026-03-02"})
    client.be("D1")
    assert (await client.get(f"/v1/assessments/{park['id']}"))[0] == 403
    assert (await client.get(f"/v1/awards/{award['id']}"))[0] == 403
    assert (await client.post("/v1/assessments", {**said, "subject": "park", "area": "P2"}))[0] == 403
    assert (await client.post("/v1/assessments", {**said, "subject": "park", "area": "P1"}))[0] == 201
    assert [one["area"] for one in (await client.get("/v1/assessments", area="D1"))[1]["items"]] == ["P1"]
