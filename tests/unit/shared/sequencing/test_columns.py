"""Events as columns are the events: decoded and cut they say what objects say, or they are objects."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from services.metrics.folding.columns.facts import FRAMED
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from shared import contracts
from shared.sequencing import shard as shard_module
from shared.sequencing.columnar.columns import Columns, Names, micros_of
from shared.sequencing.columnar.decoding import decode_columns
from shared.sequencing.columnar.layouts import MOST_LAYOUTS, Layouts
from shared.sequencing.frames import FrameDecoder, frame_of
from shared.sequencing.records import Received, decode, received
from shared.sequencing.shard import OBJECT, Shard, drop_applied, due_columns, weight_of
from tests.unit.shared.sequencing.plain_events import EVENTS, MEMBER, as_objects, closed, columns_of, rows, told

ODD: tuple[Any, ...] = (
    "",
    "x",
    "\x00",
    "中",
    None,
    1,
    True,
    [],
    "2024-02-30",
    "2023-02-29",
    "2024-02-29",
    "0000-01-01",
    "10000-01-01",
    "9999-12-31",
)
ODD_TIMES = (
    *("2024-02-30T10:00:00.000001Z", "2024-02-29T24:00:00.000001Z", "2024-02-29T23:60:00.000001Z", "2024-02-29T23:59:60.000001Z"),
    *("2024-02-29T23:59:59.999999Z", "2024-02-29T23:59:59Z", "2024-02-29T23:59:59.123456+08:00", "2024-02-29T23:59:59.123456", "1969-12-31T23:59:59.000001Z"),
)  # fmt: skip
ODD_IDS = (
    "01A2231E-DB55-7189-9636-4314BE9CCCAF",
    "0" * 32,
    "0" * 36,
    "g1a2231e-db55-7189-9636-4314be9cccaf",
    "00000000-0000-0000-0000-00000000000０",
)
ODD_SEQUENCES = (
    "0" * 19,
    "1",
    "1".zfill(18),
    "1".zfill(20),
    str(2**40).zfill(19),
    str(2**40 - 1).zfill(19),
    "9" * 19,
    "０".zfill(19),
    "-1".zfill(19),
)


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        *(
            (name, ODD)
            for name in ("specversion", "source", "type", "subject", "partitionkey", "occurredon", "actor", "origin", "traceparent")
        ),
        ("id", (*ODD, *ODD_IDS)),
        ("causeid", (*ODD, *ODD_IDS)),
        ("time", (*ODD, *ODD_TIMES)),
        ("sequence", (*ODD, *ODD_SEQUENCES)),
        ("data", ({}, None, {"membership_id": 1}, [], "x")),
        ("unknown", ODD),
    ],
)
def test_one_odd_attribute_is_read_as_by_the_object(attribute: str, values: Sequence[Any]) -> None:
    """Whatever an attribute holds: the row says what the object says, and what is unreadable is an object that is not ordinary."""
    plain = json.loads(contracts.encode(MEMBER))
    for value in values:
        raw = json.dumps({**plain, attribute: value}, separators=(",", ":")).encode()
        around = [contracts.encode(event) for event in EVENTS[:5]]
        logs = [raw], [*around, raw, *around]
        for log in logs:
            found = columns_of(log)
            assert [one[:-1] for one in told(found)] == as_objects(log)
            unreadable = [offset for offset, text in enumerate(log) if decode("t", 0, offset, text).error]
            between = [item for item in found if isinstance(item, Received)]
            assert {item.offset for item in between} >= set(unreadable)


@pytest.mark.parametrize("at", range(0, 160, 3))
def test_one_odd_byte_of_data(at: int) -> None:
    """`data` that is not exactly the plain form is opened: then it is an object."""
    raw = contracts.encode(MEMBER)
    begin = raw.index(b'"data":') + 7
    place = min(begin + at, len(raw) - 3)
    for byte in (b"0", b"a", b"g", b'"', b" ", b"}", b"h"):
        log = [raw[:place] + byte + raw[place + 1 :], raw]
        assert [one[:-1] for one in told(columns_of(log))] == as_objects(log)


def test_members_without_a_reason_are_rows_and_nothing_else_is() -> None:
    log = [contracts.encode(event) for event in EVENTS if event.source == MEMBER.source]
    found = told(columns_of(log))
    assert [one[:-1] for one in found] == as_objects(log)
    kinds = {one[5] for one in found if not one[-1]}
    assert kinds == set(TYPES_AS_COLUMNS) == {"parkunion.member-joined.v1"}
    assert sum(not one[-1] for one in found) > len(log) / 5


def test_two_sources_in_one_topic_are_objects() -> None:
    log = [contracts.encode(event) for event in EVENTS]
    assert all(isinstance(item, Received) for item in columns_of(log))


def test_what_is_about_all_stands_between_columns() -> None:
    closing = closed(date(2026, 1, 5), 1)
    raw = [contracts.encode(MEMBER), contracts.encode(closing), contracts.encode(MEMBER), b"no event"]
    first, second, third, *rest = columns_of(raw[:3])
    assert isinstance(first, Columns)
    assert isinstance(second, Received)
    assert isinstance(third, Columns)
    assert not rest
    assert (len(first), len(third), int(third.offset[0])) == (1, 1, 2)


# What has arrived


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


def test_columns_in_which_every_event_is_an_object_are_renumbered() -> None:
    of_one_source = [event for event in EVENTS if event.source == MEMBER.source][:20]
    items = decode_columns(rows([contracts.encode(event) for event in of_one_source]), (), Names(), Names())
    assert any(isinstance(item, Columns) and item.others and not item.actors.texts for item in items)
    before = told(items)
    after = [item.renumbered(Names(), Names()) if isinstance(item, Columns) else item for item in items]
    assert told(after) == before != []


@pytest.mark.parametrize("wrong", [micros_of(datetime.min.replace(tzinfo=UTC)), micros_of(datetime.max.replace(tzinfo=UTC))])
def test_instants_reach_as_far_as_datetimes(wrong: int) -> None:
    assert abs(wrong) < 2**62


MUTATIONS = bytes((0x00, 0x1F, 0x22, 0x2C, 0x30, 0x39, 0x3A, 0x41, 0x5C, 0x61, 0x67, 0x7D, 0x7F, 0x80, 0xC3, 0xFF))
"""Of every class of bytes that a layout tells apart, and their neighbours."""


def test_an_event_that_differs_in_one_byte_is_read_as_by_the_object() -> None:
    raw = contracts.encode(msgspec.structs.replace(MEMBER, traceparent="00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"))
    read_as_row = 0
    for position in range(len(raw)):
        values = [raw, *(raw[:position] + bytes([byte]) + raw[position + 1 :] for byte in MUTATIONS), raw]
        found = told(columns_of(values))
        assert [one[:-1] for one in found] == as_objects(values), raw[position:]
        read_as_row += sum(not one[-1] for one in found[1:-1])
    assert read_as_row > 1000  # digits, and texts that may be others


def test_events_that_differ_in_length_have_layouts_of_their_own() -> None:
    layouts = Layouts()
    for actor in ("a", "bc", "city", "中"):
        event = msgspec.structs.replace(MEMBER, actor=actor)
        raw = contracts.encode(event)
        learnt = layouts.learn(raw, TYPES_AS_COLUMNS)
        assert (learnt is None) == (actor == "中")  # JSON of another length than text
        if learnt is not None:
            other = contracts.encode(msgspec.structs.replace(event, actor="x" * len(actor)))
            laid = learnt.read(np.frombuffer(raw + other, np.uint8).reshape(2, -1))
            assert laid.fits.all()
            assert laid.texts["actor"].tolist() == [actor.encode(), b"x" * len(actor)]
    assert len(layouts) == 3


def test_no_more_layouts_are_learnt_than_are_kept() -> None:
    layouts = Layouts()
    for length in range(MOST_LAYOUTS + 2):
        layouts.learn(contracts.encode(msgspec.structs.replace(MEMBER, actor="a" * (length + 1))), TYPES_AS_COLUMNS)
    assert len(layouts) == MOST_LAYOUTS
    first, last = (len(contracts.encode(msgspec.structs.replace(MEMBER, actor="a" * length))) for length in (1, MOST_LAYOUTS + 2))
    assert not layouts.of_size(first)
    assert layouts.of_size(last)


@pytest.mark.parametrize("name", ["subject", "partitionkey", "actor", "origin", "traceparent"])
def test_an_event_with_an_empty_text_is_an_object(name: str) -> None:
    """Texts of no bytes cannot be told apart by their places."""
    raw = contracts.encode(msgspec.structs.replace(MEMBER, **{name: ""}))
    assert frame_of(raw) is None
    found = told(columns_of([raw, raw]))
    assert [one[:-1] for one in found] == as_objects([raw, raw])
    assert all(one[-1] for one in found)
