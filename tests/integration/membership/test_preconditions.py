"""If-Match and withdrawals of membership: as the registry's."""

from __future__ import annotations

from typing import Any

from tests.integration.client import Client
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401
from tests.integration.membership.test_api import client_of_a_test, founding, joining  # noqa: F401


async def test_a_precondition_that_does_not_hold_is_412_on_every_route_about_a_union_or_a_member(
    client: Client, membership: Membership
) -> None:
    a, b = await membership.enterprise(), await membership.enterprise()
    _, union = await client.post("/v1/unions", founding(a, b))
    _, member = await client.post("/v1/members", joining(union["id"], a))
    its, hers = f"/v1/unions/{union['id']}", f"/v1/members/{member['id']}"
    where = {"enterprise_id": str(b), "union_id": union["id"]}
    cases: list[tuple[str, str, Any]] = [
        (its, f"{its}/coverage", {"enterprise_id": str(b), "on": "2021-05-01", "ended": True}),
        (its, f"{its}/coverage", {"enterprise_id": str(b), "on": "2021-06-01", "started": True}),
        (its, "/v1/corrections", {"corrects": union["event_ids"][0], "reason": "typo", "data": {"name": "x"}}),
        (hers, "/v1/corrections", {"corrects": member["event_ids"][0], "reason": "typo", "data": {"joined_on": "2021-02-02"}}),
        (hers, f"{hers}/transfer", {"on": "2021-07-01", **where}),
        (its, f"{its}/dissolution", {"on": "2022-01-01", "reason": "merged"}),
    ]
    for resource, path, body in cases:
        etag = (await client.http.get(resource)).headers["ETag"]
        status, problem = await client.post(path, body, **{"If-Match": '"another"'})
        assert (status, problem["code"], problem["errors"][0]["field"]) == (412, "PRECONDITION_FAILED", "If-Match"), path
        assert (await client.post(path, body, **{"If-Match": etag[:-1]}))[0] == 422, path
        status, answer = await client.post(path, body, **{"If-Match": f'"another", {etag}'})
        assert status == 201, (path, answer)
        assert (await client.http.get(resource)).headers["ETag"] != etag
        assert (await client.post(path, body, **{"If-Match": etag}))[0] == 412, path
    body = {"on": "2022-01-01", "reason": "other"}
    assert (await client.post(f"{hers}/leave", body, **{"If-Match": '"another"'}))[0] == 412
    # If-Match is about the membership that the caller read and named; the leave acts on the one that the transfer led to.
    etag = (await client.http.get(hers)).headers["ETag"]
    status, left = await client.post(f"{hers}/leave", body, **{"If-Match": etag})
    assert (status, [warning["code"] for warning in left["warnings"]]) == (201, ["ACTED_ON_SUCCESSOR"])
    assert left["id"] != member["id"]
    assert left["id"] in left["warnings"][0]["message_zh"]
    assert (await client.get(f"/v1/members/{left['id']}"))[1]["left_on"] == "2022-01-01"


async def test_a_withdrawn_union_is_gone_and_its_stream_is_still_told(client: Client) -> None:
    _, union = await client.post("/v1/unions", founding(kind="regional_federation"))
    status, answer = await client.post("/v1/corrections", {"corrects": union["event_ids"][0], "reason": "duplicate", "data": None})
    assert (status, answer["subject"], answer["sequence"], [answer["id"]]) == (201, union["subject"], 2, answer["event_ids"])
    assert (await client.get(f"/v1/unions/{union['id']}"))[0] == 404
    assert len((await client.get("/v1/events", subject=union["subject"]))[1]["items"]) == 2
    for event, code in ((union["event_ids"][0], "ALREADY_CORRECTED"), (answer["id"], "FACT_WITHDRAWN")):
        status, problem = await client.post("/v1/corrections", {"corrects": event, "reason": "other", "data": None})
        assert (status, problem["code"]) == (409, code)
    client.be("D1")
    assert (await client.get("/v1/events", subject=union["subject"]))[0] == 403
    status, problem = await client.post("/v1/corrections", {"corrects": answer["id"], "reason": "other", "data": None})
    assert (status, problem["code"], problem["errors"][0]["field"]) == (403, "AREA_NOT_GRANTED", "corrects")


async def test_a_correction_that_changes_nothing_is_refused(client: Client) -> None:
    _, union = await client.post("/v1/unions", founding(kind="regional_federation"))
    for data in ({}, {"approved_on": "2021-01-01"}):
        status, problem = await client.post("/v1/corrections", {"corrects": union["event_ids"][0], "reason": "other", "data": data})
        assert (status, problem["code"], problem["errors"][0]["field"]) == (422, "NOTHING_TO_CHANGE", "data")
