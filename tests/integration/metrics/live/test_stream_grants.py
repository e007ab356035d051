"""An open stream is its caller's only as long as the grant: it ends with the token, with the area, and when others need its share."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import date, timedelta
from typing import Any

import pytest

from services.metrics.live import shares
from tests.browser.city import City, build_city
from tests.conftest import NewDatabase
from tests.integration.metrics.live.test_stream import Follower, following
from tests.integration.metrics.server import MetricsServer, server_of
from tests.patience import PATIENCE

pytestmark = pytest.mark.invariant("I6")


@pytest.fixture
async def server(database: NewDatabase) -> AsyncIterator[MetricsServer]:
    async with server_of(await database("metrics")) as made:
        yield made


@pytest.fixture
async def city(server: MetricsServer) -> City:
    return await build_city(server.metrics, scale=40)


async def _end(stream: Follower) -> dict[str, Any]:
    async with asyncio.timeout(PATIENCE):
        while True:
            name, data, _ = await stream.event()
            if name == "end":
                with pytest.raises(EOFError):
                    await stream.event()
                return data


async def _status(server: MetricsServer, *areas: str, **params: str) -> int:
    async with server.client(*areas) as http:
        return (await http.get("/v1/coverage", params=params)).status_code


async def test_a_stream_ends_when_its_area_leaves_the_tokens_areas(server: MetricsServer, city: City) -> None:
    park = next(code for code in city.enterprises if code.startswith("C01A"))
    (registered,) = [event for event in server.metrics.events if event.subject == f"area/{park}"]
    async with following(server, "C01A", area=park) as leaving, following(server, "C01A", area="C01A") as staying:
        await leaving.coverage()
        await staying.coverage()
        server.metrics.correct(registered, registered.occurredon.isoformat(), parent="C01B")
        await server.metrics.fold()
        assert await _end(leaving) == {"reason": "AREA_NOT_GRANTED"}
        assert (await staying.coverage())["rows"], "the district's stream goes on, without the park"
    assert (await _status(server, "C01A", area=park), await _status(server, "C01B", area=park)) == (403, 200)


async def test_one_client_has_streams_of_so_many_days_and_another_has_its_own(server: MetricsServer, city: City) -> None:
    days = [date(2025, 1, 1) + timedelta(days=n) for n in range(shares.MOST_DAYS_OF_CLIENT)]
    async with AsyncExitStack() as opened:
        # Kept: a follower that is forgotten closes its stream.
        followers = [await opened.enter_async_context(following(server, claims={"subject": "greedy"}, as_of=str(day))) for day in days]
        for follower in followers:
            await follower.coverage()
        async with server.client(subject="greedy") as http:
            refused = await http.get("/v1/coverage/stream", params={"as_of": "2024-01-01"})
            assert (refused.status_code, refused.json()["code"], refused.headers["retry-after"]) == (429, "TOO_MANY_DATED_STREAMS", "30")
            assert str(shares.MOST_DAYS_OF_CLIENT) in refused.text
            assert (await http.get("/v1/coverage", params={"as_of": "2024-01-01"})).status_code == 200
        for claims in ({"subject": "modest"}, {"subject": "greedy"}):
            params = {"as_of": "2024-01-01"} if claims["subject"] == "modest" else {"as_of": str(days[0]), "by": "park"}
            async with following(server, claims=claims, **params) as stream:
                await stream.coverage()


async def test_who_has_most_gives_way_when_all_are_taken(server: MetricsServer, city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shares, "MOST_DAYS", 3)
    async with AsyncExitStack() as opened:
        of_one = [
            await opened.enter_async_context(following(server, claims={"subject": "greedy"}, as_of=f"2025-01-0{n}")) for n in (1, 2, 3)
        ]
        for stream in of_one:
            await stream.coverage()
        other = await opened.enter_async_context(following(server, claims={"subject": "modest"}, as_of="2024-01-01"))
        assert (await other.coverage())["as_of"] == "2024-01-01"
        assert await _end(of_one[0]) == {"reason": "TOO_MANY_STREAMS"}
        async with server.client(subject="modest") as http:
            refused = await http.get("/v1/coverage/stream", params={"as_of": "2024-02-02"})
        assert (refused.status_code, refused.json()["code"]) == (429, "TOO_MANY_DATED_STREAMS"), "nobody has more than it would have"
        async with (
            server.client(subject="third") as http,
            http.stream("GET", "/v1/coverage/stream", params={"as_of": "2024-02-02"}) as third,
        ):
            assert third.status_code == 200
