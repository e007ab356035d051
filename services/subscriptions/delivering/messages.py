"""The request of one number: its event as it may be shown at this moment, and its signed headers. Pure but for the timestamp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from services.subscriptions.delivering.claims import Head
from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.matching.outgoing import Content, event_of, hash_of, numbered, shown_data, withheld
from services.subscriptions.signing.standard_webhooks import Signer, headers
from shared import __version__
from shared.process.clock import utc_now

CONTENT_TYPE = "application/cloudevents+json"
USER_AGENT = f"parkunion/{__version__}"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Message:
    """What is sent of a number. `withheld`: without content. `hash`: of what is sent, where it is not the stored content; else empty."""

    body: bytes
    withheld: bool
    hash: bytes


def message_of(head: Head, terms: Terms, at: datetime) -> Message:
    """The message of a lane's head at this moment."""
    data = shown_data(head.content, terms, at)
    if data is None:
        event = withheld(head.lane.subscription, [head.number], head.assigned_at, head.day)
        return Message(_encode(numbered(event, head.number, head.channel.watermark)), True, b"")
    body = _encode(numbered(event_of(head.content, data), head.number, head.channel.watermark, head.corrects))
    return Message(body, False, b"" if _as_stored(head.content, data) else hash_of(head.content, data))


def _as_stored(content: Content, data: Any) -> bool:
    """Whether the whole stored content is shown."""
    return content.data is not None and msgspec.json.decode(content.data) == data


def request_headers(signers: Sequence[Signer], subscription: UUID, name: int | str, body: bytes) -> dict[str, str]:
    """The headers of a request; `name`: the number, or what stands for it in requests that have none.

    The timestamp is the wall clock's, as in tokens: receivers compare it with theirs, also while a trial's clock is turned.
    """
    return {
        "Content-Type": CONTENT_TYPE,
        "User-Agent": USER_AGENT,
        **headers(signers, f"{subscription}.{name}", int(utc_now().timestamp()), body),
    }
