"""Events of one type whose attributes are written alike and whose `data` differ: what a replay reads of them without an object for each.

`columnar.layouts` knows events that are equally long. Those here are as long as their `data`, but what stands before and after it, the *frame*, is
written alike for thousands of events. A frame is learnt from one event that `contracts.read` accepts and that is written exactly as
`contracts.write` writes it. An event whose bytes before and after some `data` have the frame, and whose `data` its type's reader accepts as one JSON
value, is an event that `contracts.read` accepts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import msgspec
import numpy as np

from shared import contracts
from shared.broker.fetched import FetchedRecords
from shared.broker.protocol import Record
from shared.contracts import UnreadableEvent
from shared.sequencing.columnar.columns import MOST_TRACES, Columns, Item, Names, joined
from shared.sequencing.columnar.decoding import decode_columns, numbers_of
from shared.sequencing.columnar.layouts import FORMS, FREE, ID_DIGITS, NUMBERS, Bytes, Classes, Layout, changing, in_pairs, is_plain
from shared.sequencing.records import Received, decode_records

ReadData: TypeAlias = Callable[[str, Sequence[bytes]], Sequence[Any]]
"""(type, the JSON of `data` of some events) → what is kept of each; None for one that must be read as an object."""

MOST_FRAMES = 64
"""Frames that are kept of one type."""
AFTER_ID = len('{"specversion":"1.0","id":"') + len(FORMS["id"])
SUBJECT = b'","subject":"'


@dataclass(frozen=True, slots=True)
class Framed:
    """The types of events that become rows by their frames, and how their `data` are read. `without`: the kinds of subjects whose events stay objects."""

    types: Sequence[str]
    read_data: ReadData
    without: Sequence[str] = ()


_read_text = msgspec.json.Decoder(contracts.TextEvent[msgspec.Raw]).decode
_write = msgspec.json.Encoder().encode
_FIELDS = tuple(one.name for one in msgspec.structs.fields(contracts.TextEvent))


class Frame(NamedTuple):
    """One frame: the layout of what stands before and after `data`, laid end to end; where `data` begins, and how many bytes follow on it."""

    layout: Layout
    begin: int
    after: int


def frame_of(raw: bytes) -> Frame | None:
    """The frame of an event; None if it is not plain: unreadable, caused by another event, or with an attribute that JSON escapes."""
    try:
        wire, text = contracts.read(raw), _read_text(raw)
    except (UnreadableEvent, msgspec.DecodeError, UnicodeDecodeError):
        return None
    if text.causeid is not None or text.datacontenttype != contracts.JSON or _write(text) != raw:
        return None
    places, at, begin, size = dict[str, tuple[int, int]](), 1, 0, len(raw)
    for name in _FIELDS:
        value = getattr(text, name)
        if value is None or name == "datacontenttype":
            continue
        start = at + len(name) + 3
        if name == "data":
            # What follows moves up by the bytes that are left out.
            begin, size = start, len(raw) - len(value)
            at = start + 1
            continue
        length = len(_write(value))
        at = start + length + 1
        places[name] = (start + 1, start + length - 1)
    cut = raw[:begin] + raw[len(raw) - (size - begin) :]
    texts = [cut[slice(*places[name])] for name in FREE if name in places]
    if not all(text and is_plain(text) for text in texts):
        return None
    digits = list[int]()
    for name in NUMBERS:
        (first, end), form = places[name], FORMS[name]
        if end - first != len(form) or any(sign not in ("0", chr(cut[first + at])) for at, sign in enumerate(form)):
            return None
        digits += [first + at for at, sign in enumerate(form) if sign == "0"]
    free = [at for name in FREE for at in range(*places.get(name, (0, 0)))]
    may_be = Classes.of(cut, free, digits[:ID_DIGITS], digits[ID_DIGITS:])
    found = Frame(Layout(wire.type, wire.source, size, may_be, in_pairs(digits), places), begin, size - begin)
    return found if found.layout.read(_rows_of([cut], size)).fits[0] else None


def _rows_of(texts: Sequence[bytes], size: int) -> Bytes:
    """Texts of one length, one a row."""
    return np.frombuffer(b"".join(texts), np.uint8).reshape(-1, size)


class FrameDecoder:
    """Decodes the records of one topic, in their order: as `decode_columns` does, but events of `framed` types too are rows without an object.

    `without`: the kinds of subjects whose events stay objects.
    """

    def __init__(self, plain: Sequence[str], framed: Sequence[str], read_data: ReadData, without: Collection[str] = ()) -> None:
        self._plain, self._types = tuple(plain), (*plain, *framed)
        self._numbers = {name.encode(): len(plain) + number for number, name in enumerate(framed)}
        self._read_data, self._without = read_data, {kind.encode() for kind in without}
        self._frames = defaultdict[bytes, list[Frame]](list)
        self._plain_sizes = set[int]()

    def decode(self, records: Sequence[Record], subjects: Names, actors: Names) -> list[Item]:
        """Rows, with what `read_data` returned of those of framed types, and events between them. Never raises."""
        rows = _Rows(records, subjects, actors)
        left = rows.without(self._framed(rows))
        others = rows.some(left)
        items = decode_columns(others, self._plain, subjects, actors) if others else []
        if not rows.parts:
            return [replace(item, types=self._types) if isinstance(item, Columns) else item for item in items]
        columns = [item for item in items if isinstance(item, Columns)]
        sources = {one.source for one in columns if len(one)} | {one.source for one in rows.parts}
        if len(sources) > 1 or len(columns) + sum(isinstance(item, Received) and not item.ordinary for item in items) < len(items):
            # Events of several sources: they are read as objects.
            return list[Item](decode_records(records))
        framed = len(self._plain)
        merged = _in_order([replace(one, source=rows.parts[0].source, types=self._types, framed=framed) for one in (*rows.parts, *columns)])
        return _divided(merged, [item for item in items if isinstance(item, Received)])

    def _framed(self, rows: _Rows) -> list[int]:
        """Fill the rows whose events have a frame; returns them."""
        groups, found = defaultdict[bytes, list[int]](list), list[int]()
        for row in rows.not_of_size(self._plain_sizes):
            value = rows.values[row]
            groups[value[AFTER_ID : value.find(b"/", value.find(SUBJECT, AFTER_ID) + len(SUBJECT))]].append(row)
        for key, own in groups.items():
            head, _, kind = key.rpartition(SUBJECT)
            type_ = head[head.rfind(b'"') + 1 :]
            if (number := self._numbers.get(type_)) is not None:
                if kind not in self._without:
                    found += self._fill(rows, key, own, number)
            elif type_.decode(errors="replace") in self._plain:
                self._plain_sizes.update(len(rows.values[row]) for row in own)
        return found

    def _fill(self, rows: _Rows, key: bytes, own: Sequence[int], number: int) -> list[int]:
        frames, found = self._frames[key], list[int]()
        for frame in frames:
            if own:
                own = self._take(rows, frame, own, number, found)
        while own and len(frames) < MOST_FRAMES and (learnt := frame_of(rows.values[own[0]])) is not None:
            frames.append(learnt)
            own = self._take(rows, learnt, own, number, found)
        return found

    def _take(self, rows: _Rows, frame: Frame, own: Sequence[int], number: int, found: list[int]) -> list[int]:
        """Fill those of some rows that have a frame, and add them to `found`. Returns those that do not have it."""
        layout, begin, after = frame
        values = rows.values
        tall = [row for row in own if len(values[row]) > begin + after]
        if not tall:
            return list(own)
        laid = layout.read(_rows_of([values[row][:begin] + values[row][-after:] for row in tall], layout.size))
        ids, sequence, recorded, occurred, plain = numbers_of(laid.digits)
        fits = np.flatnonzero(laid.fits & plain)
        data = self._read_data(layout.type, [values[tall[at]][begin:-after] for at in fits.tolist()])
        kept = [at for at, one in zip(fits.tolist(), data, strict=True) if one is not None]
        if kept:
            at = np.array(kept, np.int64)
            offset = rows.offset[np.array(tall, np.int64)[at]]
            said = np.empty(len(kept), np.object_)
            said[:] = [one for one in data if one is not None]
            found += [tall[one] for one in kept]
            chosen = laid.take(at)
            changes, names = changing(chosen.texts["actor"])
            actors = np.repeat(np.array(rows.actors.numbers_of_utf8(names), np.int64), np.diff(changes, append=len(at)))
            subjects = np.array(rows.subjects.numbers_of_utf8(chosen.texts["subject"].tolist()), np.int64)
            traces = changing(chosen.texts["traceparent"])[1][:MOST_TRACES] if "traceparent" in chosen.texts else []
            kinds = np.full(len(at), number, np.int64)
            arrays = offset, subjects, sequence[at], ids[at], recorded[at], occurred[at], kinds, actors
            told: dict[str, Any] = {"traces": [trace.decode("ascii") for trace in dict.fromkeys(traces)], "data": said, "saying": len(said)}
            rows.parts.append(Columns(rows.topic, layout.source, rows.subjects, rows.actors, self._types, *arrays, **told))
        short = set(own) - set(tall)
        return [row for row in own if row in short] + [tall[at] for at in np.flatnonzero(~laid.fits).tolist()]


class _Rows:
    """Records on their way to columns. `values` = {row: event} of those that may have a frame. `parts`: those that have one."""

    def __init__(self, records: Sequence[Record], subjects: Names, actors: Names) -> None:
        self.topic, self._records = records[0].topic, records
        self.subjects, self.actors = subjects, actors
        if isinstance(records, FetchedRecords):
            self.offset, self._sizes = records.offsets, records.sizes
        else:
            self.offset = np.array([record.offset for record in records], np.int64)
            self._sizes = np.array([len(record.value or b"") for record in records], np.int64)
        self.values = dict[int, bytes]()
        self.parts = list[Columns]()

    def not_of_size(self, sizes: Iterable[int]) -> list[int]:
        """The rows whose events have none of some lengths; their events are in `values` then."""
        rows = np.flatnonzero(~np.isin(self._sizes, list(sizes)))
        chosen, numbers = self.some(rows.tolist()), rows.tolist()
        values = chosen.values() if isinstance(chosen, FetchedRecords) else [record.value or b"" for record in chosen]
        self.values.update(zip(numbers, values, strict=True))
        return numbers

    def some(self, rows: Sequence[int]) -> Sequence[Record]:
        """The records of some rows."""
        records = self._records
        return records.take(np.array(rows, np.int64)) if isinstance(records, FetchedRecords) else [records[row] for row in rows]

    def without(self, rows: Sequence[int]) -> list[int]:
        """The other rows."""
        left = np.ones(len(self.offset), np.bool_)
        left[rows] = False
        return np.flatnonzero(left).tolist()


def _in_order(parts: Sequence[Columns]) -> Columns:
    """Columns of one topic and source by offset."""
    together = joined(parts)
    order = np.argsort(together.offset)
    places: Mapping[int, int] = {row: place for place, row in enumerate(order.tolist())} if together.others else {}
    return replace(together.take(order), others={places[row]: record for row, record in sorted(together.others.items())})


def _divided(columns: Columns, between: Sequence[Received]) -> list[Item]:
    """Rows and the events that stand between them, in their order."""
    found, begin = list[Item](), 0
    for record in between:
        end = int(np.searchsorted(columns.offset, record.offset))
        if end > begin:
            found.append(columns.between(begin, end))
        found.append(record)
        begin = end
    if begin < len(columns):
        found.append(columns.between(begin, len(columns)) if begin else columns)
    return found
