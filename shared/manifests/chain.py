"""The hash of a delivered event, and the hash chain of a day's manifest. Pure.

A link is SHA-256 over the link before it and one entry; the first link stands for the subscription and the day. So the last link, which is
signed, fixes every entry between the first and the last number, and a receiver who has the entries can compute it again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from typing import Any, Final, Literal, TypeAlias, get_args

import msgspec

OWN = frozenset(("deliverynumber", "watermark", "correctsnumbers"))
"""Attributes of a delivered event that are one subscription's own, or differ from attempt to attempt: they are not part of its hash."""

State: TypeAlias = Literal["queued", "delivered", "parked", "withheld"]
"""What has become of a number."""
STATES: frozenset[str] = frozenset(get_args(State))

WITHHELD: Final = "withheld"
"""`Entry.again` of what is not shown any more: its grant has ended, or it was erased."""

canonical = msgspec.json.Encoder(order="sorted").encode
"""JSON with sorted names and without blanks (RFC 8785 for what events hold: texts, whole numbers, null, lists and objects)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One number: the event's id, the hash of the event as it was sent (hexadecimal), and what became of it.

    Id and hash are None where no content went out under the number, and none may. `corrects`: its `correctsnumbers`; None: it has none.
    `again`: what comes if it is asked for again now, where that is not what was sent: another hash, since its grant was narrowed, or WITHHELD.
    """

    number: int
    event_id: str | None
    hash: str | None
    state: str
    corrects: str | None = None
    again: str | None = None

    def body(self) -> dict[str, Any]:
        """As a manifest holds it."""
        return {
            "number": self.number,
            "event_id": self.event_id,
            "hash": self.hash,
            "state": self.state,
            "corrects": self.corrects,
            "again": self.again,
        }


def event_hash(event: Mapping[str, Any]) -> bytes:
    """The hash of a delivered event: SHA-256 of its JSON with sorted names and without blanks (RFC 8785), without OWN."""
    return sha256(canonical({name: value for name, value in event.items() if name not in OWN})).digest()


def chain_of(subscription: str, day: date, entries: Iterable[Entry]) -> str:
    """The last link of the chain, hexadecimal; without entries it is the first link. `entries` by ascending number."""
    link = sha256(f"parkunion manifest 1\n{subscription}\n{day.isoformat()}\n".encode()).digest()
    for one in entries:
        line = f"{one.number}\n{one.event_id or '-'}\n{one.hash or '-'}\n{one.corrects or '-'}\n{one.state}\n"
        link = sha256(link + line.encode()).digest()
    return link.hex()


def again_of(entries: Iterable[Entry]) -> str:
    """The hash over `again` of the entries that have one, hexadecimal. Not part of the chain, which stays the same when a grant ends."""
    text = "".join(f"{one.number}\n{one.again}\n" for one in entries if one.again is not None)
    return sha256(f"parkunion manifest 1 again\n{text}".encode()).hexdigest()
