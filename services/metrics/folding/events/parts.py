"""A large batch cut by subjects: each part is read, folded and written before the next one, so that memory holds the objects of one. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np

from shared.sequencing.columnar.columns import Columns
from shared.sequencing.columnar.layouts import Longs
from shared.sequencing.records import Run, ShardBatch


def parts_of(batch: ShardBatch, most: int) -> Iterator[ShardBatch]:
    """The events of a batch in parts of at most `most` subjects, by ascending subject; every event of a subject is in one part, in the order of its stream.

    A batch of no more subjects is its only part, as it is.
    """
    subjects = {run[0].stream[1] for run in batch.runs}
    used = [np.unique(columns.subject).tolist() for columns in batch.columns]
    for columns, numbers in zip(batch.columns, used, strict=True):
        subjects.update(map(columns.subjects.texts.__getitem__, numbers))
    if len(subjects) <= most:
        yield batch
        return
    places = {subject: place for place, subject in enumerate(sorted(subjects))}
    runs = defaultdict[int, list[Run]](list)
    for run in batch.runs:
        runs[places[run[0].stream[1]] // most].append(run)
    ordered = [_Ordered(columns, numbers, places) for columns, numbers in zip(batch.columns, used, strict=True)]
    for part in range(-(-len(subjects) // most)):
        own = [one.of_places(part * most, (part + 1) * most) for one in ordered]
        yield replace(batch, runs=runs[part], columns=[columns for columns in own if len(columns)])


class _Ordered:
    """The rows of columns by the place of their subject among all; those of a subject as they came. `used`: the subjects' numbers, ascending."""

    def __init__(self, columns: Columns, used: Sequence[int], places: Mapping[str, int]) -> None:
        texts = columns.subjects.texts
        place_of_used = np.array([places[texts[number]] for number in used], np.int64)
        place = place_of_used[np.searchsorted(used, columns.subject)]
        self._columns, self._order = columns, np.argsort(place, kind="stable")
        self._places: Longs = place[self._order]

    def of_places(self, begin: int, end: int) -> Columns:
        """The rows of the subjects in the places `begin` to before `end`."""
        first, after = np.searchsorted(self._places, [begin, end])
        return self._columns.take(self._order[first:after])
