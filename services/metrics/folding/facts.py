"""The set of facts of one enterprise or union, with the known days on which each fact was in it: the state that the projector keeps.

Members are counts per (known day, occurred day), never persons. Days are ordinals.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import TypeAlias, TypeVar

import msgspec

from services.metrics import counted
from services.metrics.counted import Members
from services.metrics.folding.changes import FactChange, StatedFact
from services.metrics.folding.coverage import FOREVER, AttributeFact, Segment, segments
from services.metrics.folding.stored import are_stored_as, decode_content, decode_matter, decode_state, dumped, dumped_with_matters
from services.metrics.folding.tallies import case_of, tallies
from services.metrics.folding.tallying.tally import MatterFact, Tallies

Placing: TypeAlias = list[tuple[date, int, str]]
"""(day, rank, park or seat) of each fact in force that says where an enterprise or a union is."""


def last_park(placing: Placing) -> str | None:
    """Where the facts of an enterprise say that it is: by the last one, whatever the day."""
    return None if not placing else placing[0][2] if len(placing) == 1 else max(placing)[2]


@dataclass(slots=True)
class FactSet:
    """The facts of one enterprise or union, removed facts included for the known days on which they still held.

    `members` = {known day: {occurred day: net}}, `totals` the same over all known days. `newest` = the greatest known day of the set,
    `newest_attribute` that of the facts other than members. `shape` = the step function of all facts in force. Known days before `since`
    are forgotten: the set is exact for every known day from `since` on. `joined` = at least how many ever joined, of those that are remembered.
    `matters` = the facts of cases, agreements, assessments and aid, which do not shape C and D; `newest_matter` = their greatest known day.
    """

    attributes: list[AttributeFact] = field(default_factory=list)
    members: dict[int, dict[int, int]] = field(default_factory=dict)
    totals: dict[int, int] = field(default_factory=dict)
    newest: int = 0
    newest_attribute: int = 0
    shape: list[Segment] = field(default_factory=list)
    since: int = 0
    joined: int = 0
    matters: list[MatterFact] = field(default_factory=list)
    newest_matter: int = 0
    _tallied: Tallies | None = None

    @classmethod
    def load(cls, stored: bytes) -> FactSet:
        """Read what `dump` wrote."""
        read = decode_state(stored)
        attributes = [
            AttributeFact(fact.kind, fact.occurred, fact.rank, fact.known, fact.until, decode_content[fact.kind](fact.content))
            for fact in read.attributes
        ]
        matters = [
            MatterFact(fact.kind, fact.occurred, fact.rank, fact.known, fact.until, decode_matter[fact.kind](fact.content))
            for fact in read.matters
        ]
        found = cls(attributes, read.members, since=read.since, matters=matters)
        for net in found.members.values():
            add_counts(found.totals, net)
            found.joined += sum(count for count in net.values() if count > 0)
        found.newest_attribute = max(found.attribute_days(), default=0)
        found.newest_matter = max(found.matter_days(), default=0)
        found.newest = max(found.newest_attribute, found.newest_matter, max(found.members, default=0), found.since)
        found.shape = segments(found.in_force())
        return found

    @classmethod
    def rebuilt(cls, changes: Iterable[FactChange], members: Mapping[int, int], known: int) -> FactSet:
        """The set as known at the end of a day, from the events up to it; `members` = {occurred day: net} of the member facts."""
        found = cls()
        found.add(changes)
        found.count(known, members)
        return found

    def is_stored_as(self, stored: bytes) -> bool:
        """Whether `stored` holds the same facts, once both forget as many known days; the order of arrival does not matter. It may say no of equal ones
        that are written in another form. Forgets what `stored` has forgotten."""
        read = decode_state(stored)
        self.compact(read.since)
        if read.since != self.since or (read.members != self.members and _without_none(read.members) != _without_none(self.members)):
            return False
        return are_stored_as(self.attributes, read.attributes) and are_stored_as(self.matters, read.matters)

    def dump(self) -> bytes:
        """The set as msgpack; without matters as the releases before them wrote it."""
        if self.matters:
            return dumped_with_matters(self.attributes, self.members, self.since, self.matters)
        return dumped(self.attributes, self.members, self.since)

    def compact(self, closed: int) -> None:
        """Forget the past of the closed known days up to `closed`. No later ledger row depends on it.

        Facts removed by then are dropped. Facts in force become known on the last of those days on which the set changed.
        """
        past = max((day for day in (*self.attribute_days(), *self.matter_days(), *self.members) if day <= closed), default=0)
        if past <= self.since:
            return
        net = self.members_known(closed)
        self.attributes = [
            msgspec.structs.replace(fact, known=past) if fact.known < past else fact for fact in self.attributes if fact.until > closed
        ]
        self.matters = [
            msgspec.structs.replace(fact, known=past) if fact.known < past else fact for fact in self.matters if fact.until > closed
        ]
        self.members = {past: net, **{day: counts for day, counts in self.members.items() if day > closed}}
        self.since = past

    def attribute_days(self) -> Iterator[int]:
        """The known days on which facts other than members came or went."""
        for fact in self.attributes:
            yield fact.known
            if fact.until < FOREVER:
                yield fact.until

    def matter_days(self) -> Iterator[int]:
        """The known days on which matters came or went."""
        for fact in self.matters:
            yield fact.known
            if fact.until < FOREVER:
                yield fact.until

    def matters_in_force(self, known: int = FOREVER - 1) -> list[MatterFact]:
        """The matters that are in the set at a known day."""
        return [fact for fact in self.matters if fact.known <= known < fact.until]

    def tallies(self) -> Tallies:
        """What all matters in force add to the tallies."""
        if self._tallied is None:
            self._tallied = tallies(self.matters_in_force(), self.shape)
        return self._tallied

    def tallies_of(self, cases: Collection[str]) -> Tallies:
        """What the matters in force of some cases add."""
        return tallies([fact for fact in self.matters if fact.until == FOREVER and case_of(fact.content) in cases], self.shape)

    def in_force(self, known: int = FOREVER - 1) -> list[AttributeFact]:
        """The facts other than members that are in the set at a known day."""
        return [fact for fact in self.attributes if fact.known <= known < fact.until]

    def placing(self) -> Placing:
        """(day, rank, park or seat) of each fact in force that says where the enterprise or union is."""
        return [
            (date.fromordinal(fact.occurred), fact.rank, place)
            for fact in self.in_force()
            if (place := counted.place_of(fact.content)) is not None
        ]

    def members_known(self, known: int) -> dict[int, int]:
        """{occurred day: net} of members as known at a day."""
        net: dict[int, int] = {}
        for day, counts in self.members.items():
            if day <= known:
                add_counts(net, counts)
        return net

    def as_known(self, known: int) -> FactSet:
        """The set as known at the end of a day, without its past."""
        kept = [msgspec.structs.replace(fact, until=FOREVER) for fact in self.in_force(known)]
        members = self.members_known(known)
        matters = [msgspec.structs.replace(fact, until=FOREVER) for fact in self.matters_in_force(known)]
        return FactSet(
            kept, {known: members}, dict(members), known, known, segments(kept), joined=self.joined, matters=matters, newest_matter=known
        )

    def add(self, changes: Iterable[FactChange]) -> None:
        """Apply counted changes, those of a stream in its order."""
        if self.gather(changes):
            self.shape = segments(self.in_force())

    def gather(self, changes: Iterable[FactChange]) -> bool:
        """As `add`, but leaves `shape` as it was: `rows_since` does not use it. Returns whether `shape` is out of date."""
        reshaped = False
        for change in changes:
            self.newest = max(self.newest, change.known)
            if change.removed is not None:
                reshaped |= self._remove(change.removed, change.known)
            if change.added is not None:
                reshaped |= self._add(change.added, change.known)
        return reshaped

    def _add(self, added: StatedFact, known: int) -> bool:
        kept = added.kept
        if type(kept) is Members:
            self.count(known, {added.occurred: kept.each})
            return False
        self._tallied = None
        if counted.is_matter(kept):
            self.newest_matter = max(self.newest_matter, known)
            self.matters.append(MatterFact(added.kind, added.occurred, added.rank, known, FOREVER, kept))
            return False
        assert counted.is_attribute(kept), "the caller leaves out what is not counted"
        self.newest_attribute = max(self.newest_attribute, known)
        self.attributes.append(AttributeFact(added.kind, added.occurred, added.rank, known, FOREVER, kept))
        return True

    def _remove(self, removed: StatedFact, known: int) -> bool:
        if type(removed.kept) is Members:
            self.count(known, {removed.occurred: -removed.kept.each})
            return False
        self._tallied = None
        if counted.is_matter(removed.kept):
            self.newest_matter = max(self.newest_matter, known)
            _take_out(self.matters, removed, known)
            return False
        self.newest_attribute = max(self.newest_attribute, known)
        return _take_out(self.attributes, removed, known)

    def count(self, known: int, added: Mapping[int, int]) -> None:
        """Count more (or fewer) members on a known day; `added` = {occurred day: net}."""
        self.newest = max(self.newest, known)
        add_counts(self.members.setdefault(known, {}), added)
        add_counts(self.totals, added)
        self.joined += sum(net for net in added.values() if net > 0)


F = TypeVar("F", AttributeFact, MatterFact)


def _take_out(facts: list[F], removed: StatedFact, known: int) -> bool:
    """Whether the fact was there and goes on a known day."""
    for index, fact in enumerate(facts):
        if fact.kind == removed.kind and fact.rank == removed.rank and fact.until == FOREVER:
            if fact.known >= known:
                del facts[index]
            else:
                facts[index] = msgspec.structs.replace(fact, until=known)
            return True
    return False


def _without_none(members: Mapping[int, Mapping[int, int]]) -> dict[int, Mapping[int, int]]:
    return {known: net for known, net in members.items() if net}


def add_counts(counts: dict[int, int], more: Mapping[int, int]) -> None:
    """Add net numbers by day to others; a day that comes to 0 is left out."""
    for day, net in more.items():
        value = counts.get(day, 0) + net
        if value:
            counts[day] = value
        else:
            counts.pop(day, None)
