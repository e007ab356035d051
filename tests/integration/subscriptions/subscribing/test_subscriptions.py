"""Subscriptions over HTTP: made under a grant, seen by their client, their states, and that bad input changes nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import httpx
import pytest

from shared.contracts.ids import uuid7
from tests.conftest import NewDatabase
from tests.integration.subscriptions.grants.test_grants import GRANT, READ_TO_THE_END, require_refused, state
from tests.integration.subscriptions.rows import FOUNDED, REGISTERED
from tests.integration.subscriptions.server import SubscriptionsServer, server_of

HOOK = "https://bureau.example/hook"
JOINED = "parkunion.member-joined.v1"


class Names:
    """A resolver: {host: its addresses}."""

    def __init__(self, **hosts: Sequence[str]) -> None:
        self.hosts = {"bureau.example": ["93.184.216.34"], "inside.example": ["93.184.216.34", "10.0.0.1"], **hosts}

    async def addresses(self, host: str, port: int) -> Sequence[str]:
        return self.hosts.get(host, [])

    def close(self) -> None:
        """Nothing is open."""


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[SubscriptionsServer]:
    async with server_of(await database("subscriptions")) as running:
        await running.rows.pool.execute(READ_TO_THE_END)
        running.app.state.resolver.close()
        running.app.state.resolver = Names()
        yield running


def webhook(grant: UUID, url: str = HOOK, signature: str = "v1a", **more: Any) -> dict[str, Any]:
    return {"grant_id": str(grant), "channel": {"kind": "webhook", "url": url, "signature": signature}, **more}


def pull(grant: UUID, **more: Any) -> dict[str, Any]:
    return {"grant_id": str(grant), "channel": {"kind": "pull"}, **more}


async def verified(server: SubscriptionsServer, subscription: str) -> None:
    """As the worker does after the right answer."""
    await server.rows.pool.execute("UPDATE subscriptions SET status = 'active' WHERE id = $1", UUID(subscription))
    await server.rows.pool.execute(
        "UPDATE probes SET done_at = parkunion_now(), succeeded = true WHERE subscription = $1", UUID(subscription)
    )


async def test_a_pull_subscription_is_active_at_once(server: SubscriptionsServer) -> None:
    grant = await server.rows.grant()
    async with server.client() as bureau:
        made = await bureau.post(
            "/v1/subscriptions", json=pull(grant, types=[FOUNDED], filter={"areas": ["P1"], "min_workers": 10, "industries": ["C"]})
        )
        assert made.status_code == 201, made.text
        assert made.json() == {"id": made.json()["id"], "status": "active", "signing": None}
        key = made.json()["id"]
        await server.rows.events(UUID(key), 3)
        found = (await bureau.get(f"/v1/subscriptions/{key}")).json()
        assert (found["assigned_to"], found["delivered_to"], found["parked"], found["last_error"]) == (3, 0, 0, None)
        assert found["filter"] == {"areas": ["P1"], "industries": ["C"], "min_workers": 10}
        assert (found["types"], found["channel"]["kind"], found["keys"], found["probes"]) == ([FOUNDED], "pull", [], [])
        await server.rows.pool.execute("UPDATE deliveries SET state = 'parked' WHERE number = 1")
        found = (await bureau.get(f"/v1/subscriptions/{key}")).json()
        assert (found["delivered_to"], found["parked"]) == (1, 1)


@pytest.mark.parametrize("signature", ["v1a", "v1"])
async def test_a_webhook_is_verifying_and_its_secret_is_shown_once(server: SubscriptionsServer, signature: str) -> None:
    grant = await server.rows.grant()
    async with server.client() as bureau:
        key = {"Idempotency-Key": "s"}
        made = await bureau.post("/v1/subscriptions", json=webhook(grant, signature=signature), headers=key)
        assert (made.status_code, made.json()["status"]) == (201, "verifying")
        signing = made.json()["signing"]
        server.app.state.resolver.hosts.clear()
        again = await bureau.post("/v1/subscriptions", json=webhook(grant, signature=signature), headers=key)
        assert again.json() == made.json()
        answer = await bureau.get(f"/v1/subscriptions/{made.json()['id']}")
        assert [one["version"] for one in answer.json()["keys"]] == [signature]
        probes = await server.rows.pool.fetch("SELECT kind, challenge FROM probes")
        assert [(row["kind"], len(row["challenge"]) > 40) for row in probes] == [("verification", True)]
        assert probes[0]["challenge"] not in answer.text
        if signature == "v1":
            assert signing["secret"].startswith("whsec_")
            assert signing["secret"] not in answer.text
            assert not any(
                signing["secret"].encode() in row["sealed"] for row in await server.rows.pool.fetch("SELECT sealed FROM requests")
            )
        else:
            keys = (await bureau.get("/.well-known/jwks.json")).json()["keys"]
            assert [one["kid"] for one in keys] == [signing["kid"]] == [answer.json()["keys"][0]["kid"]]


async def test_a_client_sees_its_own_and_the_federation_those_of_its_areas(server: SubscriptionsServer) -> None:
    grants = [await server.rows.grant("bureau", ["P1"]), await server.rows.grant("other", ["P2"]), await server.rows.grant("bureau", ["*"])]
    keys = [str(await server.rows.subscription(grant)) for grant in grants]
    async with (
        server.client("bureau") as bureau,
        server.client("federation", **GRANT) as all_areas,
        server.client("d", "D1", **GRANT) as district,
    ):

        async def of(caller: httpx.AsyncClient, **params: str) -> list[str]:
            return [one["id"] for one in (await caller.get("/v1/subscriptions", params=params)).json()["items"]]

        assert await of(bureau) == [keys[0], keys[2]]
        assert await of(bureau, client="other") == []
        assert await of(all_areas) == keys
        assert await of(all_areas, client="other") == [keys[1]]
        assert await of(all_areas, grant_id=str(grants[2])) == [keys[2]]
        assert await of(all_areas, status="ended") == []
        assert await of(district) == [keys[0]]
        before = await state(server)
        for path in ("pause", "resume", "test", "rotation", "verification", "end", "replay", "deliveries/1/redelivery"):
            body = {"from_number": 1} if path == "replay" else None
            refused = await bureau.post(f"/v1/subscriptions/{keys[1]}/{path}", json=body)
            await require_refused(server, refused, before, 404, "UNKNOWN_SUBSCRIPTION", None)
        assert (await bureau.get(f"/v1/subscriptions/{keys[1]}")).status_code == 404
        assert (await bureau.get(f"/v1/subscriptions/{keys[1]}/deliveries")).status_code == 404
        assert (await district.get(f"/v1/subscriptions/{keys[2]}")).status_code == 404
        assert (await district.get(f"/v1/subscriptions/{keys[0]}")).status_code == 200


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"types": ["x"]}, "UNKNOWN_TYPE", "types.0"),
        ({"types": [FOUNDED, JOINED]}, "WIDER_THAN_GRANT", "types.1"),
        ({"filter": {"areas": ["NOWHERE"]}}, "UNKNOWN_AREA", "filter.areas.0"),
        ({"filter": {"areas": ["P1", "P2"]}}, "WIDER_THAN_GRANT", "filter.areas.1"),
        ({"filter": {"areas": ["ROOT"]}}, "WIDER_THAN_GRANT", "filter.areas.0"),
        ({"filter": {"industries": ["c"]}}, "INVALID_INDUSTRY", "filter.industries.0"),
        ({"filter": {"min_workers": -1}}, "BELOW_ZERO", "filter.min_workers"),
        ({"filter": {"x": 1}}, "UNKNOWN_FIELD", "filter.x"),
        ({"grant_id": "01938c5e-7f00-7000-8000-0000000000a1"}, "UNKNOWN_GRANT", "grant_id"),
        ({"grant_id": "x"}, "INVALID_ID", "grant_id"),
    ],
)
async def test_bad_input_is_a_problem_with_its_field_and_changes_nothing(
    server: SubscriptionsServer, change: dict[str, Any], code: str, field: str
) -> None:
    grant = await server.rows.grant()
    async with server.client() as bureau:
        before = await state(server)
        await require_refused(server, await bureau.post("/v1/subscriptions", json={**pull(grant), **change}), before, 422, code, field)


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("http://bureau.example/hook", "URL_NOT_HTTPS"),
        ("https://user@bureau.example/", "URL_WITH_USER_INFO"),
        ("https://bureau.example/#x", "URL_WITH_FRAGMENT"),
        ("https://nowhere.example/", "UNRESOLVABLE_HOST"),
        ("https://inside.example/", "ADDRESS_NOT_ALLOWED"),
        ("https://127.0.0.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://0x7f.1/", "ADDRESS_NOT_ALLOWED"),
        ("https://[::ffff:10.0.0.1]/", "ADDRESS_NOT_ALLOWED"),
        (f"https://bureau.example/{'x' * 2000}", "URL_TOO_LONG"),
        ("bureau.example", "INVALID_URL"),
    ],
)
async def test_a_url_to_which_nothing_may_be_sent_is_refused(server: SubscriptionsServer, url: str, code: str) -> None:
    grant = await server.rows.grant()
    async with server.client() as bureau:
        before = await state(server)
        await require_refused(server, await bureau.post("/v1/subscriptions", json=webhook(grant, url)), before, 422, code, "channel.url")


async def test_a_grant_of_another_client_does_not_exist_and_one_that_is_over_carries_nothing(server: SubscriptionsServer) -> None:
    others, revoked = await server.rows.grant("other"), await server.rows.grant()
    await server.rows.revoke(revoked)
    now = await server.rows.pool.fetchval("SELECT parkunion_now()")
    expired = await server.rows.grant(not_after=now)
    async with server.client() as bureau, server.client("federation", **GRANT) as federation:
        before = await state(server)
        for grant, status, code in ((others, 422, "UNKNOWN_GRANT"), (revoked, 409, "GRANT_REVOKED"), (expired, 409, "GRANT_EXPIRED")):
            await require_refused(server, await bureau.post("/v1/subscriptions", json=pull(grant)), before, status, code, "grant_id")
        assert (await federation.post("/v1/subscriptions", json=pull(others))).json()["code"] == "SCOPE_MISSING"


async def test_the_states_of_a_webhook(server: SubscriptionsServer) -> None:
    grant = await server.rows.grant()
    async with server.client() as bureau:
        key = (await bureau.post("/v1/subscriptions", json=webhook(grant))).json()["id"]

        async def do(command: str, body: Any = None) -> tuple[int, str]:
            answer = await bureau.post(f"/v1/subscriptions/{key}/{command}", json=body)
            return answer.status_code, answer.json().get("status") if answer.is_success else answer.json()["code"]

        for command, body in (("pause", None), ("resume", None), ("test", None), ("replay", {"from_number": 1})):
            assert await do(command, body) == (409, "NOT_IN_THIS_STATUS")
        assert await do("verification") == (202, "verifying")
        assert await server.rows.pool.fetchval("SELECT count(*) FROM probes") == 1, "one that is open is not sent twice"
        await verified(server, key)
        assert await do("verification") == (409, "NOT_IN_THIS_STATUS")
        assert await do("pause") == (200, "paused")
        assert await do("pause") == (200, "paused")
        assert await do("test") == (202, "paused")
        assert await do("resume") == (200, "active")
        await server.rows.pool.execute("UPDATE subscriptions SET status = 'disabled', failing_since = parkunion_now()")
        assert await do("resume") == (200, "active")
        found = (await bureau.get(f"/v1/subscriptions/{key}")).json()
        assert found["failing_since"] is None
        assert [one["status"] for one in found["changes"]] == ["active", "active", "paused", "verifying"]
        assert [one["kind"] for one in found["probes"]] == ["test", "verification"]
        assert await do("end") == (200, "ended")
        assert await do("end") == (200, "ended")
        for command in ("pause", "resume", "rotation", "verification", "test"):
            assert await do(command) == (409, "NOT_IN_THIS_STATUS")
        revision = await server.rows.pool.fetchval("SELECT number FROM revision")
        assert await server.rows.pool.fetchval("SELECT ended_revision BETWEEN 1 AND $1 FROM subscriptions", revision) is True


async def test_resuming_has_what_is_pending_sent_at_once_and_an_end_parks_it(server: SubscriptionsServer) -> None:
    subscription = await server.rows.subscription(await server.rows.grant(), "webhook", status="paused")
    await server.rows.events(subscription, 2)
    await server.rows.pool.execute("UPDATE lanes SET due_at = parkunion_now() + interval '1 day'")
    await server.rows.pool.execute("UPDATE queues SET due_at = parkunion_now() + interval '1 day'")
    async with server.client() as bureau:
        await bureau.post(f"/v1/subscriptions/{subscription}/resume")
        assert await server.rows.pool.fetchval("SELECT bool_and(due_at <= parkunion_now()) FROM lanes") is True
        assert await server.rows.pool.fetchval("SELECT due_at <= parkunion_now() FROM queues") is True
        await bureau.post(f"/v1/subscriptions/{subscription}/end")
        rows = await server.rows.pool.fetch("SELECT state, pending, error FROM deliveries")
        assert [tuple(row) for row in rows] == [("parked", False, "ENDED")] * 2
        assert await server.rows.pool.fetchval("SELECT count(*) FROM lanes") == 0
        found = (await bureau.get(f"/v1/subscriptions/{subscription}")).json()
        assert (found["delivered_to"], found["parked"]) == (2, 2)


@pytest.mark.parametrize("signature", ["v1a", "v1"])
async def test_a_rotation_keeps_both_keys_and_only_its_client_may_ask(server: SubscriptionsServer, signature: str) -> None:
    grant = await server.rows.grant()
    async with server.client() as bureau, server.client("federation", scope="subscriptions:grant subscriptions:use") as federation:
        made = (await bureau.post("/v1/subscriptions", json=webhook(grant, signature=signature))).json()
        path = f"/v1/subscriptions/{made['id']}/rotation"
        first = await bureau.post(path, headers={"Idempotency-Key": "r"})
        again = await bureau.post(path, headers={"Idempotency-Key": "r"})
        assert first.status_code == 200
        assert first.json() == again.json()
        assert first.json()["signing"] != made["signing"]
        keys = (await bureau.get(f"/v1/subscriptions/{made['id']}")).json()["keys"]
        assert [one["until"] is None for one in keys] == [True, False]
        assert (await federation.post(path)).status_code == 404
        pulled = await server.rows.subscription(grant)
        for command in ("rotation", "test", "verification"):
            assert (await bureau.post(f"/v1/subscriptions/{pulled}/{command}")).json()["code"] == "NO_ENDPOINT"


async def test_deliveries_tell_what_became_of_each_number(server: SubscriptionsServer) -> None:
    rows = server.rows
    subscription = await rows.subscription(await rows.grant(), "webhook")
    await rows.events(subscription, 5)
    await rows.pool.execute("UPDATE deliveries SET state = 'parked', pending = false, error = 'GIVEN_UP' WHERE number = 2")
    await rows.pool.execute(
        "INSERT INTO attempts (subscription, number, at, duration_ms, status, error, answer) VALUES ($1, 2, parkunion_now(), 12, 503, '503', 'no')",
        subscription,
    )
    async with server.client() as bureau, server.client("federation", **GRANT) as federation:
        path = f"/v1/subscriptions/{subscription}/deliveries"
        first = (await bureau.get(path, params={"limit": 3})).json()
        rest = (await bureau.get(path, params={"limit": 3, "after": first["next"]})).json()
        assert [one["number"] for one in first["items"] + rest["items"]] == [1, 2, 3, 4, 5]
        assert rest["next"] is None
        assert (await bureau.get(path, params={"after": 3})).json()["items"] == rest["items"]
        parked = (await bureau.get(path, params={"state": "parked"})).json()["items"]
        assert [(one["number"], one["error"], one["next_attempt_at"]) for one in parked] == [(2, "GIVEN_UP", None)]
        attempt = parked[0]["attempts"][0]
        assert (attempt["status"], attempt["error"], attempt["answer"], attempt["duration_ms"]) == (503, "503", "no", 12)
        assert first["items"][0]["next_attempt_at"] is not None
        assert first["items"][0]["type"] == FOUNDED
        assert (await bureau.get(path, params={"after": "x"})).json()["code"] == "BAD_CURSOR"
        accesses = (await federation.get("/v1/accesses")).json()["items"]
        assert [(one["first"], one["last"]) for one in accesses[:2]] == [(1, 3), (4, 5)]
        assert {one["purpose"] for one in accesses} == {"labour inspection"}


@pytest.mark.invariant("I6")
async def test_what_is_no_longer_granted_has_no_name_in_the_list_either(server: SubscriptionsServer) -> None:
    rows = server.rows
    grant = await rows.grant(areas=["D1", "D2"])
    subscription = await rows.subscription(grant)
    await rows.events(subscription, places=["P1"])
    await rows.events(subscription, places=["P2"])
    async with server.client() as bureau, server.client("federation", **GRANT) as federation:

        async def named(client: httpx.AsyncClient) -> list[bool]:
            items = (await client.get(f"/v1/subscriptions/{subscription}/deliveries")).json()["items"]
            assert all(len({one[name] is None for name in ("event_id", "type", "subject", "time", "occurredon")}) == 1 for one in items)
            return [one["subject"] is not None for one in items]

        server.app.state.current._newest = 0.0
        assert await named(bureau) == [True, True]
        await federation.post(f"/v1/grants/{grant}/narrowing", json={"areas": ["D1"]})
        assert await named(bureau) == [True, False]
        assert await named(federation) == [True, True]
        await federation.post(f"/v1/grants/{grant}/revocation", json={"reason": "over"})
        assert await named(bureau) == [False, False]


async def test_a_replay_gives_the_same_numbers_again(server: SubscriptionsServer) -> None:
    rows = server.rows
    subscription = await rows.subscription(await rows.grant(), "webhook")
    await rows.events(subscription, 4)
    await rows.pool.execute("UPDATE deliveries SET state = 'delivered', pending = false")
    await rows.pool.execute("DELETE FROM lanes")
    await rows.pool.execute("UPDATE queues SET due_at = 'infinity'")
    async with server.client() as bureau:
        path = f"/v1/subscriptions/{subscription}/replay"
        answer = await bureau.post(path, json={"from_number": 3})
        assert answer.json() == {"id": str(subscription), "from_number": 3, "to_number": 4, "cursor": None}
        pending = await rows.pool.fetch("SELECT number FROM deliveries WHERE pending AND state = 'delivered' ORDER BY number")
        assert [row["number"] for row in pending] == [3, 4]
        assert await rows.pool.fetchval("SELECT count(*) FROM lanes WHERE due_at <= parkunion_now()") == 2
        assert await rows.pool.fetchval("SELECT due_at <= parkunion_now() FROM queues") is True
        first = await rows.pool.fetchval("SELECT assigned_at FROM deliveries WHERE number = 1")
        assert (await bureau.post(path, json={"from_time": first.isoformat()})).json()["from_number"] == 1
        later = await bureau.post(path, json={"from_time": "2090-01-01T00:00:00Z"})
        assert (later.status_code, later.json()["from_number"]) == (202, None)
        before = await state(server)
        for body, code, field in (
            ({"from_number": 5}, "NUMBER_NOT_ASSIGNED", "from_number"),
            ({"from_number": 0}, "OUT_OF_RANGE", "from_number"),
            ({}, "REPLAY_FROM_ONE", "body"),
            ({"from_number": 1, "from_time": first.isoformat()}, "REPLAY_FROM_ONE", "body"),
            ({"from_time": "2026-07-01"}, "INVALID_INSTANT", "from_time"),
        ):
            await require_refused(server, await bureau.post(path, json=body), before, 422, code, field)


async def test_a_replay_of_what_is_fetched_answers_the_cursor_from_which_it_goes_on(server: SubscriptionsServer) -> None:
    subscription = await server.rows.subscription(await server.rows.grant())
    await server.rows.events(subscription, 3)
    async with server.client() as bureau:
        answer = (await bureau.post(f"/v1/subscriptions/{subscription}/replay", json={"from_number": 2})).json()
        page = (await bureau.get(f"/v1/subscriptions/{subscription}/events", params={"after": answer["cursor"]})).json()
        assert [one["deliverynumber"] for one in page["items"]] == [2, 3]


@pytest.mark.parametrize("kind", ["webhook", "pull"])
async def test_a_replay_outside_retention_names_the_manifest(server: SubscriptionsServer, kind: str) -> None:
    subscription = await server.rows.subscription(await server.rows.grant(), kind)
    await server.rows.events(subscription, 3)
    await server.rows.remove_content(subscription, 1, 2)
    async with server.client() as bureau:
        before = await state(server)
        path = f"/v1/subscriptions/{subscription}"
        answer = await bureau.post(f"{path}/replay", json={"from_number": 2})
        await require_refused(server, answer, before, 410, "OUTSIDE_RETENTION", "from_number")
        day = await server.rows.pool.fetchval("SELECT day FROM deliveries WHERE number = 2")
        assert answer.json()["manifest"] == f"{path}/manifests/{day}"
        assert f"{path}/manifests/{day}" in answer.headers["Link"]
        assert f"{path}/manifests/{day}" in answer.json()["errors"][0]["message_zh"]
        old = await bureau.post(f"{path}/replay", json={"from_time": "2020-01-01T00:00:00Z"})
        await require_refused(server, old, before, 410, "OUTSIDE_RETENTION", "from_time")
        assert (await bureau.post(f"{path}/replay", json={"from_number": 3})).status_code == 202
        if kind == "webhook":
            gone = await bureau.post(f"{path}/deliveries/1/redelivery")
            await require_refused(server, gone, [*before[:6], before[6] + 1, before[7]], 410, "OUTSIDE_RETENTION", "number")
            assert (await bureau.post(f"{path}/deliveries/4/redelivery")).json()["code"] == "NUMBER_NOT_ASSIGNED"


async def test_a_redelivery_sends_a_parked_number_again(server: SubscriptionsServer) -> None:
    rows = server.rows
    subscription = await rows.subscription(await rows.grant(), "webhook")
    await rows.events(subscription, 2)
    await rows.pool.execute("UPDATE deliveries SET state = 'parked', pending = false")
    await rows.pool.execute("DELETE FROM lanes")
    async with server.client() as bureau:
        answer = await bureau.post(f"/v1/subscriptions/{subscription}/deliveries/2/redelivery")
        assert (answer.status_code, answer.json()) == (202, {"id": str(subscription), "number": 2})
        found = await rows.pool.fetch("SELECT number, pending FROM deliveries ORDER BY number")
        assert [tuple(row) for row in found] == [(1, False), (2, True)]
        assert await rows.pool.fetchval("SELECT count(*) FROM lanes") == 1
        pulled = await rows.subscription(await rows.grant())
        assert (await bureau.post(f"/v1/subscriptions/{pulled}/deliveries/1/redelivery")).json()["code"] == "NO_ENDPOINT"


async def test_an_erasure_reaches_what_is_stored_what_is_queued_and_what_endpoints_answered(server: SubscriptionsServer) -> None:
    rows, person = server.rows, uuid7()
    subscription = await rows.subscription(await rows.grant(types=[JOINED, REGISTERED]), "webhook")
    named = {"membership_id": str(person), "enterprise_id": str(uuid7())}
    await rows.events(subscription, 2, data=named, type_name=JOINED)
    await rows.events(subscription, 1, data={"membership_id": str(uuid7())}, type_name=JOINED)
    await rows.pool.execute("UPDATE deliveries SET state = 'delivered', pending = false WHERE number = 1")
    await rows.pool.execute(
        "INSERT INTO attempts (subscription, number, at, duration_ms, status, answer) VALUES ($1, 1, parkunion_now(), 1, 200, $2)",
        *(subscription, f"got {person}"),
    )
    async with server.client("federation", **GRANT) as federation, server.client() as bureau, server.client("d", "D1", **GRANT) as district:
        body = {"id": str(person), "reason": "本人申请"}
        assert (await bureau.post("/v1/erasures", json=body)).status_code == 403
        assert (await district.post("/v1/erasures", json=body)).json()["code"] == "AREA_NOT_GRANTED"
        answer = await federation.post("/v1/erasures", json=body, headers={"Idempotency-Key": "e"})
        assert answer.status_code == 201, answer.text
        assert {name: answer.json()[name] for name in ("contents", "deliveries", "queued")} == {"contents": 2, "deliveries": 2, "queued": 1}
        assert (await federation.post("/v1/erasures", json=body, headers={"Idempotency-Key": "e"})).json() == answer.json()
        assert [tuple(row) for row in await rows.pool.fetch("SELECT erased, contents FROM erasures")] == [(person, 2)]
        left = await rows.pool.fetch("SELECT data, gone FROM contents ORDER BY id")
        assert [(row["data"] is None, row["gone"]) for row in left] == [(True, "erasure"), (True, "erasure"), (False, None)]
        assert await rows.pool.fetchval("SELECT answer FROM attempts") is None
        items = (await bureau.get(f"/v1/subscriptions/{subscription}/deliveries")).json()["items"]
        assert [one["content"] for one in items] == ["erasure", "erasure", "kept"]


async def test_notices_are_cloudevents_in_pages(server: SubscriptionsServer) -> None:
    for number in range(3):
        await server.rows.pool.execute(
            "INSERT INTO notices (id, at, type, subscription, data) VALUES ($1, parkunion_now(), 'parkunion.subscription-disabled.v1', $2, $3)",
            *(uuid7(), uuid7(), {"number": number}),
        )
    async with server.client("federation", **GRANT) as federation, server.client() as bureau:
        first = (await federation.get("/v1/notices", params={"limit": 2})).json()
        rest = (await federation.get("/v1/notices", params={"limit": 2, "after": first["next"]})).json()
        assert [one["data"]["number"] for one in first["items"] + rest["items"]] == [0, 1, 2]
        assert first["items"][0]["specversion"] == "1.0"
        assert (await bureau.get("/v1/notices")).status_code == 403
