"""C and D of all enterprises and unions of a shard at once, by definition: their step functions at every known day, as arrays.

A *version* is one known day of one subject on which facts other than members came or went (`segments`). Nothing of the projector's faster ways
(`folding.ledger.fold`, `folding.plain.shapes`) is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from services.metrics.folding.coverage import FOLD_VERSION, FOREVER, RULES, Rules
from services.metrics.folding.durations import EPOCH
from services.metrics.folding.facts import FactSet
from services.metrics.folding.plain.sums import Table
from services.metrics.measures import INDEX, unpacked
from services.metrics.refolding.member_ledger import DAYS, MemberVersions, Numbers, expanded
from services.metrics.refolding.segments import Class, Facts, Flags, InForce, segments_of
from services.metrics.tables.rows import FOUNDED, WAITING
from shared.sequencing.columnar.layouts import Longs

KINDS = (WAITING, FOUNDED)
"""The kinds of a duration, by number."""
VALUE_0 = EPOCH
"""What is added to the value of a duration, so that none is negative."""


@dataclass(frozen=True, slots=True)
class Shapes:
    """The step functions of the subjects of a shard.

    Of versions, by subject and known day: `subject` (a number of `subjects`), `known`, `until` (the next known day), and `begin` and `end` of its segments.
    Of segments: `version`, `start`, `cell` (`Numbers`, -1: none), `kind` (a number of `classes`) and `workers`.
    """

    subjects: Sequence[str]
    subject: Longs
    known: Longs
    until: Longs
    begin: Longs
    end: Longs
    version: Longs
    start: Longs
    cell: Longs
    kind: Longs
    workers: Longs
    classes: Sequence[Class]

    @classmethod
    def of(cls, sets: Mapping[str, FactSet], numbers: Numbers, rules: Rules = RULES[FOLD_VERSION]) -> Shapes:
        """The shapes of sets that forgot nothing."""
        return cls.of_facts(list(sets), Facts(list(sets.values())), numbers, rules)

    @classmethod
    def of_facts(cls, subjects: Sequence[str], facts: Facts, numbers: Numbers, rules: Rules = RULES[FOLD_VERSION]) -> Shapes:
        """The same, of the facts of these subjects' sets."""
        came, went = facts.subject * DAYS + facts.known, facts.subject * DAYS + facts.until
        versions = np.unique(np.concatenate((came, went[facts.until < FOREVER])))
        subject, known = np.divmod(versions, DAYS)
        first = np.searchsorted(versions, came)
        after = np.where(facts.until < FOREVER, np.searchsorted(versions, went), np.searchsorted(versions, (facts.subject + 1) * DAYS))
        fact, version = expanded(np.arange(facts.count), first, after)
        segments = segments_of(facts, InForce(facts, version, fact), numbers, rules)
        same = subject[1:] == subject[:-1]
        until = np.concatenate((np.where(same, known[1:], FOREVER), [FOREVER])) if len(versions) else known
        begin, end = (np.searchsorted(segments.version, np.arange(len(versions)), side=side) for side in ("left", "right"))
        return cls(subjects, subject, known, until, begin, end, *segments)

    def steps(self) -> Table:
        """The steps of C without members of each version less those of the version before: cell, effective day, known day, class, the number of
        enterprises and that of their workers. Rows of one key are not summed."""
        before = self._before()
        rows, opens = np.flatnonzero(self.cell >= 0), np.flatnonzero(before >= 0)
        opens = opens[self.cell[before[opens]] >= 0]
        own = np.concatenate((rows, before[opens]))
        start, sign = np.concatenate((self.start[rows], self.start[opens])), np.repeat([1, -1], [len(rows), len(opens)])
        found = np.stack((self.cell[own], start, self.known[self.version[own]], self.kind[own], sign, sign * self.workers[own]))
        return self._and_gone(found, own, (4, 5))

    def durations(self) -> Table:
        """The steps of D in the same way: cell, effective day, known day, kind (KINDS), its value and VALUE_0, count."""
        flags = np.array(
            [[value[INDEX["should_organise_all"]] > 0, value[INDEX["covered_units"]] > 0] for value in self._bases()], np.bool_
        )
        started, covered = (self._first_of((self.cell >= 0) & own[self.kind]) for own in flags.reshape(-1, 2).T)
        place = np.arange(len(self.start))
        founded = (covered <= place).astype(np.int64)
        begins, is_covered = (self.start[np.minimum(at, len(self.start) - 1)] if len(place) else place for at in (started, covered))
        value = np.where(founded, np.maximum(0, is_covered - begins), begins - EPOCH) + VALUE_0
        counts = (self.cell >= 0) & (started <= place)
        cell, value, founded = (np.where(counts, one, -1) for one in (self.cell, value, founded))
        before = self._before()
        own = np.stack((cell, value, founded))
        kept = (before < 0) & counts if not len(place) else np.where(before < 0, counts, (own != own[:, before]).any(axis=0))
        rows = np.flatnonzero(kept)
        ends = rows[(before[rows] >= 0) & counts[before[rows]]]
        begins, lasts = rows[counts[rows]], before[ends]
        own_rows = np.concatenate((begins, lasts))
        start = np.concatenate((self.start[begins], self.start[ends]))
        sign = np.repeat([1, -1], [len(begins), len(lasts)])
        known = self.known[self.version[own_rows]]
        return self._and_gone(np.stack((cell[own_rows], start, known, founded[own_rows], value[own_rows], sign)), own_rows, (5,))

    def member_versions(self, subjects: Sequence[str], numbers: Numbers) -> MemberVersions:
        """The shapes by which the members of `subjects` count; a version by which they count as before is none."""
        each = np.array([numbers.of_each(one.each) for one in self.classes], np.int64)[self.kind] if len(self.kind) else self.kind
        # Where a member adds nothing, as in a union, it is in no cell.
        cell = np.where(np.array([bool(one.each) for one in self.classes], np.bool_)[self.kind], self.cell, -1)
        before = self._before()
        turns = (before < 0) | (cell != cell[before]) | (each != each[before])
        rows = np.flatnonzero(turns)
        version = self.version[rows]
        begin, end = (np.searchsorted(version, np.arange(len(self.known)), side=side) for side in ("left", "right"))
        columns = np.stack((self.start[rows], cell[rows], each[rows]))
        kept = self._new_to_members(begin, end, columns)
        places = {subject: number for number, subject in enumerate(subjects)}
        of_counts = np.array([places.get(subject, -1) for subject in self.subjects], np.int64)[self.subject]
        chosen = np.flatnonzero(kept & (of_counts >= 0))
        order = chosen[np.lexsort((self.known[chosen], of_counts[chosen]))]
        subject, known = of_counts[order], self.known[order]
        same = subject[1:] == subject[:-1]
        until = np.concatenate((np.where(same, known[1:], FOREVER), [FOREVER])) if len(order) else known
        number, row = expanded(np.arange(len(order)), begin[order], end[order])
        last = np.cumsum(end[order] - begin[order])
        return MemberVersions(subject, known, until, np.concatenate(([0], last))[:-1], last, number, *columns[:, row])

    def _new_to_members(self, begin: Longs, end: Longs, columns: Table) -> Flags:
        """Whether each version is the first of its subject, or has other rows than the one before."""
        count = len(begin)
        if not count:
            return np.zeros(0, np.bool_)
        lengths = end - begin
        found = np.concatenate(([True], (self.subject[1:] != self.subject[:-1]) | (lengths[1:] != lengths[:-1])))
        alike = np.flatnonzero(~found)
        version, row = expanded(alike, begin[alike], end[alike])
        other = row - begin[version] + begin[version - 1]
        differ = (columns[:, row] != columns[:, other]).any(axis=0)
        found[version[differ]] = True
        return found

    def _bases(self) -> Iterable[tuple[int, ...]]:
        return [unpacked(one.base) for one in self.classes]

    def _before(self) -> Longs:
        """The segment before each in its version; -1: none."""
        place = np.arange(len(self.version))
        return np.where(np.concatenate(([False], self.version[1:] == self.version[:-1]))[: len(place)], place - 1, -1)

    def _first_of(self, which: Flags) -> Longs:
        """The first of `which` among the segments of each segment's version; none: past all segments."""
        none = len(which)
        if not none:
            return np.zeros(0, np.int64)
        rows = np.flatnonzero(which)
        at = np.searchsorted(rows, self.begin[self.version])
        found = np.append(rows, none)[at]
        return np.where(found < self.end[self.version], found, none)

    def _and_gone(self, steps: Table, segment: Longs, amounts: Sequence[int]) -> Table:
        """Steps, and the same with the opposite sign at the known day on which their version ends."""
        until = self.until[self.version[segment]]
        ends = until < FOREVER
        gone = steps[:, ends]
        gone[2] = until[ends]
        for row in amounts:
            gone[row] *= -1
        return np.concatenate((steps, gone), axis=1)
