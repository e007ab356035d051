"""Grants over HTTP: given, listed, narrowed, revoked; to whom they exist; and that bad input changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from services.subscriptions.grants.clients import Clients
from services.subscriptions.matching.catalogue import defaults
from shared.contracts.ids import uuid7
from tests.conftest import NewDatabase
from tests.integration.client import settings_of
from tests.integration.subscriptions.rows import FOUNDED, REGISTERED
from tests.integration.subscriptions.server import SubscriptionsServer, server_of

GRANT = {"scope": "subscriptions:grant"}
BODY: dict[str, Any] = {"client": "bureau", "areas": ["D1"], "types": [FOUNDED], "purpose": "劳动监察", "legal_basis": "条例第三条"}
READ_TO_THE_END = """
INSERT INTO shards (generation, shard, current_at, newest, next, ends)
SELECT 1, shard, parkunion_now() + interval '1 day', jsonb_build_object('parkunion.registry.v1', parkunion_now()), '{"parkunion.registry.v1": 9}',
    '{"parkunion.registry.v1": 9}'
FROM generate_series(0, 11) AS shard
"""
"""Nothing of the registry is unread: an area that is unknown does not exist."""


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[SubscriptionsServer]:
    async with server_of(await database("subscriptions"), allow_networks="127.0.0.0/8") as running:
        await running.rows.pool.execute(READ_TO_THE_END)
        yield running


async def state(server: SubscriptionsServer) -> list[int]:
    """What a refused command must not change."""
    tables = ("grants", "grant_versions", "subscriptions", "queues", "probes", "signing_keys", "requests")
    return [
        *[await server.rows.pool.fetchval(f"SELECT count(*) FROM {name}") for name in tables],
        await server.rows.pool.fetchval("SELECT number FROM revision"),
    ]


async def require_refused(
    server: SubscriptionsServer, answer: httpx.Response, before: list[int], status: int, code: str, field: str | None
) -> None:
    """A problem with this code and field, in both languages; nothing has changed."""
    assert answer.status_code == status, answer.text
    error = answer.json()["errors"][0]
    assert (error["code"], error["field"]) == (code, field)
    assert error["message_zh"]
    assert error["message_en"]
    assert await state(server) == before


async def test_a_grant_is_given_and_read_by_the_federation_and_its_client(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation, server.client("bureau") as bureau, server.client("other") as other:
        body = {**BODY, "not_before": "2026-07-01", "not_after": "2036-06-30", "areas": ["D1"], "types": [FOUNDED, REGISTERED]}
        made = await federation.post("/v1/grants", json={**body, "fields": {FOUNDED: ["name", "kind"]}})
        assert made.status_code == 201
        grant = made.json()["id"]
        found = (await federation.get(f"/v1/grants/{grant}")).json()
        assert found["fields"] == {FOUNDED: ["kind", "name"], REGISTERED: list(defaults()[REGISTERED])}
        assert (found["not_before"], found["not_after"]) == ("2026-06-30T16:00:00Z", "2036-06-30T16:00:00Z")
        assert [one["kind"] for one in found["versions"]] == ["given"]
        assert (await bureau.get(f"/v1/grants/{grant}")).json() == found
        assert (await other.get(f"/v1/grants/{grant}")).status_code == 404
        assert [one["id"] for one in (await bureau.get("/v1/grants")).json()["items"]] == [grant]
        assert (await other.get("/v1/grants")).json()["items"] == []
        assert (await other.get("/v1/grants", params={"client": "bureau"})).json()["items"] == []


async def test_pages_and_filters(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation:
        made = []
        for client, area in (("a", "D1"), ("b", "P1"), ("a", "D2"), ("c", "*")):
            made.append((await federation.post("/v1/grants", json={**BODY, "client": client, "areas": [area]})).json()["id"])
        first = (await federation.get("/v1/grants", params={"limit": 3})).json()
        rest = (await federation.get("/v1/grants", params={"limit": 3, "after": first["next"]})).json()
        assert [one["id"] for one in first["items"] + rest["items"]] == made
        assert rest["next"] is None

        async def of(**params: str) -> list[str]:
            return [one["id"] for one in (await federation.get("/v1/grants", params=params)).json()["items"]]

        assert await of(client="a") == [made[0], made[2]]
        assert await of(area="P1") == [made[0], made[1], made[3]]
        assert await of(area="D1") == [made[0], made[1], made[3]]
        forged = await federation.get("/v1/grants", params={"after": first["next"][:-3] + "AAA"})
        assert (forged.status_code, forged.json()["code"]) == (400, "BAD_CURSOR")


async def test_a_federation_of_some_areas_sees_and_changes_what_lies_within_them(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as whole, server.client("district", "D1", **GRANT) as district:
        inside = (await whole.post("/v1/grants", json={**BODY, "areas": ["P1"]})).json()["id"]
        wider = (await whole.post("/v1/grants", json={**BODY, "areas": ["P1", "D2"]})).json()["id"]
        everything = (await whole.post("/v1/grants", json={**BODY, "areas": ["*"]})).json()["id"]
        assert [one["id"] for one in (await district.get("/v1/grants")).json()["items"]] == [inside]
        before = await state(server)
        for grant in (wider, everything):
            assert (await district.get(f"/v1/grants/{grant}")).status_code == 404
            answer = await district.post(f"/v1/grants/{grant}/revocation", json={"reason": "x"})
            await require_refused(server, answer, before, 404, "UNKNOWN_GRANT", None)
        assert (await district.post(f"/v1/grants/{inside}/revocation", json={"reason": "over"})).status_code == 200
        assert (await whole.get(f"/v1/grants/{inside}")).json()["revoked"] is True


async def test_a_narrowing_and_a_revocation_are_versions_and_take_a_revision(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation:
        grant = (await federation.post("/v1/grants", json={**BODY, "types": [FOUNDED, REGISTERED]})).json()["id"]
        revision = await server.rows.pool.fetchval("SELECT number FROM revision")
        narrowed = await federation.post(f"/v1/grants/{grant}/narrowing", json={"areas": ["P1"], "types": [FOUNDED]})
        assert narrowed.status_code == 200, narrowed.text
        assert await server.rows.pool.fetchval("SELECT number FROM revision") == revision + 1
        assert (await federation.post(f"/v1/grants/{grant}/revocation", json={"reason": "任务结束"})).status_code == 200
        found = (await federation.get(f"/v1/grants/{grant}")).json()
        assert [(one["kind"], one["areas"], one["types"]) for one in found["versions"]] == [
            ("given", ["D1"], [FOUNDED, REGISTERED]),
            ("narrowed", ["P1"], [FOUNDED]),
            ("revoked", ["P1"], [FOUNDED]),
        ]
        assert (found["revoked"], found["reason"]) == (True, "任务结束")
        before = await state(server)
        for path, body in (("narrowing", {"areas": ["P1"]}), ("revocation", {"reason": "again"})):
            await require_refused(
                server, await federation.post(f"/v1/grants/{grant}/{path}", json=body), before, 409, "GRANT_REVOKED", None
            )


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"areas": ["NOWHERE"]}, 422, "UNKNOWN_AREA", "areas.0"),
        ({"areas": []}, 422, "TOO_FEW", "areas"),
        ({"areas": ["D1", "~"]}, 422, "BAD_AREA_CODE", "areas.1"),
        ({"types": ["parkunion.wages-unpaid.v9"]}, 422, "UNKNOWN_TYPE", "types.0"),
        ({"types": ["parkunion.fact-corrected.v1"]}, 422, "UNKNOWN_TYPE", "types.0"),
        ({"types": ["parkunion.hardship-classified.v1"]}, 422, "UNKNOWN_TYPE", "types.0"),
        ({"types": [FOUNDED, "parkunion.aid-paid.v1"]}, 422, "UNKNOWN_TYPE", "types.1"),
        ({"types": ["parkunion.employment-helped.v1"]}, 422, "UNKNOWN_TYPE", "types.0"),
        ({"types": ["parkunion.case-assigned.v1"]}, 422, "UNKNOWN_TYPE", "types.0"),
        ({"fields": {FOUNDED: ["assigned_to"]}}, 422, "UNKNOWN_DATA_FIELD", f"fields.{FOUNDED}.0"),
        ({"fields": {FOUNDED: ["credit_code"]}}, 422, "UNKNOWN_DATA_FIELD", f"fields.{FOUNDED}.0"),
        ({"fields": {REGISTERED: ["name"]}}, 422, "FIELDS_OF_OTHER_TYPE", f"fields.{REGISTERED}"),
        ({"not_before": "2036-07-02", "not_after": "2036-07-01"}, 422, "NOT_AFTER_TOO_EARLY", "not_after"),
        ({"not_after": "2020-07-01T00:00:00+08:00"}, 422, "NOT_AFTER_PAST", "not_after"),
        ({"not_after": "2036-07-01T00:00:00"}, 422, "INVALID_INSTANT", "not_after"),
        ({"not_after": 2082758400}, 422, "INVALID_INSTANT", "not_after"),
        ({"purpose": ""}, 422, "EMPTY", "purpose"),
        ({"client": None}, 422, "NOT_A_TEXT", "client"),
        ({"more": 1}, 422, "UNKNOWN_FIELD", "more"),
    ],
)
async def test_bad_input_is_a_problem_with_its_field_and_changes_nothing(
    server: SubscriptionsServer, change: dict[str, Any], status: int, code: str, field: str
) -> None:
    async with server.client("federation", **GRANT) as federation:
        before = await state(server)
        await require_refused(server, await federation.post("/v1/grants", json={**BODY, **change}), before, status, code, field)


async def test_what_there_is_stands_in_the_refusal_of_an_unknown_type(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation:
        answer = (await federation.post("/v1/grants", json={**BODY, "types": ["x"]})).json()
        types = [one["type"] for one in (await federation.get("/v1/types")).json()["items"]]
        assert set(types) == set(defaults())
        assert all(name in answer["errors"][0][text] for name in types for text in ("message_zh", "message_en"))


async def test_only_the_federation_grants_and_only_within_its_areas(server: SubscriptionsServer) -> None:
    before = await state(server)
    async with server.client("bureau") as bureau, server.client("district", "D1", **GRANT) as district:
        assert (await bureau.post("/v1/grants", json=BODY)).json()["code"] == "SCOPE_MISSING"
        for area in ("D2", "ROOT", "*"):
            answer = await district.post("/v1/grants", json={**BODY, "areas": ["P1", area]})
            await require_refused(server, answer, before, 403, "AREA_NOT_GRANTED", "areas.1")
        assert (await district.post("/v1/grants", json={**BODY, "areas": ["P1"]})).status_code == 201


@pytest.mark.parametrize(
    ("body", "code", "field"),
    [
        ({"areas": ["ROOT"]}, "NARROWING_WIDENS", "areas.0"),
        ({"areas": ["P2"]}, "NARROWING_WIDENS", "areas.0"),
        ({"types": [REGISTERED]}, "NARROWING_WIDENS", "types.0"),
        ({"fields": {FOUNDED: ["name"]}}, "NARROWING_WIDENS", f"fields.{FOUNDED}.0"),
        ({"not_after": "2037-01-01"}, "NARROWING_WIDENS", "not_after"),
        ({"not_after": "2026-01-01"}, "NOT_AFTER_PAST", "not_after"),
        ({}, "NOTHING_TO_CHANGE", None),
        ({"not_before": "2026-01-01"}, "UNKNOWN_FIELD", "not_before"),
    ],
)
async def test_a_narrowing_that_widens_is_refused(server: SubscriptionsServer, body: dict[str, Any], code: str, field: str | None) -> None:
    async with server.client("federation", **GRANT) as federation:
        grant = (await federation.post("/v1/grants", json={**BODY, "not_after": "2036-12-31"})).json()["id"]
        before = await state(server)
        await require_refused(server, await federation.post(f"/v1/grants/{grant}/narrowing", json=body), before, 422, code, field)


async def test_an_area_that_may_still_come_is_not_yet_known(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation:
        await server.rows.pool.execute("UPDATE shards SET current_at = parkunion_now() - interval '1 minute' WHERE shard = 3")
        before = await state(server)
        answer = await federation.post("/v1/grants", json={**BODY, "areas": ["NEW"]})
        await require_refused(server, answer, before, 409, "NOT_YET_KNOWN", "areas.0")
        assert answer.headers["Retry-After"] == "1"


async def test_a_repeat_under_one_key_is_done_once(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation, server.client("second", **GRANT) as second:
        key = {"Idempotency-Key": "grants/1"}
        first = await federation.post("/v1/grants", json=BODY, headers=key)
        again = await federation.post("/v1/grants", json=BODY, headers=key)
        assert (again.status_code, again.json()) == (201, first.json())
        before = await state(server)
        other = await federation.post("/v1/grants", json={**BODY, "areas": ["D2"]}, headers=key)
        await require_refused(server, other, before, 422, "IDEMPOTENCY_KEY_REUSED", "Idempotency-Key")
        assert (await second.post("/v1/grants", json=BODY, headers=key)).json() != first.json()
        assert await server.rows.pool.fetchval("SELECT count(*) FROM grants") == 2
        stored = await server.rows.pool.fetch("SELECT key, sealed FROM requests")
        assert not any(b"grants/1" in row["key"] or first.json()["id"].encode() in row["sealed"] for row in stored)


async def test_two_that_do_the_same_at_once_do_it_once(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation:
        grant = (await federation.post("/v1/grants", json=BODY)).json()["id"]
        posts = [federation.post("/v1/grants", json=BODY, headers={"Idempotency-Key": "twin"}) for _ in range(8)]
        posts += [
            federation.post(f"/v1/grants/{grant}/revocation", json={"reason": "x"}, headers={"Idempotency-Key": "r"}) for _ in range(8)
        ]
        answers = await asyncio.gather(*posts)
        assert [one.status_code for one in answers] == [201] * 8 + [200] * 8, "the later of two is not refused for what its twin has done"
        assert len({one.json()["id"] for one in answers[:8]}) == 1
        assert await server.rows.pool.fetchval("SELECT count(*) FROM grants") == 2


async def test_a_refusal_is_not_kept_so_that_the_same_request_can_succeed_later(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation:
        key, body = {"Idempotency-Key": "k"}, {**BODY, "areas": ["NEW"]}
        assert (await federation.post("/v1/grants", json=body, headers=key)).status_code == 422
        await server.rows.areas({"NEW": "ROOT"})
        assert (await federation.post("/v1/grants", json=body, headers=key)).status_code == 201


class Provider:
    """Lists clients, or does not answer."""

    def __init__(self, *names: str) -> None:
        self.names = list(names)
        self.asked = 0
        self.answer: httpx.Response | None = None

    def __call__(self, _request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return self.answer or httpx.Response(200, json={"clients": self.names})


async def test_an_unknown_client_is_refused_and_a_provider_that_cannot_be_asked_is_no_yes(server: SubscriptionsServer) -> None:
    provider = Provider("bureau")
    settings = settings_of(type(server.app.state.settings), clients=["listed"], clients_url="https://provider.test/clients")
    server.app.state.clients = Clients(settings, httpx.MockTransport(provider))
    async with server.client("federation", **GRANT) as federation:
        assert (await federation.post("/v1/grants", json={**BODY, "client": "listed"})).status_code == 201
        assert provider.asked == 0
        assert (await federation.post("/v1/grants", json=BODY)).status_code == 201
        before = await state(server)
        answer = await federation.post("/v1/grants", json={**BODY, "client": "stranger"})
        await require_refused(server, answer, before, 422, "UNKNOWN_CLIENT", "client")
        server.app.state.clients = Clients(settings, httpx.MockTransport(provider))
        for broken in (httpx.Response(500), httpx.Response(200, json=[]), httpx.Response(200, json={"clients": [1]}), httpx.Response(302)):
            provider.answer = broken
            answer = await federation.post("/v1/grants", json=BODY)
            await require_refused(server, answer, before, 503, "UNAVAILABLE", None)
            assert "Retry-After" in answer.headers


async def test_every_read_by_a_bureau_is_logged_with_its_purpose_and_none_by_the_federation(server: SubscriptionsServer) -> None:
    async with server.client("federation", **GRANT) as federation, server.client("bureau") as bureau:
        grant = (await federation.post("/v1/grants", json=BODY)).json()["id"]
        await federation.get(f"/v1/grants/{grant}")
        await bureau.get(f"/v1/grants/{grant}")
        await bureau.get("/v1/grants")
        await bureau.get(f"/v1/grants/{uuid7()}")
        found = (await federation.get("/v1/accesses")).json()["items"]
        assert [(one["client"], one["what"], one["purpose"]) for one in found] == [
            ("bureau", what, "劳动监察") for what in ("grant", "grants")
        ]
        lines = await federation.get("/v1/accesses", headers={"Accept": "application/x-ndjson"})
        assert lines.headers["content-type"] == "application/x-ndjson"
        assert len(lines.text.splitlines()) == 2
        assert (await federation.get("/v1/accesses", params={"format": "ndjson"})).text == lines.text
        one = (await federation.get("/v1/accesses", params={"limit": 1})).json()
        rest = (await federation.get("/v1/accesses", params={"limit": 1, "after": one["next"]})).json()
        assert [one["items"][0], rest["items"][0]] == found
        assert (await bureau.get("/v1/accesses")).status_code == 403


async def test_an_expired_day_ends_with_the_day(server: SubscriptionsServer) -> None:
    """A grant until today can be given: it ends with the day."""
    clock = server.app.state.settings.clock
    async with server.client("federation", **GRANT) as federation, server.rows.pool.acquire() as conn:
        today = await clock.today(conn)
        assert (await federation.post("/v1/grants", json={**BODY, "not_after": today.isoformat()})).status_code == 201
        before = await state(server)
        answer = await federation.post("/v1/grants", json={**BODY, "not_after": (today - timedelta(days=1)).isoformat()})
        await require_refused(server, answer, before, 422, "NOT_AFTER_PAST", "not_after")
