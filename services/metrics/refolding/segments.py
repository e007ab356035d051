"""The facts of a shard other than members as rows of numbers, and what follows from them: the segments of C of all enterprises and unions.

The facts in force at a known day of a subject (a *version*), in the order of (occurred, rank), are rows that follow on each other; each attribute on a
day is that of the last row which states it (`coverage.Situation`). Rows that are alike in all on which a contribution depends but the number of workers
are one *class*, and what a class adds is asked of `Situation.segment` once.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from services.metrics.attributes import (
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
from services.metrics.folding.coverage import FEDERATION, FOREVER, JOINT, OWN, Rules, Situation, stale_from
from services.metrics.folding.facts import FactSet
from services.metrics.folding.plain.sums import Table
from services.metrics.measures import Vector, vector
from services.metrics.refolding.member_ledger import DAYS, Numbers
from shared.sequencing.columnar.layouts import Longs

Flags: TypeAlias = npt.NDArray[np.bool_]

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


class Facts:
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


class InForce:
    """The facts in force of each version, in order: `fact` is a row of `Facts`, `version` ascends."""

    def __init__(self, facts: Facts, version: Longs, fact: Longs) -> None:
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


class Segments(NamedTuple):
    version: Longs
    start: Longs
    cell: Longs
    kind: Longs
    workers: Longs
    classes: Sequence[Class]


def segments_of(facts: Facts, rows: InForce, numbers: Numbers, rules: Rules) -> Segments:
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
    return Segments(version[kept], start[kept], cell[kept], of_class[kept], workers[kept], classes)


def _stale(reported: Longs, rules: Rules) -> Longs:
    days, places = np.unique(reported, return_inverse=True)
    return np.array([FOREVER if day == FOREVER else stale_from(day, rules.stale_months) for day in days.tolist()], np.int64)[places]


def _cells(facts: Facts, place: Table, counts: Flags, numbers: Numbers) -> Longs:
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
