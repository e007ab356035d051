"""Identifiers carry their time; keys go to the partitions to which they always went."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from shared.broker.protocol import partition_of
from shared.contracts.ids import uuid7, uuid7_time

# Kafka's own vectors (UtilsTest.testMurmur2), as positive numbers: key → murmur2 & 0x7fffffff.
MURMUR2 = {
    "21": -973932308 & 0x7FFFFFFF,
    "foobar": -790332482 & 0x7FFFFFFF,
    "a-little-bit-long-string": -985981536 & 0x7FFFFFFF,
    "a-little-bit-longer-string": -1486304829 & 0x7FFFFFFF,
    "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971 & 0x7FFFFFFF,
    "abc": 479470107 & 0x7FFFFFFF,
}
GOLDEN_48 = [8, 38, 8, 16, 9, 9]


@pytest.mark.parametrize("key", MURMUR2)
def test_keys_hash_as_kafkas_own_client_hashes_them(key: str) -> None:
    for partitions in (1, 12, 48, 1_000_003):
        assert partition_of(key, partitions) == MURMUR2[key] % partitions


def test_the_partitions_of_ids_and_codes_never_change() -> None:
    """Golden: a change here would move enterprises to other partitions and break the order of their events."""
    keys = ["01919191-0000-7000-8000-000000000001", "01919191-0000-7000-8000-000000000002", "US", "CA-LOS-ANGELES", "110105-P001", ""]
    assert [partition_of(key, 48) for key in keys] == GOLDEN_48
    assert [partition_of(key, 12) for key in keys] == [number % 12 for number in GOLDEN_48]


def test_an_id_knows_when_it_was_made_and_comes_after_earlier_ones() -> None:
    before = datetime.now(UTC) - timedelta(milliseconds=1)
    made = [uuid7() for _ in range(1000)]
    when = uuid7_time(made[-1])
    assert when is not None
    assert before <= when <= datetime.now(UTC)
    assert made == sorted(made)
    assert all(one.version == 7 for one in made)


def test_other_versions_tell_no_time() -> None:
    assert uuid7_time(uuid.uuid4()) is None
    assert uuid7_time(uuid.UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")) is None
