"""What a body may be, alike on every route that writes, of both services: UTF-8 JSON in which each name stands once."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.integration.client import Client
from tests.integration.membership.service import Membership, membership_of_a_test  # noqa: F401
from tests.integration.membership.test_api import client_of_a_test  # noqa: F401
from tests.integration.registry.service import Registry, registry_of_a_test, settling  # noqa: F401

TYPE = {"Content-Type": "application/json"}


async def require_refusals(http: httpx.AsyncClient, path: str, good: str) -> None:
    name = next(iter(json.loads(good)))
    twice = good.replace("{", "{" + f'"{name}": "x", ', 1)
    cases = [
        (twice.encode(), 422, "DUPLICATE_FIELD", name),
        (good.encode("utf-16"), 400, "BROKEN_JSON", None),
        (good.encode() + b" x", 400, "BROKEN_JSON", None),
        (b'{"a":' * 20_000, 400, "BROKEN_JSON", None),
        (b"[]", 422, "NOT_AN_OBJECT", "body"),
        (b"", 422, "FIELD_REQUIRED", "body"),
    ]
    for content, status, code, field in cases:
        answer = await http.post(path, content=content, headers=TYPE)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["errors"][0]["field"]) == (status, code, field), content[:80]
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.invariant("I7")
async def test_the_registry_refuses_a_body_that_can_be_read_in_two_ways(registry: Registry) -> None:
    before = await registry.count()
    await require_refusals(registry.http, "/v1/enterprises", json.dumps(settling()))
    await require_refusals(registry.http, "/v1/corrections", json.dumps({"reason": "other", "corrects": "y", "data": {"name": "a"}}))
    answer = await registry.http.post("/v1/enterprises", content=json.dumps(settling(name="\ud800")), headers=TYPE)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "name")
    assert await registry.count() == before


@pytest.mark.invariant("I7")
async def test_membership_refuses_a_body_that_can_be_read_in_two_ways(client: Client, membership: Membership) -> None:
    await require_refusals(client.http, "/v1/unions", json.dumps({"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01"}))
    nested = '{"union_id": "x", "document": {"kind": "sample", "number": "1", "number": "2"}}'
    problem = (await client.http.post("/v1/members", content=nested, headers=TYPE)).json()
    assert (problem["code"], problem["errors"][0]["field"]) == ("DUPLICATE_FIELD", "number")
    assert await membership.count("journal") == 0
    assert (await client.get("/v1/unions", q="\x01"))[0] == 422
