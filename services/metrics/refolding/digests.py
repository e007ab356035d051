"""Digests of the rows of `facts`, by subject: what audit and rebuild compare instead of the rows, of a log as of tables.

The digest of a row is a number of 64 bits made of all its columns; that of a subject is the sum over its rows, so neither the order of rows nor how
they are stored (a row, or an element of a run) matters. It is valid in one process: texts go in by Python's `hash`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from services.metrics.folding.events.member_events import storable
from shared.sequencing.columnar.columns import EPOCH_DAY, Columns, micros_of
from shared.sequencing.columnar.layouts import Longs

if TYPE_CHECKING:
    from services.metrics.refolding.plain_facts import FactGroup

Words: TypeAlias = npt.NDArray[np.uint64]

MASK = 2**64 - 1
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
_LAST = 31
"""The finaliser of splitmix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014)."""

written = msgspec.json.Encoder(order="sorted").encode
"""What is kept of a fact as JSON, the same of a struct as of what the tables have."""


def texts_of(source: str, type_: str, known: date, actor: str | None, reason: str | None, says: Any, *, attributed: bool) -> int:
    """What the texts of a row add to its digest. `attributed` False: without actor and reason, which a generation made before 0.3 does not have."""
    shared = (source, type_, known, None if says is None else written(says))
    return hash((shared, actor, reason) if attributed else shared) & MASK


def mixed(texts: Words, *numbers: Longs | Words) -> Words:
    """The digest of each row, from what its texts add and its numbers."""
    found = texts.copy()
    for number in numbers:
        found ^= number.astype(np.uint64)
        for shift, factor in _ROUNDS:
            found ^= found >> np.uint64(shift)
            found *= np.uint64(factor)
        found ^= found >> np.uint64(_LAST)
    return found


def halves(ids: npt.NDArray[np.uint8]) -> tuple[Words, Words]:
    """Ids of 16 bytes a row as two numbers each."""
    words = np.ascontiguousarray(ids).view(np.uint64)
    return words[:, 0], words[:, 1]


class Digests:
    """`sums` = {subject: digest}, of all rows that were added."""

    def __init__(self, *, attributed: bool) -> None:
        self.sums = dict[str, int]()
        self._attributed = attributed

    def add_columns(self, columns: Columns, known: Longs) -> None:
        """Add members' events; `known` = their known days as ordinals."""
        actors = columns.actors.texts
        keys = np.stack((columns.type, columns.actor, known))
        order = np.lexsort(keys)
        turns = np.concatenate(([True], (np.diff(keys[:, order], axis=1) != 0).any(axis=0)))
        texts = [
            texts_of(
                columns.source,
                columns.types[type_],
                date.fromordinal(day),
                storable(actors[actor]),
                None,
                None,
                attributed=self._attributed,
            )
            for type_, actor, day in keys[:, order[turns]].T.tolist()
        ]
        of_row = np.empty(len(columns), np.uint64)
        of_row[order] = np.array(texts, np.uint64)[np.cumsum(turns) - 1]
        numbers = (columns.sequence, *halves(columns.event_id), columns.occurred + EPOCH_DAY, columns.recorded)
        self.add(columns.subjects.texts, columns.subject, mixed(of_row, *numbers))

    def add_group(self, group: FactGroup) -> None:
        """Add other facts of one type."""
        columns, source = group.columns, group.columns.source
        actors = [storable(text) for text in columns.actors.texts] if self._attributed else []
        days = {day: date.fromordinal(day) for day in np.unique(group.known).tolist()}
        shared = [(source, group.type, days[day], says) for day, says in zip(group.known.tolist(), group.says, strict=True)]
        if self._attributed:
            given = zip(shared, columns.actor.tolist(), group.reasons, strict=True)
            texts = [hash((one, actors[actor], reason)) & MASK for one, actor, reason in given]
        else:
            texts = [hash(one) & MASK for one in shared]
        numbers = (columns.sequence, *halves(columns.event_id), columns.occurred + EPOCH_DAY, columns.recorded)
        self.add(columns.subjects.texts, columns.subject, mixed(np.array(texts, np.uint64), *numbers))

    def add_rows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Add rows of `facts`, their columns as in `FactRow`."""
        subjects, texts, ids = list[str](), list[int](), list[bytes]()
        sequences, days, instants = list[int](), list[int](), list[int]()
        for _, subject, source, sequence, event_id, type_, occurred, known, recorded, says, actor, reason in rows:
            subjects.append(subject)
            texts.append(texts_of(source, type_, known, actor, reason, says, attributed=self._attributed))
            ids.append(event_id.bytes)
            sequences.append(sequence)
            days.append(occurred.toordinal())
            instants.append(micros_of(recorded))
        if not subjects:
            return
        numbers = (np.array(sequences), *halves(np.frombuffer(b"".join(ids), np.uint8).reshape(-1, 16)), np.array(days), np.array(instants))
        digests, found = mixed(np.array(texts, np.uint64), *numbers).tolist(), self.sums
        for subject, digest in zip(subjects, digests, strict=True):
            found[subject] = (found.get(subject, 0) + digest) & MASK

    def add(self, subjects: Sequence[str], subject: Longs, digests: Words) -> None:
        """Add rows by the number of their subject in `subjects`."""
        if not len(subject):
            return
        order = np.argsort(subject, kind="stable")
        sorted_subject = subject[order]
        starts = np.flatnonzero(np.concatenate(([True], sorted_subject[1:] != sorted_subject[:-1])))
        sums, found = np.add.reduceat(digests[order], starts), self.sums
        for number, total in zip(sorted_subject[starts].tolist(), sums.tolist(), strict=True):
            name = subjects[number]
            found[name] = (found.get(name, 0) + total) & MASK
