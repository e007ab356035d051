"""Events that are written alike: most events of a topic differ from one another in ids, days, instants and numbers alone, which are equally long.

A `Layout` knows one such form byte by byte: what never changes, and where which characters may stand. It is learnt from one event that
`contracts.read` accepts and that is written exactly as `contracts.write` writes it. Another event of the same length that has the same bytes
everywhere else, and only hexadecimal digits, digits or plain characters where those may stand, is JSON of the same attributes and decodes.
So thousands of events are checked and read by a few operations on one array of bytes.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from shared import contracts
from shared.contracts import UnreadableEvent

Bytes: TypeAlias = npt.NDArray[np.uint8]
Longs: TypeAlias = npt.NDArray[np.int64]

MOST_LAYOUTS = 256
"""Layouts that are kept."""
NUMBERS = ("id", "sequence", "time", "occurredon")
"""The attributes that are read as digits, in this order."""
ID, SEQUENCE, TIME, DAY = "00000000-0000-0000-0000-000000000000", "0" * 19, "0000-00-00T00:00:00.000000Z", "0000-00-00"
"""How they are written: a zero stands for a digit (of an id: a hexadecimal one)."""
FORMS = dict(zip(NUMBERS, (ID, SEQUENCE, TIME, DAY), strict=True))
_FREE = ("subject", "partitionkey", "actor", "origin", "traceparent")
"""The attributes that may be any text."""

_PLAIN, _ODD = 0x10, 0x30
_codes = bytearray([_ODD] * 256)
"""Of each byte: the value of a hexadecimal digit, `_PLAIN` for another character that JSON writes as itself, `_ODD` for all else."""
_codes[0x20:0x7F] = bytes([_PLAIN]) * (0x7F - 0x20)
_codes[ord('"')] = _codes[ord("\\")] = _ODD
for _value, _digit in enumerate(b"0123456789abcdef"):
    _codes[_digit] = _value
_CODES = bytes(_codes)
_NOT_PLAIN, _NOT_A_DIGIT = _ODD - _PLAIN, _ODD
"""Bits that must not be set in the code of a plain character, of a hexadecimal digit."""

_read_text = msgspec.json.Decoder(contracts.TextEvent[msgspec.Raw]).decode
_write_text = msgspec.json.Encoder().encode
_FIELDS = tuple(one.name for one in msgspec.structs.fields(contracts.TextEvent))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One form. `size`: bytes of an event, `padded`: the same up to a multiple of 8. `same`, `example`: masks and bytes of what never changes,
    `forbidden`: bits that no code of a character may have there (all 8 bytes as one number). `digits`: places of the digits of NUMBERS,
    `places` = {attribute: (begin, end)}.
    """

    type: str
    source: str
    size: int
    padded: int
    same: npt.NDArray[np.uint64]
    example: npt.NDArray[np.uint64]
    forbidden: npt.NDArray[np.uint64]
    digits: Longs
    places: dict[str, tuple[int, int]]

    def read(self, values: Sequence[bytes]) -> LaidOut:
        """Look at events of `size` bytes."""
        padding = bytes(self.padded - self.size)
        text = padding.join(values) + padding
        codes = text.translate(_CODES)
        shape = (len(values), self.padded // 8)
        found = (np.frombuffer(text, np.uint64).reshape(shape) ^ self.example) & self.same
        found |= np.frombuffer(codes, np.uint64).reshape(shape) & self.forbidden
        digits = np.frombuffer(codes, np.uint8).reshape(len(values), self.padded)[:, self.digits]
        return LaidOut(self, found.max(axis=1) == 0, digits, np.frombuffer(text, np.uint8).reshape(len(values), self.padded))


@dataclass(frozen=True, slots=True)
class LaidOut:
    """Events held against a layout. `fits`: which of them have it; `digits`: the digits of NUMBERS of each, as values (16 and more: not a digit)."""

    layout: Layout
    fits: npt.NDArray[np.bool_]
    digits: Bytes
    _text: Bytes

    def texts(self, name: str, rows: Any) -> list[str]:
        """An attribute of some of the events that fit."""
        begin, end = self.layout.places[name]
        width, text = end - begin, self._text[rows, begin:end].tobytes().decode("ascii")
        return [text[at : at + width] for at in range(0, len(text), width)] if width else [""] * len(self._text[rows])

    def changing(self, name: str, rows: Longs) -> Longs:
        """Those of some rows in which an attribute is another than in the row before, and the first."""
        begin, end = self.layout.places[name]
        own = self._text[rows, begin:end]
        return rows[np.concatenate(([True], (own[1:] != own[:-1]).any(axis=1)))]


def layout_of(raw: bytes, types: Sequence[str]) -> Layout | None:
    """The layout of an event of one of `types`; None if it is not plain: unreadable, caused by another event, or with a text that JSON escapes."""
    try:
        wire, text = contracts.read(raw), _read_text(raw)
    except (UnreadableEvent, msgspec.DecodeError, UnicodeDecodeError):
        return None
    in_data = contracts.places_of_ids(wire.type)
    if wire.type not in types or in_data is None or not contracts.certain(wire) or text.causeid is not None or _write_text(text) != raw:
        return None
    places = _places(text)
    for name in (*NUMBERS, *_FREE):
        begin, end = places.get(name, (0, 0))
        form = FORMS.get(name, "")
        if form and (end - begin != len(form) or any(sign not in ("0", chr(raw[begin + at])) for at, sign in enumerate(form))):
            return None
        if any(_CODES[code] & _NOT_PLAIN for code in raw[begin:end]):
            return None
    digits = np.array([places[name][0] + at for name in NUMBERS for at, sign in enumerate(FORMS[name]) if sign == "0"], np.int64)
    padded = -(-len(raw) // 8) * 8
    same, example, forbidden = np.full(padded, 0xFF, np.uint8), np.zeros(padded, np.uint8), np.zeros(padded, np.uint8)
    example[: len(raw)] = np.frombuffer(raw, np.uint8)
    for name in _FREE:
        begin, end = places.get(name, (0, 0))
        same[begin:end], forbidden[begin:end] = 0, _NOT_PLAIN
    hexadecimal = [*digits.tolist(), *(places["data"][0] + at for at in in_data)]
    same[hexadecimal], forbidden[hexadecimal] = 0, _NOT_A_DIGIT
    found = Layout(
        wire.type, wire.source, len(raw), padded, same.view(np.uint64), example.view(np.uint64), forbidden.view(np.uint64), digits, places
    )
    return found if found.read([raw]).fits[0] else None


def _places(text: contracts.TextEvent[msgspec.Raw]) -> dict[str, tuple[int, int]]:
    """Where the value of each attribute stands in what `_write_text` writes, without quotes."""
    places, at = dict[str, tuple[int, int]](), 1
    for name in _FIELDS:
        value = getattr(text, name)
        if value is None or (name == "datacontenttype" and value == contracts.JSON):
            continue
        written = bytes(value) if name == "data" else _write_text(value)
        begin, quote = at + len(name) + 3, int(name != "data")
        at = begin + len(written) + 1
        places[name] = (begin + quote, begin + len(written) - quote)
    return places


class Layouts:
    """The layouts that a process has met; the oldest is forgotten for a new one."""

    def __init__(self) -> None:
        self._of_size = defaultdict[int, list[Layout]](list)
        self._in_order = deque[Layout]()

    def __len__(self) -> int:
        return len(self._in_order)

    def of_size(self, size: int) -> Sequence[Layout]:
        """Those of events of a length, as they are now."""
        return tuple(self._of_size.get(size, ()))

    def learn(self, raw: bytes, types: Sequence[str]) -> Layout | None:
        """The layout of an event that fits none; None if it has none."""
        if (found := layout_of(raw, types)) is None:
            return None
        if len(self) >= MOST_LAYOUTS:
            oldest = self._in_order.popleft()
            self._of_size[oldest.size].remove(oldest)
        self._of_size[found.size].append(found)
        self._in_order.append(found)
        return found
