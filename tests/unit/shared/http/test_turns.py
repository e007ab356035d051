"""A client's many requests wait for each other, and for nobody else."""

from __future__ import annotations

import asyncio

import pytest

from shared.http.limits import Turns
from shared.problems.errors import TooManyRequests
from tests.patience import PATIENCE

pytestmark = pytest.mark.invariant("I6")


async def test_one_client_waits_for_its_own_turn_and_no_other_does() -> None:
    turns, release, order = Turns(2, 5.0), asyncio.Event(), list[str]()

    async def work(client: str, name: str) -> None:
        async with turns.turn(client):
            order.append(name)
            if client == "greedy":
                await release.wait()

    greedy = [asyncio.create_task(work("greedy", f"g{n}")) for n in range(500)]
    await asyncio.sleep(0)
    await asyncio.wait_for(work("modest", "m"), PATIENCE)
    assert sorted(order) == ["g0", "g1", "m"]
    release.set()
    await asyncio.gather(*greedy)
    assert len(order) == 501
    assert not turns._clients, "nothing is kept of who has gone"


async def test_who_waits_too_long_is_told_which_limit_it_was() -> None:
    turns = Turns(1, 0.01)
    async with turns.turn("a"):
        with pytest.raises(TooManyRequests) as refused:
            async with turns.turn("a"):
                pass
        assert (refused.value.code, refused.value.headers) == ("TOO_MANY_AT_ONCE", {"Retry-After": "1"})
    async with turns.turn("a"):
        pass
    assert not turns._clients
