"""Held streams over HTTP, their figures for alerts, and whose names the pages show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import UUID

import httpx
import pytest

from shared import contracts
from shared.contracts.registry import EnterpriseRegistered
from shared.process.db import Pool
from tests.conftest import NewDatabase
from tests.dummy_service.reading import fact
from tests.integration.metrics.server import MetricsServer, server_of
from tests.integration.metrics.service import enterprise

ALL = "metrics:read metrics:operate"
REGISTRY = "/services/registry"


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[MetricsServer]:
    async with server_of(await database("metrics")) as made:
        made.metrics.area("ROOT", None)
        for code in ("D1", "D2"):
            made.metrics.area(code, "ROOT")
            made.metrics.area(f"{code}-P1", code)
        yield made


async def settle(server: MetricsServer, park: str) -> UUID:
    key, subject = enterprise()
    server.metrics.append(subject, EnterpriseRegistered(enterprise_id=key, name=f"企业{park}", park=park, district=park[:2]), "2024-01-05")
    await server.metrics.fold()
    return key


async def hold(pool: Pool, subject: str, sequence: int, kind: str, *, error: str | None = None, raw: bytes | None = None) -> None:
    """What a reader would have written."""
    event = fact(subject or "x/y", max(1, sequence), source=REGISTRY)
    await pool.execute(
        'INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, event_id, kind, error, event) '
        "VALUES (1, 0, 'registry', (SELECT count(*) FROM held), $1, $2, $3, $4, $5, $6, $7)",
        REGISTRY if subject else "",
        subject,
        sequence,
        event.id,
        kind,
        error,
        raw or contracts.encode(event),
    )


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["errors"][0]["code"])


async def test_held_streams_are_listed_page_by_page_and_looked_into(server: MetricsServer) -> None:
    pool = server.metrics.pool
    await hold(pool, "enterprise/a", 3, "refused", error="HEADCOUNT: -1")
    await hold(pool, "enterprise/a", 4, "early")
    await hold(pool, "enterprise/b", 7, "early")
    await hold(pool, "", 0, "unreadable", error="no JSON", raw=b"\x00garbage")
    await hold(pool, "", 0, "unreadable", error="no JSON", raw=b"")
    async with server.client() as http:
        found, after = [], None
        while True:
            page = (await http.get("/v1/parked", params={"limit": 1} | ({"after": after} if after else {}))).json()
            found += page["items"]
            after = page["next"]
            if after is None:
                break
        shown = [(one["subject"], one["place"], one["kind"], one["sequence"], one["waiting"], one["error"]) for one in found]
        assert shown == [
            ("", "registry/0/3", "unreadable", 0, 0, "no JSON"),
            ("", "registry/0/4", "unreadable", 0, 0, "no JSON"),
            ("enterprise/a", None, "refused", 3, 1, "HEADCOUNT: -1"),
            ("enterprise/b", None, "early", 7, 0, None),
        ]
        bare = {"code": None, "zh": "", "en": "", "detail": "no JSON"}
        coded = {"code": "HEADCOUNT", "zh": "职工人数须在 0 与 10⁹ 之间", "en": "a headcount lies between 0 and 10⁹", "detail": "-1"}
        assert [one["reason"] for one in found] == [bare, bare, coded, None]
        early = (await http.get("/v1/parked", params={"kind": "early"})).json()["items"]
        assert [one["subject"] for one in early] == ["enterprise/b"]
        events = (await http.get("/v1/parked/events", params={"source": REGISTRY, "subject": "enterprise/a"})).json()["items"]
        assert [(one["sequence"], one["event"]["subject"], one["raw"]) for one in events] == [
            (3, "enterprise/a", None),
            (4, "enterprise/a", None),
        ]
        assert [one["reason"] for one in events] == [coded, None]
        assert (await http.get("/v1/parked/events", params={"source": "", "subject": ""})).status_code == 422


async def test_trying_again_marks_the_heads_that_can_be_tried(server: MetricsServer) -> None:
    pool = server.metrics.pool
    for subject, sequence, kind in (
        ("enterprise/a", 3, "refused"),
        ("enterprise/a", 4, "early"),
        ("enterprise/b", 7, "early"),
        ("enterprise/c", 1, "fork"),
    ):
        await hold(pool, subject, sequence, kind)
    async with server.client(scope=ALL) as http:
        answer = await http.post("/v1/parked/retry", json={"subject": "enterprise/b"})
        assert (answer.status_code, answer.json()["asked"]) == (202, 0)
        assert (await http.post("/v1/parked/retry", json={})).json()["asked"] == 1
        assert [(one["subject"], one["retry_wanted"]) for one in (await http.get("/v1/parked")).json()["items"]] == [
            ("enterprise/a", True),
            ("enterprise/b", False),
            ("enterprise/c", False),
        ]


async def test_only_the_whole_deployment_and_for_trying_only_operators(server: MetricsServer) -> None:
    async with server.client("ROOT", scope=ALL) as http:
        assert code_of(await http.get("/v1/parked")) == "AREA_NOT_GRANTED"
    async with server.client() as http:
        assert code_of(await http.post("/v1/parked/retry", json={})) == "SCOPE_MISSING"


async def test_the_figures_for_alerts_tell_what_is_held_and_that_a_reader_has_halted(server: MetricsServer) -> None:
    pool = server.metrics.pool
    await settle(server, "D1-P1")
    await hold(pool, "enterprise/a", 3, "refused")
    await hold(pool, "enterprise/a", 4, "early")
    async with server.client() as http:
        text = (await http.get("/metrics")).text
        assert 'parkunion_held_events{kind="refused"} 1.0' in text
        assert 'parkunion_held_events{kind="fork"} 0.0' in text
        assert "parkunion_held_streams 1.0" in text
        assert "parkunion_reader_halted 0.0" in text
        await pool.execute("UPDATE shards SET halted = 'more than 20 streams were parked within a minute'")
        assert "parkunion_reader_halted 1.0" in (await http.get("/metrics")).text


@pytest.mark.invariant("I6")
async def test_the_page_shows_each_caller_the_held_enterprises_of_the_own_areas(server: MetricsServer) -> None:
    ours, theirs = await settle(server, "D1-P1"), await settle(server, "D2-P1")
    for key in (ours, theirs):
        await hold(server.metrics.pool, f"enterprise/{key}", 2, "refused", error="a headcount of -1")
    await hold(server.metrics.pool, "union/u", 1, "early")
    seen = {}
    for areas in (("*",), ("D1",)):
        async with server.client(*areas) as http:
            page = (await http.get("/held")).text
            seen[areas] = ["企业D1-P1" in page, "企业D2-P1" in page, "union/u" in page]
            assert ("held" in (await http.get("/areas/D1")).text) is True
            assert "/held" in (await http.get(f"/enterprises/{ours}")).text
    assert seen == {("*",): [True, True, True], ("D1",): [True, False, False]}
    async with server.client("D2") as http:
        assert (await http.get(f"/enterprises/{ours}")).status_code == 403
