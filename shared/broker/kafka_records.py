"""Records of aiokafka without what no reader uses: its own record object, a frozen dataclass of eleven fields, costs as much as decoding one.

aiokafka has no option for it, so the class by which its fetcher unpacks batches is replaced for the whole process; tests/contract holds that
a fetched record is one of these.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from aiokafka.consumer import fetcher
from aiokafka.errors import CorruptRecordException

from shared.broker.protocol import STRUCTURED, Headers

_STRUCTURED = list(STRUCTURED)


class FetchedRecord(msgspec.Struct, frozen=True, gc=False):
    """A record of the log (`shared.broker.protocol.Record`). The garbage collector does not look at it: it would look at a log's worth of them."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    """Unpacks what a consumer fetched of one partition, without transactions: consumers here read uncommitted, and nobody writes in one."""

    next_fetch_offset: int

    def __iter__(self) -> Iterator[FetchedRecord]:
        found: Iterator[FetchedRecord] = self._records_iterator
        return found

    def _unpack_records(self) -> Iterator[FetchedRecord]:
        topic, partition = self._tp
        while self._records.has_next():
            batch = self._records.next_batch()
            if self._check_crcs and not batch.validate_crc():
                raise CorruptRecordException(f"Invalid CRC - {self._tp}")
            if not batch.is_control_batch:
                for record in batch:
                    # A batch is fetched whole, also if what was asked for begins inside it.
                    if (offset := record.offset) >= self.next_fetch_offset:
                        self.next_fetch_offset = offset + 1
                        headers = record.headers
                        yield FetchedRecord(
                            topic, partition, offset, record.key, record.value, STRUCTURED if headers == _STRUCTURED else headers
                        )
            self.next_fetch_offset = batch.next_offset


def use_light_records() -> None:
    """Let every consumer of this process return `FetchedRecord`."""
    fetcher.PartitionRecords = _PartitionRecords
