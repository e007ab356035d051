"""Records of the log to columns. `decode_columns` takes into columns only what is proved, by its bytes, to be what `records.decode` would accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shared.broker.fetched import FetchedRecords
from shared.broker.protocol import Record
from shared.sequencing.columnar.columns import LAST_SEQUENCE, MOST_TRACES, OTHER, Columns, Item, Names, micros_of
from shared.sequencing.columnar.layouts import ID_DIGITS, Bytes, Layout, Layouts, Longs, changing, joined
from shared.sequencing.records import Received, decode_records

MOST_ROWS = 512
"""Events that are held against a layout at once: they stay in the processor's cache."""

_layouts = Layouts()


def decode_columns(records: Sequence[Record], types: Sequence[str], subjects: Names, actors: Names) -> list[Item]:
    """Decode records of one place, in their order. Never raises.

    `types`: the types whose events may become rows without an object: those that are written like others (`layouts`). Other events of one
    subject alone are rows with an object; events that change how others are applied, and unreadable ones, stand between columns.
    """
    table = _Table(records, types, subjects, actors)
    if len(table.sources) > 1:
        return list[Item](decode_records(records))
    found = table.columns()
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


class _Values:
    """The values of records, where they lie in one text. `sizes`: how long each is, 0 or less for one that is missing; `offsets`: of the records."""

    def __init__(self, records: Sequence[Record]) -> None:
        if isinstance(records, FetchedRecords):
            self._text, self._begins, self.sizes, self.offsets = records.text, records.begins, records.sizes, records.offsets
            return
        values = [record.value or b"" for record in records]
        self._text = b"".join(values)
        self.sizes = np.array(list(map(len, values)), np.int64)
        self._begins = np.cumsum(self.sizes) - self.sizes
        self.offsets = np.array([record.offset for record in records], np.int64)

    def one(self, row: int) -> bytes:
        """The value of a row."""
        begin = int(self._begins[row])
        return self._text[begin : begin + max(0, int(self.sizes[row]))]

    def rows(self, rows: Longs, size: int) -> Bytes:
        """The values of some rows that are equally long, one a row."""
        at_each = np.ndarray((len(self._text) - size + 1,), f"V{size}", self._text, strides=(1,))
        return at_each[self._begins[rows]].view(np.uint8).reshape(len(rows), size)


class _Table:
    """Records on their way to `Columns`. `sources`: of those that may stand among columns."""

    def __init__(self, records: Sequence[Record], types: Sequence[str], subjects: Names, actors: Names) -> None:
        self._records, self._types = records, types
        self._numbers = {name: number for number, name in enumerate(types)}
        self._subjects, self._actors = subjects, actors
        count = len(records)
        self._subject, self._sequence, self._recorded, self._occurred, self._actor = np.zeros((5, count), np.int64)
        self._type, self._ids = np.full(count, OTHER, np.int64), np.zeros((count, 16), np.uint8)
        self._others = dict[int, Received]()
        self._traces = dict[str, None]()
        self._odd = list[int]()
        self._values = _Values(records)
        self.sources = set[str]()
        self._keep_objects(self._keep_alike())

    def columns(self) -> Columns:
        """All of them, of one source."""
        source = next(iter(self.sources), "")
        return Columns(
            self._records[0].topic, source, self._subjects, self._actors, self._types, self._values.offsets, self._subject, self._sequence, self._ids,
            self._recorded, self._occurred, self._type, self._actor, self._others, list(self._traces)[:MOST_TRACES],
        )  # fmt: skip

    def _keep_alike(self) -> list[int]:
        """Fill the rows whose events have a layout. Returns the other rows."""
        left, sizes = self._odd, self._values.sizes
        for size in np.unique(sizes).tolist() if len(sizes) else ():
            rows = np.flatnonzero(sizes == size)
            for layout in _layouts.of_size(size):
                if len(rows) and layout.type in self._numbers:
                    rows = self._fill(rows, layout)
            while len(rows) and (learnt := _layouts.learn(self._values.one(rows[0]), self._types)) is not None:
                rows = self._fill(rows, learnt)
            left += rows.tolist()
        return sorted(left)

    def _fill(self, rows: Longs, layout: Layout) -> Longs:
        """Fill those of some rows whose events have a layout. Returns those that do not have it."""
        parts = [layout.read(self._values.rows(rows[at : at + MOST_ROWS], layout.size)) for at in range(0, len(rows), MOST_ROWS)]
        laid = parts[0] if len(parts) == 1 else joined(parts)
        ids, sequence, recorded, occurred, plain = numbers_of(laid.digits)
        own, left = rows, rows[:0]
        if not (laid.fits.all() and plain.all()):
            self._odd += rows[laid.fits & ~plain].tolist()
            left, fits = rows[~laid.fits], np.flatnonzero(laid.fits & plain)
            if not len(fits):
                return left
            laid, own = laid.take(fits), rows[fits]
            ids, sequence, recorded, occurred = ids[fits], sequence[fits], recorded[fits], occurred[fits]
        self.sources.add(layout.source)
        self._ids[own], self._type[own] = ids, self._numbers[layout.type]
        self._sequence[own], self._recorded[own], self._occurred[own] = sequence, recorded, occurred
        self._subject[own] = self._subjects.numbers_of_utf8(laid.texts["subject"].tolist())
        changes, actors = changing(laid.texts["actor"])
        numbers = np.array(self._actors.numbers_of_utf8(actors), np.int64)
        self._actor[own] = numbers[0] if len(numbers) == 1 else np.repeat(numbers, np.diff(changes, append=len(own)))
        if "traceparent" in laid.texts:
            _, traces = changing(laid.texts["traceparent"])
            self._traces.update(dict.fromkeys(trace.decode("ascii") for trace in traces[:MOST_TRACES]))
        return left

    def _keep_objects(self, rows: Sequence[int]) -> None:
        """Keep the events of some rows as objects."""
        if not rows:
            return
        records, found = self._records, dict[int, Received]()
        if len(rows) < len(records):
            records = records.take(np.array(rows)) if isinstance(records, FetchedRecords) else [records[row] for row in rows]
        for row, one in zip(rows, decode_records(records), strict=True):
            self._others[row] = one
            one.ordinary = one.ordinary and one.sequence < LAST_SEQUENCE
            if one.ordinary and one.event_id is not None and one.time is not None:
                found[row] = one
        if not found:
            return
        own, ordinary = list(found), found.values()
        self.sources.update({one.stream[0] for one in ordinary})
        self._ids[own] = np.frombuffer(b"".join([one.event_id.bytes for one in ordinary if one.event_id]), np.uint8).reshape(-1, 16)
        self._sequence[own] = [one.sequence for one in ordinary]
        self._subject[own] = self._subjects.numbers([one.stream[1] for one in ordinary])
        self._recorded[own] = [micros_of(one.time) for one in ordinary if one.time]
        self._traces.update({one.traceparent: None for one in ordinary if one.traceparent})


_HEX_WORDS = ID_DIGITS // 2
_FIRST_YEAR, _LAST_YEAR = 1900, 2199
_FIRST_DAYS = np.arange(f"{_FIRST_YEAR}-01", f"{_LAST_YEAR + 1}-02", dtype="datetime64[M]").astype("datetime64[D]").astype(np.int64)
"""The first day of each month, as days since 1970, up to the one after the last."""


def numbers_of(characters: Bytes) -> tuple[Bytes, Longs, Longs, Longs, npt.NDArray[np.bool_]]:
    """(ids, sequences, times, days, whether each row is plain) from rows of `LaidOut.digits`.

    Two, and again two, digits are made one number at once, whatever they belong to. What a row that does not fit says is without meaning.
    """
    words = characters.view(np.uint16)
    digits = (words[:, :_HEX_WORDS] & 0x0F0F) + (words[:, :_HEX_WORDS] >> 6 & 0x0101) * np.uint16(9)
    ids = (digits << 4 | digits >> 8).astype(np.uint8)
    digits = words[:, _HEX_WORDS:] & 0x0F0F
    twos = (digits & 0xFF) * np.uint16(10) + (digits >> 8)
    pairs = twos.view(np.uint32)
    fours = ((pairs & 0xFFFF) * np.uint32(100) + (pairs >> 16)).T.astype(np.int64)
    year, month, day, hour, minute, second = fours[5], *twos.T[12:17].astype(np.int64)
    days, real_times = _days(year, month, day)
    recorded = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1_000_000 + twos[:, 17].astype(np.int64) * 10_000 + fours[9]
    occurred, real_days = _days(fours[10], *twos.T[22:].astype(np.int64))
    sequence = fours[1] * 10**12 + fours[2] * 10**8 + fours[3] * 10**4 + fours[4]
    plain = (fours[0] == 0) & (sequence > 0) & (sequence < LAST_SEQUENCE)
    plain &= real_times & (hour < 24) & (minute < 60) & (second < 60) & real_days
    return ids, sequence, recorded, occurred, plain


def _days(year: Longs, month: Longs, day: Longs) -> tuple[Longs, npt.NDArray[np.bool_]]:
    """Days since 1970, and whether each is a day of the calendar, between years that one table holds."""
    real = (year >= _FIRST_YEAR) & (year <= _LAST_YEAR) & (month >= 1) & (month <= 12)
    months = (year - _FIRST_YEAR) * 12 + month - 1
    if not real.all():
        months[~real] = 0
    first = _FIRST_DAYS[months]
    return first + day - 1, real & (day >= 1) & (day <= _FIRST_DAYS[months + 1] - first)
