"""An endpoint that is slow, dead or hostile delays no other, and is asked less and less."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from aiohttp import web

from services.subscriptions.delivering.breaker import FEWEST
from tests.integration.subscriptions.delivering.sending import Got, Sending, fine, until
from tests.integration.subscriptions.delivering.sending import sending_of_a_test as sending_of_a_test


async def hang(request: web.Request, got: Got) -> web.StreamResponse:
    await asyncio.sleep(60)
    return web.Response()


async def endless(request: web.Request, got: Got) -> web.StreamResponse:
    response = web.StreamResponse(status=500)
    await response.prepare(request)
    while True:
        await response.write(b"z" * 65536)


async def reset(request: web.Request, got: Got) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def test_hostile_endpoints_do_not_keep_others_from_being_served(sending: Sending) -> None:
    """Hanging ones have more to be sent than the process has attempts; one that nobody knows yet is served all the same, and soon."""
    sending.endpoint.answers |= {"/hangs": hang, "/endless": endless, "/reset": reset}
    for path in (*["/hangs"] * 6, "/endless", "/reset"):
        await sending.queue(await sending.subscribe(path), 10)
    healthy = await sending.subscribe("/healthy")
    async with sending.running(attempts_at_once=32, attempts_per_subscription=4):
        await until(lambda: len(sending.endpoint.at("/hangs")) >= 6)
        await sending.queue(healthy, 100)
        assert await sending.settled(healthy) == ["delivered"] * 100
        hanging = len(sending.endpoint.at("/hangs"))
        late = await sending.pool.fetchval("SELECT count(*) FROM attempts WHERE error = 'TIMED_OUT'")
    assert hanging <= 16, "each hanging one got few attempts, and all together half of the process"
    assert late < 16, "it did not wait until what hangs was over"


async def test_an_endpoint_that_fails_is_asked_by_single_attempts_until_it_answers_again(sending: Sending) -> None:
    failing = True

    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        return web.Response(status=500) if failing else await fine(request, got)

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe()
    await sending.queue(key, 200)
    async with sending.running():
        await until(lambda: len(sending.endpoint.got) >= FEWEST)
        await asyncio.sleep(1.5)
        opened = len(sending.endpoint.got)
        assert opened < 3 * FEWEST, "the breaker has opened"
        assert await sending.pool.fetchval("SELECT count(*) FROM attempts") == opened, "what it refuses does not count"
        await sending.turn(timedelta(seconds=31))
        await until(lambda: len(sending.endpoint.got) == opened + 1)
        await asyncio.sleep(1.0)
        assert len(sending.endpoint.got) == opened + 1, "one probe"
        failing = False
        await sending.turn(timedelta(seconds=31))
        await until(lambda: len(sending.endpoint.got) > opened + 1 + FEWEST)
        await sending.turn(timedelta(minutes=5))
        assert await sending.settled(key) == ["delivered"] * 200


async def test_a_delivery_that_is_queued_leaves_at_once(sending: Sending) -> None:
    key = await sending.subscribe()
    async with sending.running():
        await sending.queue(key)
        await sending.settled(key)
        best = 60.0
        for first in range(2, 12):
            begun = asyncio.get_running_loop().time()
            await sending.queue(key, first=first)
            await sending.settled(key)
            best = min(best, sending.endpoint.got[-1].at - begun)
        assert best < 0.25, "it was told, and did not wait for the next look"
