"""Sorts events that are columns, as `sorting` does records: whole batches at once, where every stream simply goes on.

It decides nothing in doubt. If any stream of a batch has a gap, a fork, a held, withdrawn, refused or late event, or a withdrawal is among the
events, it returns None: then the records are read again as objects, and `sorting` decides. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from shared.contracts.streams import DayClosed
from shared.sequencing.closed_days import DayOf
from shared.sequencing.columnar.columns import LAST_SEQUENCE, LAST_SUBJECT, OTHER, Columns, Item, joined, known_days, time_of
from shared.sequencing.columnar.heads import HeadColumns, NewHeads
from shared.sequencing.columnar.layouts import Longs
from shared.sequencing.plan import BatchPlan
from shared.sequencing.records import Received, Stream
from shared.sequencing.sorting import is_fork, sort_records
from shared.sequencing.streams import Head, ShardStreams


def streams_of(items: Collection[Item]) -> set[Stream]:
    """The streams of columns and records."""
    found = set[Stream]()
    for item in items:
        if isinstance(item, Columns):
            texts, source = item.subjects.texts, item.source
            found.update((source, texts[number]) for number in np.unique(item.subject).tolist())
        else:
            found.add(item.stream)
    return found


@dataclass(frozen=True, slots=True)
class Gathered:
    """What has arrived of one topic: its rows, None without any; the subjects of these by ascending number; the records between them; and what
    days these end, as (offset, day)."""

    columns: Columns | None
    subjects: Sequence[str]
    between: Sequence[Received]
    ends: Sequence[tuple[int, date]]


def gather(items: Sequence[Item]) -> Gathered | None:
    """What has arrived of one topic, in its order; None if anything in it is unusual."""
    parts = [item for item in items if isinstance(item, Columns)]
    between = [item for item in items if isinstance(item, Received)]
    ends = _ends_of_days(between)
    if ends is None or len({part.source for part in parts}) > 1:
        return None
    if not parts:
        return Gathered(None, (), between, ends)
    columns = joined(parts)
    texts = columns.subjects.texts
    return Gathered(columns, [texts[number] for number in np.unique(columns.subject).tolist()], between, ends)


def sort_columns(streams: ShardStreams, items: Mapping[str, Sequence[Item]], day_of: DayOf | None) -> BatchPlan | None:
    """Sort what has arrived, {topic: in its order}, by the heads in `streams`, which get the new ones; every stream of `items` must be in it.

    None if anything in it is unusual: then `streams` must be thrown away. Without `day_of` nothing is late.
    """
    gathered = {topic: gather(in_order) for topic, in_order in items.items()}
    usual = {topic: one for topic, one in gathered.items() if one is not None}
    if len(usual) < len(gathered):
        return None
    known = streams.heads()
    heads = {topic: HeadColumns.of(one.columns.source, one.subjects, known) for topic, one in usual.items() if one.columns is not None}
    plan = sort_gathered(streams, usual, heads, day_of)
    if plan is not None:
        for columns in plan.heads:
            for stream, head in columns.heads():
                streams.states[stream].head = head
                plan.changed[stream] = None
    return plan


def sort_gathered(
    streams: ShardStreams, gathered: Mapping[str, Gathered], heads: Mapping[str, HeadColumns], day_of: DayOf | None
) -> BatchPlan | None:
    """Sort what was gathered, {topic: …}, by the heads of its subjects, which `streams` need not have; it must have the streams of the records
    between. The new heads are in the plan alone. None as in `sort_columns`.
    """
    if streams.ready:
        return None
    plan = BatchPlan(released=streams.dropped, accepted=streams.accepted)
    streams.dropped, streams.accepted = [], {}
    odd = {stream for stream, state in streams.states.items() if not state.holds_nothing}
    for topic, one in gathered.items():
        columns = one.columns
        # What waits of a stream of `between` may be set free, and end a day that is not in `ends`.
        if odd and any(record.stream in odd for record in one.between):
            return None
        if columns is not None:
            if odd and any((columns.source, subject) in odd for subject in one.subjects):
                return None
            if not _sort(columns, heads[topic], one.ends, streams.closings.get(topic), day_of, plan):
                return None
        if one.between and not _close_days(streams, topic, one.between, day_of, plan):
            return None
    return plan


def _ends_of_days(records: Sequence[Received]) -> list[tuple[int, date]] | None:
    """(offset, day) of each record that ends a day, one of the few events about a whole partition; None if any record is another one."""
    found = []
    for record in records:
        event = record.event if record.error is None else None
        if event is None or not isinstance(event.data, DayClosed):
            return None
        found.append((record.offset, event.data.day))
    return found


def _close_days(streams: ShardStreams, topic: str, records: Sequence[Received], day_of: DayOf | None, plan: BatchPlan) -> bool:
    """Apply the ends of days. Columns that came before and after them are applied already: none of those is late (`_in_time`)."""
    found = sort_records(streams, records, {}, {}, len(records), day_of=day_of)
    if found.park or found.released or found.blocking or found.accepted:
        return False
    plan.runs += found.runs
    plan.applied += found.applied
    plan.duplicates += found.duplicates
    plan.changed |= found.changed
    _take(plan, topic, records[-1].offset, max(record.time for record in records if record.time is not None))
    return True


def _take(plan: BatchPlan, topic: str, offset: int, newest: datetime) -> None:
    plan.next[topic] = max(offset + 1, plan.next.get(topic, 0))
    plan.newest[topic] = max(newest, plan.newest.get(topic, newest))


def _in_time(columns: Columns, ends: Sequence[tuple[int, date]], closed: date | None, day_of: DayOf) -> bool:
    """Whether no row was recorded on a day that its topic had closed before: by `closed` or by the ends of days among the rows."""
    if closed is None and not ends:
        return True
    offsets = np.array([-1, *(offset for offset, _ in ends)])
    last = np.maximum.accumulate([closed.toordinal() if closed else 0, *(day.toordinal() for _, day in ends)])
    closed_before = last[np.searchsorted(offsets, columns.offset) - 1]
    return bool((known_days(columns.recorded, day_of) > closed_before).all())


def _sort(
    columns: Columns, heads: HeadColumns, ends: Sequence[tuple[int, date]], closed: date | None, day_of: DayOf | None, plan: BatchPlan
) -> bool:
    if columns.subject.max() >= LAST_SUBJECT:
        return False
    order = np.argsort(columns.subject, kind="stable")
    subject = columns.subject[order]
    starts = np.flatnonzero(np.concatenate(([True], subject[1:] != subject[:-1])))
    rows = _Rows(columns, order, starts, heads)
    if not rows.follow() or not rows.repeat_truly():
        return False
    new = rows.new
    kept = order[new]
    if len(kept) and day_of is not None and not _in_time(columns.take(kept), ends, closed, day_of):
        return False
    plan.duplicates += int(len(order) - new.sum())
    _take(plan, columns.topic, int(columns.offset[-1]), time_of(int(columns.recorded.max())))
    plan.heads.append(rows.new_heads())
    other = columns.type[kept] == OTHER
    for row in kept[other].tolist():
        plan.apply_one(columns.others[row])
    if not other.all():
        plan.columns.append(columns.take(kept[~other]))
        plan.applied += int((~other).sum())
    return True


class _Rows:
    """Rows of columns by stream (`order`), in each in the order of arrival; `starts`: where each stream begins in it, `heads`: the last
    event applied of each before.

    `new` = whether a row's sequence is above all before it; `last` = the greatest sequence of the stream before the row.
    """

    def __init__(self, columns: Columns, order: Longs, starts: Longs, heads: HeadColumns) -> None:
        self._columns, self._order, self._starts, self._heads = columns, order, starts, heads
        self._sequence = columns.sequence[order]
        lengths = np.diff(np.concatenate((starts, [len(order)])))
        self._run = np.repeat(np.arange(len(starts)), lengths)
        base = self._run * LAST_SEQUENCE
        greatest = np.maximum.accumulate(base + self._sequence)
        before = np.concatenate(([-1], greatest[:-1])) - base
        self._head = heads.sequence[self._run]
        self.last = np.maximum(before, self._head)
        self.new = self._sequence > self.last

    def follow(self) -> bool:
        """Whether no stream has a gap."""
        return bool((self._sequence[self.new] == self.last[self.new] + 1).all())

    def repeat_truly(self) -> bool:
        """Whether every row that is not new repeats an event, as far as can be told (`sorting`, forks)."""
        copies = np.flatnonzero(~self.new)
        if not len(copies):
            return True
        places = np.maximum.accumulate(np.where(self.new, np.arange(len(self.new)), -1))
        columns, order = self._columns, self._order
        for copy in copies.tolist():
            row, last = int(order[copy]), int(self.last[copy])
            if last > self._head[copy]:
                applied = int(order[places[copy]])
                head = Head(last, columns.id_at(applied), columns.time_at(applied))
            elif (found := self._heads.head(int(self._run[copy]))) is not None:
                head = found
            else:
                return False
            if is_fork(int(self._sequence[copy]), columns.id_at(row), columns.time_at(row), head):
                return False
        return True

    def new_heads(self) -> NewHeads:
        """The streams that have a new row, with the last one as their head."""
        places = np.maximum.reduceat(np.where(self.new, np.arange(len(self.new)), -1), self._starts)
        streams = np.flatnonzero(places >= 0)
        last, columns = self._order[places[streams]], self._columns
        subjects = [self._heads.subjects[stream] for stream in streams.tolist()]
        first = self._heads.sequence[streams] == 0
        objects = np.logical_or.reduceat(self.new & (columns.type[self._order] == OTHER), self._starts)
        return NewHeads(
            columns.source, subjects, columns.sequence[last], columns.event_id[last], columns.recorded[last], first, ~objects[streams]
        )
