"""Whence events come: `X-Parkunion-Import` of a request is the origin of the events that it records, in every service that writes."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from services.membership.app import api as membership_api
from services.membership.settings import Settings as MembershipSettings
from shared.contracts.services import SERVICES
from shared.http.requests import IMPORT_HEADER
from shared.process.db import Pool
from tests.conftest import NewDatabase
from tests.integration.client import Client, settings_of
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401
from tests.integration.registry.service import Registry, line, registry_of_a_test, settling  # noqa: F401
from tests.integration.shared.http.test_every_operation import asked, client_of, running

IMPORTED = {IMPORT_HEADER: "tax-2026.07_1"}
ORIGIN = "import:tax-2026.07_1"
BAD = ["", " ", ".hidden", "a b", "a/b", "a:b", "é", "税务", "a" * 65, "a,b", "import:1"]
PERSONAL = ["11010519491231002X", "110105-19491231-002x", "list.11010519491231002X.csv", "110105491231002"]


async def origins(pool: Pool) -> list[str]:
    """The origin of every event, in order."""
    return [row["origin"] for row in await pool.fetch("SELECT origin FROM journal ORDER BY id")]


async def send(client: Client, path: str, body: Any, headers: Any) -> httpx.Response:
    """One command, or a batch if `body` is lines."""
    if isinstance(body, list):
        content = b"\n".join(json.dumps(one).encode() for one in body)
        return await client.http.post(path, content=content, headers=[("Content-Type", "application/x-ndjson"), *headers])
    return await client.http.post(path, json=body, headers=headers)


async def test_what_an_import_says_to_the_registry_names_it(registry: Registry) -> None:
    before = len(await origins(registry.pool))
    headers = list(IMPORTED.items())
    first = (await send(registry, "/v1/enterprises", settling(), headers)).json()
    lines = [line("headcount", enterprise_id=first["id"], on="2020-05-01", workers=3)]
    assert (await send(registry, "/v1/batch", lines, headers)).status_code == 200
    corrected = {"corrects": first["event_ids"][0], "reason": "typo", "data": {"name": "新名"}}
    assert (await send(registry, "/v1/corrections", corrected, headers)).status_code == 201
    await registry.enterprise()
    assert (await origins(registry.pool))[before:] == [ORIGIN] * 3 + ["api"]
    _, shown = await registry.get("/v1/events", subject=first["subject"])
    assert [event["origin"] for event in shown["items"]] == [ORIGIN] * 3


async def test_what_an_import_says_to_membership_names_it(membership: Membership) -> None:
    app = membership_api(settings_of(MembershipSettings))
    app.state.pool = membership.pool
    enterprise = str(await membership.enterprise())
    async with Client.of(app, "membership:read", "membership:write") as client:
        union = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [enterprise]}
        made = (await send(client, "/v1/unions", union, list(IMPORTED.items()))).json()
        member = {
            "union_id": made["id"],
            "enterprise_id": enterprise,
            "document": {"kind": "sample", "number": "1"},
            "joined_on": "2021-02-01",
        }
        answers = await send(client, "/v1/batch", [line("member", **member)], list(IMPORTED.items()))
        assert answers.json()["status"] == 201
        assert await origins(membership.pool) == [ORIGIN] * 3
        _, shown = await client.get("/v1/events", subject=f"enterprise/{enterprise}")
        assert [event["origin"] for event in shown["items"]] == [ORIGIN] * 2


async def test_a_repeat_is_the_same_command_whatever_import_it_names(registry: Registry) -> None:
    key = ("Idempotency-Key", "k")
    first = await send(registry, "/v1/enterprises", settling(), [key, *IMPORTED.items()])
    before = await origins(registry.pool)
    for headers in ([], [(IMPORT_HEADER, "another")], list(IMPORTED.items())):
        again = await send(registry, "/v1/enterprises", settling(), [key, *headers])
        assert (again.status_code, again.json()) == (201, first.json())
    lines = [line("enterprise", "l", **settling(name="另一厂"))]
    told = await send(registry, "/v1/batch", lines, [("Idempotency-Key", "b"), *IMPORTED.items()])
    assert (await send(registry, "/v1/batch", lines, [("Idempotency-Key", "b")])).json() == told.json()
    assert await origins(registry.pool) == [*before, ORIGIN]


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("given", [*([one] for one in BAD), ["a", "b"], ["a", "a"]])
async def test_what_is_no_import_id_is_refused_and_changes_nothing(registry: Registry, given: list[str]) -> None:
    before = await registry.count()
    for path, body in (("/v1/enterprises", settling()), ("/v1/batch", [line("enterprise", **settling())])):
        answer = await send(registry, path, body, [(IMPORT_HEADER.encode(), one.encode()) for one in given])
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["errors"][0]["field"]) == (400, "BAD_IMPORT_ID", IMPORT_HEADER)
        assert "X-Parkunion-Import" in problem["errors"][0]["message_zh"]
        assert "X-Parkunion-Import" in problem["errors"][0]["message_en"]
    assert await registry.count() == before


@pytest.mark.invariant("I5")
@pytest.mark.parametrize("given", PERSONAL)
async def test_an_import_id_holds_no_resident_number(registry: Registry, given: str) -> None:
    before = await registry.count()
    for path, body in (("/v1/enterprises", settling()), ("/v1/batch", [line("enterprise", **settling())])):
        answer = await send(registry, path, body, [(IMPORT_HEADER, given)])
        assert (answer.status_code, answer.json()["code"]) == (422, "HOLDS_RESIDENT_NUMBER")
        assert answer.json()["errors"][0]["field"] == IMPORT_HEADER
        assert given not in answer.text
    assert await registry.count() == before


@pytest.mark.parametrize("service", sorted(name for name, service in SERVICES.items() if service.contracts is not None))
async def test_every_command_of_every_service_takes_the_header(service: str, database: NewDatabase) -> None:
    """A command that records events says so in its document and refuses a bad one."""
    async with running(service, await database(service)) as app, client_of(app) as http:
        commands = [one for one in asked(http, app) if "'x-repeats': 'answered'" in str(one.operation.get("parameters"))]
        assert {"/v1/batch", "/v1/corrections", "/v1/withdrawals"} <= {one.path for one in commands}
        for one in commands:
            assert IMPORT_HEADER in {parameter["name"] for parameter in one.operation["parameters"]}, one.path
            await one.ask("400", headers={IMPORT_HEADER: "a/b"})
            assert any("BAD_IMPORT_ID" in answer for answer in one.seen["400"]), one.path
