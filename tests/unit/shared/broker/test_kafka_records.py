"""What a fetch brings of a partition is unpacked at once, and says what aiokafka's own code reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.legacy_records import LegacyRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.record.util import calc_crc32c

from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from shared import contracts
from shared.broker import kafka_records
from shared.broker.fetched import FetchedRecord, FetchedRecords
from shared.broker.protocol import STRUCTURED, Headers
from shared.sequencing.columnar.columns import Names
from shared.sequencing.columnar.decoding import decode_columns
from tests.unit.shared.sequencing.plain_events import EVENTS, MEMBER, as_objects, told

PLACE = TopicPartition("t", 3)
Row = tuple[bytes | None, bytes | None, Headers]
ROWS: list[Row] = [(b"k%d" % n, b"v" * (n % 300), STRUCTURED) for n in range(200)]
ODD_ROWS: list[Row] = [
    (None, None, ()),
    (b"", b"", ()),
    (None, b"value", ()),
    (b"k" * 100, None, STRUCTURED),
    (b"k", b"v" * 20_000, (("a", b""), ("content-type", b"x" * 200), ("\u4e2d", b"\xff"))),
]


def batch(rows: Sequence[Row], base: int = 0, compression: int = 0, times: int = 1) -> bytes:
    """A record batch of version 2, as a broker stores it."""
    builder = DefaultRecordBatchBuilder(2, compression, 0, -1, -1, -1, 2**22)
    for number, (key, value, headers) in enumerate(rows):
        assert builder.append(number, 1_700_000_000_000 + number * times, key, value, list(headers)) is not None
    return base.to_bytes(8, "big") + bytes(builder.build())[8:]


def with_crc(text: bytes) -> bytes:
    """A batch with the CRC of what it now holds."""
    return text[:17] + int(calc_crc32c(text[21:])).to_bytes(4, "big") + text[21:]


def by_aiokafka(text: bytes, first: int = 0) -> list[FetchedRecord]:
    found, records = [], MemoryRecords(text)
    while records.has_next():
        for one in records.next_batch():
            if one.offset >= first:
                first = one.offset + 1
                found.append(FetchedRecord("t", 3, one.offset, one.key, one.value, tuple(one.headers)))
    return found


class Assigned:
    """One place, whose position is kept."""

    active = True
    paused = False

    def __init__(self, position: int) -> None:
        self.position = position

    def state_value(self, place: TopicPartition) -> Assigned:
        return self

    def consumed_to(self, position: int) -> None:
        self.position = position


def result_of(text: bytes, first: int = 0) -> tuple[Any, Assigned]:
    state = Assigned(first)
    records = kafka_records._Fetched(text)
    unpacked = kafka_records._PartitionRecords(PLACE, records, None, first, None, None, True, fetcher.READ_UNCOMMITTED)
    return kafka_records._FetchResult(PLACE, assignment=state, partition_records=unpacked, backoff=0), state


def fetched(text: bytes, first: int = 0) -> tuple[Sequence[FetchedRecord], int]:
    """(the records, the next offset to fetch)"""
    result, state = result_of(text, first)
    found = result.getall()
    assert not result.has_more()
    return found, state.position


@pytest.fixture(autouse=True, params=[0, 10**9], ids=["at-once", "one-by-one"])
def small(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Both ways of unpacking: from so many bytes on at once."""
    limit: int = request.param
    monkeypatch.setattr(kafka_records, "SMALL", limit)
    return limit


@pytest.mark.parametrize("rows", [ROWS, ODD_ROWS, ODD_ROWS[:1], [*ROWS, *ODD_ROWS, *ROWS]])
@pytest.mark.parametrize("times", [1, -5, 10**12])
def test_records_are_those_that_were_written(rows: list[Row], times: int, small: int) -> None:
    text = batch(rows, 7, times=times) + batch(rows, 7 + len(rows))
    found, position = fetched(text, 7)
    assert isinstance(found, FetchedRecords) == (small == 0)
    wanted = [FetchedRecord("t", 3, 7 + at, *row) for at, row in enumerate([*rows, *rows])]
    assert list(found) == by_aiokafka(text) == wanted
    assert [found[at] for at in range(len(found))] == wanted
    assert (found[-1], list(found[1:3]), len(found[1:])) == (wanted[-1], wanted[1:3], len(wanted) - 1)
    assert position == 7 + len(wanted)


def test_records_before_the_position_are_left_out() -> None:
    text = batch(ROWS, 100)
    found, position = fetched(text, 150)
    assert (found[0].offset, len(found), position) == (150, 150, 300)


def test_a_part_of_a_batch_at_the_end_is_fetched_again() -> None:
    text = batch(ROWS) + batch(ROWS, 200)[:-1]
    found, position = fetched(text)
    assert (len(found), position) == (200, 200)
    assert not kafka_records._Fetched(batch(ROWS)[:-1]).has_next()
    assert kafka_records._Fetched(batch(ROWS)).has_next()


@pytest.mark.parametrize("compression", [0, 1])
def test_compressed_batches_among_others(compression: int) -> None:
    text = batch(ROWS) + batch(ROWS, 200, compression) + batch(ODD_ROWS, 400)
    found, position = fetched(text)
    assert list(found) == by_aiokafka(text)
    assert (len(found), position) == (405, 405)


def test_old_batches_are_read() -> None:
    builder = LegacyRecordBatchBuilder(1, 0, 2**20)
    for number in range(3):
        builder.append(number, 1_700_000_000_000, b"k", b"v%d" % number)
    found, position = fetched(bytes(builder.build()))
    assert ([(one.offset, one.value) for one in found], position) == ([(0, b"v0"), (1, b"v1"), (2, b"v2")], 3)


def test_control_batches_are_passed_over() -> None:
    control = bytearray(batch([(b"\0" * 4, b"\0" * 6, ())], 200))
    control[22] |= 0x30  # of a transaction, control
    text = batch(ROWS) + with_crc(bytes(control)) + batch(ROWS, 201) + (401).to_bytes(8, "big") + with_crc(bytes(control))[8:]
    found, position = fetched(text)
    assert [one.offset for one in found] == [*range(200), *range(201, 401)]
    assert position == 402
    (found, position) = fetched(with_crc(bytes(control)), 200)
    assert (len(found), position) == (0, 201)


def test_gaps_after_compaction_are_kept() -> None:
    """The broker keeps the last offset of a batch of which records were removed, even if none is left."""
    whole = bytearray(batch(ROWS[:10], 50))
    whole[23:27] = (19).to_bytes(4, "big")  # the last one of twenty is gone
    empty = bytearray(batch([], 70))
    empty[23:27] = (4).to_bytes(4, "big")
    text = with_crc(bytes(whole)) + with_crc(bytes(empty)) + batch(ROWS[:2], 80)
    found, position = fetched(text, 50)
    assert [one.offset for one in found] == [*range(50, 60), 80, 81]
    assert position == 82
    (found, position) = fetched(with_crc(bytes(empty)), 70)
    assert (len(found), position) == (0, 75)


@pytest.mark.parametrize("at", [21, 100, -1])
def test_a_wrong_crc_is_told_and_fetched_again(at: int) -> None:
    damaged = bytearray(batch(ROWS, 200))
    damaged[at] ^= 1
    result, state = result_of(batch(ROWS) + bytes(damaged))
    with pytest.raises(CorruptRecordException, match="Invalid CRC"):
        result.getall()
    assert not result.getall()
    assert not result.has_more()
    assert state.position <= 200


@pytest.mark.parametrize("byte", [0x00, 0x01, 0x03, 0x7E, 0x7F, 0x80, 0xFF])
def test_records_that_are_built_wrongly_are_never_read_as_others(byte: int) -> None:
    """Each byte of the numbers of a record is changed: either aiokafka reads the same, or both refuse it."""
    right = batch([(b"key", b"value", STRUCTURED), (b"k", None, ())])
    for at in range(61, len(right)):
        text = with_crc(right[:at] + bytes([byte]) + right[at + 1 :])
        try:
            wanted: list[FetchedRecord] | None = by_aiokafka(text)
        except (CorruptRecordException, ValueError):
            wanted = None
        try:
            found: list[FetchedRecord] | None = list(fetched(text)[0])
        except (CorruptRecordException, ValueError):
            found = None
        assert found == wanted, at


def test_columns_are_read_from_the_bytes_of_a_fetch() -> None:
    values = [contracts.encode(event) for event in EVENTS if event.source == MEMBER.source] + [b"no event", b""]
    found, _ = fetched(batch([(b"k", value, STRUCTURED) for value in values]))
    for begin in (0, 3):
        columns = told(decode_columns(found[begin:], TYPES_AS_COLUMNS, Names(), Names()))
        assert [one[:-1] for one in columns] == as_objects(values)[begin:]
        assert not all(one[-1] for one in columns)


def test_a_record_without_a_value_is_unreadable() -> None:
    raw = contracts.encode(MEMBER)
    found, _ = fetched(batch([(b"k", raw, ()), (b"k", None, ()), (b"k", raw, ())]))
    columns = told(decode_columns(found, TYPES_AS_COLUMNS, Names(), Names()))
    assert [one[-1] for one in columns] == [False, True, False]
