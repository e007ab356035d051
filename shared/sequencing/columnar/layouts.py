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
from typing import TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from shared import contracts
from shared.contracts import UnreadableEvent

Bytes: TypeAlias = npt.NDArray[np.uint8]
Longs: TypeAlias = npt.NDArray[np.int64]
Flags: TypeAlias = npt.NDArray[np.bool_]
Texts: TypeAlias = npt.NDArray[np.void]
"""Equally long texts, each as its bytes."""

MOST_LAYOUTS = 256
"""Layouts that are kept."""
NUMBERS = ("id", "sequence", "time", "occurredon")
"""The attributes that are read as digits, in this order."""
ID, SEQUENCE, TIME, DAY = "00000000-0000-0000-0000-000000000000", "0" * 19, "0000-00-00T00:00:00.000000Z", "0000-00-00"
"""How they are written: a zero stands for a digit (of an id: a hexadecimal one)."""
ID_DIGITS = 32
FORMS = dict(zip(NUMBERS, (ID, SEQUENCE, TIME, DAY), strict=True))
FREE = ("subject", "partitionkey", "actor", "origin", "traceparent")
"""The attributes that may be any text, but not an empty one."""
KEPT = ("subject", "actor", "traceparent")
"""Those that are read."""

_NO_CHARACTER = 0xFF
"""A byte that stands in no text of ASCII."""

_read_text = msgspec.json.Decoder(contracts.TextEvent[msgspec.Raw]).decode
_write_text = msgspec.json.Encoder().encode
_FIELDS = tuple(one.name for one in msgspec.structs.fields(contracts.TextEvent))


@dataclass(frozen=True, slots=True, eq=False)
class Layout:
    """One form. `size`: bytes of an event, `may_be`: which characters may stand at each of them; `digits`: the places of the digits of NUMBERS,
    `places` = {attribute: (begin, end)}.
    """

    type: str
    source: str
    size: int
    may_be: Classes
    digits: Longs
    places: dict[str, tuple[int, int]]

    def read(self, rows: Bytes) -> LaidOut:
        """Look at events of `size` bytes, one a row."""
        texts = {name: _texts_of(rows, *self.places[name]) for name in KEPT if name in self.places}
        return LaidOut(self.may_be.fits(rows), rows.take(self.digits, axis=1), texts)


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """Which characters may stand at each byte of an event: `least` and `span` more after it, but none of the `without` from `gap` on, and not
    `never`. What never changes has one; a hexadecimal digit is one from 0 to f, none of those between 9 and a; a plain character is one from
    space to ~, not quote and backslash, which JSON escapes.
    """

    least: Bytes
    span: Bytes
    gap: Bytes
    without: Bytes
    never: Bytes

    @classmethod
    def of(cls, raw: bytes, plain: Sequence[int], hexadecimal: Sequence[int], decimal: Sequence[int]) -> Classes:
        """Those of one event, with plain characters and digits at some places."""
        least = np.frombuffer(raw, np.uint8).copy()
        span, gap, without = np.zeros((3, len(raw)), np.uint8)
        never = np.full(len(raw), _NO_CHARACTER, np.uint8)
        least[plain], span[plain], gap[plain], without[plain], never[plain] = 0x20, 0x7E - 0x20, ord('"'), 1, ord("\\")
        least[decimal], span[decimal] = ord("0"), 9
        least[hexadecimal], span[hexadecimal] = ord("0"), ord("f") - ord("0")
        gap[hexadecimal], without[hexadecimal] = ord("9") + 1, ord("a") - ord("9") - 1
        return cls(least, span, gap, without, never)

    def fits(self, rows: Bytes) -> npt.NDArray[np.bool_]:
        """Whether each row has allowed characters alone."""
        found = np.ones(len(rows), np.bool_)
        shifted = np.subtract(rows, self.least)
        allowed = np.less_equal(shifted, self.span)
        _and_all(found, allowed)
        np.subtract(rows, self.gap, out=shifted)
        _and_all(found, np.greater_equal(shifted, self.without, out=allowed))
        _and_all(found, np.not_equal(rows, self.never, out=allowed))
        return found


def _and_all(found: npt.NDArray[np.bool_], each: npt.NDArray[np.bool_]) -> None:
    """Take away from `found` the rows of which not each is true; that is seldom so, and then costs more."""
    if not each.all():
        found &= each.all(axis=1)


@dataclass(frozen=True, slots=True)
class LaidOut:
    """Events held against a layout. `fits`: which of them have it; `digits`: the characters of NUMBERS of each, the first one of the sequence twice,
    so that there are twenty; `texts` = {one of KEPT: that of each, ASCII if it fits}.
    """

    fits: npt.NDArray[np.bool_]
    digits: Bytes
    texts: dict[str, Texts]

    def take(self, rows: Longs) -> LaidOut:
        """Some of them."""
        return LaidOut(self.fits[rows], self.digits[rows], {name: text[rows] for name, text in self.texts.items()})


def joined(parts: Sequence[LaidOut]) -> LaidOut:
    """Events held against one layout, one after the other."""
    texts = {name: np.concatenate([part.texts[name] for part in parts]) for name in parts[0].texts}
    return LaidOut(np.concatenate([part.fits for part in parts]), np.concatenate([part.digits for part in parts]), texts)


def changing(texts: Texts) -> tuple[Longs, list[bytes]]:
    """(where a text is another than the one before, and the first place; the texts there)"""
    whole, size = texts.tobytes(), texts.dtype.itemsize
    if whole == whole[:size] * len(texts):
        return np.zeros(1, np.int64), [whole[:size]]
    own = texts.view(np.uint8).reshape(len(texts), size)
    places = np.flatnonzero(np.concatenate(([True], (own[1:] != own[:-1]).any(axis=1))))
    return places, texts[places].tolist()


def _texts_of(rows: Bytes, begin: int, end: int) -> Texts:
    """Some bytes of each row, as one."""
    return np.ascontiguousarray(rows[:, begin:end]).view(f"V{end - begin}").ravel()


def is_plain(text: bytes) -> bool:
    """Whether a text has plain characters alone: none that JSON escapes, and all of ASCII."""
    return all(0x20 <= code <= 0x7E and code not in b'"\\' for code in text)


def in_pairs(digits: Sequence[int]) -> Longs:
    """The places of digits with the sequence's first one twice: all are then read by pairs, and pairs of pairs."""
    return np.array([*digits[: ID_DIGITS + 1], *digits[ID_DIGITS:]], np.int64)


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
    for name in (*NUMBERS, *FREE):
        begin, end = places.get(name, (0, 0))
        if name in places and begin == end:
            return None
        form = FORMS.get(name, "")
        if form and (end - begin != len(form) or any(sign not in ("0", chr(raw[begin + at])) for at, sign in enumerate(form))):
            return None
        if not is_plain(raw[begin:end]):
            return None
    digits = [places[name][0] + at for name in NUMBERS for at, sign in enumerate(FORMS[name]) if sign == "0"]
    plain = [at for name in FREE for at in range(*places.get(name, (0, 0)))]
    may_be = Classes.of(raw, plain, [*digits[:ID_DIGITS], *(places["data"][0] + at for at in in_data)], digits[ID_DIGITS:])
    found = Layout(wire.type, wire.source, len(raw), may_be, in_pairs(digits), places)
    return found if found.read(np.frombuffer(raw, np.uint8)[None]).fits[0] else None


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
