"""Records of the log without an object for each: what was fetched of one partition stays bytes, and it is known where its records lie.

A reader that is far behind needs no object of most records (`shared.sequencing.columnar`); the others are made when they are asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeAlias, overload

import msgspec
import numpy as np
import numpy.typing as npt

from shared.broker.protocol import STRUCTURED, Headers

Longs: TypeAlias = npt.NDArray[np.int64]


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of the log (`shared.broker.protocol.Record`). The garbage collector does not look at it: it would look at a log's worth of them."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class FetchedRecords(Sequence[FetchedRecord]):
    """Records of one place in the order of their `offsets`, in the bytes in which they came (`text`).

    `begins`, `sizes`: where the values lie; a size of -1 says that a record has none. `key_begins`, `key_sizes`: the keys likewise. `ends`: where
    the records end; their headers are what is behind the values, in the form of Kafka's record batches of version 2. All arrays have one length.
    """

    __slots__ = ("begins", "ends", "key_begins", "key_sizes", "offsets", "partition", "sizes", "text", "topic")

    def __init__(
        self,
        topic: str,
        partition: int,
        text: bytes,
        offsets: Longs,
        key_begins: Longs,
        key_sizes: Longs,
        begins: Longs,
        sizes: Longs,
        ends: Longs,
    ) -> None:
        self.topic, self.partition, self.text, self.offsets = topic, partition, text, offsets
        self.key_begins, self.key_sizes, self.begins, self.sizes, self.ends = key_begins, key_sizes, begins, sizes, ends

    def __len__(self) -> int:
        return len(self.offsets)

    @overload
    def __getitem__(self, at: int) -> FetchedRecord: ...
    @overload
    def __getitem__(self, at: slice) -> FetchedRecords: ...
    def __getitem__(self, at: int | slice) -> FetchedRecord | FetchedRecords:
        if isinstance(at, slice):
            return FetchedRecords(self.topic, self.partition, self.text, *(column[at] for column in self._columns))
        return self._made(*(int(column[at]) for column in self._columns))

    def __iter__(self) -> Iterator[FetchedRecord]:
        return map(self._made, *(column.tolist() for column in self._columns))

    def take(self, rows: Longs) -> FetchedRecords:
        """Some of them."""
        return FetchedRecords(self.topic, self.partition, self.text, *(column[rows] for column in self._columns))

    def values(self) -> list[bytes]:
        """The value of each; of one that has none, no bytes."""
        text, begins = self.text, self.begins
        return [text[begin:end] for begin, end in zip(begins.tolist(), (begins + self.sizes).tolist(), strict=True)]

    @property
    def _columns(self) -> tuple[Longs, ...]:
        return self.offsets, self.key_begins, self.key_sizes, self.begins, self.sizes, self.ends

    def _made(self, offset: int, key_begin: int, key_size: int, begin: int, size: int, end: int) -> FetchedRecord:
        text = self.text
        return FetchedRecord(
            self.topic,
            self.partition,
            offset,
            text[key_begin : key_begin + key_size] if key_size >= 0 else None,
            text[begin : begin + size] if size >= 0 else None,
            _headers(text[begin + max(size, 0) : end]),
        )


def read_varint(text: bytes, at: int) -> tuple[int, int]:
    """(a number in Kafka's zigzag form, where it ends). Raises ValueError where the text ends first."""
    found = shift = 0
    for place in range(at, len(text)):
        byte = text[place]
        found |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return (found >> 1) ^ -(found & 1), place + 1
    raise ValueError("a number is cut off")


def _headers(text: bytes) -> Headers:
    """The headers of a record: how many, and of each the length of its name, the name, the length of its value, the value.

    Raises ValueError if this is not what the bytes are.
    """
    if text == _STRUCTURED:
        return STRUCTURED
    found = list[tuple[str, bytes]]()
    count, at = read_varint(text, 0)
    for _ in range(count):
        size, at = read_varint(text, at)
        name, at = text[at : at + size].decode(), at + max(size, 0)
        size, at = read_varint(text, at)
        # Other producers may write a header without a value.
        found.append((name, text[at : at + size] if size >= 0 else None))  # type: ignore[arg-type]
        at += max(size, 0)
    if at != len(text) or count < 0:
        raise ValueError("headers of a record are not as long as the record says")
    return tuple(found)


def _written(headers: Headers) -> bytes:
    """Few short headers as they stand in a record."""
    parts = [bytes((2 * len(headers),))]
    for name, value in headers:
        parts += [bytes((2 * len(name),)), name.encode(), bytes((2 * len(value),)), value]
    return b"".join(parts)


_STRUCTURED = _written(STRUCTURED)
