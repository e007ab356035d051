"""What the bench of deliveries calls right, and its endpoints."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.deliveries import checking
from bench.deliveries.receiver import Got, Receivers, Sample
from bench.deliveries.report import percentiles

A, B = UUID(int=1), UUID(int=2)


def got(subscription: UUID, number: int, subject: str = "enterprise/1") -> Got:
    return Got(0, 1.0, f"{subscription}.{number}", subject, "2026-01-01T00:00:00Z")


def wrong(found: Sequence[Got]) -> list[str]:
    return checking.differences(found, {A: 3, B: 1}, {A: 1})


def test_every_number_once_in_order_is_right() -> None:
    assert wrong([got(A, 2), got(B, 1), got(A, 3)]) == []


def test_subjects_may_overtake_each_other() -> None:
    assert wrong([got(A, 3, "enterprise/2"), got(A, 2), got(B, 1)]) == []


def test_what_is_wrong_is_counted() -> None:
    assert wrong([got(A, 2), got(A, 3)]) == ["1 missing"]
    assert wrong([got(A, 2), got(A, 3), got(B, 1), got(B, 2)]) == ["1 unknown"]
    assert wrong([got(A, 2), got(A, 3), got(B, 1), got(A, 3)]) == ["1 more than once"]
    assert wrong([got(A, 3), got(A, 2), got(B, 1)]) == ["1 out of order"]


def test_a_signature_is_of_the_body_by_a_published_key() -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    signature = base64.b64encode(key.sign(b"s.1.5.{}")).decode()
    sample = Sample({"webhook-id": "s.1", "webhook-timestamp": "5", "webhook-signature": f"v1a,{signature}"}, b"{}")
    assert checking.wrongly_signed([sample], [other.public_key(), key.public_key()]) == 0
    assert checking.wrongly_signed([sample], [other.public_key()]) == 1
    assert checking.wrongly_signed([sample._replace(body=b"{ }")], [key.public_key()]) == 1


def test_percentiles_are_milliseconds() -> None:
    found = percentiles([value / 1000 for value in range(1, 101)])
    assert (found["p50_ms"], found["p99_ms"], found["max_ms"]) == (51.0, 100.0, 100.0)


SILENCE = 0.5
"""Seconds without an answer, after which an endpoint is taken to hang: the test waits them in full."""


async def test_endpoints_note_requests_and_hang_when_told() -> None:
    body = b'{"subject":"enterprise/7","time":"2026-01-01T00:00:00Z"}'
    with Receivers(2) as receivers:
        assert len({urlsplit(url).port for url in receivers.urls}) == 2
        async with aiohttp.ClientSession(headers={"webhook-id": f"{A}.1"}) as session:
            async with session.post(receivers.urls[1], data=body) as answer:
                assert answer.status == 200
            receivers.hang([1])
            try:
                async with asyncio.timeout(SILENCE), session.post(receivers.urls[1], data=body):
                    raise AssertionError("it answered")
            except TimeoutError:
                pass
            async with session.post(receivers.urls[0], data=body) as answer:
                assert answer.status == 200
        assert (receivers.count(), receivers.held()) == (2, 1)
        found, samples = receivers.take()
        assert [(one.endpoint, one.webhook_id, one.subject) for one in found] == [
            (1, f"{A}.1", "enterprise/7"),
            (0, f"{A}.1", "enterprise/7"),
        ]
        assert samples[0].body == body
        assert samples[0].headers["webhook-id"] == f"{A}.1"
        assert receivers.count() == 0
