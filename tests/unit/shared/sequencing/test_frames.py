"""Events with a frame are what objects say, or they are objects: whatever stands in them."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from datetime import date
from typing import Any

import msgspec
import pytest

from services.metrics.folding.columns.facts import read_data
from services.metrics.folding.columns.members import TYPES_AS_COLUMNS
from services.metrics.refolding.plain_facts import FRAMED
from shared import contracts
from shared.broker.fetched import FetchedRecord
from shared.contracts import Envelope
from shared.sequencing.columnar.columns import EPOCH_DAY, OTHER, Columns, Item, Names
from shared.sequencing.frames import FrameDecoder
from shared.sequencing.records import Received, decode
from tests.unit.shared.sequencing.plain_events import EVENTS

FACTS = [event for event in EVENTS if event.type in FRAMED]
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def decoded(values: Sequence[bytes], *, at_once: int = 1000) -> tuple[list[tuple[Any, ...]], dict[int, Any]]:
    """(what is said of each record that is no error, {offset: what was kept of the `data` of framed ones})"""
    decoder, rows, data = FrameDecoder(TYPES_AS_COLUMNS, FRAMED, read_data, ("area",)), list[tuple[Any, ...]](), dict[int, Any]()
    names = Names(), Names()
    records = [FetchedRecord("t", 0, offset, None, value, ()) for offset, value in enumerate(values)]
    for begin in range(0, len(records), at_once):
        for item in decoder.decode(records[begin : begin + at_once], *names):
            data |= said_by(item)
            rows += [said(item)] if isinstance(item, Received) else list(of_columns(item))
    return sorted(rows), data


def said_by(item: Item) -> dict[int, Any]:
    """{offset: what the event says} of the rows that have it, which `saying` counts."""
    if isinstance(item, Received) or item.data is None:
        assert isinstance(item, Received) or item.saying == 0
        return {}
    found = {offset: one for offset, one in zip(item.offset.tolist(), item.data.tolist(), strict=True) if one is not None}
    assert item.saying == len(found) == sum(number >= item.framed for number in item.type.tolist())
    return found


def said(one: Received) -> tuple[Any, ...]:
    return one.offset, one.stream, one.sequence, str(one.event_id), str(one.time), str(one.type), str(one.occurred), str(one.actor)


def of_columns(item: Columns) -> Any:
    assert item.offset.tolist() == sorted(item.offset.tolist())
    for row, number in enumerate(item.type.tolist()):
        if number == OTHER:
            yield said(item.others[row])
            continue
        day, actor = date.fromordinal(int(item.occurred[row]) + EPOCH_DAY), item.actors.texts[int(item.actor[row])]
        at = int(item.offset[row]), item.stream(row), int(item.sequence[row]), str(item.id_at(row)), str(item.time_at(row))
        yield (*at, item.types[number], str(day), actor)


def as_objects(values: Sequence[bytes]) -> list[tuple[Any, ...]]:
    return [said(decode("t", 0, offset, value)) for offset, value in enumerate(values)]


def of_one_source(events: Sequence[Envelope]) -> list[Envelope]:
    return [event for event in events if event.source == events[0].source]


@pytest.mark.parametrize("at_once", [1, 7, 1000])
def test_a_log_says_the_same(at_once: int) -> None:
    events = of_one_source(EVENTS)
    values = [contracts.encode(event) for event in events]
    rows, data = decoded(values, at_once=at_once)
    assert rows == as_objects(values)
    assert {offset: events[offset].data for offset in data} == data
    framed = [offset for offset, event in enumerate(events) if event.type in FRAMED and not event.subject.startswith("area/")]
    assert len(data) > len(framed) * 0.9 > 100


def test_what_follows_on_the_data_is_read_too() -> None:
    event = msgspec.structs.replace(FACTS[0], traceparent=TRACE)
    caused = msgspec.structs.replace(event, traceparent=None, causeid=event.id)
    values = [contracts.encode(one) for one in (event, event, caused)]
    rows, data = decoded(values)
    assert rows == as_objects(values)
    assert data.keys() == {0, 1}, "one that was caused by another event stays an object"


def changed(random_: random.Random, raw: bytes) -> bytes:
    """The bytes of an event with something wrong, unusual or hostile in them."""
    begin = raw.index(b'"data":') + len(b'"data":')
    match random_.randrange(8):
        case 0:
            at = random_.randrange(len(raw))
            return raw[:at] + bytes([random_.randrange(256)]) + raw[at + 1 :]
        case 1:
            return raw[:-1] + b',"data":{}}'
        case 2:
            return raw[:begin] + b" " + raw[begin:]
        case 3:
            return raw[:begin] + b"{}" + raw[-1:]
        case 4:
            return raw[:begin] + raw[-1:]
        case 5:
            return raw[: random_.randrange(len(raw))]
        case 6:
            document = json.loads(raw)
            key = random_.choice(list(document["data"]) or ["none"])
            document["data"][key] = random_.choice([None, "", -1, 10**10, "\x00", "中", [], {"a": 1}])
            return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        case _:
            document = json.loads(raw)
            document[random_.choice(list(document))] = random_.choice(["", "中", "a\\b", "0", None, "9999-12-31"])
            return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


def test_whatever_stands_in_an_event_it_is_what_an_object_says_or_an_object() -> None:
    random_, events = random.Random(5), of_one_source(FACTS)
    kept = 0
    for _ in range(60):
        values = [contracts.encode(event) for event in random_.choices(events, k=20)]
        values += [changed(random_, random_.choice(values)) for _ in range(20)]
        random_.shuffle(values)
        rows, data = decoded(values)
        assert rows == as_objects(values)
        for offset, kept_data in data.items():
            event = decode("t", 0, offset, values[offset]).event
            assert event is not None
            assert event.data == kept_data
            assert b"\\u0000" not in values[offset]
        kept += len(data)
    assert kept > 700


def test_a_headcount_that_is_refused_stays_an_object() -> None:
    event = next(event for event in FACTS if event.type == "parkunion.headcount-reported.v1")
    values = [contracts.encode(msgspec.structs.replace(event, data=type(event.data)(workers=count))) for count in (1, 10**9, 10**9 + 1)]
    assert decoded(values)[1].keys() == {0, 1}
