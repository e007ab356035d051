"""What an event says to the figures, and the set of facts of one enterprise or union: the state that the projector keeps.

Members are counts per (known day, occurred day), never persons. Days are ordinals.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from services.metrics.folding.coverage import FOREVER, Fact, Segment, segments
from shared import contracts
from shared.contracts import Envelope, UnreadableEvent
from shared.contracts.streams import FactCorrected
from shared.sequencing.parked_reasons import DomainError

MOST_WORKERS = 10**9

FIELDS: dict[str, tuple[str, ...]] = {
    "enterprise-registered": ("park", "industry", "ownership"),
    "headcount-reported": ("workers", "size"),
    "enterprise-moved": ("park",),
    "enterprise-reclassified": ("industry", "ownership", "size"),
    "enterprise-closed": (),
    "coverage-started": ("union_id", "kind"),
    "coverage-ended": ("union_id", "kind"),
    "member-joined": (),
    "member-left": (),
    "union-founded": ("seat_area",),
    "union-dissolved": (),
}
"""{kind of fact: the fields that count}. Membership ids are not among them."""

MEMBERS = {"member-joined": 1, "member-left": -1}
CORRECTED = "fact-corrected"
WITHDRAWN = "event-withdrawn"


class RefusedFact(DomainError):
    """The event is well formed but cannot be counted: it names no fact that metrics knows, or a headcount below 0 or above 10⁹."""


class Placed(NamedTuple):
    """One fact as its event, or the correction of it, states it."""

    kind: str
    occurred: int
    rank: int
    says: dict[str, Any]


class Change(NamedTuple):
    """What an event does to the set of facts on its known day: `withdrawn` goes, `placed` comes. A withdrawal is several of them."""

    known: int
    withdrawn: Placed | None
    placed: Placed | None


def kind_of(type_name: str) -> str:
    """`headcount-reported` of `parkunion.headcount-reported.v1`."""
    return type_name.split(".")[1]


def change(event: Envelope, known: int) -> Change:
    """Read an event of an enterprise or a union. Raises RefusedFact."""
    data = event.data
    if isinstance(data, FactCorrected):
        return Change(known, _corrected(data, data.withdrawn), _corrected(data, data.replacement) if data.replacement else None)
    kind = kind_of(event.type)
    if kind in MEMBERS:
        return Change(known, None, Placed(kind, event.occurredon.toordinal(), event.sequence, {}))
    return Change(known, None, _placed(kind, event.occurredon.toordinal(), event.sequence, contracts.plain(data)))


def _corrected(data: FactCorrected, content: contracts.streams.Placed) -> Placed:
    try:
        contracts.fact(data.fact, content.data)
    except UnreadableEvent as error:
        raise RefusedFact("BAD_FACT", str(error)) from error
    return _placed(kind_of(data.fact), content.occurred_on.toordinal(), data.rank, content.data)


def _placed(kind: str, occurred: int, rank: int, data: Mapping[str, Any]) -> Placed:
    if kind not in FIELDS:
        raise RefusedFact("NO_FACT", kind)
    workers = data.get("workers", 0)
    if not 0 <= workers <= MOST_WORKERS:
        raise RefusedFact("HEADCOUNT", str(workers))
    return Placed(kind, occurred, rank, {name: data[name] for name in FIELDS[kind] if data.get(name) is not None})


class _Stored(msgspec.Struct, array_like=True):
    attributes: list[Fact]
    members: dict[int, dict[int, int]]
    since: int = 0


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Stored).decode


@dataclass(slots=True)
class FactSet:
    """The facts of one enterprise or union, those withdrawn included for the known days on which they still held.

    `members` = {known day: {occurred day: net}}, `totals` the same over all known days. `newest` = the greatest known day of the set,
    `newest_attribute` that of the facts other than members. `shape` = the step function of all facts, as known for ever. What was known
    before the day `since` is forgotten: the set tells every known day from it on.
    """

    attributes: list[Fact] = field(default_factory=list)
    members: dict[int, dict[int, int]] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)
    newest: int = 0
    newest_attribute: int = 0
    shape: list[Segment] = field(default_factory=list)
    since: int = 0

    @classmethod
    def load(cls, stored: bytes) -> FactSet:
        """Read what `dump` wrote."""
        read = _decode(stored)
        found = cls(read.attributes, read.members, since=read.since)
        for net in found.members.values():
            _add(found.totals, net)
        found.newest_attribute = max(found.attribute_days(), default=0)
        found.newest = max(found.newest_attribute, max(found.members, default=0), found.since)
        found.shape = segments(found.in_force())
        return found

    @classmethod
    def retold(cls, changes: Iterable[Change], members: Mapping[int, int], known: int) -> FactSet:
        """The set as known at the end of a day, from the events until then: `members` = {occurred day: net} of those that are members."""
        found = cls()
        found.add(changes)
        for occurred, net in members.items():
            found._count(known, occurred, net)
        found.newest = max(found.newest, known)
        return found

    def dump(self) -> bytes:
        """The set as msgpack."""
        return _encode(_Stored(self.attributes, self.members, self.since))

    def compact(self, closed: int) -> None:
        """Forget the past of the known days up to `closed`, on which nothing more can become known: it changes no row to come.

        What was withdrawn by then goes; what holds is known from the last of those days on, on which something changed.
        """
        past = max((day for day in (*self.attribute_days(), *self.members) if day <= closed), default=0)
        if past <= self.since:
            return
        net = self.members_known(closed)
        self.attributes = [
            msgspec.structs.replace(fact, known=past) if fact.known < past else fact for fact in self.attributes if fact.until > closed
        ]
        self.members = {past: net, **{day: counts for day, counts in self.members.items() if day > closed}}
        self.since = past

    def attribute_days(self) -> Iterator[int]:
        """The known days on which facts other than members came or went."""
        for fact in self.attributes:
            yield fact.known
            if fact.until < FOREVER:
                yield fact.until

    def in_force(self, known: int = FOREVER - 1) -> list[Fact]:
        """The facts other than members that are in the set at a known day."""
        return [fact for fact in self.attributes if fact.known <= known < fact.until]

    def members_known(self, known: int) -> dict[int, int]:
        """{occurred day: net} of members as known at a day."""
        net: dict[int, int] = {}
        for day, counts in self.members.items():
            if day <= known:
                _add(net, counts)
        return net

    def as_known(self, known: int) -> FactSet:
        """The set as it was known at the end of a day, with nothing of its past."""
        kept = [msgspec.structs.replace(fact, until=FOREVER) for fact in self.in_force(known)]
        members = self.members_known(known)
        return FactSet(kept, {known: members}, dict(members), known, known, segments(kept))

    def add(self, changes: Iterable[Change]) -> None:
        """Take in what events say, each stream's in its order."""
        if self.gather(changes):
            self.shape = segments(self.in_force())

    def gather(self, changes: Iterable[Change]) -> bool:
        """As `add`, but `shape` stays as it was, for who asks for rows by definition only; whether it would be another one."""
        reshaped = False
        for told in changes:
            self.newest = max(self.newest, told.known)
            if told.withdrawn is not None:
                reshaped |= self._withdraw(told.withdrawn, told.known)
            if told.placed is not None:
                reshaped |= self._place(told.placed, told.known)
        return reshaped

    def _place(self, placed: Placed, known: int) -> bool:
        if placed.kind in MEMBERS:
            self._count(known, placed.occurred, MEMBERS[placed.kind])
            return False
        self.newest_attribute = max(self.newest_attribute, known)
        self.attributes.append(Fact(placed.kind, placed.occurred, placed.rank, known, FOREVER, placed.says))
        return True

    def _withdraw(self, withdrawn: Placed, known: int) -> bool:
        if withdrawn.kind in MEMBERS:
            self._count(known, withdrawn.occurred, -MEMBERS[withdrawn.kind])
            return False
        self.newest_attribute = max(self.newest_attribute, known)
        for index, fact in enumerate(self.attributes):
            if fact.kind == withdrawn.kind and fact.rank == withdrawn.rank and fact.until == FOREVER:
                if fact.known >= known:
                    del self.attributes[index]
                else:
                    self.attributes[index] = msgspec.structs.replace(fact, until=known)
                return True
        return False

    def _count(self, known: int, occurred: int, net: int) -> None:
        one = {occurred: net}
        _add(self.members.setdefault(known, {}), one)
        _add(self.totals, one)


def _add(counts: dict[int, int], more: Mapping[int, int]) -> None:
    for day, net in more.items():
        value = counts.get(day, 0) + net
        if value:
            counts[day] = value
        else:
            counts.pop(day, None)
