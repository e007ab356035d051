"""`POST /v1/withdrawals` of the registry: what it refuses, what it appends, and what the service says afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from tests.integration.registry.service import EVERY, Registry, registry_of_a_test

__all__ = ["registry_of_a_test"]

OPERATOR = frozenset({*EVERY, "registry:operate"})


@pytest.fixture(autouse=True)
def by_an_operator(registry: Registry) -> None:
    registry.be("*", scopes=OPERATOR)


async def withdraw(registry: Registry, subject: str, first: Any, last: Any, **more: Any) -> tuple[int, dict[str, Any]]:
    headers = {name: more.pop(name) for name in ("Idempotency_Key",) if name in more}
    return await registry.post(
        "/v1/withdrawals", {"subject": subject, "from": first, "to": last, "reason": "unreadable", **more}, **headers
    )


def refusal(answer: tuple[int, dict[str, Any]]) -> tuple[int, str, str | None]:
    return answer[0], answer[1]["errors"][0]["code"], answer[1]["errors"][0]["field"]


async def say_unreadable(registry: Registry, subject: str) -> int:
    """Another release said something that this one does not know."""
    return int(
        await registry.pool.fetchval(
            "WITH s AS (UPDATE streams SET sequence = sequence + 1 WHERE subject = $1 RETURNING sequence) "
            "INSERT INTO journal (subject, sequence, event_id, type, recorded_at, occurred_on, actor, origin, partition_key, data) "
            "SELECT $1, sequence, gen_random_uuid(), 'parkunion.mood-reported.v1', parkunion_now(), '2024-01-01', 'x', 'api', 'x', '{}' FROM s "
            "RETURNING sequence",
            subject,
        )
    )


async def test_a_withdrawal_takes_facts_out_and_is_said_on_their_stream(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    for day, workers in (("2024-01-01", 30), ("2024-02-01", 50)):
        await registry.made(f"/v1/enterprises/{enterprise}/headcounts", {"on": day, "workers": workers})
    status, made = await withdraw(registry, f"enterprise/{enterprise}", 3, 3, note="登记系统写错", Idempotency_Key="w")
    assert (status, made["subject"], made["sequence"], made["event_ids"]) == (201, f"enterprise/{enterprise}", 4, [made["id"]])
    assert await withdraw(registry, f"enterprise/{enterprise}", 3, 3, note="登记系统写错", Idempotency_Key="w") == (201, made)
    _, found = await registry.get(f"/v1/enterprises/{enterprise}")
    assert (found["workers"], found["workers_on"]) == (30, "2024-01-01")
    data = await registry.pool.fetchval("SELECT data FROM journal WHERE event_id = $1", made["id"])
    assert (data["from"], data["to"], data["reason"]) == (3, 3, "unreadable")
    assert await registry.pool.fetchval("SELECT text FROM notes WHERE note_id = $1", data["note_id"]) == "登记系统写错"


async def test_an_event_that_this_release_cannot_read_stops_its_stream_until_it_is_withdrawn(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    subject = f"enterprise/{enterprise}"
    sequence = await say_unreadable(registry, subject)
    report = {"on": "2024-01-01", "workers": 30}
    assert refusal(await registry.post(f"/v1/enterprises/{enterprise}/headcounts", report))[:2] == (409, "STREAM_UNREADABLE")
    assert refusal(await withdraw(registry, subject, 1, 1)) == (409, "OTHERS_REST_ON_IT", "from")
    assert (await withdraw(registry, subject, sequence, sequence))[0] == 201
    await registry.made(f"/v1/enterprises/{enterprise}/headcounts", report)
    assert (await registry.get(f"/v1/enterprises/{enterprise}"))[1]["workers"] == 30


async def test_what_is_refused(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    subject = f"enterprise/{enterprise}"
    first = await registry.made(f"/v1/enterprises/{enterprise}/headcounts", {"on": "2024-01-01", "workers": 30})
    await registry.made(f"/v1/enterprises/{enterprise}/headcounts", {"on": "2024-02-01", "workers": 40})
    await registry.made("/v1/corrections", {"corrects": first["event_ids"][0], "reason": "typo", "data": {"workers": 31}})
    assert refusal(await withdraw(registry, "enterprise/nobody", 1, 1)) == (404, "UNKNOWN_STREAM", "subject")
    assert refusal(await withdraw(registry, subject, 3, 2)) == (422, "FROM_AFTER_TO", "from")
    assert refusal(await withdraw(registry, subject, 3, 9)) == (422, "UNKNOWN_SEQUENCE", "to")
    assert refusal(await withdraw(registry, subject, 0, 1))[0] == 422
    assert refusal(await withdraw(registry, subject, 3, 4)) == (422, "HOLDS_CORRECTION", "from")
    assert refusal(await withdraw(registry, subject, 2, 2)) == (409, "ALREADY_CORRECTED", "from")
    assert refusal(await withdraw(registry, subject, 1, 1)) == (409, "OTHERS_REST_ON_IT", "from")
    assert (await withdraw(registry, subject, 3, 3))[0] == 201
    assert refusal(await withdraw(registry, subject, 3, 3)) == (409, "FACT_WITHDRAWN", "from")
    assert refusal(await withdraw(registry, subject, 5, 5)) == (422, "HOLDS_CORRECTION", "from")
    assert refusal(await withdraw(registry, "area/D1", 1, 1)) == (409, "AREA_IN_USE", "subject")


async def test_only_an_operator_of_the_whole_deployment_withdraws(registry: Registry) -> None:
    enterprise = await registry.enterprise()
    registry.be("*", scopes=EVERY)
    assert refusal(await withdraw(registry, f"enterprise/{enterprise}", 1, 1))[:2] == (403, "SCOPE_MISSING")
    registry.be("R", scopes=OPERATOR)
    assert refusal(await withdraw(registry, f"enterprise/{enterprise}", 1, 1)) == (403, "AREA_NOT_GRANTED", "subject")


async def test_a_stream_of_which_everything_is_withdrawn_leaves_nothing(registry: Registry) -> None:
    enterprise = await registry.enterprise(credit_code="91350100M000100Y43")
    assert (await withdraw(registry, f"enterprise/{enterprise}", 1, 1))[0] == 201
    assert (await registry.get(f"/v1/enterprises/{enterprise}"))[0] == 404
    await registry.enterprise(credit_code="91350100M000100Y43")
    assert (await registry.post("/v1/areas", {"code": "D9", "name": "误录区", "kind": "division", "parent": "R"}))[0] == 201
    assert (await withdraw(registry, "area/D9", 1, 1))[0] == 201
    assert (await registry.post("/v1/areas", {"code": "D9", "name": "区", "kind": "division", "parent": "R"}))[0] in (201, 409)
