"""Events as columns: what a reader that is far behind keeps of an event that says nothing but when, instead of an object for each.

A batch of 30,000 objects is spread over tens of megabytes, and every pass over it waits for memory; as columns it is about two megabytes.
Every other event stays a `Received`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import numpy as np
import numpy.typing as npt

from shared.sequencing.columnar.layouts import Bytes, Longs
from shared.sequencing.records import Received, Stream

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EPOCH_DAY = EPOCH.toordinal()
MOST_TRACES = 64
QUARTER = 15 * 60 * 1_000_000
"""Microseconds; every zone's day begins at a quarter of an hour (UTC)."""
OTHER = -1
"""The type of a row whose event is kept as a `Received`."""
NO_TYPE = 2**31
"""Above the number of every type."""
LAST_SEQUENCE = 2**40
"""Above it an event stays a `Received`: streams and sequences are compared as one number."""
LAST_SUBJECT = 2**22
"""Subjects of a shard that one number can hold beside a sequence."""


Objects: TypeAlias = npt.NDArray[np.object_]


class Names:
    """Numbers for texts, from 0 in the order of their first use."""

    def __init__(self) -> None:
        self.texts = list[str]()
        self._numbers = dict[str, int]()

    def number(self, text: str) -> int:
        """The number of a text."""
        return self.numbers((text,))[0]

    def numbers(self, texts: Sequence[str]) -> list[int]:
        """The number of each text."""
        known = self._numbers
        try:
            return [known[text] for text in texts]
        except KeyError:
            for text in texts:
                if text not in known:
                    known[text] = len(self.texts)
                    self.texts.append(text)
            return [known[text] for text in texts]

    def numbers_of_utf8(self, texts: Sequence[bytes]) -> list[int]:
        """The same for texts in UTF-8."""
        return self.numbers([text.decode() for text in texts])


@dataclass(frozen=True, slots=True)
class Columns:
    """Events of one topic and source in the order of their offsets, one row each; all arrays have their length.

    `subject`, `actor`: numbers of `subjects` and `actors`. `type`: a number of `types`, OTHER for a row whose event is kept in
    `others` = {row: event}. `event_id`: 16 bytes a row. `recorded`: microseconds since 1970 (UTC). `occurred`: days since 1970.
    `traces`: the first `traceparent`s of the commands behind them. `data`: what each event says, of the types from the number `framed` on; None
    for the other rows, and instead of the array if no row has any. `saying` = how many rows have some.
    """

    topic: str
    source: str
    subjects: Names
    actors: Names
    types: Sequence[str]
    offset: Longs
    subject: Longs
    sequence: Longs
    event_id: Bytes
    recorded: Longs
    occurred: Longs
    type: Longs
    actor: Longs
    others: Mapping[int, Received] = field(default_factory=dict)
    traces: Sequence[str] = ()
    data: Objects | None = None
    framed: int = NO_TYPE
    saying: int = 0

    def __len__(self) -> int:
        return len(self.offset)

    def take(self, rows: Any) -> Columns:
        """Some rows, without `others`, in the order of `rows`."""
        return replace(
            self, offset=self.offset[rows], subject=self.subject[rows], sequence=self.sequence[rows], event_id=self.event_id[rows],
            recorded=self.recorded[rows], occurred=self.occurred[rows], type=self.type[rows], actor=self.actor[rows], others={},
            data=None if self.data is None else self.data[rows], saying=int(np.count_nonzero(self.type[rows] >= self.framed)),
        )  # fmt: skip

    def between(self, begin: int, end: int) -> Columns:
        """The rows from `begin` to before `end`."""
        part = self.take(slice(begin, end))
        return replace(part, others={row - begin: record for row, record in self.others.items() if begin <= row < end})

    def copied(self) -> Columns:
        """The same rows in memory of their own: the arrays of `between` keep those alive of which they are a part."""
        return replace(self.take(np.arange(len(self))), others=self.others)

    def renumbered(self, subjects: Names, actors: Names) -> Columns:
        """The same rows with the numbers of other names."""
        return replace(
            self, subjects=subjects, actors=actors, subject=_renumbered(self.subject, self.subjects, subjects),
            actor=_renumbered(self.actor, self.actors, actors),
        )  # fmt: skip

    def stream(self, row: int) -> Stream:
        """The stream of a row."""
        return self.source, self.subjects.texts[int(self.subject[row])]

    def id_at(self, row: int) -> UUID:
        """The id of a row's event."""
        return UUID(bytes=self.event_id[row].tobytes())

    def time_at(self, row: int) -> datetime:
        """When a row's event was recorded."""
        return time_of(int(self.recorded[row]))


def _renumbered(numbers: Longs, before: Names, after: Names) -> Longs:
    """A row whose event stays an object has number 0 where nothing was read of it; there may be no name then."""
    if not before.texts:
        return numbers
    used, places = np.unique(numbers, return_inverse=True)
    return np.array(after.numbers([before.texts[number] for number in used.tolist()]), np.int64)[places]


Item: TypeAlias = Columns | Received
"""What has arrived: rows, or an event that stands between them."""


def time_of(recorded: int) -> datetime:
    """The instant of a value of `Columns.recorded`."""
    return EPOCH + timedelta(microseconds=recorded)


def micros_of(time: datetime) -> int:
    """The value of `Columns.recorded` of an instant."""
    return (time - EPOCH) // MICROSECOND


def joined(parts: Sequence[Columns]) -> Columns:
    """Columns of one topic and source that share their names, one after the other."""
    first = parts[0]
    if len(parts) == 1:
        return first
    others, rows = dict[int, Received](), 0
    for part in parts:
        others.update((rows + row, record) for row, record in part.others.items())
        rows += len(part)

    def column(name: str) -> Any:
        return np.concatenate([getattr(part, name) for part in parts])

    arrays: dict[str, Any] = {
        name: column(name) for name in ("offset", "subject", "sequence", "event_id", "recorded", "occurred", "type", "actor")
    }
    if any(part.data is not None for part in parts):
        arrays["data"] = np.concatenate([part.data if part.data is not None else np.full(len(part), None, np.object_) for part in parts])
    saying = sum(part.saying for part in parts)
    traces, framed = [trace for part in parts for trace in part.traces][:MOST_TRACES], min(part.framed for part in parts)
    return replace(first, others=others, traces=traces, framed=framed, saying=saying, **arrays)


def known_days(recorded: Longs, known_of: Callable[[datetime], date]) -> Longs:
    """The known day of each instant, as an ordinal."""
    first, last = (known_of(time_of(int(at))).toordinal() for at in (recorded.min(), recorded.max()))
    if first == last:
        return np.full(len(recorded), first, np.int64)
    quarters, places = np.unique(recorded // QUARTER, return_inverse=True)
    days = [known_of(time_of(quarter * QUARTER)).toordinal() for quarter in quarters.tolist()]
    return np.array(days, np.int64)[places]
