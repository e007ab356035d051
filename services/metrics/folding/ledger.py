"""The ledger: for each known day k of a set of facts, the steps in t of C(F_k) − C(F_k−), of D(F_k) − D(F_k−), and T(F_k) − T(F_k−), at known day k.

That is the definition (docs/design/ENGINE.md, Folding; invariant I3), computed by `rows_since`. `fold` computes the same rows from the new
changes alone where that is exact. C is linear in members, so a change of members needs a known day not before those of the *other* facts;
any other change needs a known day not before those of all facts. For a change that is later than that, the rows of its known day and of
every known day after it are computed again. (D does not depend on members, so both ways hold for durations. T depends on matters and on what
shapes C, neither C nor D on matters: a change of matters and members alone needs a known day not before those of the other facts and of matters.)
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import TypeAlias

from services.metrics.counted import Members, is_matter
from services.metrics.folding.changes import FactChange
from services.metrics.folding.coverage import NOTHING, Segment, segments
from services.metrics.folding.durations import add_durations
from services.metrics.folding.facts import FactSet
from services.metrics.folding.tallies import add_tallies, case_of, tallies
from services.metrics.tables.rows import Figures, Rows

Counts: TypeAlias = Mapping[int, Mapping[int, int]]
"""{known day: {occurred day: net}} of members"""
NONE: Counts = {}
NO_DAYS: frozenset[int] = frozenset()


def fold(facts: FactSet, changes: Iterable[FactChange], rows: Rows, members: Counts = NONE) -> None:
    """Apply new changes and new members of one subject to its facts, and add to `rows` what they change in the ledger and in the durations."""
    groups: dict[int, list[FactChange]] = {}
    for change in changes:
        groups.setdefault(change.known, []).append(change)
    for known in sorted(groups.keys() | members.keys()):
        group, added = groups.get(known, []), members.get(known, {})
        if known >= facts.newest or _is_ahead(facts, group, known):
            _fold_ahead(facts, group, added, known, rows)
        else:
            late = [change for day in sorted(groups) if day >= known for change in groups[day]]
            _fold_behind(facts, late, {day: counts for day, counts in members.items() if day >= known}, known, rows)
            return


def _is_ahead(facts: FactSet, group: Sequence[FactChange], known: int) -> bool:
    """Whether no fact on which the rows of these changes depend became known later."""
    kept = [fact.kept for change in group for fact in (change.removed, change.added) if fact is not None]
    of_matters = any(map(is_matter, kept))
    if known < max(facts.newest_attribute, facts.newest_matter if of_matters else 0):
        return False
    return all(type(one) is Members or is_matter(one) for one in kept)


def _of_members(change: FactChange) -> bool:
    return any(fact is not None and type(fact.kept) is Members for fact in (change.removed, change.added))


def _fold_ahead(facts: FactSet, group: Sequence[FactChange], more: Mapping[int, int], known: int, rows: Rows) -> None:
    before = facts.shape
    cases = _cases(group)
    tallied = facts.tallies_of(cases) if cases else facts.tallies() if group else None
    if any(map(_of_members, group)):
        counted = dict(facts.members.get(known, {}))
        facts.add(group)
        after = facts.members.get(known, {})
        added = {day: after.get(day, 0) - counted.get(day, 0) for day in after.keys() | counted.keys()}
        add_members(before, added, known, rows.figures)
    elif group:
        facts.add(group)
    if more:
        facts.count(known, more)
        _add_members_ahead(before, more, known, rows)
    if facts.shape is not before:
        add_difference(before, facts.shape, facts.totals, known, rows.figures)
        add_durations(before, facts.shape, known, rows.durations)
    if tallied is not None:
        add_tallies(tallied, facts.tallies_of(cases) if cases else facts.tallies(), known, rows.tallies)


def _cases(group: Iterable[FactChange]) -> set[str] | None:
    """The cases that these changes are about; None if they are about anything else."""
    found = {case_of(fact.kept) for change in group for fact in (change.removed, change.added) if fact is not None}
    return None if None in found else {case for case in found if case is not None}


def _fold_behind(facts: FactSet, late: Sequence[FactChange], more: Counts, since: int, rows: Rows) -> None:
    before = rows_since(facts, since)
    facts.add(late)
    for known, added in more.items():
        facts.count(known, added)
    rows.add(rows_since(facts, since))
    rows.add(before, -1)


def rows_since(facts: FactSet, since: int) -> Rows:
    """The rows of every known day from `since` on, by definition."""
    rows = Rows()
    turned = {day for day in facts.attribute_days() if day >= since}
    tallied_on = (turned | {day for day in facts.matter_days() if day >= since}) if facts.matters else NO_DAYS
    shape = segments(facts.in_force(since - 1))
    tallied = tallies(facts.matters_in_force(since - 1), shape)
    members = facts.members_known(since - 1)
    for known in sorted(turned | tallied_on | {day for day in facts.members if day >= since}):
        added = facts.members.get(known, {})
        add_members(shape, added, known, rows.figures)
        for day, net in added.items():
            members[day] = members.get(day, 0) + net
        if known in turned:
            following = segments(facts.in_force(known))
            add_difference(shape, following, members, known, rows.figures)
            add_durations(shape, following, known, rows.durations)
            shape = following
        if known in tallied_on:
            now = tallies(facts.matters_in_force(known), shape)
            add_tallies(tallied, now, known, rows.tallies)
            tallied = now
    return rows


def _add_members_ahead(shape: Sequence[Segment], added: Mapping[int, int], known: int, rows: Rows) -> None:
    """As `add_members`. Most days are after the last change of what a member adds, and take one step: those go to `rows.members`."""
    last = len(shape) - 1
    while last > 0 and shape[last - 1].each == shape[last].each and shape[last - 1].cell == shape[last].cell:
        last -= 1
    if last < 0:
        return
    start, cell, _, each = shape[last]
    if min(added) < start:
        add_members(shape, {day: net for day, net in added.items() if day < start}, known, rows.figures)
        added = {day: net for day, net in added.items() if day >= start}
    if cell is not None and added:
        counts = rows.members[cell, known, each]
        for day, net in added.items():
            counts[day] += net


def add_members(shape: Sequence[Segment], added: Mapping[int, int], known: int, rows: Figures) -> None:
    """Add the steps of more (or fewer) members, all else as in `shape`. `added` = {occurred day: net}."""
    starts = [segment.start for segment in shape]
    number = len(starts)
    for day, net in added.items():
        if not net:
            continue
        index = bisect_right(starts, day)
        before = NOTHING
        if index:
            before = shape[index - 1]
            if before.cell is not None:
                rows[before.cell, day, known] += net * before.each
        while index < number:
            segment = shape[index]
            if segment.cell != before.cell or segment.each != before.each:
                if before.cell is not None:
                    rows[before.cell, segment.start, known] -= net * before.each
                if segment.cell is not None:
                    rows[segment.cell, segment.start, known] += net * segment.each
            before = segment
            index += 1


def add_difference(before: Sequence[Segment], after: Sequence[Segment], members: Mapping[int, int], known: int, rows: Figures) -> None:
    """Add the steps of C with shape `after` less those with shape `before`, with the same members."""
    same = 0
    for old, new in zip(before, after, strict=False):
        if old != new:
            break
        same += 1
    starts = [shape[same].start for shape in (before, after) if len(shape) > same]
    if not starts:
        return
    since = min(starts)
    days = sorted(members)
    sums = list(accumulate(members[day] for day in days))
    for shape, sign in ((before, -1), (after, 1)):
        _add_steps(shape[max(0, same - 1) :], since, days, sums, sign, known, rows)


def _add_steps(shape: Sequence[Segment], since: int, days: list[int], sums: list[int], sign: int, known: int, rows: Figures) -> None:
    """Add the steps of a shape from the day `since` on; both shapes that are compared are the same before it."""

    def members_on(day: int) -> int:
        index = bisect_right(days, day)
        return sums[index - 1] if index else 0

    before = NOTHING
    for position, segment in enumerate(shape):
        if segment.start >= since:
            if before.cell is not None:
                rows[before.cell, segment.start, known] -= sign * (before.base + members_on(segment.start - 1) * before.each)
            if segment.cell is not None:
                rows[segment.cell, segment.start, known] += sign * (segment.base + members_on(segment.start) * segment.each)
        if segment.cell is not None and segment.each:
            first = bisect_right(days, max(segment.start, since - 1))
            last = bisect_right(days, shape[position + 1].start - 1) if position + 1 < len(shape) else len(days)
            for index in range(first, last):
                net = sums[index] - (sums[index - 1] if index else 0)
                rows[segment.cell, days[index], known] += sign * net * segment.each
        before = segment
