"""The hash chain of a day's manifest: over the numbers of a subscription, the events behind them, and what became of each. Pure.

A link is SHA-256 over the link before it and one line; the first link stands for the subscription and the day. So a manifest fixes every
number between its first and its last, and a receiver who has the events can compute it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any

import msgspec

OWN = frozenset(("deliverynumber", "watermark", "correctsnumbers"))
"""Attributes of a delivered event that are one subscription's own, or differ from attempt to attempt: they are not part of its hash."""

canonical = msgspec.json.Encoder(order="sorted").encode
"""JSON with sorted names and without blanks (RFC 8785 for what events hold: texts, whole numbers, null, lists and objects)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One number: the event's id, the hash of the event as it was sent (hexadecimal; None: without content), and what became of it."""

    number: int
    event_id: str
    body_hash: str | None
    fate: str


def event_hash(event: Mapping[str, Any]) -> bytes:
    """The hash of a delivered event: SHA-256 of its JSON with sorted names and without blanks (RFC 8785), without OWN."""
    return sha256(canonical({name: value for name, value in event.items() if name not in OWN})).digest()


def chain_of(subscription: str, day: date, entries: Iterable[Entry]) -> str:
    """The last link of the chain, hexadecimal. `entries` by ascending number."""
    link = sha256(f"parkunion manifest 1\n{subscription}\n{day.isoformat()}\n".encode()).digest()
    for one in entries:
        line = f"{one.number}\n{one.event_id}\n{one.body_hash or '-'}\n{one.fate}\n"
        link = sha256(link + line.encode()).digest()
    return link.hex()
