"""Records of the log to columns. `decode_columns` takes into columns only what is proved, by its bytes, to be what `records.decode` would accept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from shared.broker.protocol import Record
from shared.sequencing.columnar.columns import LAST_SEQUENCE, MOST_TRACES, OTHER, Columns, Item, Names, micros_of
from shared.sequencing.columnar.layouts import Bytes, LaidOut, Layout, Layouts, Longs
from shared.sequencing.records import Received, decode_records

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
        self.sources = set[str]()
        self._keep_objects(self._keep_alike())

    def columns(self) -> Columns:
        """All of them, of one source."""
        source = next(iter(self.sources), "")
        offset = np.array([record.offset for record in self._records], np.int64)
        return Columns(
            self._records[0].topic, source, self._subjects, self._actors, self._types, offset, self._subject, self._sequence, self._ids,
            self._recorded, self._occurred, self._type, self._actor, self._others, list(self._traces)[:MOST_TRACES],
        )  # fmt: skip

    def _keep_alike(self) -> list[int]:
        """Fill the rows whose events have a layout. Returns the other rows."""
        values, left = [record.value or b"" for record in self._records], self._odd
        sizes = np.array(list(map(len, values)), np.int64)
        for size in np.unique(sizes).tolist():
            rows = np.flatnonzero(sizes == size)
            for layout in _layouts.of_size(size):
                if len(rows) and layout.type in self._numbers:
                    rows = self._fill(rows, values, layout)
            while len(rows) and (learnt := _layouts.learn(values[rows[0]], self._types)) is not None:
                rows = self._fill(rows, values, learnt)
            left += rows.tolist()
        return sorted(left)

    def _fill(self, rows: Longs, values: Sequence[bytes], layout: Layout) -> Longs:
        """Fill those of some rows whose events have a layout. Returns those that do not have it."""
        laid = layout.read(values if len(rows) == len(values) else [values[row] for row in rows.tolist()])
        ids, sequence, recorded, occurred, plain = _numbers(laid.digits)
        self._odd += rows[laid.fits & ~plain].tolist()
        fits = np.flatnonzero(laid.fits & plain)
        if not len(fits):
            return rows[~laid.fits]
        own = rows[fits]
        self.sources.add(layout.source)
        self._ids[own], self._type[own] = ids[fits], self._numbers[layout.type]
        self._sequence[own], self._recorded[own], self._occurred[own] = sequence[fits], recorded[fits], occurred[fits]
        self._subject[own] = self._subjects.numbers(laid.texts("subject", fits))
        self._actor[own] = self._actors_of(laid, fits)
        if "traceparent" in layout.places:
            self._traces.update(dict.fromkeys(laid.texts("traceparent", laid.changing("traceparent", fits))))
        return rows[~laid.fits]

    def _actors_of(self, laid: LaidOut, rows: Longs) -> Longs:
        changes = laid.changing("actor", rows)
        numbers = np.array(self._actors.numbers(laid.texts("actor", changes)), np.int64)
        return numbers[np.searchsorted(changes, rows, side="right") - 1]

    def _keep_objects(self, rows: Sequence[int]) -> None:
        """Keep the events of some rows as objects."""
        for row, one in zip(rows, decode_records([self._records[row] for row in rows]), strict=True):
            self._others[row] = one
            one.ordinary = one.ordinary and one.sequence < LAST_SEQUENCE
            if not one.ordinary or one.event_id is None or one.time is None:
                continue
            (source, subject), micros = one.stream, micros_of(one.time)
            self.sources.add(source)
            self._ids[row] = np.frombuffer(one.event_id.bytes, np.uint8)
            self._subject[row], self._sequence[row], self._recorded[row] = self._subjects.number(subject), one.sequence, micros
            if one.traceparent:
                self._traces[one.traceparent] = None


_HEX = 32
_SEQUENCE_PLACES, _TIME_PLACES, _DAY_PLACES = (slice(*at) for at in ((32, 51), (51, 71), (71, 79)))
_POWERS = 10 ** np.arange(18, -1, -1, dtype=np.int64)
_TWO_POWERS = np.array([10, 1], np.int64)


def _numbers(values: Bytes) -> tuple[Bytes, Longs, Longs, Longs, npt.NDArray[np.bool_]]:
    """(ids, sequences, times, days, whether each row is plain) from rows of the values of their digits; 16 and more is no digit."""
    plain: npt.NDArray[np.bool_] = (values[:, :_HEX].max(axis=1) < 16) & (values[:, _HEX:].max(axis=1) < 10)
    if not plain.all():
        values = (values * plain[:, None]).astype(np.uint8)
    sequence = values[:, _SEQUENCE_PLACES] @ _POWERS
    recorded, real_times = _instants(values[:, _TIME_PLACES])
    occurred, real_days = _days(values[:, _DAY_PLACES])
    plain &= real_times & real_days & (sequence > 0) & (sequence < LAST_SEQUENCE)
    ids = (values[:, 0:_HEX:2] << 4 | values[:, 1:_HEX:2]).astype(np.uint8)
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
