"""What is sent again: the grants that it needs, whole batches under one key, keys that nobody can read, two keys in one request."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from services.registry.settings import Settings
from shared.http.auth import Areas
from shared.journal.idempotency import HASHED
from shared.process import db
from shared.service.roles import cleaner_of
from tests.integration.client import settings_of
from tests.integration.registry.service import Registry, line, registry_of_a_test, settling  # noqa: F401

KEY = "张三-11010519491231002X".encode().hex()


async def rows(registry: Registry) -> list[dict[str, Any]]:
    return [dict(row) for row in await registry.pool.fetch("SELECT * FROM idempotency ORDER BY key")]


async def sent(registry: Registry, lines: list[Any], **headers: str) -> tuple[int, list[dict[str, Any]]]:
    """(status, answers) of a batch with headers; a refused batch has one."""
    content = b"\n".join(one if isinstance(one, bytes) else json.dumps(one).encode() for one in lines)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    answer = await registry.http.post("/v1/batch", content=content, headers={"Content-Type": "application/x-ndjson", **named})
    return answer.status_code, [json.loads(text) for text in answer.text.splitlines()]


@pytest.mark.invariant("I6")
async def test_a_repeat_is_answered_to_a_token_that_still_has_the_areas_of_the_command(registry: Registry) -> None:
    registry.be("D1")
    _, first = await registry.post("/v1/enterprises", settling(), Idempotency_Key="e")
    headcount = {"on": "2020-05-01", "workers": 3}
    path = f"/v1/enterprises/{first['id']}/headcounts"
    _, second = await registry.post(path, headcount, Idempotency_Key="h")
    (third,) = await registry.batch(line("headcount", "b", enterprise_id=first["id"], **headcount))
    correction = {"corrects": second["event_ids"][0], "reason": "typo", "data": {"workers": 4}}
    _, fourth = await registry.post("/v1/corrections", correction, Idempotency_Key="c")

    async def repeated(*areas: str) -> list[tuple[int, Any]]:
        registry.be(*areas)
        answers = [
            await registry.post("/v1/enterprises", settling(), Idempotency_Key="e"),
            await registry.post(path, headcount, Idempotency_Key="h"),
            await registry.post("/v1/corrections", correction, Idempotency_Key="c"),
        ]
        (told,) = await registry.batch(line("headcount", "b", enterprise_id=first["id"], **headcount))
        return [(status, answer.get("event_ids") or answer.get("code")) for status, answer in answers] + [
            (told["status"], told.get("event_ids") or told["problem"]["code"])
        ]

    refused = [(403, "AREA_NOT_GRANTED")] * 4
    answered = [(201, told["event_ids"]) for told in (first, second, fourth, third)]
    before = await registry.count()
    assert await repeated("D2") == refused
    assert await repeated() == refused
    assert await repeated("D1") == await repeated("R") == await repeated("*") == await repeated("D1-P001") == answered
    registry.be("*")
    await registry.made(f"/v1/enterprises/{first['id']}/moves", {"on": "2021-01-01", "park": "D2-P001"})
    # What was said where the enterprise was then stays with those who may see it.
    assert await repeated("D1") == answered
    assert await repeated("D2") == refused
    registry.be("*")
    park = (await registry.get("/v1/events", subject="area/D1-P001"))[1]["items"][0]
    await registry.made("/v1/corrections", {"corrects": park["id"], "reason": "typo", "data": {"parent": "D2"}})
    assert await repeated("D1") == refused
    assert await repeated("D2") == answered
    after = await registry.count()
    assert after[0] - before[0] == 2
    registry.caller = type(registry.caller)("tester", frozenset({"registry:read"}), Areas.all())
    assert (await registry.post(path, headcount, Idempotency_Key="h"))[1]["code"] == "SCOPE_MISSING"


@pytest.mark.invariant("I8")
async def test_a_row_of_an_earlier_release_answers_by_where_the_enterprise_is_now(registry: Registry) -> None:
    registry.be("D1")
    _, first = await registry.post("/v1/enterprises", settling(), Idempotency_Key="e")
    await registry.pool.execute("UPDATE idempotency SET key = 'e', result = result - 'areas' WHERE key LIKE 'hmac %' AND result ? 'areas'")
    registry.be("D2")
    assert (await registry.post("/v1/enterprises", settling(), Idempotency_Key="e"))[1]["code"] == "AREA_NOT_GRANTED"
    registry.be("D1")
    assert await registry.post("/v1/enterprises", settling(), Idempotency_Key="e") == (201, first)
    assert (await registry.post("/v1/enterprises", settling(name="另"), Idempotency_Key="e"))[1]["code"] == "IDEMPOTENCY_KEY_REUSED"
    # The service hashes it, and it answers as before.
    async with registry.pool.acquire() as conn:
        await cleaner_of(settings_of(Settings)).clean(conn, asyncio.Event())
    assert all(row["key"].startswith(HASHED) for row in await rows(registry))
    assert await registry.post("/v1/enterprises", settling(), Idempotency_Key="e") == (201, first)


@pytest.mark.invariant("I5")
async def test_keys_are_kept_as_keyed_hashes_and_written_nowhere_else(registry: Registry, capfd: pytest.CaptureFixture[str]) -> None:
    assert (await registry.post("/v1/enterprises", settling(), Idempotency_Key=KEY))[0] == 201
    await registry.post("/v1/enterprises", settling(name="别"), Idempotency_Key=KEY)
    await sent(registry, [line("enterprise", f"{KEY}/2", **settling(name="二"))], Idempotency_Key=f"{KEY}/1")
    text = str(await rows(registry)) + "".join(capfd.readouterr())
    async with db.transaction(registry.pool, areas=Areas.all()) as conn:
        text += str([tuple(row) for row in await conn.fetch("SELECT * FROM journal")])
    assert KEY not in text
    assert all(row["key"].startswith(HASHED) for row in await rows(registry))


async def test_a_batch_with_a_key_is_done_once(registry: Registry) -> None:
    lines = [
        line("enterprise", **settling(name="一")),
        b"",
        line("enterprise", **settling(name="二", park="D9")),
        line("enterprise", "own", **settling(name="三")),
        b'{"op": "enterprise", ',
        line("enterprise", **settling(name="四")),
    ]
    first = await sent(registry, lines, Idempotency_Key="batch")
    assert [answer["status"] for answer in first[1]] == [201, 422, 201, 400, 201]
    before = await registry.count()
    assert await sent(registry, lines, Idempotency_Key="batch") == first
    again = [json.dumps(dict(reversed(one.items()))).encode() if isinstance(one, dict) else one for one in lines]
    assert await sent(registry, again, Idempotency_Key="batch") == first
    assert await registry.count() == before
    # A refused line is decided anew, as a refused command is.
    await registry.made("/v1/areas", {"code": "D9", "name": "园", "kind": "park", "parent": "D1"})
    _, later = await sent(registry, lines, Idempotency_Key="batch")
    assert [answer["status"] for answer in later] == [201, 201, 201, 400, 201]
    assert await sent(registry, lines, Idempotency_Key="batch") == (200, later)
    assert [later[n] for n in (0, 2, 3, 4)] == [first[1][n] for n in (0, 2, 3, 4)]
    for other in (lines[:1], [*lines, lines[0]], [lines[5], *lines[1:5], lines[0]], [*lines[:4], b"{", lines[5]]):
        status, (told,) = await sent(registry, other, Idempotency_Key="batch")
        assert (status, told["code"]) == (422, "IDEMPOTENCY_KEY_REUSED")
    assert (await registry.post("/v1/enterprises", settling(), Idempotency_Key="batch"))[1]["code"] == "IDEMPOTENCY_KEY_REUSED"
    # Its own line with its own key is not a second request.
    assert (await registry.batch(lines[3]))[0]["id"] == later[2]["id"]


async def test_a_batch_of_which_nothing_was_done_leaves_its_key_free(registry: Registry) -> None:
    before = await rows(registry)
    _, (told,) = await sent(registry, [line("enterprise", **settling(park="D9"))], Idempotency_Key="b")
    assert told["status"] == 422
    assert await rows(registry) == before
    _, (told,) = await sent(registry, [line("enterprise", **settling())], Idempotency_Key="b")
    assert told["status"] == 201
    _, (told,) = await sent(registry, [line("enterprise", "b", **settling(name="二"))], Idempotency_Key="c")
    assert told["problem"]["code"] == "IDEMPOTENCY_KEY_REUSED"
    _, (told,) = await sent(registry, [line("enterprise", "d", **settling(name="二"))], Idempotency_Key="d")
    assert (told["problem"]["code"], told["problem"]["errors"][0]["field"]) == ("IDEMPOTENCY_KEY_REUSED", "key")


@pytest.mark.invariant("I6")
async def test_a_batch_that_is_repeated_by_a_token_of_other_areas_answers_no_ids(registry: Registry) -> None:
    registry.be("D1")
    lines = [line("enterprise", **settling(name="一")), line("enterprise", "own", **settling(name="三"))]
    first = await sent(registry, lines, Idempotency_Key="batch")
    registry.be("D2")
    _, told = await sent(registry, lines, Idempotency_Key="batch")
    assert [answer["status"] for answer in told] == [403, 403]
    registry.be("D1")
    assert await sent(registry, lines, Idempotency_Key="batch") == first


async def test_a_key_is_forgotten_after_thirty_days_and_the_command_is_a_new_one(registry: Registry) -> None:
    _, first = await registry.post("/v1/enterprises", settling(), Idempotency_Key="e")
    await registry.pool.execute("UPDATE idempotency SET created_at = $1", datetime.now(UTC) - timedelta(days=31))
    status, second = await registry.post("/v1/enterprises", settling(), Idempotency_Key="e")
    assert status == 201
    assert second["id"] != first["id"]


@pytest.mark.parametrize(
    ("keys", "status", "code"),
    [
        (["a", "b"], 400, "IDEMPOTENCY_KEY_TWICE"),
        (["a", "a"], 400, "IDEMPOTENCY_KEY_TWICE"),
        ([""], 422, "BAD_IDEMPOTENCY_KEY"),
        (["x" * 256], 422, "BAD_IDEMPOTENCY_KEY"),
        (["a b"], 422, "BAD_IDEMPOTENCY_KEY"),
        (["a, b"], 422, "BAD_IDEMPOTENCY_KEY"),
    ],
)
async def test_every_route_that_is_posted_to_takes_one_key_at_most(registry: Registry, keys: list[str], status: int, code: str) -> None:
    document = (await registry.get("/openapi.json"))[1]
    paths = [path for path, item in document["paths"].items() if "post" in item]
    assert {"/v1/batch", "/v1/corrections", "/v1/withdrawals", "/v1/enterprises"} <= set(paths)
    for path in paths:
        headers = httpx.Headers([("Idempotency-Key", key) for key in keys])
        answer = await registry.http.post(path.replace("{enterprise_id}", "019080a0-0000-7000-8000-000000000000"), json={}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (status, code), path
    # A look-up changes nothing, so it has no key of its own.
    for path in set(paths) - {"/v1/keys"}:
        assert "Idempotency-Key" in {parameter["name"] for parameter in document["paths"][path]["post"]["parameters"]}, path
