"""Which sets of facts of a batch are *plain*: folded as arrays, all at once (`folding.plain.fold`), instead of one by one (`ledger.fold`). Pure.

Of a plain set all that is new became known on one day, which is not before any other of its known days, and nothing is taken back. Its facts
are registrations, headcounts, at most one coverage, and members; or the founding of a union. That is nearly every set of a large batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from services.metrics.counted import AttributeContent, CoverageStart, Founding, Headcount, Registration, is_attribute
from services.metrics.folding.coverage import FOLD_VERSION, FOREVER, RULES, AttributeFact, segments
from services.metrics.folding.facts import FactChange, Placing
from services.metrics.folding.findings import Noted, before_settled, ever_over
from services.metrics.folding.member_columns import MIXED
from services.metrics.folding.plain.shapes import FORMS

KINDS: Mapping[type[AttributeContent], str] = {
    Registration: "enterprise-registered", Headcount: "headcount-reported", CoverageStart: "coverage-started", Founding: "union-founded",
}  # fmt: skip
_CONTENT = {kind: msgspec.msgpack.Decoder(content).decode for content, kind in KINDS.items()}
_NO_GRACE = RULES[FOLD_VERSION].grace_days == 0
"""The arrays know no days of grace; with a rule that gives some no set is plain."""


class _Fact(msgspec.Struct, array_like=True, gc=False):
    kind: str
    occurred: int
    rank: int
    known: int
    until: int
    content: msgspec.Raw


class _Stored(msgspec.Struct, array_like=True):
    attributes: list[_Fact]
    members: dict[int, dict[int, int]]
    since: int = 0
    matters: list[msgspec.Raw] = []


class _State(msgspec.Struct, array_like=True):
    attributes: list[AttributeFact]
    members: dict[int, dict[int, int]]
    since: int


_decode = msgspec.msgpack.Decoder(_Stored).decode
_encode = msgspec.msgpack.Encoder().encode


@dataclass(slots=True)
class PlainSet:
    """One plain set. `known` = the known day of all that is new; `before` = the facts other than members that were there, `added` = the new ones.

    `members` = {known day: {occurred day: net}}, with the new ones once the fold has counted them.
    """

    subject: str
    known: int
    before: list[AttributeFact]
    added: list[AttributeFact]
    members: dict[int, dict[int, int]]
    since: int

    def count(self, days: Sequence[int], net: Sequence[int]) -> None:
        """Add the new members: their net number of each occurred day."""
        counts = self.members.get(self.known)
        if counts is None:
            self.members[self.known] = {day: number for day, number in zip(days, net, strict=True) if number}
        else:
            for day, number in zip(days, net, strict=True):
                total = counts.get(day, 0) + number
                if total:
                    counts[day] = total
                else:
                    counts.pop(day, None)

    def dump(self) -> bytes:
        """The set as `FactSet.dump` writes it."""
        return _encode(_State(self.before + self.added, self.members, self.since))

    def noted(self) -> Noted:
        """As `findings.noted` of what became known with the batch."""
        facts, found = self.before + self.added, Noted.NONE
        if self.added and before_settled(facts):
            found |= Noted.BEFORE_SETTLED
        workers = [fact.content.workers for fact in facts if type(fact.content) is Headcount]
        if workers:
            joined = (number for counts in self.members.values() for number in counts.values() if number > 0)
            if sum(joined) > min(workers) and ever_over(segments(facts), self.totals()):
                found |= Noted.MEMBERS_OVER_WORKERS
        return found

    def totals(self) -> dict[int, int]:
        """{occurred day: net} of members over all known days."""
        found: dict[int, int] = {}
        for counts in self.members.values():
            for day, net in counts.items():
                found[day] = found.get(day, 0) + net
        return found

    def placing(self) -> Placing:
        """As `FactSet.placing`, of an enterprise."""
        facts = (*self.before, *self.added)
        return [(date.fromordinal(fact.occurred), fact.rank, fact.content.park) for fact in facts if type(fact.content) is Registration]


def plain_sets(
    subjects: Iterable[str],
    changes: Mapping[str, Sequence[FactChange]],
    members: Mapping[str, Mapping[int, Mapping[int, int]]],
    in_columns: Mapping[str, int],
    stored: Mapping[str, bytes],
    closed: int,
) -> Iterator[PlainSet]:
    """The plain ones of some sets. `changes` and `members` are what is new by subject, `in_columns` = {subject: the known day of its members that are
    columns, MIXED: several}, `stored` the sets as they are stored, `closed` the last closed day (0: none)."""
    if not _NO_GRACE:
        return
    for subject in subjects:
        known_days = {in_columns[subject]} if subject in in_columns else set[int]()
        if subject in members:
            known_days.update(members[subject])
        own = changes.get(subject, ())
        known_days.update(change.known for change in own)
        if len(known_days) != 1 or MIXED in known_days:
            continue
        (known,) = known_days
        added = _added(own, known)
        if added is None:
            continue
        before = list[AttributeFact]()
        of_members, since = dict[int, dict[int, int]](), 0
        if (state := stored.get(subject)) is not None:
            read = _decode(state)
            since, of_members = read.since, read.members
            days = [since, *of_members, *(fact.known for fact in read.attributes)]
            if read.matters or max(days) > known or any(since < day <= closed for day in days):
                continue
            if any(fact.until != FOREVER or fact.kind not in _CONTENT for fact in read.attributes):
                continue
            before = [
                AttributeFact(fact.kind, fact.occurred, fact.rank, fact.known, FOREVER, _CONTENT[fact.kind](fact.content))
                for fact in read.attributes
            ]
        if _is_plain(before + added if before else added):
            yield PlainSet(subject, known, before, added, of_members, since)


def _added(changes: Sequence[FactChange], known: int) -> list[AttributeFact] | None:
    """The new facts other than members; None: something else is new."""
    found = []
    for _, removed, added in changes:
        if removed is not None or added is None:
            return None
        kind, occurred, rank, kept = added
        if not is_attribute(kept) or type(kept) not in KINDS:
            return None
        found.append(AttributeFact(kind, occurred, rank, known, FOREVER, kept))
    return found


def _is_plain(facts: Sequence[AttributeFact]) -> bool:
    kinds = [type(fact.content) for fact in facts]
    if Founding in kinds:
        return kinds == [Founding]
    forms = [fact.content.kind for fact in facts if type(fact.content) is CoverageStart]
    return not forms or (len(forms) == 1 and any(forms[0] in form for form in FORMS))
