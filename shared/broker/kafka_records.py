"""Unpacks what a consumer fetched into `FetchedRecords`, all batches of a partition at once.

aiokafka's own record object, a frozen dataclass of eleven fields, costs as much as decoding one. aiokafka has no option for it, so the classes
by which its fetcher unpacks what came are replaced for the whole process; tests/contract holds that a fetched record is a `FetchedRecord`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from struct import Struct
from typing import Any

import google_crc32c
import numpy as np
import numpy.typing as npt
from aiokafka import conn
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from shared.broker.fetched import FetchedRecord, FetchedRecords, Longs, read_varint
from shared.broker.protocol import STRUCTURED

crc32c_of = google_crc32c.value if google_crc32c.implementation == "c" else calc_crc32c
"""By the processor's own instruction, where the platform has a wheel: a twentieth of the time of aiokafka's."""
SMALL = 32_768
"""Bytes; the records of so few are unpacked one by one, which is then quicker."""
_STRUCTURED = list(STRUCTURED)
READER_BYTES = 2**22
"""Bytes of a response beyond which aiokafka stops to read from the socket until it has taken them."""
_HEADER = Struct(">qiibIhiqqqhii")
"""Of a record batch of version 2: base offset, length, leader epoch, magic, CRC, attributes, last offset delta, times, producer (3), count."""
_START = Struct(">qi")
_CHECKED = 21
"""Where the bytes begin that the CRC is of."""
_COMPRESSION, _CONTROL = 0x07, 0x20


class _Unusual(Exception):
    """Batches that are compressed, of an older version, not whole, or not built as expected: aiokafka's own code reads them."""


def _records_of(text: bytes, place: fetcher.TopicPartition) -> tuple[FetchedRecords, int]:
    """(the records of whole batches, the offset behind the last batch). Raises CorruptRecordException if a CRC is wrong, or _Unusual."""
    starts, ends, bases = list[int](), list[int](), list[tuple[int, int]]()
    at, size, following = 0, len(text), 0
    while size - at >= _START.size:
        base, length = _START.unpack_from(text, at)
        end = at + _START.size + length
        if end > size:
            break
        if length < _HEADER.size - _START.size:
            raise _Unusual
        *_, magic, crc, attributes, last, _first, _newest, _producer, _epoch, _sequence, count = _HEADER.unpack_from(text, at)
        if magic != 2 or attributes & _COMPRESSION:
            raise _Unusual
        if crc32c_of(text[at + _CHECKED : end]) != crc:
            raise CorruptRecordException(f"Invalid CRC - {place}")
        following = base + last + 1
        if not attributes & _CONTROL:
            bases.append((base, count))
            _walk(text, at + _HEADER.size, end, count, starts, ends)
        at = end
    return _read_fields(text, place, np.array(starts, np.int64), np.array(ends, np.int64), bases), following


def _walk(text: bytes, at: int, end: int, count: int, starts: list[int], ends: list[int]) -> None:
    """Add where the records of a batch begin, behind their lengths, and end."""
    for _ in range(count):
        if at + 5 > end:
            raise _Unusual
        length = text[at]
        if length < 0x80:
            at += 1
        elif (second := text[at + 1]) < 0x80:
            length, at = length & 0x7F | second << 7, at + 2
        else:
            length, at = _long(text, at)
        starts.append(at)
        at += length >> 1
        ends.append(at)
        if length & 1:
            raise _Unusual
    if at != end:
        raise _Unusual


def _long(text: bytes, at: int) -> tuple[int, int]:
    number, end = read_varint(text, at)
    if number < 0 or end > at + 5:
        raise _Unusual
    return number << 1, end


def _read_fields(
    text: bytes, place: fetcher.TopicPartition, starts: Longs, ends: Longs, bases: Sequence[tuple[int, int]]
) -> FetchedRecords:
    """The records that lie between `starts` and `ends`; `bases` = (base offset, number of records) of each batch."""
    codes = np.frombuffer(text, np.uint8)
    unusual = codes.take(starts, mode="clip").any()  # attributes, of which there are none
    _times, at = _varints(codes, starts + 1)  # behind the attributes, one byte
    deltas, at = _varints(codes, at)
    key_sizes, key_begins = _varints(codes, at)
    sizes, begins = _varints(codes, key_begins + np.maximum(key_sizes, 0))
    rest = begins + np.maximum(sizes, 0)
    offsets = np.repeat([base for base, _ in bases], [count for _, count in bases]) + deltas
    unusual |= (rest >= ends).any() or (key_begins + np.maximum(key_sizes, 0) > begins).any() or (offsets[1:] <= offsets[:-1]).any()
    if unusual or min(sizes.min(initial=-1), key_sizes.min(initial=-1)) < -1:
        raise _Unusual
    return FetchedRecords(place.topic, place.partition, text, offsets, key_begins, key_sizes, begins, sizes, ends)


def _varints(codes: npt.NDArray[np.uint8], at: Longs) -> tuple[Longs, Longs]:
    """(numbers in Kafka's zigzag form, where they end)"""
    first = codes.take(at, mode="clip")
    numbers, at = (first & 0x7F).astype(np.int64), at + 1
    more, shift = np.flatnonzero(first & 0x80), 7
    while len(more):
        following = codes.take(at[more], mode="clip").astype(np.int64)
        numbers[more] |= (following & 0x7F) << shift
        at[more] += 1
        more, shift = more[following >= 0x80], shift + 7
        if shift > 63:
            raise _Unusual
    return (numbers >> 1) ^ -(numbers & 1), at


class _Fetched:
    """What a fetch brought of one partition, as aiokafka's fetcher asks for it (`MemoryRecords`)."""

    def __init__(self, text: bytes) -> None:
        self.text = text

    def size_in_bytes(self) -> int:
        return len(self.text)

    def has_next(self) -> bool:
        """Whether there is a whole batch."""
        text = self.text
        return len(text) >= _START.size and len(text) >= _START.size + _START.unpack_from(text)[1]


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Unpacks what a consumer fetched of one partition, without transactions: consumers here read uncommitted, and nobody writes in one."""

    next_fetch_offset: int
    _records: _Fetched

    def __iter__(self) -> Iterator[FetchedRecord]:
        found: Iterator[FetchedRecord] = self._records_iterator
        return found

    def all_at_once(self) -> Sequence[FetchedRecord] | None:
        """All records from the position on, which moves behind them. None: they are to be unpacked one by one."""
        if len(self._records.text) < SMALL:
            return None
        try:
            found, following = _records_of(self._records.text, self._tp)
        except _Unusual:
            return None
        offsets = found.offsets
        if len(offsets) and offsets[0] < self.next_fetch_offset:
            # A batch is fetched whole, also if what was asked for begins inside it.
            found = found[int(np.searchsorted(offsets, self.next_fetch_offset)) :]
        self.next_fetch_offset = max(self.next_fetch_offset, following)
        return found

    def _unpack_records(self) -> Iterator[FetchedRecord]:
        topic, partition = self._tp
        records = MemoryRecords(self._records.text)
        while records.has_next():
            batch = records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not batch.is_control_batch:
                for record in batch:
                    # A batch is fetched whole, also if what was asked for begins inside it.
                    if (offset := record.offset) >= self.next_fetch_offset:
                        self.next_fetch_offset = offset + 1
                        headers = record.headers
                        yield FetchedRecord(
                            topic, partition, offset, record.key, record.value, STRUCTURED if headers == _STRUCTURED else tuple(headers)
                        )
            self.next_fetch_offset = batch.next_offset


class _FetchResult(fetcher.FetchResult):  # type: ignore[misc]
    """Gives all records of a partition that have come at once."""

    _partition_records: Any
    _assignment: Any
    _topic_partition: Any

    def getall(self, max_records: int | None = None) -> Sequence[FetchedRecord]:
        if not self.has_more() or not self.check_assignment(self._topic_partition):
            return []
        if max_records is None:
            records, self._partition_records = self._partition_records, None  # what is corrupt is fetched again
            if (found := records.all_at_once()) is not None:
                self._assignment.state_value(self._topic_partition).consumed_to(records.next_fetch_offset)
                return found  # type: ignore[no-any-return]
            self._partition_records = records
        left: Sequence[FetchedRecord] = super().getall(max_records)
        return left


def use_light_records() -> None:
    """Let every consumer of this process return `FetchedRecord`."""
    # A response is read whole; at a limit of 64 KiB the socket is paused and resumed for each part of it.
    conn.READER_LIMIT = READER_BYTES
    fetcher.MemoryRecords = _Fetched
    fetcher.PartitionRecords = _PartitionRecords
    fetcher.FetchResult = _FetchResult
