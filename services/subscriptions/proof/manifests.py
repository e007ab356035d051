"""Makes the manifest of a subscription and a day (form and verification: `shared/manifests/`). Pure.

Id and hash of a number are in it if its content went out under it, or may now: what was withheld, and what is queued or parked and is granted
no longer, is there by its number and state alone. Hashes of short contents could be guessed from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from services.subscriptions.matching.entitlement import Terms
from services.subscriptions.matching.outgoing import hash_of, shown_data
from services.subscriptions.proof.store import Numbered
from shared.manifests.chain import WITHHELD, Entry, again_of, chain_of
from shared.manifests.manifest import VERSION, Head, Previous

SETTLES_WITHIN = timedelta(seconds=90)
"""After a day's end: a transaction that assigned its last numbers may still be open, for 60 s at most (shared/process/db/sessions.py)."""


@dataclass(frozen=True, slots=True)
class Day:
    """The numbers of a day."""

    day: date
    numbers: Sequence[Numbered]


def entries(numbers: Iterable[Numbered], terms: Terms | None, now: datetime) -> list[Entry]:
    """The entries of these numbers. `terms`: what the subscription may get now; None: nothing."""
    return [_entry(one, terms, now) for one in numbers]


def _entry(one: Numbered, terms: Terms | None, now: datetime) -> Entry:
    data = None if terms is None or one.state == "withheld" else shown_data(one.content, terms, now)
    identity, corrects = str(one.content.event_id), ",".join(map(str, one.corrects or ())) or None
    if one.state == "delivered":
        return Entry(one.number, identity, one.hash.hex(), one.state, corrects, _again(one, data))
    if data is None:
        return Entry(one.number, None, None, one.state)
    digest = one.hash if one.sent else hash_of(one.content, data)
    return Entry(one.number, identity, digest.hex(), one.state, corrects)


def _again(one: Numbered, data: dict[str, Any] | None) -> str | None:
    """What a delivered number is now, if it is asked for again and is not what was sent. After retention it is not sent at all."""
    if one.gone == "retention":
        return None
    if data is None:
        return WITHHELD
    digest = hash_of(one.content, data)
    return digest.hex() if digest != one.hash else None


def head(subscription: str, client: str, day: Day, before: Day | None, terms: Terms | None, now: datetime, ends: datetime) -> Head:
    """What is signed. `before`: the last day before that has numbers; `ends`: the instant at which the day is over."""
    own = entries(day.numbers, terms, now)
    previous = None
    if before is not None:
        earlier = entries(before.numbers, terms, now)
        previous = Previous(before.day, earlier[-1].number, chain_of(subscription, before.day, earlier))
    return Head(
        version=VERSION,
        subscription=subscription,
        client=client,
        day=day.day,
        made_at=now.isoformat().replace("+00:00", "Z"),
        count=len(own),
        first=own[0].number if own else None,
        last=own[-1].number if own else None,
        chain=chain_of(subscription, day.day, own),
        again=again_of(own),
        previous=previous,
        complete=now >= ends + SETTLES_WITHIN and all(one.state != "queued" for one in own),
    )
