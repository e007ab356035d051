"""Sorts events that are columns, as `sorting` does records: whole batches at once, where every stream simply goes on.

It decides nothing in doubt. If any stream of a batch has a gap, a fork, a held, withdrawn, refused or late event, or a withdrawal is among the
events, it returns None: then the records are read again as objects, and `sorting` decides. Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

import numpy as np

from shared.contracts.streams import DayClosed
from shared.sequencing.closed_days import DayOf
from shared.sequencing.columnar.columns import LAST_SEQUENCE, LAST_SUBJECT, OTHER, Columns, Item, joined, known_days, time_of
from shared.sequencing.columnar.layouts import Longs
from shared.sequencing.plan import BatchPlan
from shared.sequencing.records import Received, Stream
from shared.sequencing.sorting import is_fork, sort_records
from shared.sequencing.streams import Head, ShardStreams, StreamState


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


def sort_columns(streams: ShardStreams, items: Mapping[str, Sequence[Item]], day_of: DayOf | None) -> BatchPlan | None:
    """Sort what has arrived, {topic: in its order}; None if anything in it is unusual. Then `streams` must be thrown away.

    Every stream of `items` must be in `streams`. Without `day_of` nothing is late.
    """
    if streams.ready:
        return None
    plan = BatchPlan(released=streams.dropped, accepted=streams.accepted)
    streams.dropped, streams.accepted = [], {}
    for topic, in_order in items.items():
        columns = [item for item in in_order if isinstance(item, Columns)]
        between = [item for item in in_order if isinstance(item, Received)]
        ends = _ends_of_days(between)
        if len({part.source for part in columns}) > 1:
            return None
        if ends is None or (columns and not _sort(streams, joined(columns), ends, day_of, plan)):
            return None
        if between and not _close_days(streams, topic, between, day_of, plan):
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


def _sort(streams: ShardStreams, columns: Columns, ends: Sequence[tuple[int, date]], day_of: DayOf | None, plan: BatchPlan) -> bool:
    if columns.subject.max() >= LAST_SUBJECT:
        return False
    order = np.argsort(columns.subject, kind="stable")
    subject = columns.subject[order]
    starts = np.flatnonzero(np.concatenate(([True], subject[1:] != subject[:-1])))
    states = _states(streams, columns, subject[starts])
    if states is None:
        return False
    heads = [state.head for state in states]
    rows = _Rows(columns, order, starts, [head.sequence if head is not None else 0 for head in heads])
    if not rows.follow() or not rows.repeat_truly(heads):
        return False
    new = rows.new
    kept = order[new]
    if len(kept) and day_of is not None and not _in_time(columns.take(kept), ends, streams.closings.get(columns.topic), day_of):
        return False
    plan.duplicates += int(len(order) - new.sum())
    _take(plan, columns.topic, int(columns.offset[-1]), time_of(int(columns.recorded.max())))
    last = rows.last_new()
    ids, sequences, times = columns.event_id[last].tobytes(), columns.sequence[last].tolist(), columns.recorded[last].tolist()
    texts, source = columns.subjects.texts, columns.source
    for at, run in enumerate(rows.with_new().tolist()):
        states[run].head = Head(sequences[at], UUID(bytes=ids[16 * at : 16 * at + 16]), time_of(times[at]))
        plan.changed[source, texts[int(subject[starts[run]])]] = None
    other = columns.type[kept] == OTHER
    for row in kept[other].tolist():
        plan.apply_one(columns.others[row])
    if not other.all():
        plan.columns.append(columns.take(kept[~other]))
        plan.applied += int((~other).sum())
    return True


def _states(streams: ShardStreams, columns: Columns, numbers: Longs) -> list[StreamState] | None:
    """The states of streams; None if anything of one is held, withdrawn or blocked."""
    texts, source = columns.subjects.texts, columns.source
    found = [streams.states[source, texts[number]] for number in numbers.tolist()]
    return found if all(state.holds_nothing for state in found) else None


class _Rows:
    """Rows of columns by stream (`order`), in each in the order of arrival; `starts`: where each stream begins in it, `heads`: the last
    sequence applied of each before.

    `new` = whether a row's sequence is above all before it; `last` = the greatest sequence of the stream before the row.
    """

    def __init__(self, columns: Columns, order: Longs, starts: Longs, heads: Sequence[int]) -> None:
        self._columns, self._order, self._starts = columns, order, starts
        self._sequence = columns.sequence[order]
        lengths = np.diff(np.concatenate((starts, [len(order)])))
        self._run = np.repeat(np.arange(len(starts)), lengths)
        base = self._run * LAST_SEQUENCE
        greatest = np.maximum.accumulate(base + self._sequence)
        before = np.concatenate(([-1], greatest[:-1])) - base
        self._head = np.array(heads, np.int64)[self._run]
        self.last = np.maximum(before, self._head)
        self.new = self._sequence > self.last

    def follow(self) -> bool:
        """Whether no stream has a gap."""
        return bool((self._sequence[self.new] == self.last[self.new] + 1).all())

    def repeat_truly(self, heads: Sequence[Head | None]) -> bool:
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
            elif (found := heads[int(self._run[copy])]) is not None:
                head = found
            else:
                return False
            if is_fork(int(self._sequence[copy]), columns.id_at(row), columns.time_at(row), head):
                return False
        return True

    def with_new(self) -> Longs:
        """The streams that have a new row, by their place."""
        return np.flatnonzero(np.maximum.reduceat(self.new.astype(np.int64), self._starts))

    def last_new(self) -> Longs:
        """The row of the columns that is the last new one, of each stream that has one."""
        places = np.maximum.reduceat(np.where(self.new, np.arange(len(self.new)), -1), self._starts)
        return self._order[places[places >= 0]]
