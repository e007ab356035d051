"""Cases and agreements on the pages: the panel beside the coverage, the list behind each number, and the timeline of an enterprise."""

from __future__ import annotations

import html
import re
from collections.abc import AsyncIterator
from datetime import date

import pytest

from shared.contracts.cases.agreements import ContractEffective
from shared.contracts.ids import uuid7
from tests.conftest import NewDatabase
from tests.integration.metrics.dashboard.test_pages import RAW, officer, text_of, visible
from tests.integration.metrics.http.test_statistics import city, fold, open_case, overdue, settle
from tests.integration.metrics.server import MetricsServer, server_of

AS_OF = "2024-06-01"


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[MetricsServer]:
    async with server_of(await database("metrics")) as made:
        yield made


async def test_the_panel_stands_beside_the_coverage_and_leads_to_the_cases(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    one, two = settle(metrics, "D1-P001"), settle(metrics, "D1-P002")
    async with officer(server) as http:
        await fold(metrics)
        assert "Cases and agreements" not in await text_of(http, "/areas/C", as_of=AS_OF)
        case, _ = open_case(metrics, one, "2024-02-01", collective=True)
        open_case(metrics, two, "2024-02-01")
        overdue(metrics, one, case, "2024-02-20")
        metrics.append(
            one[1], ContractEffective(contract_id=uuid7(), kind="wage", enterprise_id=one[0], until=date(2024, 12, 31)), "2024-02-01"
        )
        await fold(metrics)
        page = await text_of(http, "/areas/C", as_of=AS_OF)
        for said in ("2 open", "1 overdue", "1 collective in twelve months", "Contract coverage 50.0 % (1 / 2 units)"):
            assert said in page
        assert "未办结 2 件" in await text_of(http, "/areas/C", "zh", as_of=AS_OF)
        assert "1 open" in await text_of(http, "/areas/D1-P002", as_of=AS_OF)
        raw = (await http.get("/areas/C", params={"as_of": AS_OF, "lang": "en"})).text
        addresses = re.findall(r'href="(/statistics/[^"]*)"', raw)
        assert len(addresses) == 4
        pages = [visible((await http.get(f"{html.unescape(address)}&lang=en")).text) for address in addresses]
        assert all("某厂" in page and not RAW.search(page) for page in pages)
        assert "Rights case 2024-02-01 · Period overdue 2024-02-21" in pages[1]
        timeline = await text_of(http, f"/enterprises/{one[0]}", as_of=AS_OF)
        for said in ("Rights case", "wage arrears", "reported on 2024-02-01", "Period overdue", "Contract in effect"):
            assert said in timeline
        assert "维权案件" in await text_of(http, f"/enterprises/{one[0]}", "zh", as_of=AS_OF)
    async with officer(server, "D1-P002") as http:
        await text_of(http, "/statistics/cases_open", status=403, area="C")
        await text_of(http, "/statistics/aid_by_kind", status=404, area="D1-P002")


async def test_a_timeline_over_http_has_cases_and_agreements(server: MetricsServer) -> None:
    metrics = server.metrics
    city(metrics)
    who = settle(metrics, "D1-P001")
    open_case(metrics, who, "2024-02-01", workers_concerned=12)
    await fold(metrics)
    async with server.client() as client:
        facts = (await client.get(f"/v1/enterprises/{who[0]}/facts", params={"as_of": AS_OF})).json()["items"]
    says = [one["says"] for one in facts if one["type"] == "parkunion.case-opened.v1"]
    assert [(one["kind"], one["reported_on"], one["workers_concerned"]) for one in says] == [("wage_arrears", "2024-02-01", 12)]
