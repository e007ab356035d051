"""What the registry answers, and to whom."""

from __future__ import annotations

from typing import Any

import pytest

from shared.http.auth import Areas
from shared.process import db
from tests.integration.registry.service import CODE, Registry, line, registry_of_a_test, settling  # noqa: F401


async def all_pages(registry: Registry, path: str, limit: int, **params: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after: dict[str, str] = {}
    while True:
        status, page = await registry.get(path, limit=limit, **params, **after)
        assert status == 200, page
        items += page["items"]
        if page["next"] is None:
            return items
        after = {"after": page["next"]}


async def test_a_part_of_a_name_or_code_finds_an_enterprise(registry: Registry) -> None:
    names = ["杭州华兴电子有限公司", "宁波华兴机械有限公司", "Acme  Tooling Ltd", "ＡＣＭＥ Paper", "100% 鑫"]
    answers = await registry.batch(
        *(line("enterprise", **settling(name=name)) for name in names), line("enterprise", **settling(credit_code=CODE))
    )
    assert {answer["status"] for answer in answers} == {201}
    for q, wanted in (
        ("华兴", [0, 1]),
        ("兴电", [0]),
        ("鑫", [4]),
        ("acme", [2, 3]),
        ("ACME TOOL", [2]),
        ("0%", [4]),
        ("q", []),
        ("_", []),
        (CODE[3:9].lower(), [5]),
        ("公司 9135", [5]),
    ):
        _, found = await registry.get("/v1/enterprises", q=q)
        assert [item["id"] for item in found["items"]] == [answers[n]["id"] for n in wanted], q


async def test_a_search_finds_what_lies_behind_the_first_thousands(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    from services.registry.enterprises import store

    monkeypatch.setattr(store, "NEXT", store.NEXT.replace(f"LIMIT {store.WINDOW}", "LIMIT 3"))
    lines = [line("enterprise", **settling(name=f"{'稀有' if n % 7 == 6 else '常见'}公司 {n}")) for n in range(40)]
    answers = await registry.batch(*lines)
    wanted = [answer["id"] for n, answer in enumerate(answers) if n % 7 == 6]
    assert [item["id"] for item in await all_pages(registry, "/v1/enterprises", 2, q="稀有")] == wanted


async def test_lists_come_in_signed_pages_without_gaps_or_repeats(registry: Registry) -> None:
    answers = await registry.batch(*(line("enterprise", **settling(name=f"公司{n}", park=f"D{n % 2 + 1}-P001")) for n in range(25)))
    ids = [answer["id"] for answer in answers]
    assert [item["id"] for item in await all_pages(registry, "/v1/enterprises", 4)] == ids
    assert [item["id"] for item in await all_pages(registry, "/v1/enterprises", 4, area="D2")] == ids[1::2]
    assert [item["id"] for item in await all_pages(registry, "/v1/enterprises", 3, area="D1-P001", q="公司1")] == [
        ids[n] for n in (10, 12, 14, 16, 18)
    ]
    assert [item["code"] for item in await all_pages(registry, "/v1/areas", 2)] == ["D1", "D1-P001", "D2", "D2-P001", "R"]
    assert [item["code"] for item in await all_pages(registry, "/v1/areas", 2, parent="R")] == ["D1", "D2"]
    assert [item["code"] for item in await all_pages(registry, "/v1/areas", 2, parent="")] == ["R"]
    assert [item["code"] for item in await all_pages(registry, "/v1/areas", 2, q="产业")] == ["D1-P001", "D2-P001"]
    _, page = await registry.get("/v1/enterprises", limit=4)
    for path, cursor in (("/v1/enterprises", "abc"), ("/v1/enterprises", page["next"][:-2] + "AA"), ("/v1/areas", page["next"])):
        status, problem = await registry.get(path, after=cursor)
        assert (status, problem["code"]) == (400, "BAD_CURSOR")


async def test_bad_questions_have_clear_answers(registry: Registry) -> None:
    for path, params, status, code in (
        ("/v1/enterprises", {"area": "X"}, 422, "UNKNOWN_AREA"),
        ("/v1/enterprises", {"area": "%"}, 422, "BAD_AREA_CODE"),
        ("/v1/enterprises", {"limit": 0}, 422, "OUT_OF_RANGE"),
        ("/v1/enterprises", {"limit": "x"}, 422, "NOT_A_WHOLE_NUMBER"),
        ("/v1/enterprises/7", {}, 422, "INVALID_ID"),
        ("/v1/enterprises/0197f3a0-1c00-7a11-8b22-000000000001", {}, 404, "NOT_FOUND"),
        ("/v1/areas/X", {}, 404, "NOT_FOUND"),
        ("/v1/areas", {"parent": "X"}, 422, "UNKNOWN_AREA"),
        ("/v1/events", {}, 422, "FIELD_REQUIRED"),
        ("/v1/events", {"subject": "union/1"}, 422, "INVALID_SUBJECT"),
        ("/v1/events", {"subject": "enterprise/1"}, 422, "INVALID_SUBJECT"),
        ("/v1/events", {"subject": "area/X"}, 404, "NOT_FOUND"),
    ):
        got, problem = await registry.get(path, **params)
        assert (got, problem["code"]) == (status, code), (path, params)


@pytest.mark.invariant("I6")
async def test_another_area_is_403_on_every_route(registry: Registry) -> None:
    made = await registry.made("/v1/enterprises", settling())
    own = await registry.made("/v1/enterprises", settling(park="D2-P001"))
    path = f"/v1/enterprises/{made['id']}"
    count = await registry.count()
    registry.be("D2")
    writes: list[tuple[str, Any]] = [
        ("/v1/areas", {"code": "D1-P009", "name": "园", "kind": "park", "parent": "D1"}),
        ("/v1/areas", {"code": "S", "name": "根", "kind": "division"}),
        ("/v1/areas", {"code": "S", "name": "根", "kind": "division", "parent": "no-such-area"}),
        ("/v1/enterprises", settling()),
        ("/v1/enterprises", settling(park="no-such-park")),
        (f"{path}/headcounts", {"on": "2021-01-01", "workers": 3}),
        (f"{path}/moves", {"on": "2021-01-01", "park": "D2-P001"}),
        (f"/v1/enterprises/{own['id']}/moves", {"on": "2021-01-01", "park": "D1-P001"}),
        (f"{path}/classifications", {"on": "2021-01-01", "industry": "C"}),
        (f"{path}/closure", {"on": "2021-01-01", "reason": "other"}),
        ("/v1/corrections", {"corrects": made["event_ids"][0], "reason": "other", "data": None}),
        ("/v1/corrections", {"corrects": own["event_ids"][0], "reason": "other", "data": {"park": "D1-P001"}}),
    ]
    for url, body in writes:
        status, problem = await registry.post(url, body)
        assert (status, problem["code"]) == (403, "AREA_NOT_GRANTED"), url
    answers = await registry.batch(
        line("headcount", enterprise_id=made["id"], on="2021-01-01", workers=3),
        line("headcount", enterprise_id=own["id"], on="2021-01-01", workers=3),
    )
    assert [answer["status"] for answer in answers] == [403, 201]
    reads: list[tuple[str, dict[str, str]]] = [
        ("/v1/enterprises", {}),
        ("/v1/enterprises", {"area": "D1"}),
        ("/v1/enterprises", {"area": "R", "q": "某"}),
        ("/v1/enterprises", {"area": "no-such-area"}),
        (path, {}),
        ("/v1/areas", {}),
        ("/v1/areas", {"parent": "R"}),
        ("/v1/areas/D1", {}),
        ("/v1/areas/no-such-area", {}),
        ("/v1/events", {"subject": made["subject"]}),
        ("/v1/events", {"subject": "area/D1"}),
    ]
    for url, params in reads:
        status, problem = await registry.get(url, **params)
        assert (status, problem["code"]) == (403, "AREA_NOT_GRANTED"), (url, params)
    assert (await registry.get("/v1/enterprises", area="D2"))[1]["items"][0]["id"] == own["id"]
    assert (await registry.get("/v1/areas", parent="D2"))[1]["items"][0]["code"] == "D2-P001"
    assert (await registry.get(f"/v1/enterprises/{own['id']}"))[0] == 200
    assert (await registry.count())[0] == count[0] + 1


@pytest.mark.invariant("I6")
async def test_a_token_without_areas_or_scope_gets_nothing(registry: Registry) -> None:
    registry.be()
    assert (await registry.get("/v1/enterprises", area="D1"))[0] == 403
    registry.be("*", scopes=frozenset({"registry:read"}))
    status, problem = await registry.post("/v1/enterprises", settling())
    assert (status, problem["code"]) == (403, "SCOPE_MISSING")
    assert (await registry.http.post("/v1/batch", content=b"{}", headers={"Content-Type": "application/x-ndjson"})).status_code == 403
    registry.be("*", scopes=frozenset({"registry:write"}))
    for path in ("/v1/enterprises", "/v1/areas", "/v1/areas/D1", "/v1/events?subject=area/D1"):
        assert (await registry.http.get(path)).status_code == 403


@pytest.mark.invariant("I6")
@pytest.mark.parametrize(
    ("areas", "parks"), [((), set()), (("D1",), {"D1-P001"}), (("D2-P001", "X"), {"D2-P001"}), (("*",), {"D1-P001", "D2-P001"})]
)
async def test_row_level_security_shows_granted_rows_only(registry: Registry, areas: tuple[str, ...], parks: set[str]) -> None:
    for park in ("D1-P001", "D2-P001"):
        await registry.enterprise(park=park)
    async with db.transaction(registry.pool, areas=Areas.of(areas)) as conn:
        assert {row["park"] for row in await conn.fetch("SELECT park FROM enterprises")} == parks
        assert {row["code"] for row in await conn.fetch("SELECT code FROM areas WHERE kind = 'park'")} == parks
    async with db.transaction(registry.pool) as conn:
        assert await conn.fetch("SELECT FROM enterprises") == []
