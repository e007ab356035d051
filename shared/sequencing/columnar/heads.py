"""The last events applied of many streams of one source, as columns: a batch of a far backlog has more streams than memory should hold as objects."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from shared.sequencing.columnar.columns import micros_of, time_of
from shared.sequencing.columnar.layouts import Bytes, Flags, Longs
from shared.sequencing.records import Stream
from shared.sequencing.streams import Head

NO_ID = bytes(16)


class AppliedBound:
    """Of which subjects any event may have been applied in a shard, by the greatest one of each kind: {kind: subject}.

    Ids of version 7 rise, so of most subjects that are new to a shard this says that they are, and nothing need be looked up.
    """

    def __init__(self, greatest: Mapping[str, str]) -> None:
        self._greatest = greatest

    def among(self, subjects: Sequence[str]) -> list[int]:
        """The places of those of `subjects` of which an event may have been applied, ascending; of all others none was."""
        greatest = self._greatest
        if not greatest:
            return []
        return [place for place, subject in enumerate(subjects) if subject <= greatest.get(kind_of(subject), "")]


def kind_of(subject: str) -> str:
    """What a subject is; example: enterprise."""
    return subject.partition("/")[0]


@dataclass(frozen=True, slots=True)
class HeadColumns:
    """One row a stream: `subjects` of one `source`; `sequence` of the last event applied, 0: none was; its `event_id` (16 bytes a row) and
    `recorded` (microseconds since 1970, UTC), which mean nothing where none was."""

    source: str
    subjects: Sequence[str]
    sequence: Longs
    event_id: Bytes
    recorded: Longs

    def __len__(self) -> int:
        return len(self.subjects)

    @classmethod
    def of(cls, source: str, subjects: Sequence[str], heads: Mapping[Stream, Head]) -> HeadColumns:
        """The heads of some streams; those that are not in `heads` have none."""
        found = [heads.get((source, subject)) for subject in subjects]
        ids = b"".join([NO_ID if head is None else head.event_id.bytes for head in found])
        return cls(
            source, subjects, np.array([0 if head is None else head.sequence for head in found], np.int64),
            np.frombuffer(ids, np.uint8).reshape(-1, 16), np.array([0 if head is None else micros_of(head.time) for head in found], np.int64),
        )  # fmt: skip

    def head(self, row: int) -> Head | None:
        """The head of a row's stream; None: no event of it was applied."""
        sequence = int(self.sequence[row])
        return Head(sequence, UUID(bytes=self.event_id[row].tobytes()), time_of(int(self.recorded[row]))) if sequence else None

    def heads(self) -> Iterator[tuple[Stream, Head]]:
        """Every stream of which an event was applied, with its head."""
        for row, subject in enumerate(self.subjects):
            if (head := self.head(row)) is not None:
                yield (self.source, subject), head


@dataclass(frozen=True, slots=True)
class NewHeads(HeadColumns):
    """The heads that streams get. `first`: whether no event of the stream was applied before; `as_columns`: whether `apply` gets all its new events as
    columns, and none as an object."""

    first: Flags
    as_columns: Flags

    def by_subject(self) -> tuple[Longs, Longs]:
        """(the rows of streams that had no head, those of the others), both by ascending subject."""
        order = np.array(sorted(range(len(self)), key=self.subjects.__getitem__), np.int64)
        first = self.first[order] if len(order) else self.first
        return order[first], order[~first]
