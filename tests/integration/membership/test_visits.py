"""Visits: recorded, listed as they stand, corrected, withdrawn, granted by the enterprise's park. The worked example of docs/how-to/add-a-fact.md."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from services.membership.app import api
from services.membership.facts import TABLE
from services.membership.settings import Settings
from shared.contracts.ids import uuid7
from tests.integration.client import Client, settings_of
from tests.integration.membership.service import Membership, membership_of_a_test

__all__ = ["membership_of_a_test"]

EVERY = frozenset({"membership:read", "membership:write", "membership:operate"})


@pytest.fixture
async def client(membership: Membership) -> AsyncIterator[Client]:
    app = api(settings_of(Settings))
    app.state.pool = membership.pool
    async with Client.of(app, *EVERY) as made:
        yield made


def visit(enterprise: UUID, on: str = "2024-03-01", **more: Any) -> dict[str, Any]:
    return {"enterprise_id": str(enterprise), "visited_on": on, "purpose": "first_contact", **more}


async def listed(client: Client, enterprise: UUID) -> list[tuple[str, str, str | None]]:
    status, page = await client.get("/v1/visits", enterprise=enterprise)
    assert status == 200
    return [(item["visited_on"], item["purpose"], item["outcome"]) for item in page["items"]]


async def test_a_visit_is_a_fact_of_the_enterprise_and_is_listed(client: Client, membership: Membership) -> None:
    enterprise = await membership.enterprise()
    status, made = await client.post("/v1/visits", visit(enterprise, outcome="willing"))
    assert (status, made["subject"], made["sequence"]) == (201, f"enterprise/{enterprise}", 1)
    data = {"visit_id": made["id"], "enterprise_id": str(enterprise), "purpose": "first_contact", "outcome": "willing"}
    assert await membership.said(f"enterprise/{enterprise}") == [("visit-made", "2024-03-01", data)]
    _, page = await client.get("/v1/visits", enterprise=enterprise)
    assert page["items"] == [
        {
            "id": made["id"],
            "enterprise_id": str(enterprise),
            "visited_on": "2024-03-01",
            "purpose": "first_contact",
            "outcome": "willing",
            "event_id": made["event_ids"][0],
            "sequence": 1,
        }
    ]


async def test_every_command_with_a_code_takes_a_note_that_stays_here(client: Client, membership: Membership) -> None:
    """Also where the code is optional; the event holds the note's id alone."""
    for command in TABLE.commands:
        lists = command.lists.keys() - {"kind"}
        assert not lists or "note" in command.body.model_fields, command.op
    enterprise, text = await membership.enterprise(), "负责人出差,下周再去"
    union = {"kind": "joint_union", "seat_area": "P1", "approved_on": "2021-01-01", "enterprises": [str(enterprise)]}
    _, lasting = await client.post("/v1/unions", union)
    member = {
        "union_id": lasting["id"],
        "enterprise_id": str(enterprise),
        "document": {"kind": "sample", "number": "1"},
        "joined_on": "2021-02-01",
    }
    bodies: list[tuple[str, dict[str, Any], str, str]] = [
        ("/v1/visits", visit(enterprise), "visit-made", "outcome"),
        ("/v1/members", {**member, "left_on": "2022-01-01", "left_reason": "resigned"}, "member-left", "left_reason"),
        ("/v1/unions", {**union, "dissolved_on": "2022-01-01", "dissolved_reason": "merged"}, "union-dissolved", "dissolved_reason"),
    ]
    for path, body, kind, reason in bodies:
        status, made = await client.post(path, {**body, "note": text})
        assert status == 201, made
        row = await membership.pool.fetchrow(
            "SELECT data, text FROM journal JOIN notes ON note_id = (data->>'note_id')::uuid WHERE event_id = ANY($1::uuid[]) AND type LIKE $2",
            *(made["event_ids"], f"%.{kind}.v1"),
        )
        assert row is not None
        assert (row["text"], text in str(row["data"])) == (text, False)
        for note, code, field in (("11010519491231002X", "HOLDS_RESIDENT_NUMBER", "note"), (text, "FIELD_REQUIRED", reason)):
            wrong = {**body, "note": note}
            if code == "FIELD_REQUIRED":
                wrong = {
                    name: value
                    for name, value in wrong.items()
                    if name not in ("left_on", "left_reason", "dissolved_on", "dissolved_reason")
                }
                if path == "/v1/visits":
                    continue
            status, refused = await client.post(path, wrong)
            assert (status, refused["errors"][0]["code"], refused["errors"][0]["field"]) == (422, code, field)


async def test_a_list_has_pages(client: Client, membership: Membership) -> None:
    enterprise = await membership.enterprise()
    for day in ("2024-03-01", "2024-03-02", "2024-03-03"):
        await client.post("/v1/visits", visit(enterprise, day))
    _, first = await client.get("/v1/visits", enterprise=enterprise, limit=2)
    _, second = await client.get("/v1/visits", enterprise=enterprise, limit=2, after=first["next"])
    assert [item["visited_on"] for item in first["items"] + second["items"]] == ["2024-03-01", "2024-03-02", "2024-03-03"]
    assert second["next"] is None


async def test_corrections_change_the_list_and_a_withdrawal_empties_it(client: Client, membership: Membership) -> None:
    enterprise = await membership.enterprise()
    _, made = await client.post("/v1/visits", visit(enterprise, outcome="willing"))
    _, other = await client.post("/v1/visits", visit(enterprise, "2024-04-01"))
    changes = {"visited_on": "2024-03-02", "purpose": "rights", "outcome": None}
    _, corrected = await client.post("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "typo", "data": changes})
    assert await listed(client, enterprise) == [("2024-03-02", "rights", None), ("2024-04-01", "first_contact", None)]
    status, _ = await client.post("/v1/corrections", {"corrects": corrected["id"], "reason": "typo", "data": None})
    assert status == 201
    assert await listed(client, enterprise) == [("2024-04-01", "first_contact", None)]
    body = {"subject": f"enterprise/{enterprise}", "from": other["sequence"], "to": other["sequence"], "reason": "unreadable"}
    assert (await client.post("/v1/withdrawals", body))[0] == 201
    assert await listed(client, enterprise) == []


async def test_a_line_of_a_batch_corrects_nothing_of_another(client: Client, membership: Membership) -> None:
    enterprise = await membership.enterprise()
    outcomes = await membership.batch(
        [("visit", None, visit(enterprise)), ("visit", None, visit(enterprise, "2024-05-01", purpose="other"))]
    )
    assert [type(outcome).__name__ for outcome in outcomes] == ["Result", "Result"]
    assert await listed(client, enterprise) == [("2024-03-01", "first_contact", None), ("2024-05-01", "other", None)]


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"visited_on": "2999-01-01"}, "visited_on", "DATE_OUT_OF_RANGE"),
        ({"purpose": "tea"}, "purpose", None),
        ({"outcome": "谈得不错"}, "outcome", None),
        ({"visited_on": None}, "visited_on", None),
        ({"enterprise_id": "0190a000-0000-7000-8000-000000000000"}, "enterprise_id", None),
    ],
)
async def test_bad_input_names_its_field_and_changes_nothing(
    client: Client, membership: Membership, changes: dict[str, Any], field: str, code: str | None
) -> None:
    enterprise = await membership.enterprise()
    status, problem = await client.post("/v1/visits", {**visit(enterprise), **changes})
    assert status in (409, 422)
    assert problem["errors"][0]["field"] == field
    assert code in (None, problem["errors"][0]["code"])
    assert await membership.count("journal") == 0
    assert await membership.count("standing_facts") == 0


async def test_who_may_not_act_in_the_park_neither_records_nor_reads(membership: Membership) -> None:
    enterprise = await membership.enterprise("P1")
    app = api(settings_of(Settings))
    app.state.pool = membership.pool
    async with Client.of(app, *EVERY) as stranger:
        stranger.be("D2")
        assert (await stranger.post("/v1/visits", visit(enterprise)))[0] == 403
        assert (await stranger.get("/v1/visits", enterprise=enterprise))[0] == 403
        assert (await stranger.get("/v1/visits", enterprise=uuid7()))[0] == 404
