"""What is queued is sent: signed, in order, again after failures, and only what is granted."""

from __future__ import annotations

import asyncio
import base64
from datetime import timedelta

from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from joserfc.jwk import KeySet
from standardwebhooks import Webhook

from services.subscriptions.delivering import claims, outcomes
from services.subscriptions.delivering.outcomes import DELIVERED, Made, Outcome
from services.subscriptions.delivering.schedule import INTERVALS
from services.subscriptions.matching.outgoing import WITHHELD
from services.subscriptions.signing import store as signing
from tests.integration.subscriptions.delivering.sending import Got, Sending, fine, subsequences, until
from tests.integration.subscriptions.delivering.sending import sending_of_a_test as sending_of_a_test


async def test_a_delivery_signed_by_v1_is_verified_by_an_independent_package(sending: Sending) -> None:
    key = await sending.subscribe(version="v1")
    secret = sending.told["secret"]
    await sending.queue(key)
    async with sending.running():
        assert await sending.settled(key) == ["delivered"]
    (got,) = sending.endpoint.at()
    event = Webhook(secret).verify(got.body, dict(got.headers))
    assert event["deliverynumber"] == 1
    assert event["watermark"] == 0
    assert got.headers["webhook-id"] == f"{key}.1"
    assert got.headers["Content-Type"] == "application/cloudevents+json"
    assert event["type"] == "parkunion.enterprise-registered.v1"
    assert not event.keys() & {"sequence", "traceparent", "actor", "origin", "causeid", "partitionkey"}


async def test_a_delivery_signed_by_v1a_is_verified_by_the_published_key_also_after_a_rotation(sending: Sending) -> None:
    key = await sending.subscribe()
    async with sending.pool.acquire() as conn, conn.transaction():
        now = await conn.fetchval("SELECT parkunion_now()")
        rotated = await signing.rotate(conn, sending.sealing, key, "v1a", now)
        jwks = KeySet.import_key_set({"keys": await signing.public_keys(conn, now)})
    await sending.queue(key)
    async with sending.running():
        await sending.settled(key)
    (got,) = sending.endpoint.at()
    signed = f"{got.headers['webhook-id']}.{got.headers['webhook-timestamp']}.".encode() + got.body
    signatures = [one.removeprefix("v1a,") for one in got.headers["webhook-signature"].split()]
    kids = [rotated["kid"], sending.told["kid"]]
    assert len(signatures) == 2
    for kid, signature in zip(kids, signatures, strict=True):
        public = jwks.get_by_kid(kid).public_key
        assert isinstance(public, Ed25519PublicKey)
        public.verify(base64.b64decode(signature), signed)


async def test_a_request_is_dated_by_the_wall_clock_with_which_receivers_compare_it(sending: Sending) -> None:
    await sending.turn(timedelta(days=-3))
    key = await sending.subscribe("/hook", "v1")
    await sending.queue(key)
    async with sending.running():
        await sending.settled(key)
    (got,) = sending.endpoint.at()
    Webhook(sending.told["secret"]).verify(got.body, dict(got.headers))  # refuses what is more than five minutes old


async def test_a_subject_keeps_its_order_and_a_failing_event_holds_that_subject_only(sending: Sending) -> None:
    failing = True

    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        return web.Response(status=500, text="no") if failing and got.number == 1 else await fine(request, got)

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe()
    await sending.queue(key, 60, subjects=6)
    async with sending.running():
        await until(lambda: len(set(sending.endpoint.numbers())) == 51)
        await asyncio.sleep(0.2)
        assert set(sending.endpoint.numbers()) == {n for n in range(1, 61) if n % 6 != 1} | {1}
        failing = False
        await sending.turn(timedelta(seconds=7))
        assert await sending.settled(key) == ["delivered"] * 60
    for numbers in subsequences(sending.endpoint.at()).values():
        assert list(dict.fromkeys(numbers)) == sorted(numbers)[-len(dict.fromkeys(numbers)) :]
    watermarks = [one.event["watermark"] for one in sending.endpoint.at()]
    assert max(watermarks) < 60
    assert watermarks[0] == 0


async def test_the_whole_schedule_on_the_test_clock_and_then_the_delivery_is_parked(sending: Sending) -> None:
    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        return web.Response(status=503, text="closed today")

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe()
    await sending.queue(key)
    async with sending.running():
        for made in range(1, len(INTERVALS) + 2):
            await until(lambda made=made: _made(sending, key, made))  # type: ignore[misc]
            if made <= len(INTERVALS):
                await sending.turn(INTERVALS[made - 1] * 1.21)
        # Heartbeats of the days that went by are queued behind it: on a subject of their own.
        await until(lambda: _state(sending, key, 1, "parked"))
        assert await sending.pool.fetchval("SELECT error FROM deliveries WHERE number = 1") == "STATUS_503"
    attempts = await sending.attempts(key)
    assert [one["status"] for one in attempts] == [503] * (len(INTERVALS) + 1)
    assert attempts[0]["answer"] == "closed today"
    for before, after, interval in zip(attempts, attempts[1:], INTERVALS, strict=False):
        assert after["at"] - before["at"] >= interval * 0.8
    assert [one.headers["webhook-id"] for one in sending.endpoint.got].count(f"{key}.1") == len(attempts)


async def _made(sending: Sending, key: object, count: int) -> bool:
    return len(await sending.attempts(key)) >= count  # type: ignore[arg-type]


async def _state(sending: Sending, key: object, number: int, state: str) -> bool:
    return await sending.pool.fetchval("SELECT state FROM deliveries WHERE subscription = $1 AND number = $2", key, number) == state  # type: ignore[no-any-return]


async def test_retry_after_is_honoured(sending: Sending) -> None:
    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "3000"})

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe()
    await sending.queue(key)
    async with sending.running():
        await until(lambda: _made(sending, key, 1))
        due, at = await sending.pool.fetchrow("SELECT l.due_at, a.at FROM lanes AS l JOIN attempts AS a USING (subscription)")  # type: ignore[misc]
    assert timedelta(seconds=2990) < due - at < timedelta(seconds=3060)


async def test_410_disables_the_subscription_with_a_notice(sending: Sending) -> None:
    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        return web.Response(status=410)

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe()
    await sending.queue(key, 3)
    async with sending.running():
        await until(lambda: _status(sending, key, "disabled"))
        notice = await sending.pool.fetchrow("SELECT * FROM notices")
        assert notice is not None
        assert notice["type"] == "parkunion.subscription-disabled.v1"
        assert notice["data"]["reason"] == "GONE"
        made = len(sending.endpoint.got)
        await sending.turn(timedelta(hours=1))
        await asyncio.sleep(1.5)
        assert len(sending.endpoint.got) == made
    assert await sending.states(key) == ["queued"] * 3
    assert await sending.pool.fetchval("SELECT due_at = 'infinity' FROM queues WHERE subscription = $1", key)


async def test_five_days_without_success_disable_the_subscription(sending: Sending) -> None:
    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        return web.Response(status=500)

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe()
    await sending.queue(key)
    async with sending.running():
        await until(lambda: _made(sending, key, 1))
        await sending.turn(timedelta(days=5, seconds=1))
        await until(lambda: _status(sending, key, "disabled"))
    row = await sending.pool.fetchrow("SELECT status_reason FROM subscriptions WHERE id = $1", key)
    assert row is not None
    assert row["status_reason"] == "FAILING"


async def _status(sending: Sending, key: object, status: str) -> bool:
    return await sending.pool.fetchval("SELECT status FROM subscriptions WHERE id = $1", key) == status  # type: ignore[no-any-return]


async def test_after_a_revocation_no_content_leaves_also_of_what_was_queued(sending: Sending) -> None:
    key = await sending.subscribe()
    await sending.queue(key, 5)
    await sending.house.revoke(sending.grant)
    async with sending.running():
        assert await sending.settled(key) == ["withheld"] * 5
    events = [one.event for one in sending.endpoint.at()]
    assert {event["type"] for event in events} == {WITHHELD}
    assert sorted(event["data"]["numbers"] for event in events) == [[n] for n in range(1, 6)]
    assert all(set(event["data"]) == {"numbers"} for event in events)


async def test_under_load_no_content_leaves_five_seconds_after_a_revocation(sending: Sending) -> None:
    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        await asyncio.sleep(0.05)
        return await fine(request, got)

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe()
    await sending.queue(key, 900, subjects=900)
    async with sending.running():
        await until(lambda: len(sending.endpoint.got) > 100)
        await sending.house.revoke(sending.grant)
        revoked = asyncio.get_running_loop().time()
        assert set(await sending.settled(key)) == {"delivered", "withheld"}
    late = [one for one in sending.endpoint.got if one.at > revoked + 5 and one.event["type"] != WITHHELD]
    assert not late
    assert sorted(set(sending.endpoint.numbers())) == list(range(1, 901))


async def test_a_verification_that_answers_the_challenge_makes_active_and_nothing_is_sent_before(sending: Sending) -> None:
    key = await sending.subscribe(status="verifying")
    await sending.queue(key, 2)
    async with sending.running():
        await asyncio.sleep(1.0)
        assert not sending.endpoint.got
        await _probe(sending, key, "verification", "c-1")
        assert await sending.settled(key) == ["delivered"] * 2
    first = sending.endpoint.got[0].event
    assert first["type"] == "parkunion.subscription-verification.v1"
    assert first["data"] == {"challenge": "c-1"}
    assert await _status(sending, key, "active")
    assert await sending.pool.fetchval("SELECT status FROM subscription_changes WHERE subscription = $1", key) == "active"


async def test_anything_else_stays_verifying_with_the_error(sending: Sending) -> None:
    async def answer(request: web.Request, got: Got) -> web.StreamResponse:
        return web.json_response({"challenge": "another"})

    sending.endpoint.answers["/hook"] = answer
    key = await sending.subscribe(status="verifying")
    await sending.queue(key)
    async with sending.running():
        await _probe(sending, key, "verification", "c-1")
        await until(lambda: sending.pool.fetchval("SELECT last_error = 'WRONG_ANSWER' FROM subscriptions WHERE id = $1", key))
    assert await _status(sending, key, "verifying")
    assert len(sending.endpoint.got) == 1


async def test_a_test_event_is_sent_once(sending: Sending) -> None:
    key = await sending.subscribe()
    async with sending.running():
        await _probe(sending, key, "test", None)
        await until(lambda: sending.pool.fetchval("SELECT succeeded FROM probes"))
    (got,) = sending.endpoint.got
    assert got.event["type"] == "parkunion.subscription-test.v1"
    assert "webhook-signature" in got.headers


async def _probe(sending: Sending, key: object, kind: str, challenge: str | None) -> None:
    await sending.pool.execute(
        "INSERT INTO probes (id, subscription, kind, challenge, asked_at, asked_by) VALUES (gen_random_uuid(), $1, $2, $3, parkunion_now(), 'x')",
        key, kind, challenge,
    )  # fmt: skip


async def test_a_day_of_silence_gives_one_heartbeat_with_a_number(sending: Sending) -> None:
    key = await sending.subscribe()
    await sending.queue(key)
    async with sending.running():
        await sending.settled(key)
        await sending.turn(timedelta(hours=25))
        await until(lambda: len(sending.endpoint.got) == 2)
        assert await sending.settled(key) == ["delivered"] * 2
        await sending.turn(timedelta(hours=2))
        await asyncio.sleep(3)
    assert len(sending.endpoint.got) == 2
    event = sending.endpoint.got[1].event
    assert event["type"] == "parkunion.subscription-heartbeat.v1"
    assert event["deliverynumber"] == 2
    assert event["watermark"] == 1


async def test_a_paused_subscription_is_not_sent_to(sending: Sending) -> None:
    key = await sending.subscribe(status="paused")
    await sending.queue(key)
    async with sending.running():
        await until(lambda: sending.pool.fetchval("SELECT due_at = 'infinity' FROM queues WHERE subscription = $1", key))
        await asyncio.sleep(0.3)
    assert not sending.endpoint.got


async def test_old_contents_go_and_their_hashes_stay(sending: Sending) -> None:
    key = await sending.subscribe(status="paused")
    await sending.queue(key)
    await sending.turn(timedelta(days=31))
    async with sending.running():
        await until(lambda: sending.pool.fetchval("SELECT data IS NULL AND gone = 'retention' AND hash IS NOT NULL FROM contents"))


async def test_the_next_event_of_a_subject_is_due_at_once_also_if_a_process_clock_is_ahead(sending: Sending) -> None:
    key = await sending.subscribe()
    await sending.queue(key, count=2, subjects=1)
    async with sending.pool.acquire() as conn, conn.transaction():
        now = await conn.fetchval("SELECT parkunion_now()")
        (lane,) = await claims.lease_lanes(conn, {key: 8}, now, "w")
        made = Made(1, now, 5, 200, None, b"")
        await outcomes.settle(conn, [Outcome(lane, made, DELIVERED)], "w", now + timedelta(minutes=1))
        rows = await conn.fetch("SELECT due_at <= parkunion_now() AS due, leased_by FROM lanes")
    assert [(row["due"], row["leased_by"]) for row in rows] == [(True, None)]
