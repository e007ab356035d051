"""A large batch cut by subjects: each part is read, folded and written before the next one, so that memory holds the objects of one. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from shared.sequencing.columnar.columns import Columns
from shared.sequencing.columnar.layouts import Longs
from shared.sequencing.records import Run, ShardBatch

MOST_EVENTS = 40_000
"""Events of a part, if its subjects have no more than others."""


def parts_of(batch: ShardBatch, most: int) -> Iterator[ShardBatch]:
    """The events of a batch in parts of at most `most` subjects, by ascending subject; every event of a subject is in one part, in the order of its stream.

    Fewer subjects make a part if each has many events (MOST_EVENTS). A batch that is small enough is its only part, as it is.
    """
    subjects = _subjects(batch)
    most = max(1, min(most, len(subjects) * MOST_EVENTS // max(1, len(batch))))
    if len(subjects) <= most:
        yield batch
        return
    runs, ordered = _by_place(batch, subjects, most)
    for part in range(-(-len(subjects) // most)):
        own = [one.of_places(part * most, (part + 1) * most) for one in ordered]
        yield replace(batch, runs=runs[part], columns=[columns for columns in own if len(columns)])


def _subjects(batch: ShardBatch) -> list[str]:
    """All subjects of a batch, ascending."""
    found = {run[0].stream[1] for run in batch.runs}
    for columns in batch.columns:
        found.update(map(columns.subjects.texts.__getitem__, np.unique(columns.subject).tolist()))
    return sorted(found)


def _by_place(batch: ShardBatch, subjects: Sequence[str], most: int) -> tuple[Mapping[int, list[Run]], list[_Ordered]]:
    """({part: its runs}, the columns by the place of their subjects in `subjects`). The place of each is known in here only: of a large batch that takes
    tens of megabytes."""
    places = {subject: place for place, subject in enumerate(subjects)}
    runs = defaultdict[int, list[Run]](list)
    for run in batch.runs:
        runs[places[run[0].stream[1]] // most].append(run)
    return runs, [_Ordered(columns, places) for columns in batch.columns]


class _Ordered:
    """The rows of columns by the place of their subject among all; those of a subject as they came."""

    def __init__(self, columns: Columns, places: Mapping[str, int]) -> None:
        texts = columns.subjects.texts
        used, of_rows = np.unique(columns.subject, return_inverse=True)
        place = np.array([places[texts[number]] for number in used.tolist()], np.int64)[of_rows]
        self._columns, self._order = columns, np.argsort(place, kind="stable")
        self._places: Longs = place[self._order]

    def of_places(self, begin: int, end: int) -> Columns:
        """The rows of the subjects in the places `begin` to before `end`."""
        first, after = np.searchsorted(self._places, [begin, end])
        return self._columns.take(self._order[first:after])
