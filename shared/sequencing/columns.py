"""Events as columns: what a reader that is far behind keeps of an event that says nothing but when, instead of an object for each.

A batch of 30,000 objects is spread over tens of megabytes, and every pass over it waits for memory; as columns it is about two megabytes.
`decode_columns` takes into columns only what can be proved, from the bytes alone, to be what `records.decode` would accept. Everything else
stays a `Received`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

import msgspec
import numpy as np
import numpy.typing as npt

from shared import contracts
from shared.broker.protocol import Record
from shared.sequencing.records import Received, Stream, decode

Wire: TypeAlias = contracts.TextEvent[msgspec.Raw]
Longs: TypeAlias = npt.NDArray[np.int64]
Bytes: TypeAlias = npt.NDArray[np.uint8]

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
EPOCH_DAY = EPOCH.toordinal()
MOST_TRACES = 64
QUARTER = 15 * 60 * 1_000_000
"""Microseconds; every zone's day begins at a quarter of an hour (UTC)."""
OTHER = -1
"""The type of a row whose event is kept as a `Received`."""
LAST_SEQUENCE = 2**40
"""Above it an event stays a `Received`: streams and sequences are compared as one number."""
LAST_SUBJECT = 2**22
"""Subjects of a shard that one number can hold beside a sequence."""


class Names:
    """Numbers for texts, from 0 in the order of their first use."""

    def __init__(self) -> None:
        self.texts = list[str]()
        self._numbers = dict[str, int]()

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

    def number(self, text: str) -> int | None:
        """The number of a text; None if it has none."""
        return self._numbers.get(text)


@dataclass(frozen=True, slots=True)
class Columns:
    """Events of one topic and source in the order of their offsets, one row each; all arrays have their length.

    `subject`, `actor`: numbers of `subjects` and `actors`. `type`: a number of `types`, OTHER for a row whose event is kept in
    `others` = {row: event}. `event_id`: 16 bytes a row. `recorded`: microseconds since 1970 (UTC). `occurred`: days since 1970.
    `traces`: the first `traceparent`s of the commands behind them.
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

    def __len__(self) -> int:
        return len(self.offset)

    def take(self, rows: Any) -> Columns:
        """Some rows, without `others`, in the order of `rows`."""
        return replace(
            self, offset=self.offset[rows], subject=self.subject[rows], sequence=self.sequence[rows], event_id=self.event_id[rows],
            recorded=self.recorded[rows], occurred=self.occurred[rows], type=self.type[rows], actor=self.actor[rows], others={},
        )  # fmt: skip

    def between(self, begin: int, end: int) -> Columns:
        """The rows from `begin` to before `end`."""
        part = self.take(slice(begin, end))
        return replace(part, others={row - begin: record for row, record in self.others.items() if begin <= row < end})

    def stream(self, row: int) -> Stream:
        """The stream of a row."""
        return self.source, self.subjects.texts[int(self.subject[row])]

    def id_at(self, row: int) -> UUID:
        """The id of a row's event."""
        return UUID(bytes=self.event_id[row].tobytes())

    def time_at(self, row: int) -> datetime:
        """When a row's event was recorded."""
        return time_of(int(self.recorded[row]))


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

    arrays = {name: column(name) for name in ("offset", "subject", "sequence", "event_id", "recorded", "occurred", "type", "actor")}
    return replace(first, others=others, traces=[trace for part in parts for trace in part.traces][:MOST_TRACES], **arrays)


def known_days(recorded: Longs, known_of: Callable[[datetime], date]) -> Longs:
    """The known day of each instant, as an ordinal."""
    first, last = (known_of(time_of(int(at))).toordinal() for at in (recorded.min(), recorded.max()))
    if first == last:
        return np.full(len(recorded), first, np.int64)
    quarters, places = np.unique(recorded // QUARTER, return_inverse=True)
    days = [known_of(time_of(quarter * QUARTER)).toordinal() for quarter in quarters.tolist()]
    return np.array(days, np.int64)[places]


_decode_wire = msgspec.json.Decoder(Wire).decode
ID, TIME, DAY, SEQUENCE = "00000000-0000-0000-0000-000000000000", "0000-00-00T00:00:00.000000Z", "0000-00-00", "0" * 19
"""The layouts of plain attributes: a zero stands for a digit (of an id: a hexadecimal one)."""


def decode_columns(records: Sequence[Record], types: Sequence[str], subjects: Names, actors: Names) -> list[Item]:
    """Decode records of one place, in their order. Never raises.

    `types`: the types whose events may become rows without an object. Events of one subject alone that are not plain are rows with an object;
    events that change how others are applied, and unreadable ones, stand between columns.
    """
    try:
        wires = list(map(_decode_wire, [record.value or b"" for record in records]))
    except (msgspec.DecodeError, UnicodeDecodeError):
        wires = []
    if not wires or len({wire.source for wire in wires}) > 1:
        return [decode(record.topic, record.partition, record.offset, record.value or b"") for record in records]
    found = _columns(records, wires, types, subjects, actors)
    parts, begin, others = list[Item](), 0, dict[int, Received]()
    for row, record in found.others.items():
        if record.ordinary:
            others[row - begin] = record
            continue
        if row > begin:
            parts.append(replace(found.take(slice(begin, row)), others=others))
        parts.append(record)
        begin, others = row + 1, {}
    if begin == 0:
        return [found]
    if begin < len(found):
        parts.append(replace(found.take(slice(begin, len(found))), others=others))
    return parts


def _columns(records: Sequence[Record], wires: Sequence[Wire], types: Sequence[str], subjects: Names, actors: Names) -> Columns:
    numbers = {name: number for number, name in enumerate(types)}
    certain = contracts.certain_types(wire for wire in wires if wire.type in numbers)
    type_ = np.array([numbers[wire.type] if wire.type in certain else OTHER for wire in wires], np.int64)
    about = [wire.subject for wire in wires]
    ids, sequence, recorded, occurred, plain = _attributes(wires)
    if {(wire.specversion, wire.causeid) for wire in wires} != {("1.0", None)}:
        plain &= np.array([(wire.specversion, wire.causeid) == ("1.0", None) for wire in wires])
    if any("\x00" in subject for subject in about):
        plain &= np.array(["\x00" not in subject for subject in about])
    type_[~plain] = OTHER
    others = dict[int, Received]()
    for row in np.flatnonzero(type_ == OTHER).tolist():
        record = records[row]
        one = others[row] = decode(record.topic, record.partition, record.offset, record.value or b"")
        if one.event_id is None or one.time is None or one.sequence >= LAST_SEQUENCE:
            one.ordinary = False
        elif not plain[row]:
            sequence[row], recorded[row] = one.sequence, micros_of(one.time)
            ids[row] = np.frombuffer(one.event_id.bytes, np.uint8)
    return Columns(
        records[0].topic, wires[0].source, subjects, actors, types,
        np.array([record.offset for record in records], np.int64),
        np.array(subjects.numbers(about), np.int64), sequence, ids, recorded, occurred, type_,
        np.array(actors.numbers([wire.actor for wire in wires]), np.int64), others,
        list({wire.traceparent: None for wire in wires if wire.traceparent})[:MOST_TRACES],
    )  # fmt: skip


_LENGTHS = tuple(map(len, (ID, SEQUENCE, TIME, DAY)))
_PLAIN_ROW = ID + SEQUENCE + TIME + DAY
_SIGNS = np.frombuffer(_PLAIN_ROW.encode(), np.uint8)
_SIGN_AT = np.flatnonzero(ord("0") != _SIGNS)
_DIGIT_AT = np.flatnonzero(ord("0") == _SIGNS)
_HEX = 32
_SEQUENCE_PLACES, _TIME_PLACES, _DAY_PLACES = (slice(*at) for at in ((32, 51), (51, 71), (71, 79)))
_VALUES = np.full(256, 255, np.uint8)
_VALUES[list(b"0123456789abcdef")] = range(16)
_POWERS = 10 ** np.arange(18, -1, -1, dtype=np.int64)
_TWO_POWERS = np.array([10, 1], np.int64)


def _attributes(wires: Sequence[Wire]) -> tuple[Bytes, Longs, Longs, Longs, npt.NDArray[np.bool_]]:
    """(ids, sequences, times, days, whether each row is plain): id, sequence, time and business day, read from their characters."""
    texts = [
        wire.id + wire.sequence + wire.time + wire.occurredon
        if (len(wire.id), len(wire.sequence), len(wire.time), len(wire.occurredon)) == _LENGTHS
        else ""
        for wire in wires
    ]
    text = "".join(texts)
    plain = np.ones(len(wires), bool)
    if len(text) != len(texts) * len(_PLAIN_ROW) or not text.isascii():
        plain = np.array([bool(one) and one.isascii() for one in texts])
        text = "".join(one if one and one.isascii() else _PLAIN_ROW for one in texts)
    rows = np.frombuffer(text.encode(), np.uint8).reshape(len(wires), len(_PLAIN_ROW))
    values = _VALUES[rows[:, _DIGIT_AT]]
    plain &= (rows[:, _SIGN_AT] == _SIGNS[_SIGN_AT]).all(axis=1)
    plain &= (values[:, :_HEX] < 16).all(axis=1) & (values[:, _HEX:] < 10).all(axis=1)
    values[~plain] = 0
    sequence = values[:, _SEQUENCE_PLACES] @ _POWERS
    recorded, real_times = _instants(values[:, _TIME_PLACES])
    occurred, real_days = _days(values[:, _DAY_PLACES])
    plain &= real_times & real_days & (sequence > 0) & (sequence < LAST_SEQUENCE)
    ids: Bytes = ((values[:, 0:_HEX:2] << 4) | values[:, 1:_HEX:2]).astype(np.uint8)
    return ids, sequence, recorded, occurred, plain


def _days(digits: Bytes) -> tuple[Longs, npt.NDArray[np.bool_]]:
    """Days since 1970 of rows of eight digits, and whether each is a day of the calendar."""
    year, month, day = digits[:, :4] @ _POWERS[-4:], digits[:, 4:6] @ _TWO_POWERS, digits[:, 6:8] @ _TWO_POWERS
    real = (year > 0) & (month >= 1) & (month <= 12)
    months = np.where(real, (year - 1970) * 12 + month - 1, 0).astype("datetime64[M]")
    first = months.astype("datetime64[D]").astype(np.int64)
    length = (months + 1).astype("datetime64[D]").astype(np.int64) - first
    return first + day - 1, real & (day >= 1) & (day <= length)


def _instants(digits: Bytes) -> tuple[Longs, npt.NDArray[np.bool_]]:
    """Microseconds since 1970 of rows of twenty digits, and whether each is an instant."""
    days, real = _days(digits[:, :8])
    hour, minute, second = (digits[:, at : at + 2] @ _TWO_POWERS for at in (8, 10, 12))
    seconds = ((days * 24 + hour) * 60 + minute) * 60 + second
    return seconds * 1_000_000 + digits[:, 14:20] @ _POWERS[-6:], real & (hour < 24) & (minute < 60) & (second < 60)
