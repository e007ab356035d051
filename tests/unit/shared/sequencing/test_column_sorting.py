"""Columns are sorted as objects are, or left to objects: the same events, heads, counts and positions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shared import contracts
from shared.contracts.ids import uuid7
from shared.sequencing.columnar.sorting import sort_columns, streams_of
from shared.sequencing.records import Stream, decode
from shared.sequencing.sorting import sort_records
from shared.sequencing.streams import Head, ShardStreams, StreamState, WaitingEvent
from tests.histories import history, interleaved
from tests.unit.shared.sequencing.plain_events import EVENTS, MEMBER, closed, columns_of


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


def damaged(raw: list[bytes], odd: str, at: int) -> list[bytes]:
    """A log with one oddity, made of its record `at`."""
    changed = json.loads(raw[at])
    match odd:
        case "gap":
            del raw[at]
        case "fork":
            raw.append(json.dumps({**changed, "id": str(uuid7())}, separators=(",", ":")).encode())
        case "later copy":
            raw.append(json.dumps({**changed, "time": "2099-01-01T00:00:00.000001Z"}, separators=(",", ":")).encode())
        case "unreadable":
            raw[at] = raw[at][: len(raw[at]) // 2]
    return raw


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
    raw = damaged([contracts.encode(event) for event in log], odd, data.draw(st.integers(0, len(log) - 1)))
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


def test_ends_of_days_of_which_one_waits_are_left_to_objects() -> None:
    items = columns_of([contracts.encode(closed(oracle_day(MEMBER.time), 2))])
    (stream,) = streams_of(items)
    streams = fresh([stream], {stream: Head(1, uuid7(), MEMBER.time)})
    assert sort_columns(streams, {"t": items}, oracle_day) is not None
    streams = fresh([stream], {stream: Head(1, uuid7(), MEMBER.time)})
    streams.states[stream].waiting = {3: WaitingEvent(uuid7(), ("t", 9), "early")}
    assert sort_columns(streams, {"t": items}, oracle_day) is None


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
