"""What idempotency keys answered: for the client that used them, of what its areas grant."""

from __future__ import annotations

import pytest

from tests.integration.registry.service import Registry, line, registry_of_a_test, settling  # noqa: F401


async def test_keys_answer_what_their_commands_answered_and_change_nothing(registry: Registry) -> None:
    made, refused, other = await registry.batch(
        line("enterprise", "enterprises/A-1", **settling()),
        line("enterprise", "enterprises/A-2", **settling(park="D9")),
        line("enterprise", "enterprises/A-3", **settling(name="乙", park="D2-P001")),
    )
    before = await registry.count()
    asked = ["enterprises/A-1", "enterprises/A-2", "enterprises/A-3", "enterprises/A-1", "never"]
    status, answer = await registry.post("/v1/keys", {"keys": asked})
    assert (status, refused["status"]) == (200, 422)
    assert [item["key"] for item in answer["items"]] == ["enterprises/A-1", "enterprises/A-3"]
    assert [item["id"] for item in answer["items"]] == [made["id"], other["id"]]
    assert [item["event_ids"] for item in answer["items"]] == [made["event_ids"], other["event_ids"]]
    assert await registry.count() == before


@pytest.mark.invariant("I6")
async def test_keys_are_those_of_the_client_and_of_its_areas(registry: Registry) -> None:
    await registry.batch(
        line("enterprise", "A-1", **settling(park="D1-P001")), line("enterprise", "A-2", **settling(name="乙", park="D2-P001"))
    )
    registry.be("D1")
    assert [item["key"] for item in (await registry.post("/v1/keys", {"keys": ["A-1", "A-2"]}))[1]["items"]] == ["A-1"]
    registry.be("*", client="another")
    assert (await registry.post("/v1/keys", {"keys": ["A-1", "A-2"]}))[1] == {"items": []}
    registry.be("*", scopes=frozenset({"registry:read"}))
    assert (await registry.post("/v1/keys", {"keys": ["A-1"]}))[0] == 403


@pytest.mark.invariant("I7")
@pytest.mark.parametrize("body", [{}, {"keys": []}, {"keys": ["with blank"]}, {"keys": ["k"] * 501}, {"keys": "k"}, {"keys": [1]}])
async def test_what_is_no_list_of_keys_is_refused(registry: Registry, body: dict[str, object]) -> None:
    status, problem = await registry.post("/v1/keys", body)
    assert status == 422
    assert problem["errors"][0]["field"].startswith("keys")
