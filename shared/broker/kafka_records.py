"""Records of aiokafka without what no reader uses: its own record object, a frozen dataclass of eleven fields, costs as much as decoding one.

aiokafka has no option for it, so the class by which its fetcher unpacks batches is replaced for the whole process; tests/contract holds that
a fetched record is one of these.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aiokafka.consumer import fetcher

from shared.broker.protocol import Headers


class FetchedRecord(NamedTuple):
    """A record of the log (`shared.broker.protocol.Record`)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class _PartitionRecords(fetcher.PartitionRecords):  # type: ignore[misc]
    def _consumer_record(self, tp: Any, record: Any) -> FetchedRecord:
        return FetchedRecord(tp.topic, tp.partition, record.offset, record.key, record.value, record.headers)


def use_light_records() -> None:
    """Let every consumer of this process return `FetchedRecord`."""
    fetcher.PartitionRecords = _PartitionRecords
