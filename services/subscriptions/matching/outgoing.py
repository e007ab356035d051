"""A delivered event: what leaves the house under one number of one subscription. Pure.

Push, pull, server-sent events, replay and manifests all make it by these functions, after the grant was asked again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

import msgspec

from services.subscriptions.matching.entitlement import DIRECTION, Terms, minimised
from shared.contracts import TYPES
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.manifests.chain import canonical

_encode = msgspec.json.Encoder().encode

SOURCE = "/services/subscriptions"
WITHHELD = "parkunion.delivery-withheld.v1"
VERIFICATION = "parkunion.subscription-verification.v1"
TEST = "parkunion.subscription-test.v1"
HEARTBEAT = "parkunion.subscription-heartbeat.v1"
OWN_TYPES = (WITHHELD, VERIFICATION, TEST, HEARTBEAT)
"""The types that the service itself sends; every subscription gets them, whatever its grant names."""


@dataclass(frozen=True, slots=True)
class Content:
    """One row of `contents` as it leaves. `data` is canonical JSON (shared/manifests/chain.py); None after retention or erasure.

    `fact_type`: the type by which grants are checked.
    """

    event_id: UUID
    source: str
    subject: str
    type: str
    fact_type: str
    time: datetime
    occurredon: date
    places: Sequence[str]
    data: bytes | None


def shown_data(content: Content, terms: Terms, at: datetime) -> dict[str, Any] | None:
    """The `data` that may leave at this moment; None: the number is withheld, for lack of a grant or of the content.

    A grant that was narrowed since the content was stored shows fewer fields of it.
    """
    if content.data is None or not terms.hold(at):
        return None
    data: dict[str, Any] = msgspec.json.decode(content.data)
    if content.fact_type in OWN_TYPES:
        return data
    if not terms.shows(content.fact_type, content.places):
        return None
    fields = terms.fields[content.fact_type]
    kind = TYPES.get(content.type)
    if kind is EventWithdrawn:
        return data
    if kind is FactCorrected:
        placed = {
            name: {**data[name], "data": _fewer(data[name]["data"], fields)} for name in ("withdrawn", "replacement") if data.get(name)
        }
        return {**data, **placed}
    return _fewer(data, fields)


def _fewer(data: Mapping[str, Any], fields: Sequence[str]) -> dict[str, Any]:
    direction = {DIRECTION: data[DIRECTION]} if DIRECTION in data else {}
    return {**minimised(data, fields), **direction}


def event_of(content: Content, data: Mapping[str, Any]) -> dict[str, Any]:
    """The CloudEvent without what is a subscription's own: what its hash is made of."""
    return {
        "specversion": "1.0",
        "id": str(content.event_id),
        "source": content.source,
        "type": content.type,
        "subject": content.subject,
        "time": content.time,
        "occurredon": content.occurredon.isoformat(),
        "datacontenttype": "application/json",
        "data": data,
    }


def numbered(event: Mapping[str, Any], number: int, watermark: int, corrects: Sequence[int] | None = None) -> dict[str, Any]:
    """The event under a number. `corrects`: the numbers of the deliveries that it corrects or withdraws.

    `watermark`: every number up to it is delivered, parked or withheld.
    """
    own: dict[str, Any] = {"deliverynumber": number, "watermark": watermark}
    if corrects:
        own["correctsnumbers"] = ",".join(map(str, corrects))
    return {**{name: value for name, value in event.items() if name != "data"}, **own, "data": event["data"]}


def withheld(subscription: UUID, numbers: Sequence[int], at: datetime, day: date) -> dict[str, Any]:
    """What is sent in place of numbers that are no longer granted: the numbers alone. The id is the same at every attempt."""
    return {
        "specversion": "1.0",
        "id": f"{subscription}.{numbers[0]}.withheld",
        "source": SOURCE,
        "type": WITHHELD,
        "subject": f"subscription/{subscription}",
        "time": at,
        "occurredon": day.isoformat(),
        "datacontenttype": "application/json",
        "data": {"numbers": list(numbers)},
    }


class _Hashed(msgspec.Struct, gc=False):
    """The fields of `event_of` in the order of their names; `data` in its canonical form."""

    data: msgspec.Raw
    datacontenttype: str
    id: UUID
    occurredon: date
    source: str
    specversion: str
    subject: str
    time: datetime
    type: str


def hash_of(content: Content, shown: Mapping[str, Any] | None = None) -> bytes:
    """The hash of the event as it is delivered (`chain.event_hash` of `event_of`). `shown`: its data, where that is not all that is stored."""
    hashed = _Hashed(
        msgspec.Raw(canonical(shown) if shown is not None else content.data or b""),
        "application/json",
        content.event_id,
        content.occurredon,
        content.source,
        "1.0",
        content.subject,
        content.time,
        content.type,
    )
    return sha256(_encode(hashed)).digest()
