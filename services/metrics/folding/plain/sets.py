"""Which sets of facts of a batch are *plain*: folded as arrays, all at once (`folding.plain.fold`), instead of one by one (`ledger.fold`). Pure.

Of a plain set all that is new became known on one day, which is not before any other of its known days, and nothing is taken back. Its facts
are registrations, headcounts, at most one coverage, and members; or the founding of a union. That is nearly every set of a large batch.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple

from services.metrics.attributes import CoverageStart, Founding, Headcount, Registration
from services.metrics.counted import BY_KIND, Attribute, is_attribute
from services.metrics.folding.changes import FactChange
from services.metrics.folding.columns.members import MIXED
from services.metrics.folding.coverage import FOLD_VERSION, FOREVER, RULES, AttributeFact, segments
from services.metrics.folding.facts import Placing, add_counts, last_park
from services.metrics.folding.findings import Noted, before_settled, ever_over
from services.metrics.folding.plain.shapes import FORMS
from services.metrics.folding.stored import decode_content, decode_state, dumped

CONTENTS = frozenset((Registration, Headcount, CoverageStart, Founding))
KINDS = frozenset(kind for kind, row in BY_KIND.items() if isinstance(row, Attribute) and row.content in CONTENTS)
"""The kinds of facts, other than members, of plain sets."""
_NO_GRACE = RULES[FOLD_VERSION].grace_days == 0
"""The arrays know no days of grace; with a rule that gives some no set is plain."""


@dataclass(slots=True)
class PlainSet:
    """One plain set. `known` = the known day of all that is new; `before` = the facts other than members that were there, `added` = the new ones.

    `members` = {known day: {occurred day: net}}, with the new ones once the fold has counted them. `fresh`: nothing of the set was stored.
    """

    subject: str
    known: int
    before: list[AttributeFact]
    added: list[AttributeFact]
    members: dict[int, dict[int, int]]
    since: int
    fresh: bool

    def count(self, days: Sequence[int], net: Sequence[int]) -> None:
        """Add the new members: their net number of each occurred day."""
        add_counts(self.members.setdefault(self.known, {}), dict(zip(days, net, strict=True)))

    def dump(self) -> bytes:
        """The set as `FactSet.dump` writes it."""
        return dumped(self.before + self.added, self.members, self.since)

    def noted(self) -> Noted:
        """As `findings.noted` of what became known with the batch."""
        facts, found = self.before + self.added, Noted.NONE
        if len(facts) == 1 and type(facts[0].content) is not Headcount:
            return found
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
            add_counts(found, counts)
        return found

    def park(self) -> str | None:
        """As `facts.last_park` of its placing, of an enterprise."""
        if len(self.added) == 1 and not self.before:
            content = self.added[0].content
            return content.park if type(content) is Registration else None
        return last_park(self.placing())

    def placing(self) -> Placing:
        """As `FactSet.placing`, of an enterprise."""
        facts = (*self.before, *self.added)
        return [(date.fromordinal(fact.occurred), fact.rank, fact.content.park) for fact in facts if type(fact.content) is Registration]


class New(NamedTuple):
    """What is new of some sets, by subject: `changes`; `stated`, the new facts of subjects without changes; `members` = {known day: {occurred day:
    net}}; `in_columns` = the known day of the members that are columns, MIXED: several."""

    changes: Mapping[str, Sequence[FactChange]]
    stated: Mapping[str, Sequence[AttributeFact]]
    members: Mapping[str, Mapping[int, Mapping[int, int]]]
    in_columns: Mapping[str, int]

    def subjects(self) -> set[str]:
        """Every subject of which something is new."""
        return {*self.changes, *self.stated, *self.members, *self.in_columns}

    def of(self, subject: str) -> tuple[int, list[AttributeFact]] | None:
        """(the known day of all that is new, the new facts other than members); None: it is not of one day, or not plain by itself."""
        added = self.stated.get(subject)
        if added is None:
            changes = self.changes.get(subject, ())
            if (added := _added(changes)) is None:
                return None
        elif not CONTENTS.issuperset([type(fact.content) for fact in added]):
            return None
        days = {fact.known for fact in added}
        if subject in self.in_columns:
            days.add(self.in_columns[subject])
        if subject in self.members:
            days.update(self.members[subject])
        if len(days) != 1:
            return None
        (known,) = days
        return None if known == MIXED else (known, list(added))


def plain_sets(subjects: Iterable[str], new: New, stored: Mapping[str, bytes], closed: int) -> Iterator[PlainSet]:
    """The plain ones of some sets. `stored`: the sets as they are stored, `closed`: the last closed day (0: none)."""
    if not _NO_GRACE:
        return
    for subject in subjects:
        if (found := new.of(subject)) is None:
            continue
        known, added = found
        fresh = subject not in stored
        earlier = _NOTHING if fresh else _earlier(stored[subject], known, closed)
        if earlier is not None and _is_plain(earlier.attributes + added if earlier.attributes else added):
            members = {} if fresh else earlier.members
            yield PlainSet(subject, known, earlier.attributes, added, members, earlier.since, fresh)


class _Earlier(NamedTuple):
    """What a set had before the batch."""

    attributes: list[AttributeFact]
    members: dict[int, dict[int, int]]
    since: int


_NOTHING = _Earlier([], {}, 0)


def _earlier(state: bytes, known: int, closed: int) -> _Earlier | None:
    """What a stored set has; None: it has other kinds of facts, took one back, changed after the day `known`, or must forget closed days."""
    read = decode_state(state)
    days = [read.since, *read.members, *(fact.known for fact in read.attributes)]
    if read.matters or max(days) > known or any(read.since < day <= closed for day in days):
        return None
    if any(fact.until != FOREVER or fact.kind not in KINDS for fact in read.attributes):
        return None
    attributes = [
        AttributeFact(fact.kind, fact.occurred, fact.rank, fact.known, FOREVER, decode_content[fact.kind](fact.content))
        for fact in read.attributes
    ]
    return _Earlier(attributes, read.members, read.since)


def _added(changes: Sequence[FactChange]) -> list[AttributeFact] | None:
    """The new facts other than members; None: something else is new."""
    found = []
    for known, removed, added in changes:
        if removed is not None or added is None:
            return None
        kind, occurred, rank, kept = added
        if not is_attribute(kept) or type(kept) not in CONTENTS:
            return None
        found.append(AttributeFact(kind, occurred, rank, known, FOREVER, kept))
    return found


def _is_plain(facts: Sequence[AttributeFact]) -> bool:
    if len(facts) == 1 and type(facts[0].content) is Registration:
        return True
    kinds = [type(fact.content) for fact in facts]
    if Founding in kinds:
        return kinds == [Founding]
    forms = [fact.content.kind for fact in facts if type(fact.content) is CoverageStart]
    return not forms or (len(forms) == 1 and any(forms[0] in form for form in FORMS))
