"""What has arrived of a shard as columns: how much of it is due, and what stays when that is applied."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from datetime import date

import pytest

from services.metrics.folding.columns.facts import FRAMED
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from shared import contracts
from shared.sequencing import shard as shard_module
from shared.sequencing.columnar.columns import Columns
from shared.sequencing.columnar.decoding import decode_columns
from shared.sequencing.frames import FrameDecoder
from shared.sequencing.records import Received, received
from shared.sequencing.shard import OBJECT, Shard, drop_applied, due_columns, weight_of
from tests.unit.shared.sequencing.plain_events import EVENTS, MEMBER, closed, columns_of, rows, told


def shard(**topics: list[Columns | Received]) -> Shard:
    position = dict.fromkeys(topics, 0)
    return Shard(
        0,
        0,
        position,
        {},
        dict(position),
        10,
        {name: deque() for name in topics},
        columns={name: deque(items) for name, items in topics.items()},
    )


def at_times(*seconds: int, first: int = 0) -> list[Columns | Received]:
    plain = json.loads(contracts.encode(MEMBER))
    return columns_of(
        [json.dumps(plain | {"time": f"2026-01-01T00:00:{second:02}.000001Z"}, separators=(",", ":")).encode() for second in seconds], first
    )


def offsets(items: Iterable[Columns | Received]) -> list[int]:
    return [one[0] for one in told(items)]


def test_a_topic_is_not_applied_beyond_the_last_time_of_one_that_lags() -> None:
    one = shard(a=[*at_times(1, 2, 9), *at_times(3, first=3)], b=at_times(2, 4, 6))
    assert {topic: offsets(items) for topic, items in due_columns(one, (), 99).items()} == {"a": [0, 1, 2, 3], "b": [0, 1, 2]}
    due = due_columns(one, {"b"}, 99)
    assert {topic: offsets(items) for topic, items in due.items()} == {"a": [0, 1], "b": [0, 1, 2]}
    few = due_columns(one, (), 3)
    assert {topic: offsets(items) for topic, items in few.items()} == {"a": [0, 1, 2], "b": [0, 1, 2]}
    assert {topic: offsets(items) for topic, items in due_columns(one, (), 2).items()} == {"a": [0, 1], "b": [0, 1]}
    assert not due_columns(shard(a=at_times(1), b=[]), {"b"}, 99)
    backwards = shard(a=[*at_times(9), *at_times(3, first=1)], b=at_times(4))
    assert {topic: offsets(items) for topic, items in due_columns(backwards, {"a"}, 99).items()} == {"a": [0, 1], "b": [0]}


def test_columns_that_follow_on_each_other_are_made_one() -> None:
    """What a batch takes of them would otherwise be in memory twice."""
    closing = received(closed(date(2026, 1, 5), 1))
    one = shard(a=[], b=[])
    encoded = [contracts.encode(event) for event in EVENTS if event.source == MEMBER.source][:30]
    pieces = [item for at in (0, 10, 20) for item in decode_columns(rows(encoded[at : at + 10], at), TYPES_AS_COLUMNS, *one.names)]
    one.columns = {"a": deque(pieces), "b": deque([*pieces[:2], closing, *pieces[2:]])}
    before = {topic: told(items) for topic, items in one.columns.items()}
    one.join_columns()
    assert [len(items) for items in one.columns.values()] == [1, 3]
    assert {topic: told(items) for topic, items in one.columns.items()} == before


def test_columns_are_cut_by_weight() -> None:
    """Rows that keep an object or a text take the memory of several; joined columns are as large as a whole backlog."""
    one = shard(a=[])
    encoded = [contracts.encode(event) for event in EVENTS if event.source == MEMBER.source][:200]
    framed = FrameDecoder(TYPES_AS_COLUMNS, FRAMED.types, FRAMED.read_data, FRAMED.without)
    one.columns["a"] = deque(framed.decode(rows(encoded), *one.names))
    assert len(one.columns["a"]) == 1
    whole = weight_of(one.columns["a"])
    assert whole > 200, "some rows weigh more"
    for most in (1, 20, whole // 2, whole - 1):
        (taken,) = due_columns(one, (), most)["a"]
        assert most - OBJECT < weight_of([taken]) <= max(most, OBJECT)
        assert told([taken]) == told(one.columns["a"])[: len(offsets([taken]))]


def test_what_is_left_of_columns_keeps_no_more_than_itself_in_memory() -> None:
    one = shard(a=at_times(*range(1, 30)))
    one.next["a"] = 28
    drop_applied(one)
    (left,) = one.columns["a"]
    assert isinstance(left, Columns)
    assert len(left) == 1
    assert all(array.base is None for array in (left.offset, left.event_id, left.recorded, left.occurred, left.type))


def test_what_was_applied_is_dropped_and_the_rest_keeps_its_place() -> None:
    one = shard(a=[*at_times(1, 2, 3), *at_times(4, first=3)], b=at_times(1))
    assert (one.count(), one.waiting("a"), one.arrived("a")) == (5, 4, 4)
    one.next["a"] = 2
    drop_applied(one)
    assert (offsets(one.columns["a"]), one.arrived("a"), one.waiting("a")) == ([2, 3], 4, 2)
    assert one.drop_columns() == {"a": 2, "b": 0}
    assert (one.objects_until, one.count(), one.arrived("a")) == ({"a": 4, "b": 1}, 0, 2)


def test_a_number_lasts_as_long_as_the_columns_that_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a worker would keep the names of all enterprises of its shards in memory."""
    one = shard(a=[], b=[])
    members = [event for event in EVENTS if event.type in TYPES_AS_COLUMNS][:60]
    events = [contracts.encode(event) for event in members]
    for topic, first in (("a", 0), ("b", 60)):
        one.columns[topic] = deque(decode_columns(rows(events, first), TYPES_AS_COLUMNS, *one.names))
    known, names = len({event.subject for event in members}), one.names
    assert len(names[0].texts) == known
    before = {topic: told(items) for topic, items in one.columns.items()}
    drop_applied(one)
    assert one.names is names, "few names stay"
    monkeypatch.setattr(shard_module, "MOST_NAMES", 3)
    one.next |= {"a": 60, "b": 118}
    drop_applied(one)
    assert one.names is not names
    assert {topic: told(items) for topic, items in one.columns.items()} == {"a": [], "b": before["b"][58:]}
    assert len(one.names[0].texts) == len({event.subject for event in members[58:]})
    one.columns["a"].extend(decode_columns(rows(events, 60), TYPES_AS_COLUMNS, *one.names))
    assert [row[1:] for row in told(one.columns["a"])] == [row[1:] for row in before["a"]]
