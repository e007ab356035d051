"""The rows of many plain sets at once, for the known day of each: the steps in t of C(F_k) less C(F_k−1), and of D, by arrays. Pure.

C(F, t) of a set is its base by the shape of its facts, and its members by the same shape; C is linear in members (`folding.ledger`). So with new
facts other than members the rows are all steps by the new shape less all steps by the shape before; without, the new members' steps.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from services.metrics.folding.columns.members import MemberColumns
from services.metrics.folding.plain.sets import PlainSet
from services.metrics.folding.plain.shapes import DAYS, EACH, KINDS, NONE, Ints, Shapes, add_workers, bases, shapes_of
from services.metrics.folding.plain.sums import Table, summed
from services.metrics.measures import packed_rows
from services.metrics.tables.rows import Cell, Rows

Counts: TypeAlias = Mapping[int, Mapping[int, int]]


@dataclass(slots=True)
class NewMembers:
    """The new members of the sets: `set` (its number), `day`, `net`; one row for each set and day, in order."""

    set: Ints
    day: Ints
    net: Ints

    def of_sets(self) -> Iterator[tuple[int, list[int], list[int]]]:
        """(number of a set, days, net members) of each set that has new ones."""
        if not len(self.set):
            return
        begins = np.flatnonzero(np.concatenate(([True], self.set[1:] != self.set[:-1])))
        days, net, ends = self.day.tolist(), self.net.tolist(), [*begins[1:].tolist(), len(self.set)]
        for number, begin, end in zip(self.set[begins].tolist(), begins.tolist(), ends, strict=True):
            yield number, days[begin:end], net[begin:end]


def new_members(sets: Sequence[PlainSet], objects: Mapping[str, Counts], columns: Sequence[MemberColumns]) -> NewMembers:
    """What the events of a batch change of the members of these sets; `objects` = {subject: {known day: {occurred day: net}}} of those that are no columns."""
    numbers = {one.subject: number for number, one in enumerate(sets)}
    rows = [
        (numbers[subject], day, net)
        for subject, known in objects.items()
        if subject in numbers
        for counts in known.values()
        for day, net in counts.items()
    ]
    tables = [np.array(rows, np.int64).reshape(-1, 3).T, *(one.members_of(numbers) for one in columns)]
    (of_set, day), (net,) = summed(np.concatenate(tables, axis=1), 2)
    return NewMembers(of_set, day, net)


def add_plain(sets: Sequence[PlainSet], members: NewMembers, rows: Rows) -> None:
    """Add the rows of all sets to `rows`. The members of `sets` are those before the batch."""
    cells = dict[Cell, int]()
    after = shapes_of(((number, one.before + one.added) for number, one in enumerate(sets)), cells)
    turned = [(number, one) for number, one in enumerate(sets) if one.added and (one.before or one.members)]
    before = shapes_of(((number, one.before) for number, one in turned), cells)
    earlier = _earlier(turned)
    with_new_facts = np.array([bool(one.added) for one in sets], np.bool_)
    known = np.array([one.known for one in sets], np.int64)
    names = list(cells)
    _add_bases(_of_sets(after, with_new_facts), before, known, names, rows)
    steps = [_member_steps(after, members.set, members.day, members.net)]
    if earlier.shape[1]:
        steps += [_member_steps(after, *earlier), _member_steps(before, earlier[0], earlier[1], -earlier[2])]
    _add_members(np.concatenate(steps, axis=1), known, names, rows)
    for shapes, sign in ((_of_sets(after, with_new_facts), 1), (before, -1)):
        _add_spans(shapes, sign, known, names, rows)


def _earlier(turned: Sequence[tuple[int, PlainSet]]) -> Table:
    """The members that some sets had before: set, day, net."""
    found = [(number, day, net) for number, one in turned for day, net in one.totals().items()]
    return np.array(found, np.int64).reshape(-1, 3).T


def _of_sets(shapes: Shapes, kept: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> Shapes:
    """The shapes of some sets."""
    rows = kept[shapes.set]
    return Shapes(
        shapes.cells, shapes.set[rows], shapes.start[rows], shapes.cell[rows], shapes.base[rows], shapes.workers[rows], shapes.each[rows],
        shapes.first[rows],
    )  # fmt: skip


def _add_bases(after: Shapes, before: Shapes, known: Ints, cells: Sequence[Cell], rows: Rows) -> None:
    """Add the steps of the bases of `after` less those of `before`."""
    parts = []
    for shapes, sign in ((after, 1), (before, -1)):
        counts = np.flatnonzero(shapes.cell != NONE)
        ends = np.flatnonzero(~shapes.first)
        ends = ends[shapes.cell[ends - 1] != NONE]
        of = np.concatenate((counts, ends - 1))
        start = np.concatenate((shapes.start[counts], shapes.start[ends]))
        signs = np.repeat([sign, -sign], [len(counts), len(ends)])
        parts.append(np.stack((shapes.cell[of], start, known[shapes.set[of]], shapes.base[of], signs * shapes.workers[of], signs)))
    table = np.concatenate(parts, axis=1)
    if not table.shape[1]:
        return
    codes, places = np.unique(table[3], return_inverse=True)
    measures = bases(codes.tolist())[places] * table[5][:, None]
    add_workers(measures, table[3], table[4])
    keys, sums = summed(np.concatenate((table[:3], measures.T)), 3)
    changed = sums.any(axis=0)
    vectors = packed_rows(np.ascontiguousarray(sums[:, changed].T))
    figures = rows.figures
    for cell, day, known_day, vector in zip(*keys[:, changed].tolist(), vectors, strict=True):
        figures[cells[cell], day, known_day] += vector


def _member_steps(shapes: Shapes, of_set: Ints, day: Ints, net: Ints) -> Table:
    """What members add by some shapes: set, cell, what each counts as, day, net. Sets without a shape add nothing."""
    counts = shapes.each != NONE
    turns = shapes.first.copy()
    turns[1:] |= (shapes.each[1:] != shapes.each[:-1]) | (shapes.cell[1:] != shapes.cell[:-1])
    at = np.flatnonzero(turns)
    sets, starts, cell, each = shapes.set[at], shapes.start[at], np.where(counts, shapes.cell, NONE)[at], shapes.each[at]
    place = sets * DAYS + starts
    own = np.searchsorted(place, of_set * DAYS + day, side="right") - 1
    inside = (own >= 0) & (sets[np.maximum(own, 0)] == of_set) if len(sets) else np.zeros(len(of_set), np.bool_)
    parts = [_in_cells(of_set[inside], cell, each, own[inside], day[inside], net[inside])]
    end = np.searchsorted(sets, of_set, side="right")
    begin = np.where(inside, own + 1, np.searchsorted(sets, of_set, side="left"))
    lengths = end - begin
    row = np.repeat(np.arange(len(of_set)), lengths)
    later = np.arange(int(lengths.sum())) - np.repeat(np.cumsum(lengths) - lengths - begin, lengths)
    parts.append(_in_cells(of_set[row], cell, each, later, starts[later], net[row]))
    follows = (later > 0) & (sets[later - 1] == of_set[row]) if len(later) else np.zeros(0, np.bool_)
    row, later = row[follows], later[follows]
    parts.append(_in_cells(of_set[row], cell, each, later - 1, starts[later], -net[row]))
    return np.concatenate(parts, axis=1)


def _in_cells(of_set: Ints, cell: Ints, each: Ints, at: Ints, day: Ints, net: Ints) -> Table:
    counts = cell[at] != NONE
    kept = at[counts]
    return np.stack((of_set[counts], cell[kept], each[kept], day[counts], net[counts]))


def _add_members(steps: Table, known: Ints, cells: Sequence[Cell], rows: Rows) -> None:
    of_set, cell, each, day, net = steps
    keys, (sums,) = summed(np.stack((cell, known[of_set], each, day, net)), 4)
    kept = sums != 0
    cell, known_day, each, day = keys[:, kept]
    if not len(cell):
        return
    sums = sums[kept]
    begins = np.flatnonzero(np.concatenate(([True], (cell[1:] != cell[:-1]) | (known_day[1:] != known_day[:-1]) | (each[1:] != each[:-1]))))
    days, nets, ends = day.tolist(), sums.tolist(), [*begins[1:].tolist(), len(day)]
    groups = zip(cell[begins].tolist(), known_day[begins].tolist(), each[begins].tolist(), begins.tolist(), ends, strict=True)
    for number, on, counts_as, begin, end in groups:
        key = (cells[number], on, EACH[counts_as])
        added = zip(days[begin:end], nets[begin:end], strict=True)
        if key not in rows.members:
            rows.members[key] = defaultdict(int, added)
            continue
        counts = rows.members[key]
        for one, number_of_members in added:
            counts[one] += number_of_members


def _add_spans(shapes: Shapes, sign: int, known: Ints, cells: Sequence[Cell], rows: Rows) -> None:
    durations, spans = rows.durations, shapes.spans()
    columns = (spans.cell, spans.start, known[spans.set], spans.kind, spans.value, spans.sign * sign)
    for cell, start, known_day, kind, value, number in zip(*(column.tolist() for column in columns), strict=True):
        key = (cells[cell], start, known_day, KINDS[kind], value)
        durations[key] = durations.get(key, 0) + number
