"""Sorting a batch is pure: whatever the order, the cuts and the repeats, each stream is applied in sequence (I2)."""

from __future__ import annotations

from collections import defaultdict, deque
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared import contracts
from shared.reading.records import NO_STREAM, Received, received
from shared.reading.shard import merged
from shared.reading.sorting import Head, Parked, StreamsOfShard, Waiting, sort_out
from tests.kernel.listening import POISON, fact


class Outcome(NamedTuple):
    applied: dict[str, list[int]]
    held: dict[tuple[str, int], Parked]


def record(event: contracts.Envelope, offset: int, topic: str = "t") -> Received:
    return received(topic, 0, offset, contracts.encode(event))


def shown(records: list[Received], cuts: list[int], *, refuse_poison: bool = True) -> Outcome:
    """Sort batches of the given sizes, as the reader does, with a dictionary for the table of held events."""
    streams = StreamsOfShard()
    held: dict[tuple[str, int], Parked] = {}
    applied: dict[str, list[int]] = defaultdict(list)
    left, sizes = deque(records), deque(cuts)
    refused = {(r.topic, r.offset): "no" for r in records if refuse_poison and r.event and getattr(r.event.data, "workers", 0) == POISON}
    while left or streams.ready:
        size = sizes.popleft() if sizes else 3
        batch = list(left)[:size]
        for one in batch:
            if one.stream != NO_STREAM:
                streams.heads.setdefault(one.stream, None)
        kept: dict[tuple[str, str], dict[int, Received]] = defaultdict(dict)
        for parked in held.values():
            if parked.kind != "fork":
                kept[parked.record.stream][parked.record.sequence] = parked.record
        for kind_of_held in kept.values():
            for one in kind_of_held.values():
                one.held = held[one.topic, one.offset].kind
        plan = sort_out(streams, batch, kept, refused, max(1, size - 1))
        for _ in range(sum(plan.taken.values())):
            left.popleft()
        held.update(plan.park)
        for at in plan.released:
            del held[at]
        for one in plan.apply:
            applied[one.stream[1]].append(one.sequence)
    return Outcome(dict(applied), held)


@st.composite
def logs(draw: st.DrawFn) -> list[contracts.Envelope]:
    """A log of several streams with repeats and displaced events; every event occurs at least once."""
    events = [fact(f"enterprise/{e}", n) for e in range(draw(st.integers(1, 4))) for n in range(1, draw(st.integers(2, 8)))]
    shuffled = draw(st.permutations(events + draw(st.lists(st.sampled_from(events), max_size=10))))
    return list(shuffled)


@pytest.mark.invariant("I2")
@settings(max_examples=300, deadline=None)
@given(logs(), st.lists(st.integers(1, 9), max_size=20))
def test_any_order_cut_anywhere_is_applied_in_sequence_and_once(log: list[contracts.Envelope], cuts: list[int]) -> None:
    outcome = shown([record(event, n) for n, event in enumerate(log)], cuts)
    wanted: dict[str, list[int]] = defaultdict(list)
    for subject, sequence in sorted({(event.subject, event.sequence) for event in log}):
        wanted[subject].append(sequence)
    assert outcome.applied == wanted
    assert outcome.held == {}


@settings(max_examples=200, deadline=None)
@given(logs(), st.lists(st.integers(1, 9), max_size=20), st.integers(1, 7))
def test_behind_a_refused_event_everything_later_of_its_stream_is_held(log: list[contracts.Envelope], cuts: list[int], at: int) -> None:
    ids = {
        event.id: fact(event.subject, event.sequence, workers=POISON)
        for event in log
        if (event.subject, event.sequence) == ("enterprise/0", at)
    }
    log = [ids.get(event.id, event) for event in log]
    outcome = shown([record(event, n) for n, event in enumerate(log)], cuts)
    last = max(event.sequence for event in log if event.subject == "enterprise/0")
    assert outcome.applied.get("enterprise/0", []) == list(range(1, min(at, last + 1)))
    kinds = {parked.record.sequence: parked.kind for parked in outcome.held.values()}
    assert kinds == {n: "refused" if n == at else "early" for n in range(at, last + 1)}


def test_one_two_three_two_three() -> None:
    events = [fact("enterprise/e", n) for n in (1, 2, 3)]
    outcome = shown([record(events[n - 1], at) for at, n in enumerate((1, 2, 3, 2, 3))], [2])
    assert outcome == ({"enterprise/e": [1, 2, 3]}, {})


@pytest.mark.parametrize(
    ("sequence", "at", "fork"),
    [(3, 3.0, True), (3, 99.0, True), (2, 99.0, True), (2, 2.0, False), (2, 3.0, False)],
    ids=[
        "last with another id",
        "last with another id, later",
        "earlier but told later",
        "earlier, told before",
        "earlier, told with the last",
    ],
)
def test_what_is_a_fork_and_what_a_duplicate(sequence: int, at: float, fork: bool) -> None:
    events = [fact("enterprise/e", n) for n in (1, 2, 3)]
    log = [*events, fact("enterprise/e", sequence, at=at), fact("enterprise/e", 4)]
    outcome = shown([record(event, n) for n, event in enumerate(log)], [10])
    assert outcome.applied == {"enterprise/e": [1, 2, 3] if fork else [1, 2, 3, 4]}
    assert {parked.kind for parked in outcome.held.values()} == ({"fork", "early"} if fork else set())


def test_the_limit_stops_among_released_events_too() -> None:
    events = [fact("enterprise/e", n) for n in range(1, 6)]
    streams = StreamsOfShard(heads={("/services/kernel", "enterprise/e"): None})
    late = {n: record(events[n - 1], n) for n in (2, 3, 4, 5)}
    streams.waiting["/services/kernel", "enterprise/e"] = {n: Waiting(r.event_id, ("t", n), "early") for n, r in late.items()}
    for one in late.values():
        one.held = "early"
    kept = {("/services/kernel", "enterprise/e"): late}
    plan = sort_out(streams, [record(events[0], 9)], kept, {}, 3)
    assert [one.sequence for one in plan.apply] == [1, 2, 3]
    assert streams.ready
    plan = sort_out(streams, [], kept, {}, 3)
    assert [one.sequence for one in plan.apply] == [4, 5]
    assert plan.released == [("t", 4), ("t", 5)]
    assert not streams.ready
    assert not streams.waiting
    assert streams.heads["/services/kernel", "enterprise/e"] == Head(5, events[4].id, events[4].time)


def test_topics_are_merged_by_time_and_none_runs_ahead_of_one_with_lag() -> None:
    a = deque(record(fact("enterprise/a", n, at=10 * n), n, "a") for n in range(1, 5))
    b = deque(record(fact("enterprise/b", n, at=25 * n), n, "b") for n in range(1, 3))

    def order(pending: dict[str, deque[Received]], lagging: set[str], limit: int = 99) -> str:
        return " ".join(f"{one.topic}{one.offset}" for one in merged(pending, lagging, limit))

    assert order({"a": a, "b": b}, set()) == "a1 a2 b1 a3 a4 b2"
    assert order({"a": a, "b": b}, {"a"}) == "a1 a2 b1 a3 a4"
    assert order({"a": a, "b": b}, {"b"}) == "a1 a2 b1 a3 a4 b2"
    assert order({"a": a, "b": deque()}, {"b"}) == ""
    assert order({"a": a, "b": deque()}, set(), 2) == "a1 a2"
    backwards = deque([record(fact("enterprise/a", 1, at=50), 1, "a"), record(fact("enterprise/x", 1, at=5), 2, "a")])
    assert order({"a": backwards, "b": b}, set()) == "b1 a1 a2 b2" or order({"a": backwards, "b": b}, set()) == "b1 b2 a1 a2"
