"""Membership over HTTP: every route, its refusals, lists and pages, and what a caller may see."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from services.membership.app import api
from services.membership.settings import Settings
from shared.contracts.ids import uuid7
from shared.http.auth import Areas
from shared.process import db
from tests.integration.client import Client, settings_of
from tests.integration.membership.service import DOCUMENT, Membership, membership_of_a_test  # noqa: F401

EVERY = frozenset({"membership:read", "membership:write"})


@pytest.fixture(name="client")
async def client_of_a_test(membership: Membership) -> AsyncIterator[Client]:
    app = api(settings_of(Settings))
    app.state.pool = membership.pool
    async with Client.of(app, *EVERY) as made:
        yield made


def founding(*enterprises: UUID, kind: str = "joint_union", **changes: Any) -> dict[str, Any]:
    return {"kind": kind, "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(e) for e in enterprises], **changes}


def joining(union: str, enterprise: UUID, number: str = DOCUMENT, kind: str = "resident_id", on: str = "2021-02-01") -> dict[str, Any]:
    return {"union_id": union, "enterprise_id": str(enterprise), "document": {"kind": kind, "number": number}, "joined_on": on}


async def test_every_write_route_answers_201_with_its_events(client: Client, membership: Membership) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    status, union = await client.post("/v1/unions", founding(a, name="联合工会"))
    assert (status, set(union), len(union["event_ids"])) == (201, {"id", "subject", "sequence", "event_ids"}, 2)
    path = f"/v1/unions/{union['id']}"
    assert (await client.post(f"{path}/coverage", {"enterprise_id": str(b), "on": "2021-03-01", "started": True}))[0] == 201
    assert (await client.post(f"{path}/coverage", {"enterprise_id": str(b), "on": "2021-04-01", "action": "ended"}))[0] == 201
    status, member = await client.post("/v1/members", joining(union["id"], a))
    assert (status, member["subject"]) == (201, f"enterprise/{a}")
    _, other = await client.post("/v1/unions", founding(b, kind="enterprise_union"))
    transfer = {"on": "2021-06-01", "union_id": other["id"], "enterprise_id": str(b)}
    status, moved = await client.post(f"/v1/members/{member['id']}/transfer", transfer)
    assert (status, moved["subject"]) == (201, f"enterprise/{b}")
    status, left = await client.post(f"/v1/members/{moved['id']}/leave", {"on": "2021-07-01", "reason": "retired", "note": "退休"})
    assert (status, left["id"]) == (201, moved["id"])
    correction = {"corrects": left["event_ids"][0], "reason": "typo", "data": {"on": "2021-07-02"}}
    status, corrected = await client.post("/v1/corrections", correction)
    assert (status, corrected["id"]) == (201, corrected["event_ids"][0])
    assert (await client.post(f"{path}/dissolution", {"on": "2022-01-01", "reason": "merged"}))[0] == 201


async def test_warnings_are_in_both_languages(client: Client, membership: Membership) -> None:
    _, union = await client.post("/v1/unions", founding(await membership.enterprise(settled_on="2022-01-01")))
    assert [warning["code"] for warning in union["warnings"]] == ["BEFORE_SETTLED"]
    assert union["warnings"][0]["message_zh"]


@pytest.mark.invariant("I7")
async def test_bad_input_names_the_field(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    _, union = await client.post("/v1/unions", founding(a))
    coverage = f"/v1/unions/{union['id']}/coverage"
    good = joining(union["id"], a)
    cases = [
        ("/v1/unions", founding(a, kind="club"), 422, "NOT_ONE_OF", "kind"),
        ("/v1/unions", founding(a, approved_on="03.03.2021"), 422, "INVALID_DATE", "approved_on"),
        ("/v1/unions", founding(a, approved_on="1899-12-31"), 422, "DATE_OUT_OF_RANGE", "approved_on"),
        ("/v1/unions", founding(a, approved_on="2999-01-01"), 422, "DATE_OUT_OF_RANGE", "approved_on"),
        ("/v1/unions", founding(a, seat_area="-"), 422, "BAD_AREA_CODE", "seat_area"),
        ("/v1/unions", {**founding(a), "colour": "red"}, 422, "UNKNOWN_FIELD", "colour"),
        ("/v1/unions", {"kind": "joint_union"}, 422, "FIELD_REQUIRED", "seat_area"),
        ("/v1/unions", founding(*[uuid7() for _ in range(10_001)]), 422, "TOO_MANY", "enterprises"),
        (coverage, {"enterprise_id": str(a), "on": "2021-03-01"}, 422, "STARTED_OR_ENDED", "body"),
        (coverage, {"enterprise_id": str(a), "on": "2021-03-01", "started": True, "ended": True}, 422, "STARTED_OR_ENDED", "body"),
        (coverage, {"enterprise_id": str(a), "on": "2021-03-01", "started": False}, 422, "STARTED_OR_ENDED", "body"),
        (coverage, {"enterprise_id": str(a), "on": "2021-03-01", "started": "yes"}, 422, "NOT_YES_OR_NO", "started"),
        (coverage, {"enterprise_id": str(a), "on": "2020-03-01", "started": False, "ended": True}, 422, "NOT_COVERED", "on"),
        (coverage, {"enterprise_id": "a", "on": "2021-03-01", "started": True}, 422, "INVALID_ID", "enterprise_id"),
        ("/v1/members", {**good, "joined_on": "2020-01-01"}, 422, "NOT_COVERED", "joined_on"),
        ("/v1/members", joining(union["id"], a, "110105194912310021"), 422, "INVALID_DOCUMENT", "document.number"),
        (f"/v1/members/{uuid7()}/leave", {"on": "2021-03-01", "reason": "other"}, 404, "UNKNOWN_MEMBER", "member_id"),
        ("/v1/members/x/leave", {"on": "2021-03-01", "reason": "other"}, 422, "INVALID_ID", "member_id"),
        ("/v1/corrections", {"corrects": union["event_ids"][0], "reason": "other"}, 422, "FIELD_REQUIRED", "data"),
        (
            "/v1/corrections",
            {"corrects": union["event_ids"][0], "reason": "other", "data": {"kind": "x"}},
            422,
            "NOT_CORRECTABLE",
            "data.kind",
        ),
    ]
    for path, body, status, code, field in cases:
        got, problem = await client.post(path, body)
        assert (got, problem["code"]) == (status, code), (path, problem)
        assert field in [error["field"] for error in problem["errors"]], problem
        assert all(error["message_zh"] and error["message_en"] for error in problem["errors"])
        assert "110105194912310021" not in json.dumps(problem)


async def test_an_idempotency_key_does_a_command_once(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    headers = {"Idempotency-Key": "founding-1"}
    first = await client.post("/v1/unions", founding(a), **headers)
    assert await client.post("/v1/unions", founding(a), **headers) == first
    status, problem = await client.post("/v1/unions", founding(a, name="x"), **headers)
    assert (status, problem["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert await membership.count("unions") == 1


async def test_not_yet_known_says_when_to_come_back(client: Client) -> None:
    answer = await client.http.post("/v1/unions", json=founding(uuid7()))
    assert (answer.status_code, answer.json()["code"], answer.headers["retry-after"]) == (409, "NOT_YET_KNOWN", "1")


async def test_a_batch_answers_line_by_line(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    _, union = await client.post("/v1/unions", founding(a))
    member = {"op": "member", "key": "m1", "body": joining(union["id"], a)}
    answers = await client.batch(
        member,
        {"op": "member", "key": "m2", "body": joining(union["id"], a)},
        b"{broken",
        {"op": "fly", "body": {}},
        {"op": "member", "body": {**joining(union["id"], a, "P1", "passport"), "joined_on": "tomorrow"}},
        {"op": "dissolution", "body": {"union_id": union["id"], "on": "2022-01-01", "reason": "merged"}},
    )
    assert [(answer["line"], answer["status"]) for answer in answers] == [(1, 201), (2, 409), (3, 400), (4, 422), (5, 422), (6, 201)]
    assert answers[1]["problem"]["errors"][0]["row"] == 2
    again = await client.batch(member)
    assert again[0] == answers[0]


async def test_unions_are_listed_found_and_paged(client: Client, membership: Membership) -> None:
    enterprises = [await membership.enterprise() for _ in range(5)]
    ids = [(await client.post("/v1/unions", founding(e, name=f"Works {n} 工会")))[1]["id"] for n, e in enumerate(enterprises)]
    _, page = await client.get("/v1/unions", limit=2)
    seen = [item["id"] for item in page["items"]]
    while page["next"]:
        _, page = await client.get("/v1/unions", limit=2, after=page["next"])
        seen += [item["id"] for item in page["items"]]
    assert seen == ids
    _, found = await client.get("/v1/unions", q="works 3")
    assert [item["id"] for item in found["items"]] == [ids[3]]
    assert (await client.get("/v1/unions", area="D2"))[1]["items"] == []
    assert len((await client.get("/v1/unions", area="D1"))[1]["items"]) == 5
    assert (await client.get("/v1/unions", after="forged"))[1]["code"] == "BAD_CURSOR"
    assert (await client.get("/v1/unions", area="nowhere"))[0] == 422
    status, union = await client.get(f"/v1/unions/{ids[0]}")
    assert (status, union["enterprises"]) == (
        200,
        [{"enterprise_id": str(enterprises[0]), "started_on": "2021-01-01", "ended_on": None}],
    )
    answer = await client.http.get(f"/v1/unions/{ids[0]}")
    repeat = await client.http.get(f"/v1/unions/{ids[0]}", headers={"If-None-Match": answer.headers["etag"]})
    assert repeat.status_code == 304
    assert (await client.get(f"/v1/unions/{uuid7()}"))[0] == 404


async def test_a_member_is_shown_without_a_name_and_with_a_masked_document(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    _, union = await client.post("/v1/unions", founding(a))
    _, member = await client.post("/v1/members", joining(union["id"], a))
    status, shown = await client.get(f"/v1/members/{member['id']}")
    assert status == 200
    assert shown["document"] == {"kind": "resident_id", "number": "110105********002X"}
    assert set(shown) == {"id", "union_id", "enterprise_id", "joined_on", "left_on", "subject", "document"}
    await membership.pool.execute("DELETE FROM persons")
    assert (await client.get(f"/v1/members/{member['id']}"))[1]["document"] is None


async def test_the_journal_of_a_stream_is_paged(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    _, union = await client.post("/v1/unions", founding(a))
    for n in range(3):
        await client.post("/v1/members", joining(union["id"], a, str(n), "sample"))
    subject = f"enterprise/{a}"
    _, page = await client.get("/v1/events", subject=subject, limit=3)
    _, rest = await client.get("/v1/events", subject=subject, limit=3, after=page["next"])
    events = page["items"] + rest["items"]
    assert [event["type"].split(".")[1] for event in events] == ["coverage-started"] + ["member-joined"] * 3
    assert [int(event["sequence"]) for event in events] == [1, 2, 3, 4]
    assert rest["next"] is None
    assert (await client.get("/v1/events", subject="area/P1"))[0] == 422
    assert (await client.get("/v1/events", subject=f"union/{uuid7()}"))[0] == 404


@pytest.mark.invariant("I6")
async def test_a_token_for_one_area_gets_403_for_another_on_every_route(client: Client, membership: Membership) -> None:
    here, there = await membership.enterprise("P1"), await membership.enterprise("P2")
    _, mine = await client.post("/v1/unions", founding(here))
    _, other = await client.post("/v1/unions", founding(there, seat_area="P2"))
    _, member = await client.post("/v1/members", joining(other["id"], there))
    client.be("D1")
    denied = [
        client.get("/v1/unions"),
        client.get("/v1/unions", area="D2"),
        client.get("/v1/unions", area="ROOT"),
        client.get("/v1/unions", area="nowhere"),
        client.get(f"/v1/unions/{other['id']}"),
        client.get(f"/v1/members/{member['id']}"),
        client.get("/v1/events", subject=f"union/{other['id']}"),
        client.get("/v1/events", subject=f"enterprise/{there}"),
        client.post("/v1/unions", founding(there)),
        client.post("/v1/unions", founding(here, seat_area="P2")),
        client.post(f"/v1/unions/{other['id']}/coverage", {"enterprise_id": str(here), "on": "2021-03-01", "started": True}),
        client.post(f"/v1/unions/{other['id']}/dissolution", {"on": "2021-03-01", "reason": "other"}),
        client.post("/v1/members", joining(other["id"], there, "1", "sample")),
        client.post(f"/v1/members/{member['id']}/leave", {"on": "2021-03-01", "reason": "other"}),
        client.post(f"/v1/members/{member['id']}/transfer", {"on": "2021-03-01", "union_id": mine["id"], "enterprise_id": str(here)}),
        client.post("/v1/corrections", {"corrects": member["event_ids"][0], "reason": "other", "data": None}),
    ]
    for work in denied:
        status, problem = await work
        assert (status, problem["code"]) == (403, "AREA_NOT_GRANTED")
    answers = await client.batch({"op": "member", "body": joining(other["id"], there, "1", "sample")})
    assert answers[0]["status"] == 403
    assert [item["id"] for item in (await client.get("/v1/unions", area="D1"))[1]["items"]] == [mine["id"]]
    assert (await client.get(f"/v1/unions/{mine['id']}"))[0] == 200


@pytest.mark.invariant("I6")
async def test_row_level_security_shows_nothing_without_areas_and_only_granted_rows_with_them(
    client: Client, membership: Membership
) -> None:
    here, there = await membership.enterprise("P1"), await membership.enterprise("P2")
    for enterprise, seat in ((here, "P1"), (there, "P2")):
        _, union = await client.post("/v1/unions", founding(enterprise, seat_area=seat))
        await client.post("/v1/members", joining(union["id"], enterprise, seat, "sample"))
    for areas, rows in ((None, 0), (Areas(), 0), (Areas.of(["D1"]), 1), (Areas.of(["D1", "P2"]), 2), (Areas.of(["ROOT"]), 2)):
        async with db.transaction(membership.pool, areas=areas) as conn:
            assert await conn.fetchval("SELECT count(*) FROM unions") == rows
            assert await conn.fetchval("SELECT count(*) FROM memberships") == rows


async def test_scopes_are_needed_and_checked_again_on_a_repeat(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    await client.post("/v1/unions", founding(a), **{"Idempotency-Key": "k"})
    client.be("*", scopes=frozenset({"membership:read"}))
    status, problem = await client.post("/v1/unions", founding(a), **{"Idempotency-Key": "k"})
    assert (status, problem["code"]) == (403, "SCOPE_MISSING")
    client.be("*", scopes=frozenset({"membership:write"}))
    assert (await client.get("/v1/unions"))[0] == 403


async def test_operations_are_there_and_know_no_person(client: Client, membership: Membership) -> None:
    a = await membership.enterprise()
    _, union = await client.post("/v1/unions", founding(a))
    await client.post("/v1/members", joining(union["id"], a))
    ready = (await client.http.get("/readyz")).json()
    assert ready["outbox"] == 3
    assert "/v1/members/{member_id}/transfer" in (await client.http.get("/openapi.json")).json()["paths"]
    metrics = (await client.http.get("/metrics")).text
    assert "parkunion_outbox 3" in metrics
    assert DOCUMENT not in metrics
