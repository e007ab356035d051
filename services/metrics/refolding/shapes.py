"""C and D of all enterprises and unions of a shard at once, by definition: their step functions at every known day, as arrays.

A *version* is one known day of one subject on which facts other than members came or went. Its facts in force, in the order of (occurred, rank),
are rows that follow on each other; each attribute of an enterprise on a day is that of the last row which states it (`coverage.Situation`). Rows
that are alike in all on which a contribution depends but the number of workers are one *class*, and what a class adds is asked of `Situation.segment`
once. Nothing of the projector's faster ways (`folding.ledger.fold`) is used.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from services.metrics.counted import (
    AttributeContent,
    Classification,
    Closure,
    CoverageEnd,
    CoverageStart,
    Dissolution,
    Founding,
    Headcount,
    Move,
    Registration,
)
from services.metrics.folding.coverage import FEDERATION, FOLD_VERSION, FOREVER, JOINT, OWN, RULES, Rules, Situation, stale_from
from services.metrics.folding.durations import EPOCH
from services.metrics.folding.facts import FactSet
from services.metrics.folding.plain.sums import Table
from services.metrics.measures import INDEX, Vector, unpacked, vector
from services.metrics.refolding.member_ledger import DAYS, MemberVersions, Numbers, expanded
from services.metrics.tables.rows import FOUNDED, WAITING
from shared.sequencing.columnar.layouts import Longs

Flags: TypeAlias = npt.NDArray[np.bool_]

KINDS = (WAITING, FOUNDED)
"""The kinds of a duration, by number."""
VALUE_0 = EPOCH
"""What is added to the value of a duration, so that none is negative."""
_CONTENTS: Sequence[type[AttributeContent]] = (
    Registration, Headcount, Move, Classification, Closure, CoverageStart, CoverageEnd, Founding, Dissolution,
)  # fmt: skip
REGISTRATION, HEADCOUNT, MOVE, CLASSIFICATION, CLOSURE, START, END, FOUNDING, DISSOLUTION = range(len(_CONTENTS))
_NUMBER = {content: number for number, content in enumerate(_CONTENTS)}
_FORMS = (OWN, JOINT, FEDERATION)
_NOWHERE, _OF_UNION, _OPERATES = range(3)
_WORKERS, _UNIONISED = vector(workers=1), vector(workers_unionised=1)


class Class(NamedTuple):
    """What a segment adds: `base`, `per_worker` for each of its workers, and `each` for every member."""

    base: Vector
    per_worker: Vector
    each: Vector


NOTHING = Class(0, 0, 0)


class _Facts:
    """All facts of a shard but members, one row each, as numbers; -1 is none."""

    def __init__(self, sets: Sequence[FactSet]) -> None:
        facts = [fact for own in sets for fact in own.attributes]
        self.count = len(facts)
        self.subject = np.repeat(np.arange(len(sets)), [len(own.attributes) for own in sets])
        self.occurred, self.rank, self.known, self.until = (
            np.array(list(map(attrgetter(name), facts)), np.int64) for name in ("occurred", "rank", "known", "until")
        )
        contents: list[Any] = list(map(attrgetter("content"), facts))
        self.type = np.array([_NUMBER[one] for one in map(type, contents)], np.int64)
        self._contents, self.texts = contents, list[str | None]()
        self._numbers = dict[str | None, int]()
        self.park = self._text((REGISTRATION, MOVE), "park")
        self.industry = self._text((REGISTRATION, CLASSIFICATION), "industry")
        self.ownership = self._text((REGISTRATION, CLASSIFICATION), "ownership")
        self.size = self._text((HEADCOUNT, CLASSIFICATION), "size")
        self.seat = self._text((FOUNDING,), "seat_area")
        self.union = self._text((START, END), "union_id")
        self.form = self._text((START, END), "kind")
        self.workers = np.full(self.count, -1, np.int64)
        rows = np.flatnonzero(self.type == HEADCOUNT)
        self.workers[rows] = [contents[row].workers for row in rows.tolist()]

    def _text(self, types: Sequence[int], name: str) -> Longs:
        found, numbers = np.full(self.count, -1, np.int64), self._numbers
        for number in types:
            rows = np.flatnonzero(self.type == number)
            values = map(attrgetter(name), [self._contents[row] for row in rows.tolist()])
            found[rows] = [-1 if value is None else numbers.setdefault(value, len(numbers)) for value in values]
        self.texts = list(numbers)
        return found

    def text(self, number: int) -> str | None:
        return None if number < 0 else self.texts[number]


class _Rows:
    """The facts in force of each version, in order: `fact` is a row of `_Facts`, `version` ascends."""

    def __init__(self, facts: _Facts, version: Longs, fact: Longs) -> None:
        order = np.lexsort((fact, facts.rank[fact], facts.occurred[fact], version))
        self.version, self.fact = version[order], fact[order]
        self.occurred, self.type = facts.occurred[self.fact], facts.type[self.fact]
        self._place = np.arange(len(order))
        turns = np.concatenate(([True], self.version[1:] != self.version[:-1])) if len(order) else np.zeros(0, np.bool_)
        self._first = np.maximum.accumulate(np.where(turns, self._place, 0))
        self.ends = np.concatenate((np.where(turns[1:], FOREVER, self.occurred[1:]), [FOREVER])) if len(order) else self.occurred

    def last(self, which: Flags) -> Longs:
        """For each row the last one of its version, up to it, that is one of `which`; -1: none."""
        found = np.maximum.accumulate(np.where(which, self._place, -1))
        return np.where(found >= self._first, found, -1)

    def of(self, values: Longs, types: Sequence[int], *, stated: bool = True) -> Longs:
        """For each row the value of a fact of some types, by the last of them (`stated`: that states one); -1: none."""
        own = values[self.fact]
        which = np.isin(self.type, types)
        last = self.last(which & (own >= 0) if stated else which)
        return np.where(last >= 0, own[last], -1)

    def sums(self, amounts: Longs) -> Longs:
        """For each row the sum of its version's amounts up to it."""
        total = np.cumsum(amounts)
        return total - (total - amounts)[self._first]

    def covering(self, union: Longs, counts: Longs) -> Longs:
        """For each row how many of the unions that cover the enterprise count; `counts`: of each row that begins a coverage, 0 or 1."""
        rows = np.flatnonzero(np.isin(self.type, (START, END)))
        order = rows[np.lexsort((rows, union[self.fact[rows]], self.version[rows]))]
        key = self.version[order] * (int(union.max(initial=0)) + 1) + union[self.fact[order]]
        after = np.where(self.type[order] == START, counts[order], 0)
        same = np.concatenate(([False], key[1:] == key[:-1])) if len(order) else np.zeros(0, np.bool_)
        before = np.where(same, np.concatenate(([0], after[:-1])), 0) if len(order) else after
        amounts = np.zeros(len(self.fact), np.int64)
        amounts[order] = after - before
        return self.sums(amounts)


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
        facts = _Facts(list(sets.values()))
        came, went = facts.subject * DAYS + facts.known, facts.subject * DAYS + facts.until
        versions = np.unique(np.concatenate((came, went[facts.until < FOREVER])))
        subject, known = np.divmod(versions, DAYS)
        first = np.searchsorted(versions, came)
        after = np.where(facts.until < FOREVER, np.searchsorted(versions, went), np.searchsorted(versions, (facts.subject + 1) * DAYS))
        fact, version = expanded(np.arange(facts.count), first, after)
        segments = _segments(facts, _Rows(facts, version, fact), numbers, rules)
        same = subject[1:] == subject[:-1]
        until = np.concatenate((np.where(same, known[1:], FOREVER), [FOREVER])) if len(versions) else known
        begin, end = (np.searchsorted(segments.version, np.arange(len(versions)), side=side) for side in ("left", "right"))
        return cls(list(sets), subject, known, until, begin, end, *segments)

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
        before = self._before()
        turns = (before < 0) | (self.cell != self.cell[before]) | (each != each[before])
        rows = np.flatnonzero(turns)
        version = self.version[rows]
        begin, end = (np.searchsorted(version, np.arange(len(self.known)), side=side) for side in ("left", "right"))
        columns = np.stack((self.start[rows], self.cell[rows], each[rows]))
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


class _Segments(NamedTuple):
    version: Longs
    start: Longs
    cell: Longs
    kind: Longs
    workers: Longs
    classes: Sequence[Class]


def _segments(facts: _Facts, rows: _Rows, numbers: Numbers, rules: Rules) -> _Segments:
    """The segments of all versions, in order; as `coverage.segments`, only those that differ from the one before."""
    settled = rows.last(rows.type == REGISTRATION)
    counted = rows.last(rows.type == HEADCOUNT)
    workers = np.where(counted >= 0, facts.workers[rows.fact[counted]] if len(rows.fact) else counted, -1)
    seat = rows.of(facts.seat, (FOUNDING,))
    dissolved, closed = (rows.last(rows.type == number) >= 0 for number in (DISSOLUTION, CLOSURE))
    kind = np.where(seat >= 0, np.where(dissolved, _NOWHERE, _OF_UNION), np.where((settled >= 0) & ~closed, _OPERATES, _NOWHERE))
    place = np.stack(
        (
            rows.of(facts.park, (REGISTRATION, MOVE)),
            rows.of(facts.industry, (REGISTRATION, CLASSIFICATION)),
            rows.of(facts.size, (HEADCOUNT, CLASSIFICATION), stated=False),
            rows.of(facts.ownership, (REGISTRATION, CLASSIFICATION)),
        )
    )
    place = np.where(kind == _OF_UNION, np.stack((seat, *np.full((3, len(seat)), -1))), place)
    forms = np.array([[text in form for form in _FORMS] for text in facts.texts], np.int64).reshape(-1, len(_FORMS))
    of_form = forms[facts.form[rows.fact]] if len(forms) else np.zeros((len(rows.fact), len(_FORMS)), np.int64)
    covering = [rows.covering(facts.union, counts) > 0 for counts in (np.ones(len(rows.fact), np.int64), *of_form.T)]
    reported, since = (np.where(at >= 0, rows.occurred[at] if len(rows.fact) else at, FOREVER) for at in (counted, settled))
    stale = _stale(reported, rules)
    in_grace_until = np.where(since < FOREVER, since + rules.grace_days, FOREVER)
    day, end = rows.occurred, rows.ends
    lasts = np.flatnonzero(day != end)
    starts, of_rows = [day[lasts]], [lasts]
    for turn in (np.where(workers >= 0, stale, FOREVER), *((in_grace_until,) if rules.grace_days else ())):
        inside = lasts[(turn[lasts] > day[lasts]) & (turn[lasts] < end[lasts])]
        starts.append(turn[inside])
        of_rows.append(inside)
    start, row = np.concatenate(starts), np.concatenate(of_rows)
    order = np.lexsort((start, rows.version[row]))
    start, row = start[order], row[order]
    operates = kind[row] == _OPERATES
    workers = np.where(operates, workers[row], -1)
    known = workers >= 0
    flags = [
        known, workers >= 1, workers >= rules.ge25, known & (start < in_grace_until[row]), known & (start >= stale[row]),
        *(operates & one[row] for one in covering),
    ]  # fmt: skip
    code = kind[row] + sum(flag.astype(np.int64) << (2 + at) for at, flag in enumerate(flags))
    classes, of_class = _classes(code, rules)
    workers = np.where(known, workers, 0)
    cell = _cells(facts, place[:, row], kind[row] != _NOWHERE, numbers)
    version = rows.version[row]
    own = np.stack((cell, of_class, workers))
    before = np.concatenate((np.array([-1, -1, -1]).reshape(3, 1), own[:, :-1]), axis=1) if len(row) else own
    first = np.concatenate(([True], version[1:] != version[:-1]))[: len(row)]
    kept = np.where(first, cell >= 0, (own != before).any(axis=0))
    return _Segments(version[kept], start[kept], cell[kept], of_class[kept], workers[kept], classes)


def _stale(reported: Longs, rules: Rules) -> Longs:
    days, places = np.unique(reported, return_inverse=True)
    return np.array([FOREVER if day == FOREVER else stale_from(day, rules.stale_months) for day in days.tolist()], np.int64)[places]


def _cells(facts: _Facts, place: Table, counts: Flags, numbers: Numbers) -> Longs:
    """The numbers of cells; `place`: the numbers of the texts of each."""
    width = len(facts.texts) + 1
    if width**4 < 2**62:
        code = ((place[0] + 1) * width + place[1] + 1) * width**2 + (place[2] + 1) * width + place[3] + 1
        _, first, places = np.unique(code, return_index=True, return_inverse=True)
    else:
        _, first, places = np.unique(place, axis=1, return_index=True, return_inverse=True)
    each = [facts.text(number) for number in place[:, first].T.ravel().tolist()]
    cells = [(each[at], each[at + 1], each[at + 2], each[at + 3]) for at in range(0, len(each), 4)]
    used = np.zeros(len(cells), np.bool_)
    used[places[counts]] = True
    named = np.array([numbers.cell(cell) if use else -1 for cell, use in zip(cells, used.tolist(), strict=True)], np.int64)
    return np.where(counts, named[places], -1) if len(named) else places


def _classes(code: Longs, rules: Rules) -> tuple[list[Class], Longs]:
    """(what each class adds, the class of each row). Codes that add the same are one class."""
    codes, places = np.unique(code, return_inverse=True)
    numbers = dict[Class, int]()
    own = [numbers.setdefault(_class_of(one, rules), len(numbers)) for one in codes.tolist()]
    return list(numbers), np.array(own, np.int64)[places] if len(own) else places


def _class_of(code: int, rules: Rules) -> Class:
    """What the rows of a code add, by the definition of one enterprise that is as the code says."""
    kind, flags = code & 3, [bool(code >> (2 + at) & 1) for at in range(9)]
    known, some, ge25, in_grace, stale, covered, *forms = flags
    if kind == _NOWHERE:
        return NOTHING
    if kind == _OF_UNION:
        segment = Situation(seat="").segment(0, rules)
        return Class(segment.base, 0, segment.each)
    day = 2 * rules.grace_days + DAYS // 4
    covering = {str(at): next(iter(sorted(form))) for at, (form, has) in enumerate(zip(_FORMS, forms, strict=True)) if has}
    if covered and not covering:
        covering["other"] = ""
    workers = (max(1, rules.ge25) if ge25 else 1 if some else 0) if known else None
    if workers is not None and (workers >= rules.ge25) != ge25:
        workers = rules.ge25 - 1
    now = Situation(settled=day if in_grace else day - rules.grace_days, workers=workers, covering=covering)
    now.reported = day - 366 * (rules.stale_months // 12 + 2) if stale else day
    segment = now.segment(day, rules)
    per_worker = _WORKERS + (_UNIONISED if covered else 0) if known else 0
    return Class(segment.base - (workers or 0) * per_worker, per_worker, segment.each)
