"""`readings export`: every page of the log, by area and days."""

from __future__ import annotations

import httpx

from deploy.local.commands.persons.readings import exported
from deploy.local.loading.api import Apis


async def test_every_page_is_exported_with_its_limits() -> None:
    asked: list[dict[str, str]] = []

    def service(request: httpx.Request) -> httpx.Response:
        assert request.url.path == "/v1/readings"
        asked.append({name: value for name, value in request.url.params.items() if name != "limit"})
        later = "after" in request.url.params
        return httpx.Response(200, json={"items": [{"number": 2 if later else 1}], "next": None if later else "1"})

    apis = Apis({"cases": "http://c"}, lambda: "token", httpx.AsyncClient(transport=httpx.MockTransport(service)))
    assert await exported(apis, "D1", "2026-07-01", None) == [{"number": 1}, {"number": 2}]
    limits = {"area": "D1", "from": "2026-07-01"}
    assert asked == [limits, {**limits, "after": "1"}]
