from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import msgspec
import pytest

from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.matching.outgoing import WITHHELD, Content, hash_of
from services.subscriptions.receiving.showing import ERASED, NOT_GRANTED, shown
from services.subscriptions.receiving.store import ERASURE, RETENTION, Delivery, Settled
from shared.contracts.ids import uuid7
from tests.integration.subscriptions.rows import hash_of_received

FOUNDED = "parkunion.union-founded.v1"
NOW = datetime(2026, 7, 2, tzinfo=UTC)
TERMS = Terms(frozenset({FOUNDED}), frozenset({"P1"}), {FOUNDED: ("union_id", "kind")})
DATA = {"union_id": "u", "kind": "enterprise_union"}
SUBSCRIPTION = uuid7()


def delivery(number: int, data: dict[str, Any] | None = DATA, places: tuple[str, ...] = ("P1",), **changes: Any) -> Delivery:
    raw = None if data is None else msgspec.json.encode(data, order="sorted")
    content = Content(uuid7(), "/services/membership", "union/u", FOUNDED, FOUNDED, NOW, date(2026, 6, 30), places, raw)
    stored = hash_of(content) if data is not None else b"kept"
    plain = Delivery(SUBSCRIPTION, number, "queued", False, 0, date(2026, 7, 1), NOW, None, None, None, None, stored, None, content)
    return replace(plain, **changes)


def sent(*deliveries: Delivery, terms: Terms = TERMS, most_bytes: int = 10_000) -> list[dict[str, Any]]:
    return [msgspec.json.decode(one.encoded(9)) for one in shown(deliveries, terms, NOW, most_bytes)]


def test_a_granted_event_is_sent_under_its_number_and_changes_nothing() -> None:
    (one,) = shown([delivery(3, corrects=[1, 2])], TERMS, NOW, 10_000)
    assert one.settled is None
    event = msgspec.json.decode(one.encoded(2))
    assert (event["deliverynumber"], event["watermark"], event["correctsnumbers"], event["data"]) == (3, 2, "1,2", DATA)
    assert hash_of_received(event) == one.delivery.stored_hash, "a receiver computes the hash from what it got"


@pytest.mark.parametrize(
    ("changed", "terms", "why"),
    [
        ({}, replace(TERMS, revoked=True), NOT_GRANTED),
        ({}, replace(TERMS, not_after=NOW), NOT_GRANTED),
        ({}, replace(TERMS, not_before=NOW + timedelta(seconds=1)), NOT_GRANTED),
        ({}, replace(TERMS, types=frozenset()), NOT_GRANTED),
        ({"places": ("P1", "P2")}, TERMS, NOT_GRANTED),
        ({"data": None, "gone": ERASURE}, TERMS, ERASED),
    ],
)
def test_what_may_not_be_shown_is_withheld_under_its_number(changed: dict[str, Any], terms: Terms, why: str) -> None:
    (one,) = shown([delivery(5, corrects=[1], **changed)], terms, NOW, 10_000)
    assert one.settled == Settled(SUBSCRIPTION, 5, why)
    assert b"correctsnumbers" not in one.encoded(4)
    event = msgspec.json.decode(one.encoded(4))
    assert (event["type"], event["deliverynumber"], event["data"]) == (WITHHELD, 5, {"numbers": [5]})
    assert "union/u" not in str(event)


def test_the_hash_of_a_narrowed_event_is_kept_once() -> None:
    narrow = replace(TERMS, fields={FOUNDED: ("kind",)})
    (one,) = shown([delivery(1)], narrow, NOW, 10_000)
    event = msgspec.json.decode(one.encoded(0))
    assert event["data"] == {"kind": "enterprise_union"}
    assert one.settled == Settled(SUBSCRIPTION, 1, None, hash_of_received(event))
    (again,) = shown([replace(one.delivery, sent_hash=hash_of_received(event))], narrow, NOW, 10_000)
    assert again.settled is None


def test_a_page_ends_before_what_retention_removed() -> None:
    page = sent(delivery(1), delivery(2, None, gone=ERASURE), delivery(3, None, gone=RETENTION), delivery(4))
    assert [event["deliverynumber"] for event in page] == [1, 2]
    assert sent(delivery(3, None, gone=RETENTION)) == []


def test_a_page_of_large_events_is_shorter_but_never_empty() -> None:
    large = {"union_id": "x" * 100, "kind": "y"}
    assert len(sent(*(delivery(number, large) for number in range(1, 9)), most_bytes=400)) == 3
    assert len(sent(delivery(1, large), delivery(2, large), most_bytes=1)) == 1
