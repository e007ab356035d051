"""The stream serves what GET /v1/coverage serves, and every change of it, to whom it may be shown, without ever piling up."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import date, timedelta
from typing import Any

import asyncpg
import httpx
import pytest

from services.metrics.tables import feed_rows
from shared.contracts.ids import uuid7
from shared.contracts.membership import VisitMade, VisitPurpose
from shared.contracts.registry import EnterpriseMoved, HeadcountReported
from tests.browser.city import City, build_city, join
from tests.conformance import Document
from tests.conftest import Database, NewDatabase
from tests.dummy_service.reading import until
from tests.histories import history, interleaved
from tests.integration.metrics.server import MetricsServer, server_of
from tests.integration.metrics.service import Metrics
from tests.patience import PATIENCE

ADDED = ("full", "version", "newest", "age_ms")


class Follower:
    """One open stream: `figures` are the rows as told so far."""

    def __init__(self, answer: httpx.Response, document: Document) -> None:
        self._document = document
        self._lines = answer.aiter_lines()
        self.figures: dict[str, Any] = {}
        self.version = ""
        self.last: dict[str, Any] = {}

    async def event(self) -> tuple[str, dict[str, Any], str | None]:
        """The next event: name, data, id. It is as the document says."""
        name, data, event_id = "", "", None
        async for line in self._lines:
            field, _, value = line.partition(": ")
            match field:
                case "event":
                    name = value
                case "data":
                    data = value
                case "id":
                    event_id = value
                case "" if name:
                    self._document.require_event("/v1/coverage/stream", name, json.loads(data))
                    return name, json.loads(data), event_id
        raise EOFError

    async def coverage(self) -> dict[str, Any]:
        """The next figures, taken in."""
        async with asyncio.timeout(PATIENCE):
            while True:
                name, data, event_id = await self.event()
                if name == "coverage":
                    assert event_id == data["version"]
                    self.figures = ({} if data["full"] else self.figures) | {row["area"]: row for row in data["rows"]}
                    self.version, self.last = data["version"], data
                    return data

    async def until(self, version: str) -> None:
        """Take in figures up to a version vector."""
        while not reached(self.version, version):
            await self.coverage()


def reached(version: str, wanted: str) -> bool:
    made, _, vector = version.partition(":")
    other, _, needed = wanted.partition(":")
    return made == other and all(int(a) >= int(b) for a, b in zip(vector.split("."), needed.split("."), strict=True))


@asynccontextmanager
async def following(server: MetricsServer, *areas: str, claims: dict[str, Any] | None = None, **params: Any) -> AsyncIterator[Follower]:
    async with server.client(*areas, **(claims or {})) as http, http.stream("GET", "/v1/coverage/stream", params=params) as answer:
        assert answer.status_code == 200, await answer.aread()
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield Follower(answer, server.document())


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[MetricsServer]:
    async with server_of(await database("metrics")) as made:
        yield made


@pytest.fixture
async def city(server: MetricsServer) -> City:
    return await build_city(server.metrics, scale=40)


async def served(server: MetricsServer, **params: Any) -> dict[str, Any]:
    async with server.client() as http:
        answer = await http.get("/v1/coverage", params=params)
    assert answer.status_code == 200
    return {"version": answer.headers["x-parkunion-version"], **answer.json()}


async def figures_of(server: MetricsServer, **params: Any) -> dict[str, Any]:
    """As `served`, without what is said of the list as a whole, which the stream does not have."""
    answer = await served(server, **params)
    del answer["left_out"]
    return answer


def figures(body: dict[str, Any]) -> dict[str, Any]:
    return {row["area"]: row for row in body["rows"]}


async def test_the_first_event_is_the_answer_of_coverage(server: MetricsServer, city: City) -> None:
    questions: tuple[dict[str, Any], ...] = (
        {},
        {"by": "park"},
        {"by": "district", "area": "C01"},
        {"by": "size"},
        {"by": "park", "as_of": "2026-01-31"},
    )
    for params in questions:
        wanted = await figures_of(server, **params)
        async with following(server, **params) as stream:
            first = await stream.coverage()
        assert first["full"]
        assert {name: value for name, value in first.items() if name not in ADDED} == {
            name: value for name, value in wanted.items() if name != "version"
        }
        assert first["version"] == wanted["version"]


async def test_findings_that_change_with_and_without_figures_are_sent(server: MetricsServer, city: City) -> None:
    park, key = next((park, key) for park, listed in city.enterprises.items() for key in listed if key in city.unions)
    yesterday = (server.hub.today - timedelta(days=1)).isoformat()

    async def agreed(stream: Follower) -> dict[str, int]:
        """Wait until the stream says what the answer says; the findings of the park."""
        wanted = await figures_of(server, by="park")
        async with asyncio.timeout(PATIENCE):
            while stream.figures != figures(wanted) or stream.last["findings"] != wanted["findings"]:
                await stream.coverage()
        return {one["code"]: one["count"] for one in stream.figures[park]["findings"]}

    async with following(server, by="park") as stream:
        await stream.coverage()
        before = await agreed(stream)
        server.metrics.append(f"enterprise/{key}", HeadcountReported(workers=1), yesterday)
        join(server.metrics, city, key, 3, yesterday)
        await server.metrics.fold()
        assert (await agreed(stream)).get("MEMBERS_OVER_WORKERS", 0) == before.get("MEMBERS_OVER_WORKERS", 0) + 1
        # Dated before any settling, and replaced since: no figure of today changes.
        for listed in city.enterprises[park]:
            server.metrics.append(f"enterprise/{listed}", HeadcountReported(workers=7), "1999-01-01")
        await server.metrics.fold()
        assert (await agreed(stream))["BEFORE_SETTLED"] == stream.figures[park]["units"]


async def test_a_day_that_closes_is_told_to_open_streams(server: MetricsServer, city: City) -> None:
    async with following(server) as stream:
        first = await stream.coverage()
        assert (first["closed_day"], first["provisional"]) == (None, ["NO_CLOSED_DAYS"])
        await server.metrics.close_everywhere(date(2026, 1, 2), shards=12)
        async with asyncio.timeout(PATIENCE):
            while True:
                name, data, _ = await stream.event()
                if name == "age" and data["closed_day"] == "2026-01-02":
                    break
    async with following(server) as stream:
        first = await stream.coverage()
    assert (first["closed_day"], first["provisional"]) == ("2026-01-02", ["DAY_NOT_CLOSED"])


async def test_changes_bring_only_the_rows_that_changed_and_the_total(server: MetricsServer, city: City) -> None:
    park = next(park for park, listed in city.enterprises.items() if any(key in city.unions for key in listed))
    other = next(code for code in city.enterprises if code != park)
    key = next(key for key in city.enterprises[park] if key in city.unions)
    async with following(server, by="park") as stream:
        await stream.coverage()
        before = stream.figures[park]["members"]
        join(server.metrics, city, key, 3, "2026-02-02")
        await server.metrics.fold()
        told = await stream.coverage()
        assert ([row["area"] for row in told["rows"]], told["full"]) == ([park, "all"], False)
        assert stream.figures[park]["members"] == before + 3
        assert told["age_ms"] is not None
        server.metrics.append(f"enterprise/{key}", EnterpriseMoved(park=other, district=other[:4]), "2026-03-03")
        await server.metrics.fold()
        wanted, told_of = figures(await figures_of(server, by="park")), set[str]()
        async with asyncio.timeout(PATIENCE):
            # The findings of the same rows follow.
            while {code: row for code, row in stream.figures.items() if any_count(row)} != wanted or told_of != {park, other, "all"}:
                told_of |= {row["area"] for row in (await stream.coverage())["rows"]}
        assert told_of == {park, other, "all"}


@pytest.mark.invariant("I3")
@pytest.mark.parametrize(("seed", "small"), [(0, 10_000), (1, 10), (2, 0)])
async def test_figures_pushed_equal_those_asked_for_at_the_same_version(
    server: MetricsServer, seed: int, small: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Batches of up to `small` rows are in the feed one by one, larger ones as columns."""
    monkeypatch.setattr(feed_rows, "SMALL", small)
    events = interleaved(history(seed, enterprises=8, length=25), seed)
    questions: tuple[dict[str, Any], ...] = ({"by": "park"}, {"by": "industry"}, {"by": "district", "as_of": "2024-03-01"})
    await server.metrics.fold_batch(0, events[:20])
    for params in questions:
        async with following(server, **params) as stream:
            start = 20
            for size in (1, 3, 30, 7, 500):
                await server.metrics.fold_batch(0, events[start : start + size])
                start += size
            wanted = await figures_of(server, **params)
            async with asyncio.timeout(PATIENCE):
                while {code: row for code, row in stream.figures.items() if any_count(row)} != figures(wanted):
                    await stream.coverage()
                while stream.last["findings"] != wanted["findings"]:
                    await stream.coverage()
            assert reached(wanted["version"], stream.version)
        events = events[start:] + events[:0]
        if len(events) < 50:
            break
    packed = await server.metrics.pool.fetchval("SELECT count(*) FROM g1.change_feed WHERE packed IS NOT NULL")
    assert (packed > 0) is (small <= 10)


def any_count(row: dict[str, Any]) -> bool:
    return row["area"] == "all" or any(isinstance(value, int) and value for value in row.values())


async def test_a_stream_that_resumes_is_told_what_changed_meanwhile(server: MetricsServer, city: City) -> None:
    park, key = next((park, key) for park, listed in city.enterprises.items() for key in listed if key in city.unions)
    async with following(server, by="park") as stream:
        first = await stream.coverage()
    join(server.metrics, city, key, 1, "2026-02-02")
    await server.metrics.fold()
    wanted = figures(await figures_of(server, by="park"))
    async with following(server, by="park", last_event_id=first["version"], day=first["as_of"]) as stream:
        told = await stream.coverage()
        if not told["rows"]:
            told = await stream.coverage()
    assert not told["full"]
    assert figures(told) == {code: wanted[code] for code in (park, "all")}
    for foreign in ("7:" + first["version"].partition(":")[2], "nonsense", "1:x.y", f"1:{2**63}"):
        async with following(server, by="park", last_event_id=foreign) as stream:
            assert (await stream.coverage())["full"]


async def test_a_stream_far_behind_is_sent_everything(server: MetricsServer, city: City) -> None:
    owner = await server.metrics.pool.acquire()
    await owner.execute("DELETE FROM g1.change_feed")
    await owner.execute(
        "INSERT INTO g1.change_feed (shard, version, cells, deltas, oldest, traceparents) VALUES (0, 9000, '{}', '\\x90', parkunion_now(), '{}')"
    )
    await server.metrics.pool.release(owner)
    async with following(server, by="park", last_event_id="1:1", day=str(server.hub.today)) as stream:
        assert (await stream.coverage())["full"]


@pytest.mark.invariant("I6")
async def test_areas_and_scopes_limit_the_stream(server: MetricsServer, city: City) -> None:
    for areas, scope, params, status in (
        (("C01A",), "metrics:read", {"area": "C01B"}, 403),
        (("C01A",), "metrics:read", {}, 403),
        (("C01A",), "metrics:read", {"area": "C01"}, 403),
        (("*",), "registry:read", {}, 403),
        (("*",), "metrics:read", {"area": "NOWHERE"}, 404),
        (("*",), "metrics:read", {"by": "nothing"}, 422),
    ):
        async with server.client(*areas, scope=scope) as http:
            answer = await http.get("/v1/coverage/stream", params=params)
            assert answer.status_code == status, params
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE) as http:
        assert (await http.get("/v1/coverage/stream")).status_code == 401
    async with following(server, "C01A", area="C01A", by="park") as stream:
        assert {row["area"][:4] for row in (await stream.coverage())["rows"]} == {"C01A", "all"}


async def test_the_stream_ends_with_its_token(server: MetricsServer) -> None:
    # The verifier's leeway for clocks is 30 s; a machine on which two seconds do not suffice to come in is given more.
    for left in (2, 10, 30):
        async with server.client(lasts=left - 30) as http, http.stream("GET", "/v1/coverage/stream") as answer:
            if answer.status_code == 401:
                continue
            stream, name, data = Follower(answer, server.document()), "", dict[str, Any]()
            async with asyncio.timeout(PATIENCE):
                while name != "end":
                    name, data, _ = await stream.event()
                assert data == {"reason": "TOKEN_EXPIRED"}
                with pytest.raises(EOFError):
                    await stream.event()
            return
    pytest.fail("no stream was opened")


async def test_another_name_of_an_area_reaches_the_stream(server: MetricsServer, city: City) -> None:
    park = next(iter(city.enterprises))
    async with following(server, by="park") as stream:
        await stream.coverage()
        server.metrics.area(park, "C01B", name="新名", on="2020-01-01")
        await server.metrics.fold()
        await stream.coverage()
        assert stream.figures[park]["name"] == "新名"


async def test_a_broken_connection_is_made_again_and_nothing_is_missed(server: MetricsServer, city: City, server_owner: str) -> None:
    key = next(key for listed in city.enterprises.values() for key in listed)
    async with following(server, by="park") as stream:
        await stream.coverage()
        admin = await asyncpg.connect(server_owner)
        await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'metrics.hub'")
        await admin.close()
        server.metrics.append(f"enterprise/{key}", HeadcountReported(workers=777), "2026-05-05")
        await server.metrics.fold()
        wanted = figures(await figures_of(server, by="park"))
        async with asyncio.timeout(PATIENCE):
            while stream.figures["all"] != wanted["all"]:
                await stream.coverage()


@pytest.fixture
def server_owner(server: MetricsServer, postgres_server: Any) -> str:
    return str(postgres_server.dsn())


async def test_midnight_brings_the_figures_of_the_new_day(server: MetricsServer, database: NewDatabase, city: City) -> None:
    async with following(server, by="park") as stream:
        first = await stream.coverage()
        moved = await move_clock(server)
        async with asyncio.timeout(PATIENCE):
            while (told := await stream.coverage())["as_of"] == first["as_of"]:
                pass
        assert told["full"]
        assert told["as_of"] > first["as_of"]
        assert moved


async def move_clock(server: MetricsServer) -> bool:
    """A day passes: the clock is the owner's to move, so the hub is told so by its own clock."""
    clock = server.hub._clock
    original = clock.day_of

    def tomorrow(instant: Any) -> Any:
        return original(instant) + timedelta(days=1)

    clock.day_of = tomorrow  # type: ignore[method-assign]
    return True


async def test_a_slow_client_gathers_no_queue(server: MetricsServer, city: City) -> None:
    park, key = next((park, key) for park, listed in city.enterprises.items() for key in listed if key in city.unions)
    async with following(server, by="park") as stream:
        await stream.coverage()
        before = stream.figures[park]["members"]
        (channel,) = server.hub._channels.values()
        (subscriber,) = channel.subscribers
        for _ in range(30):
            join(server.metrics, city, key, 1, "2026-02-02")
            await server.metrics.fold()
        assert len(subscriber._groups) <= 2
        async with asyncio.timeout(PATIENCE):
            while stream.figures[park]["members"] < before + 30:
                await stream.coverage()
    async with asyncio.timeout(PATIENCE):
        while server.hub.subscribers:
            await asyncio.sleep(0.02)
    assert not server.hub._channels


_ = (Database, Metrics)


async def test_pages_say_until_when_days_are_closed_and_whether_figures_stay(server: MetricsServer, city: City) -> None:
    async with server.client() as http:
        opened = (await http.post("/v1/login-codes")).json()["url"]
    async with httpx.AsyncClient(base_url=server.url, timeout=PATIENCE, follow_redirects=True) as browser:
        await browser.get(opened)

        async def page(**params: str) -> str:
            return (await browser.get("/areas/C01", params={"lang": "en", **params})).text

        assert '<b id="closed">—</b>' in await page()
        assert 'data-provisional="NO_CLOSED_DAYS"' in await page()
        await server.metrics.close_everywhere(date(2026, 1, 2), shards=12)
        assert '<b id="closed">2026-01-02</b>' in await page()
        final = await page(known_at="2026-01-02")
        assert "Final: the day as known is closed" in final
        assert "data-provisional" not in final
        assert 'data-provisional="DAY_NOT_CLOSED"' in await page(known_at="2026-01-03")
        assert "该日尚未结账" in await page(known_at="2026-01-03", lang="zh")
        line = (await browser.get("/areas/C01/coverage.csv", params={"known_at": "2026-01-03", "lang": "en"})).text.splitlines()
        assert "provisional,closed_day" in line[0]
        assert "DAY_NOT_CLOSED,2026-01-02" in line[1]

        async def told() -> bool:
            return "2026-01-02" in (await browser.get("/age")).text

        await until(told)


async def test_facts_that_change_no_figure_are_told_too(server: MetricsServer, city: City) -> None:
    """A batch of visits alone, and a visit in one park beside a counted fact in another."""
    park, other = list(city.enterprises)[:2]
    key, elsewhere = city.enterprises[park][0], next(key for key in city.enterprises[other] if key in city.unions)
    async with following(server, area=park) as stream:
        await stream.coverage()
        for counted in (False, True):
            said = VisitMade(visit_id=uuid7(), enterprise_id=key, purpose=VisitPurpose.FOUNDING)
            server.metrics.append(f"enterprise/{key}", said, "2026-02-02")
            if counted:
                join(server.metrics, city, elsewhere, 1, "2026-02-02")
            await server.metrics.fold()
            async with asyncio.timeout(PATIENCE):
                while True:
                    name, data, event_id = await stream.event()
                    assert name in ("age", "facts"), "no figure of the park has changed"
                    if name == "facts":
                        assert data["version"] == event_id
                        break
