"""What the pages say is true, in both languages, in words of people, and of one moment."""

from __future__ import annotations

import csv
import html
import io
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from services.metrics.counted import BY_KIND, Area, DayClosing
from services.metrics.dashboard.panels.table_rows import scale, spark
from services.metrics.dashboard.words import LANGUAGES, Language, Words, catalogue
from services.metrics.figures.definitions import DEFINITIONS
from services.metrics.figures.findings import MEANINGS, Finding
from services.metrics.figures.freshness import StaleReason
from services.metrics.figures.questions import Point
from services.metrics.figures.stores.figure_store import TREND
from services.metrics.measures import MEASURES, RATES
from shared.contracts.membership import UnionKind, VisitPurpose
from shared.problems.catalogue import FIELDS, METRICS, REQUESTS
from tests.conftest import NewDatabase
from tests.integration.metrics.http.test_coverage import city, settle
from tests.integration.metrics.server import MetricsServer, server_of
from tests.integration.metrics.service import CLOCK
from tests.patience import PATIENCE

RAW = re.compile(r"\b[A-Z]{2,}\d*(?:_[A-Z0-9]+)+\b")
"""A code as programs write it."""
SAID_ASIDE = re.compile(r'(?:title|alt|aria-label|data-label)="([^"]*)"')


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[MetricsServer]:
    async with server_of(await database("metrics")) as made:
        yield made


@asynccontextmanager
async def officer(server: MetricsServer, *areas: str) -> AsyncIterator[httpx.AsyncClient]:
    """A browser's requests, after login."""
    async with server.client(*areas) as api:
        code = (await api.post("/v1/login-codes")).json()["url"].partition("/login")[2]
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        answer = await http.get(f"/login{code}")
        http.headers["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
        yield http


def visible(page: str) -> str:
    """What a reader sees or hears of a page."""
    body = re.sub(r"<(script|style)\b.*?</\1>", " ", page, flags=re.DOTALL)
    aside = " ".join(SAID_ASIDE.findall(body))
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", body) + " " + aside).split())


async def text_of(http: httpx.AsyncClient, address: str, language: str = "en", status: int = 200, **params: Any) -> str:
    answer = await http.get(address, params={**params, "lang": language})
    assert answer.status_code == status, (address, answer.status_code)
    return visible(answer.text)


async def test_where_nothing_is_known_the_page_says_so_and_does_not_praise(server: MetricsServer) -> None:
    city(server.metrics)
    settle(server.metrics, "D1-P001", 30, 10, UnionKind.ENTERPRISE_UNION)
    await server.metrics.fold()
    async with officer(server) as http:
        assert "Every unit that should has a union" in await text_of(http, "/areas/C", as_of="2024-06-01")
        for address in ("/areas/C", "/areas/D1-P001"):
            before = await text_of(http, address, as_of="2024-06-01", known_at="2024-06-02")
            assert "Every unit that should has a union" not in before
            assert "Nothing is known of any enterprise" in before
            assert "As of 2024-06-01, as known on 2024-06-02, nothing is known of any enterprise here." in before
            assert "Register one" not in before
        assert "尚无任何企业的信息" in await text_of(http, "/areas/C", "zh", as_of="2024-06-01", known_at="2024-06-02")
        # One enterprise that is known, and that should not organise by this basis.
        settled = await text_of(http, "/areas/C", as_of="2021-06-01", founding="ge25")
        assert "No unit should organise on this basis" in settled


async def test_numbers_that_stand_together_are_of_one_basis(server: MetricsServer) -> None:
    city(server.metrics)
    for workers, covered in ((30, UnionKind.ENTERPRISE_UNION), (40, None), (3, None), (4, None)):
        settle(server.metrics, "D1-P001", workers, 0, covered)
    await server.metrics.fold()
    async with officer(server) as http:
        every = await text_of(http, "/areas/C", as_of="2024-06-01")
        large = await text_of(http, "/areas/C", as_of="2024-06-01", founding="ge25")
        assert "3 units without a union" in every
        assert "1 unit without a union" in large
        assert "To do · 25 or more workers" in large
        answer = await http.get("/areas/C", params={"as_of": "2024-06-01", "founding": "ge25"})
        assert "measure=units_without_union_all" not in answer.text.partition("<table")[0]


async def test_a_day_to_come_is_an_outlook_and_what_will_be_known_is_refused(server: MetricsServer) -> None:
    city(server.metrics)
    settle(server.metrics, "D1-P001", 30, 10, UnionKind.ENTERPRISE_UNION)
    await server.metrics.fold()
    today = CLOCK.day_of(await server.metrics.pool.fetchval("SELECT parkunion_now()"))
    later = (today + timedelta(days=400)).isoformat()
    async with server.client() as api:
        answer = (await api.get("/v1/coverage", params={"as_of": later})).json()
        assert answer["provisional"][0] == "FUTURE"
        assert answer["rows"][-1]["units_headcount_stale"] == 1, "future steps are included"
        asked: list[tuple[str, str, dict[str, str]]] = [
            ("coverage", "known_at", {}),
            ("durations", "known_at", {}),
            ("coverage/findings/HEADCOUNT_STALE", "known_at", {}),
            ("coverage/changes", "known_to", {"known_from": "2024-01-01"}),
        ]
        for path, field, more in asked:
            refused = await api.get(f"/v1/{path}", params={field: later, **more})
            problem = refused.json()
            assert (refused.status_code, problem["code"], problem["errors"][0]["field"]) == (422, "KNOWN_IN_FUTURE", field), path
            assert f"is not known today ({today})" in refused.text
    async with officer(server) as http:
        ahead = await text_of(http, "/areas/C", as_of=later)
        assert "Outlook for a day to come" in ahead
        assert f"the business date {later} is still to come" in ahead
        assert "Figures of a past date" not in ahead
        assert "是按目前所知的预计" in await text_of(http, "/areas/C", "zh", as_of=later)
        assert "Figures of a past date" in await text_of(http, "/areas/C", as_of="2024-06-01")
        assert f"is not known today ({today})" in await text_of(http, "/areas/C", status=422, known_at=later)


def test_small_trends_of_one_column_have_one_scale() -> None:
    def points(*percents: float) -> list[Point]:
        return [
            Point(date(2026, month, 1), dict.fromkeys(TREND, 0) | {"covered_all": round(10 * p), "should_organise_all": 1000})
            for month, p in enumerate(percents, 1)
        ]

    flat, steep = points(16.7, 17.0, 17.6), points(27.7, 35, 44.4)
    words = Words("en", CLOCK.zone)
    measure = "unit_founding_rate_all"
    low, high = scale((flat, steep), measure)
    assert (low, high) == (0.167, 0.444)

    def rise(series: list[Point]) -> float:
        drawn = spark(series, measure, words, low, high)
        assert drawn is not None
        heights = [float(point.partition(",")[2]) for point in drawn.points.split()]
        return heights[0] - heights[-1]

    assert 0 < rise(flat) < rise(steep) / 10


async def test_what_just_happened_has_its_day_and_visits_are_there(server: MetricsServer) -> None:
    from shared.contracts.ids import uuid7
    from shared.contracts.membership import VisitMade

    city(server.metrics)
    made = settle(server.metrics, "D1-P001", 30, 10, UnionKind.ENTERPRISE_UNION)
    server.metrics.append(
        f"enterprise/{made}", VisitMade(visit_id=uuid7(), enterprise_id=made, purpose=VisitPurpose.FOUNDING), "2024-06-02"
    )
    await server.metrics.fold()
    async with officer(server) as http:
        page = await text_of(http, "/areas/D1-P001")
    assert re.search(r"2024-06-03 10:0\d Visit 东园", page), page


async def test_findings_stand_on_the_pages_and_lead_to_the_enterprises(server: MetricsServer) -> None:
    city(server.metrics)
    settle(server.metrics, "D1-P002", 30, 10, UnionKind.ENTERPRISE_UNION)
    odd = settle(server.metrics, "D1-P001", 2, 5, UnionKind.ENTERPRISE_UNION, name="=小厂")
    await server.metrics.fold()
    async with officer(server) as http:
        for address in ("/areas/C", "/areas/D1-P001"):
            page = await http.get(address, params={"as_of": "2024-06-01", "lang": "zh"})
            assert "1 家单位会员多于职工（会员 5 人，职工 2 人）" in page.text
            assert "250.0" in visible(page.text)
        link = re.search(r'<li data-finding="MEMBERS_OVER_WORKERS"><a href="([^"]+)"', page.text)
        assert link is not None
        listed = await http.get(html.unescape(link[1]))
        assert f"/enterprises/{odd}" in listed.text
        download = re.search(r'href="(/findings/MEMBERS_OVER_WORKERS/enterprises.csv[^"]*)"', listed.text)
        assert download is not None
        answer = await http.get(html.unescape(download[1]) + "&lang=en")
        (line,) = csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig")))
    assert (line["id"], line["name"], line["members"], line["workers"]) == (str(odd), "'=小厂", "5", "2")
    assert (line["as_of"], line["finding"], line["area"]) == ("2024-06-01", "MEMBERS_OVER_WORKERS", "D1-P001")
    async with officer(server, "D2") as stranger:
        assert (await stranger.get(html.unescape(link[1]))).status_code == 403


def addresses(made: UUID) -> list[str]:
    days = ("", "&as_of=2024-06-01", "&as_of=2024-06-01&known_at=2024-06-02", "&as_of=2030-01-01")
    pages = [
        "/areas/C?sort=name",
        "/areas/D1-P001?sort=name",
        f"/enterprises/{made}?sort=name",
        *(f"/findings/{finding}?area=C" for finding in Finding),
    ]
    measures = (*MEASURES, *RATES, "time_to_found", "units_without_union_all", "headcount_completeness", "founding_lag")
    explained = [f"/explain?measure={measure}&area=C" for measure in measures]
    return (
        [page + day for page in pages for day in days]
        + explained
        + ["/age", "/held", "/areas/NOWHERE", "/areas/C?as_of=2999-01-01", "/areas/C?sort=wrong"]
    )


@pytest.mark.parametrize("language", LANGUAGES)
async def test_no_page_shows_a_raw_code(server: MetricsServer, language: Language) -> None:
    city(server.metrics)
    made = settle(server.metrics, "D1-P001", 2, 5, UnionKind.ENTERPRISE_UNION)
    settle(server.metrics, "D1-P001", None, 2)
    await server.metrics.fold()
    await server.metrics.close_everywhere(date(2024, 6, 2), shards=12)
    async with officer(server) as http:
        for address in addresses(made):
            answer = await http.get(f"{address}{'&' if '?' in address else '?'}lang={language}")
            assert not RAW.findall(visible(answer.text)), (address, RAW.findall(visible(answer.text)))
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as nobody:
        for address in ("/areas/C", "/login?code=used"):
            assert not RAW.findall(visible((await nobody.get(f"{address}{'&' if '?' in address else '?'}lang={language}")).text))


@pytest.mark.parametrize("language", LANGUAGES)
def test_everything_that_has_a_code_has_words(language: Language) -> None:
    """A new measure, kind, reason or finding cannot reach people without a text."""
    words, keys = Words(language, CLOCK.zone), catalogue(language)
    assert {*MEASURES, *RATES, "time_to_found"} <= DEFINITIONS.keys()
    assert set(Finding) == MEANINGS.keys()
    wanted = {f"finding.{finding}" for finding in Finding} | {f"age.{reason}" for reason in StaleReason}
    wanted |= {f"kind.{kind.value}" for kind in UnionKind} | {f"says.purpose.{purpose.value}" for purpose in VisitPurpose}
    wanted |= {f"happened.{kind}" for kind, row in BY_KIND.items() if not isinstance(row, Area | DayClosing)}
    assert not wanted - keys.keys()
    texts = [text for key in keys for text in keys[key]] + [words.name_of(measure) for measure in DEFINITIONS]
    texts += [text for meaning in MEANINGS.values() for text in meaning] + [
        entry.title_en + entry.title_zh for table in (REQUESTS, FIELDS, METRICS) for entry in table.values()
    ]
    assert not [text for text in texts if RAW.search(text)]
