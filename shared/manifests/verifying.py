"""Compares the events that a receiver has with the manifest of a day, offline. Pure.

What is judged: every number of the manifest, and every received event that carries one of its numbers or one of its events. Events of other
days, and those that have no number (verifications, tests), are none of its concern.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from shared.manifests.chain import WITHHELD as NOT_AGAIN
from shared.manifests.chain import Entry, again_of, chain_of, event_hash
from shared.manifests.manifest import KeyUnknown, Manifest, NotAManifest, SignatureWrong, read, signed_head

WITHHELD = "parkunion.delivery-withheld.v1"
UNNUMBERED = frozenset(("parkunion.subscription-verification.v1", "parkunion.subscription-test.v1", "parkunion.subscription-heartbeat.v1"))
"""Types of events that may come without a number."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as the manifest says. `number`: that of the manifest, None if it is about the manifest itself or has none.

    Codes: `form`, `signature`, `key`, `head`, `chain`, `entries` (the manifest); `missing`, `altered`, `unexpected`, `renumbered` (the events).
    """

    code: str
    number: int | None
    event_id: str | None
    zh: str
    en: str

    def body(self) -> dict[str, Any]:
        """As JSON."""
        return {"code": self.code, "number": self.number, "event_id": self.event_id, "zh": self.zh, "en": self.en}


def verify(answer: Any, received: Iterable[Mapping[str, Any]], jwks: Mapping[str, Any]) -> list[Finding]:
    """Every way in which the manifest is not genuine, and every delivery of it that is missing, altered, unexpected or under another number.

    `answer`: the whole answer of `GET /v1/subscriptions/{id}/manifests/{day}`; `received`: delivered events as they arrived (structured
    CloudEvents), each as often as it came, in any order, also of other days; `jwks`: the service's key set. Empty: everything is as it was sent.
    """
    try:
        manifest = read(answer)
    except NotAManifest as error:
        return [Finding("form", None, None, error.zh, error.en)]
    return [*_genuine(manifest, jwks), *_compared(manifest.entries, received)]


def _genuine(manifest: Manifest, jwks: Mapping[str, Any]) -> Iterator[Finding]:
    head, entries = manifest.plain, manifest.entries
    try:
        if signed_head(manifest.jws, jwks) != head:
            yield Finding("head", None, None, "清单的内容与所签名的不同", "the manifest is not the one that was signed")
    except KeyUnknown:
        yield Finding("key", None, None, "公钥集中没有签名所用的密钥", "the key set has no key under the name that the signature gives")
    except SignatureWrong:
        yield Finding("signature", None, None, "签名不正确", "the signature is wrong")
    if chain_of(head.subscription, head.day, entries) != head.chain or again_of(entries) != head.again:
        yield Finding("chain", None, None, "各编号的散列链与清单不符", "the hash chain over the entries is not the one of the manifest")
    ends = (entries[0].number, entries[-1].number) if entries else (None, None)
    follow = all(later.number == earlier.number + 1 for earlier, later in pairwise(entries))
    before = head.previous.last + 1 if head.previous is not None else 1
    if not follow or (head.count, head.first, head.last) != (len(entries), *ends) or (entries and ends[0] != before):
        yield Finding(
            "entries", None, None, "编号不连续,或数量与清单不符", "the numbers are not contiguous, or not as many as the manifest says"
        )


@dataclass(slots=True)
class _Arrived:
    """What was received: events by number, the numbers that a withheld event accounts for, and events without number."""

    by_number: dict[int, list[Mapping[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    withheld: set[int] = field(default_factory=set)
    others: list[Mapping[str, Any]] = field(default_factory=list)


def _arrived(received: Iterable[Mapping[str, Any]]) -> _Arrived:
    found = _Arrived()
    for event in received:
        number = event.get("deliverynumber")
        if event.get("type") == WITHHELD:
            data = event.get("data")
            numbers = data.get("numbers") if isinstance(data, Mapping) else None
            found.withheld.update(one for one in (numbers if isinstance(numbers, Sequence) else ()) if isinstance(one, int))
        elif isinstance(number, int) and not isinstance(number, bool):
            found.by_number[number].append(event)
        elif event.get("type") not in UNNUMBERED:
            found.others.append(event)
    return found


def _compared(entries: Sequence[Entry], received: Iterable[Mapping[str, Any]]) -> Iterator[Finding]:
    arrived = _arrived(received)
    numbers = {one.event_id: one.number for one in entries if one.event_id is not None}
    came = {event.get("id") for events in (*arrived.by_number.values(), arrived.others) for event in events}
    for entry in entries:
        events = arrived.by_number.pop(entry.number, [])
        for event in events:
            yield from _judged(event, entry, numbers, accounted=entry.number in arrived.withheld)
        if entry.event_id is None or entry.event_id not in came:
            yield from _lacking(entry, withheld=entry.number in arrived.withheld)
    for number, events in sorted(arrived.by_number.items()):
        for event in events:
            if (own := numbers.get(str(event.get("id")))) is not None:
                yield _renumbered(event, own, number)
    for event in arrived.others:
        own = numbers.get(str(event.get("id")))
        if own is not None:
            yield _renumbered(event, own, None)
        else:
            identity = str(event.get("id"))
            yield Finding("unexpected", None, identity, f"事件 {identity} 没有编号", f"event {identity} has no number")


def _is(event: Mapping[str, Any], entry: Entry) -> bool:
    return entry.event_id is not None and event.get("id") == entry.event_id


def _judged(event: Mapping[str, Any], entry: Entry, numbers: Mapping[str, int], *, accounted: bool) -> Iterator[Finding]:
    """What is wrong with an event that carries the number of `entry`. `accounted`: a withheld event names the number, too."""
    identity, number = str(event.get("id")), entry.number
    if entry.event_id is None:
        # It may have come before the grant ended. A manifest fixes no content that may not be shown any more.
        if identity in numbers:
            yield _renumbered(event, numbers[identity], number)
        elif not accounted:
            yield Finding("unexpected", number, identity, f"编号 {number} 未发送内容,却收到了事件 {identity}",
                          f"nothing was sent under number {number}, and event {identity} has it")  # fmt: skip
    elif _is(event, entry):
        if event_hash(event).hex() not in (entry.hash, entry.again) or event.get("correctsnumbers") != entry.corrects:
            yield Finding(
                "altered", number, identity, f"编号 {number} 的内容与发送时不同", f"the content of number {number} is not what was sent"
            )
    elif identity in numbers:
        yield _renumbered(event, numbers[identity], number)
    else:
        yield Finding("unexpected", number, identity, f"编号 {number} 不是事件 {identity}", f"number {number} is not event {identity}")


def _lacking(entry: Entry, *, withheld: bool) -> Iterator[Finding]:
    """What is missing of a number whose event was not received, under any number. What is queued has yet to come."""
    number, identity = entry.number, entry.event_id
    if entry.state == "delivered" and identity is not None and not (withheld and entry.again == NOT_AGAIN):
        yield Finding("missing", number, identity, f"缺少编号 {number}(事件 {identity})", f"number {number} is missing (event {identity})")
    elif entry.state == "parked" and not withheld:
        yield Finding("missing", number, identity, f"缺少编号 {number}:多次发送未成功,可请求重新发送",
                      f"number {number} is missing: it could not be delivered; ask for its redelivery")  # fmt: skip
    elif entry.state == "withheld" and not withheld:
        yield Finding(
            "missing", number, identity, f"缺少编号 {number} 不再授权的通知", f"the notice that number {number} is withheld is missing"
        )


def _renumbered(event: Mapping[str, Any], own: int, number: int | None) -> Finding:
    identity = str(event.get("id"))
    under_zh, under_en = ("没有编号", "has no number") if number is None else (f"收到时的编号为 {number}", f"came under number {number}")
    return Finding(
        "renumbered", own, identity, f"事件 {identity} 的编号是 {own},{under_zh}", f"event {identity} has number {own} and {under_en}"
    )
