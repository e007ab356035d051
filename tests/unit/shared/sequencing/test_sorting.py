"""Sorting a batch is pure: whatever the order, the cuts and the repeats, each stream is applied in sequence (I2)."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Mapping
from datetime import date, datetime
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from shared import contracts
from shared.contracts.streams import EventWithdrawn
from shared.sequencing.plan import BatchPlan, ParkedEvent
from shared.sequencing.records import NO_STREAM, Received, Stream, decode
from shared.sequencing.restoring import HeldRow, WithdrawnRow, restore_streams
from shared.sequencing.shard import merged
from shared.sequencing.sorting import sort_records
from shared.sequencing.streams import Head, ShardStreams, StreamState, WaitingEvent, WithdrawnRange
from shared.sequencing.withdrawals import withdrawal_of
from tests import oracle
from tests.dummy_service.reading import POISON, fact


class Outcome(NamedTuple):
    applied: dict[str, list[int]]
    held: dict[tuple[str, int], ParkedEvent]


def record(event: contracts.Envelope, offset: int, topic: str = "t") -> Received:
    return decode(topic, 0, offset, contracts.encode(event))


class Table:
    """What the database would hold: heads, held events and accepted withdrawals. All else is lost at a restart."""

    def __init__(self, day_of: Callable[[datetime], date] | None = None) -> None:
        self.day_of = day_of
        self.closings: dict[str, date] = {}
        self.heads: dict[Stream, Head | None] = {}
        self.held: dict[tuple[str, int], ParkedEvent] = {}
        self.withdrawn: dict[tuple[Stream, int], WithdrawnRange] = {}

    def write(self, plan: BatchPlan, streams: ShardStreams) -> None:
        self.heads.update(streams.heads(plan.changed))
        for at in plan.released:
            self.held.pop(at, None)
        self.held.update(plan.park)
        self.withdrawn.update(plan.accepted)
        self.closings = dict(streams.closings)

    def known(self, parked: ParkedEvent) -> date | None:
        return self.day_of(parked.record.time) if self.day_of and parked.record.time else None

    def kept(self) -> dict[Stream, dict[int, Received]]:
        kept: dict[Stream, dict[int, Received]] = defaultdict(dict)
        for parked in self.held.values():
            if parked.kind != "fork":
                kept[parked.record.stream][parked.record.sequence] = parked.record
                parked.record.held = parked.kind
        return kept

    def restored(self, tried: set[tuple[str, int]]) -> ShardStreams:
        held = [
            HeldRow(
                p.record.stream,
                WaitingEvent(p.record.event_id, at, p.kind, self.known(p)),
                p.record.sequence,
                p.record if withdrawal_of(p.record) else None,
            )
            for at, p in self.held.items()
            if p.record.sequence
        ]
        gone = [WithdrawnRow(stream, n, w) for (stream, n), w in self.withdrawn.items() if n > self._last(stream)]
        heads = {stream: self.heads.get(stream) for stream in {row.stream for row in held} | {row.stream for row in gone}}
        found = restore_streams(heads, held, gone, tried)
        found.closings = dict(self.closings)
        return found

    def _last(self, stream: Stream) -> int:
        head = self.heads.get(stream)
        return head.sequence if head else 0


def shown(
    records: list[Received],
    cuts: list[int],
    *,
    refuse_poison: bool = True,
    restarts: list[bool] | None = None,
    day_of: Callable[[datetime], date] | None = None,
    watch: Callable[[BatchPlan, Table], None] = lambda _plan, _table: None,
    gone: Mapping[tuple[Stream, int], WithdrawnRange] | None = None,
) -> Outcome:
    """Sort batches of the given sizes, as the reader does, with a dictionary for the tables, and perhaps a restart before each batch.

    `gone`: what another generation let go.
    """
    streams, table, tried = ShardStreams(), Table(day_of), set[tuple[str, int]]()
    for (stream, sequence), withdrawal in (gone or {}).items():
        streams.state(stream).withdrawn[sequence] = withdrawal
    applied: dict[str, list[int]] = defaultdict(list)
    left, sizes, ends = deque(records), deque(cuts), deque(restarts or ())
    refused = {(r.topic, r.offset): "no" for r in records if refuse_poison and r.event and getattr(r.event.data, "workers", 0) == POISON}
    while left or streams.ready:
        if ends and ends.popleft():
            tried.clear()
            streams = table.restored(tried)
        size = sizes.popleft() if sizes else 3
        batch = list(left)[:size]
        for one in batch:
            if one.stream != NO_STREAM:
                streams.states.setdefault(one.stream, StreamState(table.heads.get(one.stream)))
        plan = sort_records(streams, batch, table.kept(), refused, max(1, size - 1), day_of=day_of)
        watch(plan, table)
        for _ in range(sum(plan.taken.values())):
            left.popleft()
        table.write(plan, streams)
        tried.update(plan.park)
        for one in plan.apply:
            applied[one.stream[1]].append(one.sequence)
    return Outcome(dict(applied), table.held)


def withdrawal(subject: str, sequence: int, first: int, last: int) -> contracts.Envelope:
    """An `event-withdrawn` that names the sequences `first` to `last` of its stream."""
    data = EventWithdrawn(first=first, last=last, reason="unreadable")
    return structs.replace(fact(subject, sequence), type=contracts.type_of(data), data=data)


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
    streams = ShardStreams()
    state = streams.state(("/services/dummy", "enterprise/e"))
    late = {n: record(events[n - 1], n) for n in (2, 3, 4, 5)}
    state.waiting = {n: WaitingEvent(r.event_id, ("t", n), "early") for n, r in late.items()}
    for one in late.values():
        one.held = "early"
    kept = {("/services/dummy", "enterprise/e"): late}
    plan = sort_records(streams, [record(events[0], 9)], kept, {}, 3)
    assert [one.sequence for one in plan.apply] == [1, 2, 3]
    assert streams.ready
    plan = sort_records(streams, [], kept, {}, 3)
    assert [one.sequence for one in plan.apply] == [4, 5]
    assert plan.released == [("t", 4), ("t", 5)]
    assert not streams.ready
    assert not state.waiting
    assert state.head == Head(5, events[4].id, events[4].time)


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


def poisoned(event: contracts.Envelope) -> bool:
    return getattr(event.data, "workers", 0) == POISON


@st.composite
def withdrawn_logs(draw: st.DrawFn) -> list[contracts.Envelope]:
    """Streams in which runs of events are refused or never arrive, each run withdrawn further on; good ones are withdrawn, too."""
    events: list[contracts.Envelope] = []
    for number in range(draw(st.integers(1, 3))):
        subject, sequence, open_runs, said = f"enterprise/{number}", 0, list[tuple[int, int]](), set[int]()
        for kind in draw(st.lists(st.sampled_from("ggggbmwtt"), min_size=1, max_size=12)) + ["w"] * 12:
            if (kind == "w" and not open_runs) or (kind == "t" and not said):
                continue
            sequence += 1
            if kind == "w":
                first, last = open_runs.pop(draw(st.integers(0, len(open_runs) - 1)))
                events.append(withdrawal(subject, sequence, first, last))
            if kind == "t":
                first = last = draw(st.sampled_from(sorted(said)))
                while last + 1 in said and draw(st.booleans()):
                    last += 1
                events.append(withdrawal(subject, sequence, first, last))
            if kind in "gbm":
                said.add(sequence)  # withdrawals are not withdrawn
            if kind in "bm":
                if open_runs and open_runs[-1][1] == sequence - 1:
                    open_runs[-1] = (open_runs[-1][0], sequence)
                else:
                    open_runs.append((sequence, sequence))
                if kind == "b":
                    events.append(fact(subject, sequence, workers=POISON))
            if kind == "g":
                events.append(fact(subject, sequence))
    again = draw(st.lists(st.sampled_from(events), max_size=8)) if events else []
    return list(draw(st.permutations(events + again)))


@pytest.mark.invariant("I2")
@settings(max_examples=500, deadline=None)
@given(withdrawn_logs(), st.lists(st.integers(1, 9), max_size=30), st.lists(st.booleans(), max_size=60))
def test_any_order_with_withdrawals_and_restarts_is_applied_in_sequence_once_without_what_never_counted(
    log: list[contracts.Envelope], cuts: list[int], restarts: list[bool]
) -> None:
    """The division is at the last event applied when the withdrawal arrives, and a later fold that knows it drops the same."""
    records, tables = [record(event, n) for n, event in enumerate(log)], list[Table]()
    outcome = shown(records, cuts, restarts=restarts, watch=lambda _plan, table: tables.append(table))
    wanted: dict[str, list[int]] = defaultdict(list)
    for event in oracle.counted(log, poisoned):
        wanted[event.subject].append(event.sequence)
    assert outcome.applied == wanted
    assert outcome.held == {}
    if tables:
        again = shown([record(event, n) for n, event in enumerate(log)], [len(log)], gone=tables[-1].withdrawn)
        assert again == outcome


@pytest.mark.parametrize("cuts", [[1] * 9, [9], [2, 3, 4]])
def test_a_withdrawal_of_what_was_applied_is_applied_and_lets_nothing_go(cuts: list[int]) -> None:
    log = [fact("enterprise/e", 1), fact("enterprise/e", 2), withdrawal("enterprise/e", 3, 2, 2), fact("enterprise/e", 4)]
    tables: list[Table] = []
    outcome = shown([record(event, n) for n, event in enumerate(log)], cuts, watch=lambda _plan, table: tables.append(table))
    assert outcome == ({"enterprise/e": [1, 2, 3, 4]}, {})
    assert tables[-1].withdrawn == {}


@pytest.mark.parametrize("cuts", [[1] * 9, [9]])
def test_a_withdrawal_of_what_was_applied_and_of_what_waits_lets_go_the_latter_alone(cuts: list[int]) -> None:
    log = [fact("enterprise/e", 1), fact("enterprise/e", 2, workers=POISON), fact("enterprise/e", 3), withdrawal("enterprise/e", 4, 1, 3)]
    tables: list[Table] = []
    outcome = shown([record(event, n) for n, event in enumerate(log)], cuts, watch=lambda _plan, table: tables.append(table))
    assert outcome == ({"enterprise/e": [1, 4]}, {})
    assert [withdrawal[:2] for withdrawal in tables[-1].withdrawn.values()] == [(2, 3)]


def test_a_withdrawal_that_an_older_release_refused_is_applied_after_the_upgrade() -> None:
    log = [fact("enterprise/e", 1), fact("enterprise/e", 2), withdrawal("enterprise/e", 3, 2, 2), fact("enterprise/e", 4)]
    table = Table()
    records = [record(event, n) for n, event in enumerate(log)]
    table.heads[records[1].stream] = Head(2, log[1].id, log[1].time)
    for one, kind in ((records[2], "refused"), (records[3], "early")):
        table.held["t", one.offset] = ParkedEvent(one, kind, "the withdrawal names 2 to 2, and one of them was applied")
    streams = table.restored(set())
    plan = sort_records(streams, [], table.kept(), {}, 9)
    assert [one.sequence for one in plan.apply] == [3, 4]
    assert sorted(plan.released) == [("t", 2), ("t", 3)]
    assert not plan.accepted


@pytest.mark.invariant("I4")
@pytest.mark.parametrize(("closed", "kind"), [(date(2025, 12, 31), None), (date(2026, 1, 1), "late")])
def test_a_withdrawal_that_an_older_release_refused_on_a_day_that_was_final_stays_without_effect(closed: date, kind: str | None) -> None:
    event = withdrawal("enterprise/e", 2, 1, 1)
    one, stream = record(event, 1), ("/services/dummy", "enterprise/e")
    one.held = "refused"
    row = HeldRow(stream, WaitingEvent(event.id, ("t", 1), "refused", date(2026, 1, 1)), 2, one)
    streams = restore_streams({stream: Head(1, fact("enterprise/e", 1).id, event.time)}, [row], [], (), closed)
    plan = sort_records(streams, [], {stream: {2: one}}, {}, 9)
    assert [parked.kind for parked in plan.park.values()] == ([kind] if kind else [])
    assert [one.sequence for one in plan.apply] == ([] if kind else [2])


def test_a_withdrawal_that_was_refused_can_be_withdrawn() -> None:
    log = [fact("enterprise/e", 1), withdrawal("enterprise/e", 2, 2, 2), withdrawal("enterprise/e", 3, 2, 2), fact("enterprise/e", 4)]
    assert shown([record(event, n) for n, event in enumerate(log)], [1] * 9) == ({"enterprise/e": [1, 3, 4]}, {})


def test_a_withdrawal_of_no_range_before_itself_is_refused() -> None:
    for first, last in ((0, 1), (2, 1), (2, 2), (1, 3), (-4, -4)):
        log = [fact("enterprise/e", 1), withdrawal("enterprise/e", 2, first, last), fact("enterprise/e", 3)]
        outcome = shown([record(event, n) for n, event in enumerate(log)], [9])
        assert outcome.applied == {"enterprise/e": [1]}
        assert {parked.record.sequence: parked.kind for parked in outcome.held.values()} == {2: "refused", 3: "early"}
        assert outcome.held["t", 1].error == f"NO_RANGE: {first}..{last}"


def test_a_fork_stays_parked_behind_a_withdrawal() -> None:
    log = [fact("enterprise/e", 1), fact("enterprise/e", 1, at=9.0), fact("enterprise/e", 2, workers=POISON)]
    log += [withdrawal("enterprise/e", 3, 2, 2), fact("enterprise/e", 4)]
    outcome = shown([record(event, n) for n, event in enumerate(log)], [9])
    assert outcome.applied == {"enterprise/e": [1]}
    assert {parked.record.sequence: parked.kind for parked in outcome.held.values()} == {1: "fork", 3: "early", 4: "early"}


def test_what_another_generation_accepted_is_dropped_without_being_tried() -> None:
    stream = ("/services/dummy", "enterprise/e")
    known = restore_streams({stream: None}, [], [WithdrawnRow(stream, 3, WithdrawnRange(2, 2, fact("enterprise/e", 3).id), own=False)], ())
    log = [fact("enterprise/e", 1), fact("enterprise/e", 2), withdrawal("enterprise/e", 3, 2, 2)]
    plan = sort_records(known, [record(event, n) for n, event in enumerate(log)], {}, {}, 9)
    assert [one.sequence for one in plan.apply] == [1, 3]
    assert plan.withdrawn == 1
    assert not known.states[stream].withdrawn
