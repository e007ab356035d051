"""Deliveries as a client is shown them: the event under its number, or in its place what says that it is withheld. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec

from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.matching.outgoing import event_of, numbered, shown_data, withheld
from services.subscriptions.receiving.store import RETENTION, Delivery, Settled
from shared.manifests.chain import canonical, event_hash

ERASED, NOT_GRANTED = "ERASED", "NOT_GRANTED"
"""`deliveries.error` of a withheld number."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Shown:
    """One number: the delivered event but for the watermark, which is known at the end. `settled`: what changes with it, if it is queued."""

    delivery: Delivery
    event: dict[str, object]
    settled: Settled | None
    corrects: Sequence[int] | None

    def encoded(self, watermark: int) -> bytes:
        """The delivered event as JSON."""
        return _encode(numbered(self.event, self.delivery.number, watermark, self.corrects))


def shown(deliveries: Sequence[Delivery], terms: Terms, now: datetime, most_bytes: int) -> list[Shown]:
    """The deliveries in order, up to the first whose content was removed by retention; of contents so large that they are more than
    `most_bytes` together fewer, but one at least."""
    found: list[Shown] = []
    size = 0
    for one in deliveries:
        size += len(one.content.data or b"")
        if one.gone == RETENTION or (found and size > most_bytes):
            break
        found.append(_shown(one, terms, now))
    return found


def _shown(one: Delivery, terms: Terms, now: datetime) -> Shown:
    data = shown_data(one.content, terms, now)
    if data is None:
        error = ERASED if one.content.data is None else NOT_GRANTED
        event = withheld(one.subscription, [one.number], one.assigned_at, one.day)
        return Shown(one, event, Settled(one.subscription, one.number, error), None)
    event = event_of(one.content, data)
    return Shown(one, event, _narrowed(one, event), one.corrects)


def _narrowed(one: Delivery, event: dict[str, object]) -> Settled | None:
    """The hash of what is shown, where that is not what was stored or shown last."""
    if canonical(event["data"]) == one.content.data and one.sent_hash is None:
        return None
    sent = event_hash(event)
    return Settled(one.subscription, one.number, None, sent) if sent != (one.sent_hash or one.stored_hash) else None
