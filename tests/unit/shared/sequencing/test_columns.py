"""Events as columns are the events: decoded, sorted and cut, they say what objects say, or they are objects."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from services.metrics.folding.member_columns import TYPES_AS_COLUMNS
from shared import contracts
from shared.broker.protocol import Headers
from shared.contracts.ids import uuid7
from shared.contracts.streams import DayClosed
from shared.sequencing.column_sorting import sort_columns, streams_of
from shared.sequencing.columns import EPOCH_DAY, OTHER, Columns, Names, decode_columns, micros_of
from shared.sequencing.records import Received, Stream, decode
from shared.sequencing.shard import Shard, drop_applied, due_columns
from shared.sequencing.sorting import sort_records
from shared.sequencing.streams import Head, ShardStreams, StreamState
from tests.histories import history, interleaved

EVENTS = [
    structs.replace(event, time=event.time.replace(microsecond=1))
    for seed in range(6)
    for event in interleaved(history(seed, length=20), seed)
]
"""Recorded at fractions of a second, as in life: a whole second is written without one, and is not plain."""
MEMBER = next(event for event in EVENTS if event.type in TYPES_AS_COLUMNS)


class Row(NamedTuple):
    """A record of the log (`shared.broker.protocol.Record`)."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers


def rows(values: Iterable[bytes], first: int = 0) -> list[Row]:
    return [Row("t", 0, first + at, None, value, ()) for at, value in enumerate(values)]


def columns_of(values: Sequence[bytes], first: int = 0) -> list[Columns | Received]:
    return decode_columns(rows(values, first), TYPES_AS_COLUMNS, Names(), Names())


def told(items: Iterable[Columns | Received]) -> list[tuple[Any, ...]]:
    """(offset, stream, sequence, id, time, type, day, actor, as an object) of each record; of an unreadable one what can be seen."""
    found = list[tuple[Any, ...]]()
    for item in items:
        if isinstance(item, Received):
            found.append((item.offset, item.stream, item.sequence, item.event_id, item.time, item.type, item.occurred, item.actor, True))
            continue
        for row in range(len(item)):
            number = int(item.type[row])
            if number == OTHER:
                one = item.others[row]
                assert one.stream == item.stream(row)
                assert (one.sequence, one.event_id) == (item.sequence[row], item.id_at(row))
                assert one.time == item.time_at(row)
                found += [(*told([one])[0][:-1], True)]
                continue
            day = date.fromordinal(int(item.occurred[row]) + EPOCH_DAY)
            actor = item.actors.texts[int(item.actor[row])]
            found.append(
                (
                    *(int(item.offset[row]), item.stream(row), int(item.sequence[row]), item.id_at(row), item.time_at(row)),
                    *(item.types[number], day, actor, False),
                )
            )
    return found


def as_objects(values: Sequence[bytes]) -> list[tuple[Any, ...]]:
    return [one[:-1] for one in told(decode("t", 0, offset, value) for offset, value in enumerate(values))]


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


def closed(day: date, sequence: int) -> contracts.Envelope:
    return contracts.Envelope(
        id=uuid7(), source=MEMBER.source, subject="day/0", partitionkey="day/0", sequence=sequence, type=contracts.type_of(DayClosed(day=day)),
        time=datetime(day.year, day.month, day.day, 22, tzinfo=UTC) + timedelta(hours=3), occurredon=day, actor="platform", origin="platform", data=DayClosed(day=day),
    )  # fmt: skip


# Sorting


def applied(plan: Any) -> dict[Stream, list[int]]:
    found: dict[Stream, list[int]] = {}
    for record in plan.apply:
        found.setdefault(record.stream, []).append(record.sequence)
    for columns in plan.columns:
        for row in range(len(columns)):
            found.setdefault(columns.stream(row), []).append(int(columns.sequence[row]))
    return {stream: sorted(sequences) for stream, sequences in found.items()}


def fresh(streams: Iterable[Stream], heads: dict[Stream, Head]) -> ShardStreams:
    found = ShardStreams()
    for stream in streams:
        found.states[stream] = StreamState(heads.get(stream))
    return found


OWN = [event for event in EVENTS if event.source == MEMBER.source]


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_sorting_decides_as_for_objects_or_not_at_all(data: st.DataObject) -> None:
    """Repeats, gaps, forks and cuts: the same events are applied, the same heads, counts and positions follow; or columns decide nothing.

    Without gaps, forks and unreadable events they do decide.
    """
    log = list(OWN[: data.draw(st.integers(1, 60))])
    for _ in range(data.draw(st.integers(0, 6))):
        at = data.draw(st.integers(0, len(log) - 1))
        log.insert(data.draw(st.integers(at, len(log))), log[at])
    odd = data.draw(st.sampled_from(["none", "none", "gap", "fork", "later copy", "unreadable"]))
    raw = [contracts.encode(event) for event in log]
    at = data.draw(st.integers(0, len(log) - 1))
    changed = json.loads(raw[at])
    if odd == "gap":
        del raw[at]
    elif odd == "fork":
        raw.append(json.dumps({**changed, "id": str(uuid7())}, separators=(",", ":")).encode())
    elif odd == "later copy":
        raw.append(json.dumps({**changed, "time": "2099-01-01T00:00:00.000001Z"}, separators=(",", ":")).encode())
    elif odd == "unreadable":
        raw[at] = raw[at][: len(raw[at]) // 2]
    cut = data.draw(st.integers(0, len(raw)))
    heads = dict[Stream, Head]()
    first, decided = 0, True
    for part in (raw[:cut], raw[cut:]):
        if not part or not decided:
            continue
        items = columns_of(part, first)
        objects = [decode("t", 0, first + offset, value) for offset, value in enumerate(part)]
        first += len(part)
        streams, others = fresh(streams_of(items), heads), fresh({one.stream for one in objects}, heads)
        found, wanted = (
            sort_columns(streams, {"t": items}, oracle_day),
            sort_records(others, objects, {}, {}, len(objects), day_of=oracle_day),
        )
        if found is None:
            assert odd != "none"
            decided = False
            continue
        assert not wanted.park
        assert applied(found) == applied(wanted)
        assert (found.applied, found.duplicates, found.next, found.newest) == (
            wanted.applied,
            wanted.duplicates,
            wanted.next,
            wanted.newest,
        )
        assert streams.heads(found.changed) == others.heads(wanted.changed)
        heads |= streams.heads(found.changed)
    if odd == "none":
        assert decided


def oracle_day(time: datetime) -> date:
    return (time + timedelta(hours=8)).date()


def test_a_stream_with_something_held_is_left_to_objects() -> None:
    items = columns_of([contracts.encode(MEMBER)])
    (stream,) = streams_of(items)
    for odd in (StreamState(blocked=True), StreamState(waiting={9: None}), StreamState(withdrawn={9: None})):  # type: ignore[dict-item]
        streams = ShardStreams(states={stream: odd})
        assert sort_columns(streams, {"t": items}, None) is None
    ready = fresh([stream], {})
    ready.ready[stream] = None
    assert sort_columns(ready, {"t": items}, None) is None


def test_ends_of_days_are_applied_in_their_place_and_what_is_late_is_left_to_objects() -> None:
    day = oracle_day(MEMBER.time)
    first = json.loads(contracts.encode(MEMBER)) | {"sequence": "1".zfill(19)}
    before = json.dumps(first, separators=(",", ":")).encode()
    late = json.dumps(first | {"sequence": "2".zfill(19), "id": str(uuid7())}, separators=(",", ":")).encode()
    end = contracts.encode(closed(day, 1))
    in_time, too_late = columns_of([before, end]), columns_of([before, end, late])
    streams = fresh(streams_of(in_time), {})
    plan = sort_columns(streams, {"t": in_time}, oracle_day)
    assert plan is not None
    assert (plan.applied, streams.closings, plan.next) == (2, {"t": day}, {"t": 2})
    assert sort_columns(fresh(streams_of(too_late), {}), {"t": too_late}, oracle_day) is None
    assert sort_columns(fresh(streams_of(too_late), {}), {"t": too_late}, None) is not None


def test_what_comes_again_after_its_day_has_ended_is_a_copy_and_the_day_after_is_in_time() -> None:
    day = oracle_day(MEMBER.time)
    first = json.loads(contracts.encode(MEMBER)) | {"sequence": "1".zfill(19)}
    following = first | {"sequence": "2".zfill(19), "id": str(uuid7()), "time": f"{day + timedelta(days=1)}T00:00:00.000001Z"}
    before, after = (json.dumps(raw, separators=(",", ":")).encode() for raw in (first, following))
    ends = [contracts.encode(closed(day - timedelta(days=1), 1)), contracts.encode(closed(day, 2))]
    items = columns_of([ends[0], before, ends[1], before, after, before])
    plan = sort_columns(fresh(streams_of(items), {}), {"t": items}, oracle_day)
    assert plan is not None
    assert (plan.applied, plan.duplicates, plan.next) == (4, 2, {"t": 6})
    late = columns_of([ends[0], before, contracts.encode(closed(day + timedelta(days=1), 2)), after])
    assert sort_columns(fresh(streams_of(late), {}), {"t": late}, oracle_day) is None


def test_a_withdrawal_is_left_to_objects() -> None:
    streams_with = [event for seed in range(20) for event in interleaved(history(seed, mistakes=True), seed)]
    withdrawal = next(event for event in streams_with if event.type == "parkunion.event-withdrawn.v1" and event.source == MEMBER.source)
    items = columns_of([contracts.encode(withdrawal)])
    head = Head(withdrawal.sequence - 1, uuid7(), datetime(2000, 1, 1, tzinfo=UTC))
    assert sort_columns(fresh(streams_of(items), {next(iter(streams_of(items))): head}), {"t": items}, None) is None


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


def test_what_was_applied_is_dropped_and_the_rest_keeps_its_place() -> None:
    one = shard(a=[*at_times(1, 2, 3), *at_times(4, first=3)], b=at_times(1))
    assert (one.count(), one.waiting("a"), one.arrived("a")) == (5, 4, 4)
    one.next["a"] = 2
    drop_applied(one)
    assert (offsets(one.columns["a"]), one.arrived("a"), one.waiting("a")) == ([2, 3], 4, 2)
    assert one.drop_columns() == {"a": 2, "b": 0}
    assert (one.objects_until, one.count(), one.arrived("a")) == ({"a": 4, "b": 1}, 0, 2)


@pytest.mark.parametrize("wrong", [micros_of(datetime.min.replace(tzinfo=UTC)), micros_of(datetime.max.replace(tzinfo=UTC))])
def test_instants_reach_as_far_as_datetimes(wrong: int) -> None:
    assert abs(wrong) < 2**62
