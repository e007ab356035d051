"""Which shards are applied at once, and which gather a batch first."""

from __future__ import annotations

from collections import deque

import pytest

from shared.contracts import registry
from shared.reading import turns
from shared.reading.turns import FAR_BEHIND, MOST_PENDING, Turns
from shared.sequencing.records import Received
from shared.sequencing.shard import Shard

BATCH, OBJECTS = 20_000, 5_000


def shard(number: int, behind: int) -> Shard:
    """A shard with `behind` records in the log, none of which has arrived."""
    return Shard(number, 1, {"t": 0}, {}, {"t": behind}, BATCH, {"t": deque()})


def arrive(shard: Shard, count: int) -> None:
    at = shard.arrived("t")
    one = Received("t", shard.number, 0, b"", None, (registry.SOURCE, "enterprise/x"), 1, None, None)
    for offset in range(at, at + count):
        shard.pending["t"].append(Received(one.topic, one.partition, offset, b"", None, one.stream, 1, None, None))


def ends(shard: Shard) -> dict[str, int]:
    return shard.ends


def test_a_shard_that_is_not_far_behind_is_applied_at_once() -> None:
    near, found = shard(0, FAR_BEHIND), Turns(BATCH, OBJECTS, ends)
    arrive(near, 1)
    assert found.due(near, {0: near})


def test_all_shards_together_have_little_pending_but_the_one_that_gathers() -> None:
    shards, found = {number: shard(number, FAR_BEHIND) for number in range(12)}, Turns(BATCH, OBJECTS, ends)
    for one in shards.values():
        arrive(one, MOST_PENDING // len(shards))
        assert not found.full(one, "t", shards)
        arrive(one, 1)
        assert found.full(one, "t", shards)


def test_one_shard_that_is_far_behind_gathers_at_a_time() -> None:
    shards = {0: shard(0, 100_000), 1: shard(1, 100_000), 2: shard(2, 10)}
    found = Turns(BATCH, BATCH, ends)
    arrive(shards[0], 500)
    arrive(shards[1], 500)
    assert [found.due(one, shards) for one in shards.values()] == [False, False, True]
    arrive(shards[0], BATCH - 501)
    arrive(shards[1], BATCH - 501)
    assert [found.full(shards[number], "t", shards) for number in (0, 1)] == [False, True]
    arrive(shards[0], 1)
    assert found.full(shards[0], "t", shards)
    assert found.due(shards[0], shards)
    assert [found.full(shards[number], "t", shards) for number in (0, 1)] == [True, False], "the next one gathers while this one is applied"
    assert not found.due(shards[0], shards)


def test_the_gathering_shard_has_what_the_others_leave_of_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """The records of the batch that is applied are there until it is committed."""
    monkeypatch.setattr(turns, "MOST_HELD", 10_000)
    monkeypatch.setattr(turns, "LEAST_GATHERED", 2_000)
    shards, found = {number: shard(number, 100_000) for number in range(3)}, Turns(BATCH, BATCH, ends)
    arrive(shards[1], 6_000)
    assert not found.due(shards[0], shards)
    arrive(shards[0], 3_999)
    assert not found.full(shards[0], "t", shards)
    arrive(shards[0], 1)
    assert found.full(shards[0], "t", shards)
    assert found.due(shards[0], shards), "it does not wait for more than it may have"
    assert [found.full(shards[1], "t", shards), found.due(shards[1], shards)] == [True, True]
    arrive(shards[2], 1_999)
    assert not found.full(shards[2], "t", shards), "it may have LEAST_GATHERED, whatever others hold"


def test_a_topic_that_has_less_than_its_share_is_fetched_though_the_batch_is_full() -> None:
    """Else a shard whose one topic fills the batch would wait for the other, which is not fetched."""
    only = Shard(0, 1, {"t": 0, "u": 0}, {}, {"t": 100_000, "u": 100_000}, BATCH, {"t": deque(), "u": deque()})
    found = Turns(BATCH, BATCH, ends)
    assert not found.due(only, {0: only})
    arrive(only, BATCH)
    assert [found.full(only, topic, {0: only}) for topic in ("t", "u")] == [True, False]


def test_no_more_objects_are_fetched_than_a_transaction_takes() -> None:
    """After columns that had to be read again as objects a batch's worth of records would fill the memory."""
    only, found = shard(0, 100_000), Turns(BATCH, OBJECTS, ends)
    assert not found.due(only, {0: only})
    arrive(only, OBJECTS - 1)
    assert not found.full(only, "t", {0: only})
    arrive(only, 1)
    assert found.full(only, "t", {0: only})


def test_what_has_all_arrived_waits_for_nothing_more() -> None:
    only, found = shard(0, FAR_BEHIND + 1), Turns(BATCH, OBJECTS, ends)
    arrive(only, FAR_BEHIND + 1)
    assert found.due(only, {0: only})


def test_a_shard_whose_records_no_longer_come_is_applied_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    only, found, now = shard(0, 100_000), Turns(BATCH, OBJECTS, ends), [0.0]
    monkeypatch.setattr("shared.reading.turns.time.monotonic", lambda: now[0])
    arrive(only, 10)
    assert not found.due(only, {0: only})
    now[0] += turns.PATIENCE + 0.1
    assert found.due(only, {0: only})


def test_the_turn_passes_when_the_gathering_shard_was_given_up() -> None:
    gone, other, found = shard(0, 100_000), shard(1, 100_000), Turns(BATCH, OBJECTS, ends)
    assert not found.due(gone, {0: gone, 1: other})
    arrive(other, BATCH)
    assert found.due(other, {1: other}) or found.due(other, {1: other})


def test_the_gathering_shard_is_fetched_again_as_long_as_there_is_room_for_its_batch() -> None:
    """Else it waits for a whole batch while its only topic with more records is paused."""
    shards = {0: shard(0, 100_000), 1: shard(1, 100_000)}
    found = Turns(BATCH, BATCH, ends)
    arrive(shards[0], BATCH - 1)
    assert not found.due(shards[0], shards)
    assert found.roomy(shards[0], "t", shards)
    room = MOST_PENDING // len(shards)
    arrive(shards[1], room // 2)
    assert found.roomy(shards[1], "t", shards)
    arrive(shards[1], 1)
    assert not found.full(shards[1], "t", shards)
    assert not found.roomy(shards[1], "t", shards), "not after every batch: pausing costs a fetch"


def test_a_shard_in_which_a_refused_event_is_searched_waits_for_no_turn() -> None:
    shards, found = {0: shard(0, 100_000), 1: shard(1, 100_000)}, Turns(BATCH, OBJECTS, ends)
    for one in shards.values():
        arrive(one, 10)
        assert not found.due(one, shards)
    shards[1].limit = OBJECTS // 2
    assert [found.due(one, shards) for one in shards.values()] == [False, True]
    shards[1].limit = OBJECTS
    shards[1].refused["t", 3] = "invalid"
    assert [found.due(one, shards) for one in shards.values()] == [False, True]


def test_objects_wait_for_no_more_than_a_transaction_takes_of_them() -> None:
    only, found = shard(0, 100_000), Turns(BATCH, OBJECTS, ends)
    arrive(only, OBJECTS - 1)
    assert not found.due(only, {0: only})
    arrive(only, 1)
    assert found.due(only, {0: only})
