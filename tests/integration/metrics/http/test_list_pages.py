"""The lists of pages lead on to all of their lines, page by page; every page of the dashboard is in one of the two tables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from html import unescape

import httpx
import pytest
from fastapi.routing import APIRoute

from services.metrics import dashboard
from services.metrics.dashboard.panels import enterprises, table_rows
from services.metrics.dashboard.routes import changes, explanations, findings, pages, statistics
from shared.contracts.ids import uuid7
from shared.contracts.membership import CoverageStarted, UnionFounded, UnionKind
from shared.contracts.registry import EnterpriseRegistered, HeadcountReported
from tests.conftest import Database
from tests.integration.metrics.http.test_statistics import fold, open_case
from tests.integration.metrics.server import server_of
from tests.integration.metrics.service import Metrics, enterprise, metrics_database_of_a_test  # noqa: F401

SHOWN = 2
LISTS: Mapping[str, int] = {
    "/areas/D": 5,
    "/areas/P0": 5,
    "/enterprises/{enterprise}": 9,
    "/explain?measure=units&area=D": 9,
    "/explain?measure=units&area=D&sort=name": 9,
    "/explain?measure=unions&area=D": 3,
    "/changes?measure=workers&known_from={before}": 9,
    "/findings/HEADCOUNT_STALE?area=D": 9,
    "/statistics/cases_open?area=D": 3,
    "/held": 5,
}
"""{page: how many lines all its pages have}"""
ROUTES = {"/areas/{area}", "/enterprises/{enterprise}", "/explain", "/changes", "/findings/{finding}", "/statistics/{name}", "/held"}
PARTS = {"/D": "/{area}", "/P0": "/{area}", "/HEADCOUNT_STALE": "/{finding}", "/cases_open": "/{name}"}
"""{part of an address: that of its route}"""
WITHOUT_LISTS = {
    "/": "redirects, or lists the areas of the token, all of them",
    "/age": "three values",
    "/areas/{area}/recent": "the newest facts, a part of the area's page that says so",
    "/areas/{area}/trend.svg": "a chart",
    "/areas/{area}/waiting.svg": "a chart",
    "/areas/{area}/trend.csv": "complete",
    "/areas/{area}/waiting.csv": "complete",
    "/areas/{area}/coverage.csv": "complete",
    "/explain.csv": "complete",
    "/changes.csv": "complete",
    "/enterprises/{enterprise}/facts.csv": "complete",
    "/findings/{finding}/enterprises.csv": "complete",
    "/login": "a form",
    "/logout": "a form",
    "/sign-in": "redirects",
    "/sign-in/callback": "redirects",
    "/signed-out": "a sentence",
    "/static/{name}": "files",
}
HELD = """
INSERT INTO held (generation, shard, topic, "offset", source, subject, sequence, event_id, kind, error, event, known_day)
SELECT 1, 0, 't', n, '/services/registry', 'enterprise/' || gen_random_uuid(), 1, NULL, 'unreadable', 'x', '', NULL FROM generate_series(1, 5) AS n
"""


def test_every_page_is_known_to_this_test() -> None:
    found = {route.path for route in dashboard.router.routes if isinstance(route, APIRoute) and "GET" in (route.methods or ())}
    assert found - WITHOUT_LISTS.keys() == ROUTES
    assert {re.sub("|".join(PARTS), lambda part: PARTS[part[0]], page.partition("?")[0]) for page in LISTS} == ROUTES


async def build(metrics: Metrics) -> str:
    """A district with five parks, five enterprises in the first and one in each other one; the id of one with nine facts."""
    metrics.area("D", None)
    for number in range(5):
        metrics.area(f"P{number}", "D")
    made = ""
    for number in range(9):
        key, subject = enterprise()
        park = f"P{max(0, number - 4)}"
        registered = EnterpriseRegistered(enterprise_id=key, name=f"firm {number}", park=park, district="D")
        metrics.append(subject, registered, "2024-01-01")
        metrics.append(subject, HeadcountReported(workers=10 + number), "2024-01-01")
        if number < 3:
            union = uuid7()
            founded = UnionFounded(union_id=union, kind=UnionKind.ENTERPRISE_UNION, seat_area=park, name=f"union {number}")
            metrics.append(f"union/{union}", founded, "2024-02-01")
            metrics.append(subject, CoverageStarted(enterprise_id=key, union_id=union, kind=UnionKind.ENTERPRISE_UNION), "2024-02-01")
            open_case(metrics, (key, subject), "2024-03-01")
        made = made or str(key)
    for month in range(3, 8):
        metrics.append(f"enterprise/{made}", HeadcountReported(workers=10), f"2023-{month:02d}-01")
    await fold(metrics)
    await metrics.pool.execute(HELD)
    return made


async def lines(client: httpx.AsyncClient, page: str) -> list[str]:
    """The lines of the list of a page and of all that follow it."""
    found: list[str] = []
    while page:
        text = (await client.get(page)).raise_for_status().text
        (table,) = re.findall('<table class="(?:rows|plain timeline|plain list).*?</table>', text, re.DOTALL)
        rows = re.findall(r"<tr.*?</tr>", table[table.index("<tbody") : table.index("</tbody>")], re.DOTALL)
        assert 0 < len(rows) <= SHOWN
        found += rows
        following = re.search(r'rel="next" href="([^"]+)"', text)
        page = unescape(following[1]) if following else ""
    return found


@pytest.fixture(name="few")
def few_lines_a_page(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (enterprises, changes, explanations, findings, statistics):
        monkeypatch.setattr(module, "SHOWN", SHOWN)
    monkeypatch.setattr(pages, "HELD_SHOWN", SHOWN)
    monkeypatch.setattr(table_rows, "MOST_ROWS", SHOWN)


@pytest.mark.usefixtures("few")
async def test_every_list_of_a_page_leads_on_to_all_of_its_lines(metrics_database: Database) -> None:
    async with server_of(metrics_database) as server:
        made = await build(server.metrics)
        before = (server.metrics.today - timedelta(days=1)).isoformat()
        async with server.client() as client:
            for page, total in LISTS.items():
                found = await lines(client, page.replace("{enterprise}", made).replace("{before}", before))
                assert len(found) == total, page
                assert len(set(found)) == total, page
