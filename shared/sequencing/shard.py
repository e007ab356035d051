"""One shard in its reader's memory: its position, the records that have arrived, and the order in which they are applied."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import chain, groupby, islice

import numpy as np

from shared.sequencing.columnar.columns import Columns, Item, Names, joined, micros_of
from shared.sequencing.records import Received, RecordKey
from shared.sequencing.streams import ShardStreams

OBJECT = 5
"""An object takes the memory of 20 rows of columns; a batch is to hold some of both."""
SAYING = 2
"""A row whose event says more than ids counts so many times, since it keeps a text: with 2 a worker stays below 300 MB with 400,000 enterprises."""
MOST_NAMES = 5_000
"""Subjects of a shard that may have numbers, used or not, before they are numbered anew; 1,000 subjects take a quarter of a megabyte."""


@dataclass(slots=True)
class Shard:
    """One shard in its reader's memory.

    `next` = {topic: the offset of the *next* record to apply}, `version`, `newest` ({topic: greatest time read}), `closings` ({topic: the last
    day that its source has closed here}) and `closed` (the shard's closed day) are as committed. `pending` = {topic: records that have arrived and
    are not applied}; `columns` = the same for what has arrived after them, as columns; `objects_until` = {topic: the offset before which
    records must not become columns}; `names` = the numbers of subjects and of actors in columns. `ends` = the ends of the logs at the take-over. `topic_ids` = {topic: id of the topic that is read}; `lost` = topics whose
    log does not yet hold again what was read before: they were deleted and created again, or lost their tail. `limit` = how many events the
    next transaction may apply: halved while a refused event is searched. `refused` = {refused record: reason}; `tried` = parked records that
    were tried again since the start; `gaps` = (topic, offset) to which the consumer was sent back once; `dropped` counts `drop_columns`.
    """

    number: int
    version: int
    next: dict[str, int]
    newest: dict[str, datetime]
    ends: dict[str, int]
    limit: int
    pending: dict[str, deque[Received]]
    columns: dict[str, deque[Item]] = field(default_factory=dict)
    objects_until: dict[str, int] = field(default_factory=dict)
    topic_ids: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    closings: dict[str, date] = field(default_factory=dict)
    closed: date | None = None
    streams: ShardStreams = field(default_factory=ShardStreams)
    refused: dict[RecordKey, str] = field(default_factory=dict)
    tried: set[RecordKey] = field(default_factory=set)
    gaps: set[RecordKey] = field(default_factory=set)
    dropped: int = 0
    names: tuple[Names, Names] = field(default_factory=lambda: (Names(), Names()))

    def arrived(self, topic: str) -> int:
        """The offset of the *next* record to arrive. Example: 42 if records up to 41 are pending, or if none is and `next` is 42."""
        if later := self.columns.get(topic):
            return _end(later[-1])
        waiting = self.pending[topic]
        return waiting[-1].offset + 1 if waiting else self.next[topic]

    def waiting(self, topic: str) -> int:
        """How many records of a topic are pending. Among columns an event that is an object counts OBJECT times, since it takes so much memory."""
        later = self.columns.get(topic)
        return len(self.pending[topic]) + (sum(map(_weight, later)) if later else 0)

    def count(self) -> int:
        """How many records are pending, objects among columns counted OBJECT times."""
        return sum(map(self.waiting, self.pending))

    def renumber(self) -> None:
        """Give the subjects and actors of pending columns new numbers, if far more have one: a number lasts as long as the columns that use it."""
        rows = sum(len(item) for later in self.columns.values() for item in later if isinstance(item, Columns))
        if len(self.names[0].texts) <= max(MOST_NAMES, 2 * rows):
            return
        self.names = (Names(), Names())
        for topic, later in self.columns.items():
            self.columns[topic] = deque(item.renumbered(*self.names) if isinstance(item, Columns) else item for item in later)

    def join_columns(self) -> None:
        """Make one of the columns of a topic that follow on each other: a batch of them then holds its rows once."""
        for topic, later in self.columns.items():
            if len(later) > 1:
                alike = groupby(later, lambda item: (item.source, item.types) if isinstance(item, Columns) else None)
                self.columns[topic] = deque[Item](chain.from_iterable(_as_one(items) for _, items in alike))

    def drop_columns(self) -> dict[str, int]:
        """Forget what has arrived as columns; it must be read again, as objects. Returns {topic: from which offset}."""
        again = {}
        for topic, later in self.columns.items():
            if later:
                again[topic] = _begin(later[0])
                self.objects_until[topic] = _end(later[-1])
        self.columns.clear()
        self.dropped += 1
        return again

    def lagging(self, ends: Mapping[str, int]) -> set[str]:
        """Topics of which more is in the log than has arrived."""
        return {topic for topic in self.pending if self.arrived(topic) < ends[topic]}


def _as_one(items: Iterable[Item]) -> Iterable[Item]:
    """Columns of one source as one of them; records as they are."""
    found = list(items)
    columns = [item for item in found if isinstance(item, Columns)]
    return [joined(columns)] if columns else found


def merged(pending: Mapping[str, deque[Received]], lagging: Collection[str], limit: int) -> list[Received]:
    """The next `limit` records in the order in which they are applied: by the time they were recorded, never reordered inside a topic.

    Stops where a lagging topic runs out of records: its next one may be earlier than the rest. For speed only: one topic that runs days
    ahead of the other costs three quarters of the fold's time.
    """
    full = [waiting for waiting in pending.values() if waiting]
    if any(not waiting and topic in lagging for topic, waiting in pending.items()) or not full:
        return []
    if len(full) == 1:
        return list(islice(full[0], limit))
    queues = {topic: iter(waiting) for topic, waiting in pending.items() if waiting}
    heads = {topic: next(queue) for topic, queue in queues.items()}
    found: list[Received] = []
    while heads and len(found) < limit:
        topic = min(heads, key=lambda name: _when(heads[name]))
        until = min((_when(head) for name, head in heads.items() if name != topic), default=_LAST)
        queue = queues[topic]
        following: Received | None = heads[topic]
        while following is not None and len(found) < limit and (following.time is None or following.time <= until):
            found.append(following)
            following = next(queue, None)
        if following is not None:
            heads[topic] = following
        elif topic in lagging:
            break
        else:
            del heads[topic]
    return found


_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def _when(record: Received) -> datetime:
    """A record without a readable time comes first: it is parked at once."""
    return record.time if record.time is not None else _FIRST


def weight_of(items: Iterable[Item]) -> int:
    """How much of a batch columns and records take: the most that `due_columns` gives is counted so."""
    return sum(map(_weight, items))


def due_columns(shard: Shard, lagging: Collection[str], most: int) -> dict[str, list[Item]]:
    """What may be applied of the columns, at most `most` of each topic: {topic: in its order}. Empty where a lagging topic has nothing: its next record may be earlier.

    No lagging topic is waited for within a day: the order of topics is for speed, and costs nothing within one known day.
    """
    if any(shard.waiting(topic) == 0 for topic in lagging):
        return {}
    until = min((max(map(_last_time, shard.columns[topic])) for topic in lagging), default=None)
    return {topic: taken for topic, later in shard.columns.items() if (taken := list(_taken(later, until, most)))}


def _taken(later: Iterable[Item], until: int | None, most: int) -> Iterator[Item]:
    for item in later:
        part = _up_to(item, until)
        if isinstance(part, Columns) and _weight(part) > most:
            part = _of_weight(part, most)
        if part is not None:
            yield part
            most -= _weight(part)
        if part is not item or most <= 0:
            return


def drop_applied(shard: Shard) -> None:
    """Drop the columns before the shard's position."""
    for topic, later in shard.columns.items():
        position = shard.next[topic]
        while later and _end(later[0]) <= position:
            later.popleft()
        if later and _begin(later[0]) < position:
            first = later[0]
            assert isinstance(first, Columns), "a record is dealt with or not"
            later[0] = first.between(int(np.searchsorted(first.offset, position)), len(first)).copied()
    shard.renumber()


def _weight(item: Item) -> int:
    return len(item) + (OBJECT - 1) * len(item.others) + (SAYING - 1) * item.saying if isinstance(item, Columns) else 1


def _of_weight(columns: Columns, most: int) -> Columns:
    """The first rows of columns, one at least, that weigh at most `most` together."""
    weights = np.where(columns.type >= columns.framed, SAYING, 1)
    weights[list(columns.others)] = OBJECT
    return columns.between(0, max(1, int(np.searchsorted(np.cumsum(weights), most, side="right"))))


def _begin(item: Item) -> int:
    return int(item.offset[0]) if isinstance(item, Columns) else item.offset


def _end(item: Item) -> int:
    return int(item.offset[-1]) + 1 if isinstance(item, Columns) else item.offset + 1


def _last_time(item: Item) -> int:
    return int(item.recorded.max()) if isinstance(item, Columns) else micros_of(item.time) if item.time is not None else 0


def _up_to(item: Item, until: int | None) -> Item | None:
    """The part of an item that was recorded at most at `until` and stands before anything later; None: nothing of it."""
    if until is None or _last_time(item) <= until:
        return item
    if isinstance(item, Columns):
        end = int(np.argmax(item.recorded > until))
        return item.between(0, end) if end else None
    return None
