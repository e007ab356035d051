"""C and D of many plain sets as step functions in arrays: what `coverage.segments` and `durations.spans` say of each. Pure.

Days are ordinals. An index of -1 is none.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from services.metrics.attributes import CoverageStart, Founding, Headcount, Registration
from services.metrics.folding.coverage import (
    FEDERATION,
    FOLD_VERSION,
    FOREVER,
    JOINT,
    OF_UNION,
    OWN,
    RULES,
    AttributeFact,
    each_member,
    of_enterprise,
    stale_from,
)
from services.metrics.folding.durations import EPOCH
from services.metrics.measures import INDEX, NUMBER, Vector, unpacked
from services.metrics.tables.rows import FOUNDED, WAITING, Cell, Kind

Ints: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
NONE = -1
DAYS = 2**22
"""More than there are ordinals of days."""
REGISTRATION, HEADCOUNT, COVERAGE, FOUNDING = range(4)
UNION = 2**7
"""The base of a union; of an enterprise: its workers (UNKNOWN, NOBODY, SOME, MANY) + 4 if they are stale + 8 × the form of its coverage."""
UNKNOWN, NOBODY, SOME, MANY = range(4)
_STALE, _FORM = 4, 8
FORMS = (frozenset[str](), OWN, JOINT, FEDERATION)
_FORM_OF = {kind: at for at, form in enumerate(FORMS) for kind in form}
UNIONISED, NO_HEADCOUNT = 2, 1
"""What a member counts as: their sum."""
EACH: Sequence[Vector] = [each_member(bool(code & UNIONISED), bool(code & NO_HEADCOUNT)) for code in range(4)]
_WORKERS, _WORKERS_UNIONISED = INDEX["workers"], INDEX["workers_unionised"]
KINDS: Sequence[Kind] = (FOUNDED, WAITING)


class Numbers:
    """Numbers for texts, from 0; -1 for None."""

    def __init__(self) -> None:
        self.texts = list[str]()
        self._numbers: dict[str | None, int] = {None: NONE}

    def number(self, text: str | None) -> int:
        """The number of a text."""
        found = self._numbers.get(text)
        if found is None:
            found = self._numbers[text] = len(self.texts)
            assert text is not None, "None has a number"
            self.texts.append(text)
        return found

    def text(self, number: int) -> str | None:
        """The text of a number."""
        return None if number == NONE else self.texts[number]


class _Row(NamedTuple):
    """One fact. `place`: its park or seat; `industry` of a registration, `ownership` too, `size` of a headcount: numbers of texts; `value`: the workers, or
    the form of the coverage (an index of FORMS)."""

    set: int
    occurred: int
    rank: int
    kind: int
    place: int = NONE
    industry: int = NONE
    ownership: int = NONE
    size: int = NONE
    value: int = NONE


def _row(number: int, fact: AttributeFact, texts: Numbers) -> _Row:
    """By the type alone: a class pattern costs as much as the row."""
    content, text = fact.content, texts.number
    if type(content) is Registration:
        return _Row(number, fact.occurred, fact.rank, REGISTRATION, text(content.park), text(content.industry), text(content.ownership))
    if type(content) is Headcount:
        return _Row(number, fact.occurred, fact.rank, HEADCOUNT, NONE, NONE, NONE, text(content.size), content.workers)
    if type(content) is CoverageStart:
        return _Row(number, fact.occurred, fact.rank, COVERAGE, NONE, NONE, NONE, NONE, _FORM_OF[content.kind])
    if type(content) is Founding:
        return _Row(number, fact.occurred, fact.rank, FOUNDING, text(content.seat_area))
    raise AssertionError(f"{content} is no fact of a plain set")


class Spans(NamedTuple):
    """Steps of D: from `start` on, one unit more (`sign` 1) or less of a set in `cell` that is `kind` (an index of KINDS) with `value`."""

    set: Ints
    cell: Ints
    start: Ints
    kind: Ints
    value: Ints
    sign: Ints


@dataclass(slots=True)
class Shapes:
    """The steps of C of sets with ascending numbers, in order. `set`, `start` (first day), `cell` (an index of `cells`), `base` (see UNION) with `workers`,
    `each` (what a member counts as; NONE: nothing). `first`: whether it is the first step of its set."""

    cells: list[Cell]
    set: Ints
    start: Ints
    cell: Ints
    base: Ints
    workers: Ints
    each: Ints
    first: Flags

    def spans(self) -> Spans:
        """The steps of D."""
        at = np.arange(len(self.set))
        begins = np.flatnonzero(self.first)
        of_set = np.cumsum(self.first) - 1
        enterprise = (self.cell != NONE) & (self.base != UNION)
        should = enterprise & (self.base % _STALE >= SOME)
        covered = enterprise & (self.base >= _FORM)
        eligible, founded = (_first_of(flags, at, begins)[of_set] for flags in (should, covered))
        counts = enterprise & (at >= eligible)
        waits = at < founded
        start = np.append(self.start, 0)
        began, ended = start[np.minimum(eligible, len(at))], start[np.minimum(founded, len(at))]
        value = np.where(waits, began - EPOCH, np.maximum(0, ended - began))
        cell, kind = np.where(counts, self.cell, NONE), waits.astype(np.int64)
        same = np.zeros(len(at), np.bool_)
        if len(at):
            same[1:] = (cell[1:] == cell[:-1]) & ((cell[1:] == NONE) | ((kind[1:] == kind[:-1]) & (value[1:] == value[:-1])))
            same &= ~self.first
        begin = ~same & (cell != NONE)
        end = np.flatnonzero(~same & ~self.first)
        end = end[cell[end - 1] != NONE]
        rows = np.concatenate((np.flatnonzero(begin), end - 1))
        return Spans(
            self.set[rows], cell[rows], np.concatenate((self.start[begin], self.start[end])), kind[rows], value[rows],
            np.repeat([1, -1], [int(begin.sum()), len(end)]),
        )  # fmt: skip


def _first_of(flags: Flags, at: Ints, begins: Ints) -> Ints:
    """The first row of each set for which the flag holds; a number after all rows: none."""
    return np.minimum.reduceat(np.where(flags, at, len(at)), begins) if len(begins) else begins


def shapes_of(sets: Iterable[tuple[int, Iterable[AttributeFact]]], cells: dict[Cell, int]) -> Shapes:
    """The shapes of sets, given by ascending number with the facts of each. New cells get the next number in `cells`."""
    texts = Numbers()
    rows = [_row(number, fact, texts) for number, facts in sets for fact in facts]
    table = np.array(rows, np.int64).reshape(-1, len(_Row._fields)).T
    of_set, occurred, _, kind, place, industry, ownership, size, value = table[:, np.lexsort((table[2], table[1], table[0]))]
    at = np.arange(len(of_set))
    first = np.ones(len(at), np.bool_)
    first[1:] = of_set[1:] != of_set[:-1]
    begin = np.maximum.accumulate(np.where(first, at, 0)) if len(at) else at

    def last(flags: Flags) -> Ints:
        """The last row of the set up to each row for which the flag holds; NONE: there is none."""
        found = np.maximum.accumulate(np.where(flags, at, NONE)) if len(at) else at
        return np.where(found >= begin, found, NONE)

    def of_last(flags: Flags, values: Ints) -> Ints:
        found = last(flags)
        return np.where(found == NONE, NONE, values[found]) if len(at) else at

    registered = kind == REGISTRATION
    counted = last(kind == HEADCOUNT)
    settled = last(registered | (kind == FOUNDING)) != NONE
    in_union = last(kind == FOUNDING) != NONE
    parts = (
        of_last(registered | (kind == FOUNDING), place), of_last(registered & (industry != NONE), industry),
        of_last(kind == HEADCOUNT, size), of_last(registered & (ownership != NONE), ownership),
    )  # fmt: skip
    form, workers = np.maximum(of_last(kind == COVERAGE, value), 0), of_last(kind == HEADCOUNT, value)
    cell = _cells(parts, settled, texts, cells)
    end = np.append(occurred[1:], FOREVER)
    if len(at):
        end[np.append(first[1:], True)] = FOREVER
    stale_on = _stale_on(np.where(counted == NONE, 0, occurred[counted])) if len(at) else at
    known = counted != NONE
    turned = np.flatnonzero(known & (occurred < stale_on) & (stale_on < end))
    stay = np.flatnonzero(occurred < end)
    row, start = np.concatenate((stay, turned)), np.concatenate((occurred[stay], stale_on[turned]))
    order = np.lexsort((start, of_set[row]))
    row, start = row[order], start[order]
    number = np.where(workers >= RULES[FOLD_VERSION].ge25, MANY, np.where(workers >= 1, SOME, NOBODY))
    base = np.where(known, number, UNKNOWN)[row] + _STALE * (known[row] & (start >= stale_on[row])) + _FORM * form[row]
    base = np.where(in_union[row], UNION, base)
    each = np.where(in_union | ~settled, NONE, UNIONISED * (form > 0) + NO_HEADCOUNT * ~known)[row]
    set_of_row = of_set[row]
    begins = np.ones(len(row), np.bool_)
    begins[1:] = set_of_row[1:] != set_of_row[:-1]
    return Shapes(list(cells), set_of_row, start, cell[row], base, np.where(known, workers, 0)[row], each, begins)


def _cells(parts: Sequence[Ints], settled: Flags, texts: Numbers, cells: dict[Cell, int]) -> Ints:
    """The number of the cell of each row; NONE where nothing counts."""
    key = np.zeros(len(settled), np.int64)
    for part in parts:
        values, places = np.unique(part, return_inverse=True)
        key = key * len(values) + places
    found = np.full(len(settled), NONE, np.int64)
    keys, first, places = np.unique(key[settled], return_index=True, return_inverse=True)
    rows = np.flatnonzero(settled)[first]
    named = [
        (texts.text(int(a)), texts.text(int(b)), texts.text(int(c)), texts.text(int(d)))
        for a, b, c, d in np.stack(parts)[:, rows].T.tolist()
    ]
    numbers = np.array([cells.setdefault(name, len(cells)) for name in named], np.int64)
    found[settled] = numbers[places] if len(keys) else found[settled]
    return found


def _stale_on(reported: Ints) -> Ints:
    """The first day on which a headcount of each day is stale; of 0 any day."""
    days, places = np.unique(reported, return_inverse=True)
    months = RULES[FOLD_VERSION].stale_months
    return np.array([stale_from(day, months) if day else 0 for day in days.tolist()], np.int64)[places]


def bases(codes: Iterable[int]) -> npt.NDArray[np.int64]:
    """The measures of some bases without their workers, a row each."""
    return np.array([unpacked(_base(code)) for code in codes], np.int64).reshape(-1, NUMBER)


def _base(code: int) -> Vector:
    if code == UNION:
        return OF_UNION
    workers = {UNKNOWN: None, NOBODY: 0, SOME: 1, MANY: RULES[FOLD_VERSION].ge25}[code % _STALE]
    return of_enterprise(FORMS[code // _FORM], workers, stale=bool(code & _STALE))


def add_workers(measures: npt.NDArray[np.int64], base: Ints, workers: Ints) -> None:
    """Add the workers to the measures of enterprises, a row each."""
    measures[:, _WORKERS] += workers
    measures[:, _WORKERS_UNIONISED] += np.where(base >= _FORM, workers, 0)
