"""Events as columns are the events: decoded and cut they say what objects say, or they are objects."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

import msgspec
import numpy as np
import pytest

from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from shared import contracts
from shared.sequencing.columnar.columns import Columns, Names, micros_of
from shared.sequencing.columnar.decoding import decode_columns
from shared.sequencing.columnar.layouts import MOST_LAYOUTS, Layouts
from shared.sequencing.frames import frame_of
from shared.sequencing.records import Received, decode
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
