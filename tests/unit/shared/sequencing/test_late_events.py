"""What was recorded on a day that its source had closed never takes effect, and is told apart the same way in every fold (I3, I4)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from shared import contracts
from shared.contracts.streams import DayClosed
from shared.sequencing.closed_days import closed_day
from shared.sequencing.plan import LATE, BatchPlan
from shared.sequencing.withdrawals import withdrawal_of
from tests.dummy_service.reading import fact
from tests.unit.shared.sequencing.test_sorting import Outcome, Table, record, shown, withdrawal

FIRST = date(2026, 1, 1)


def day_of(instant: datetime) -> date:
    return instant.astimezone(UTC).date()


def on(day: int, subject: str, sequence: int) -> contracts.Envelope:
    """Event `sequence` of a stream, recorded on the day number `day`."""
    return fact(subject, sequence, at=day * 86400 + sequence)


def withdrawn(day: int, subject: str, sequence: int, first: int, last: int) -> contracts.Envelope:
    """Event `sequence` of a stream withdraws those from `first` to `last`."""
    return structs.replace(withdrawal(subject, sequence, first, last), time=on(day, subject, sequence).time)


def closed(day: int, sequence: int) -> contracts.Envelope:
    """The source closes the day number `day`, on the day after it."""
    data = DayClosed(day=FIRST + timedelta(days=day))
    return structs.replace(on(day + 1, "day/0", sequence), type=contracts.type_of(data), data=data)


def sorted_out(events: list[contracts.Envelope], cuts: list[int] | None = None, restarts: list[bool] | None = None) -> Outcome:
    """As the reader does it, and at each step: nothing is applied of a day that was closed before."""
    final: list[date] = []
    done: set[tuple[str, int]] = set()

    def watch(plan: BatchPlan, table: Table) -> None:
        held = [table.known(parked) or date.min for parked in table.held.values() if parked.kind != LATE]
        now = closed_day(table.closings, ["t"], min(held, default=None))
        if now is not None and (not final or now > final[-1]):
            final.append(now)
        for one in plan.apply:
            assert one.time is not None
            said, subject = withdrawal_of(one), one.stream[1]
            silent = said is not None and not any((subject, n) in done for n in range(said.first, said.last + 1))
            assert not final or silent or subject.startswith("day/") or day_of(one.time) > final[-1]
            done.add((subject, one.sequence))

    records = [record(event, n) for n, event in enumerate(events)]
    return shown(records, cuts or [1] * len(records), restarts=restarts, day_of=day_of, watch=watch)


def kinds(outcome: Outcome) -> dict[tuple[str, int], str]:
    return {(parked.record.stream[1], parked.record.sequence): parked.kind for parked in outcome.held.values()}


def test_an_event_of_a_closed_day_waits_for_ever_and_its_stream_behind_it() -> None:
    outcome = sorted_out([on(0, "enterprise/a", 1), closed(0, 1), on(0, "enterprise/a", 2), on(1, "enterprise/a", 3)])
    assert outcome.applied == {"enterprise/a": [1], "day/0": [1]}
    assert kinds(outcome) == {("enterprise/a", 2): "late", ("enterprise/a", 3): "early"}


def test_a_gap_that_kept_its_day_open_may_still_be_filled() -> None:
    outcome = sorted_out([on(0, "enterprise/a", 2), closed(0, 1), on(0, "enterprise/a", 1)])
    assert outcome.applied == {"day/0": [1], "enterprise/a": [1, 2]}
    assert not outcome.held


def test_a_gap_of_an_earlier_day_than_what_waits_is_late() -> None:
    outcome = sorted_out([closed(0, 1), on(1, "enterprise/a", 2), on(0, "enterprise/a", 1)])
    assert kinds(outcome) == {("enterprise/a", 1): "late", ("enterprise/a", 2): "early"}


def test_late_events_in_the_wrong_order_open_no_day_for_each_other() -> None:
    outcome = sorted_out([closed(0, 1), on(0, "enterprise/a", 2), on(0, "enterprise/a", 1)])
    assert kinds(outcome) == {("enterprise/a", 1): "late", ("enterprise/a", 2): "late"}


def test_a_withdrawal_of_what_counted_that_comes_after_its_day_was_closed_is_late() -> None:
    outcome = sorted_out([on(0, "enterprise/a", 1), closed(0, 1), withdrawn(0, "enterprise/a", 2, 1, 1), on(1, "enterprise/a", 3)])
    assert outcome.applied == {"enterprise/a": [1], "day/0": [1]}
    assert kinds(outcome) == {("enterprise/a", 2): "late", ("enterprise/a", 3): "early"}


def test_a_withdrawal_of_what_never_counted_changes_no_closed_day_and_is_never_late() -> None:
    outcome = sorted_out([closed(0, 1), on(0, "enterprise/a", 1), withdrawn(0, "enterprise/a", 2, 1, 1), on(1, "enterprise/a", 3)])
    assert outcome.applied == {"day/0": [1], "enterprise/a": [2, 3]}
    assert not outcome.held


def test_a_withdrawal_takes_back_on_its_own_day_what_counted_on_a_closed_one() -> None:
    outcome = sorted_out([on(0, "enterprise/a", 1), closed(0, 1), withdrawn(1, "enterprise/a", 2, 1, 1), closed(1, 2)])
    assert outcome.applied == {"enterprise/a": [1, 2], "day/0": [1, 2]}
    assert not outcome.held


def test_a_withdrawal_of_what_counted_keeps_its_day_open_while_it_waits_for_a_gap() -> None:
    log = [on(0, "enterprise/a", 1), withdrawn(1, "enterprise/a", 3, 1, 1), closed(1, 1), on(1, "enterprise/a", 2)]
    outcome = sorted_out(log)
    assert outcome.applied == {"enterprise/a": [1, 2, 3], "day/0": [1]}
    assert not outcome.held


@pytest.mark.parametrize("cuts", [[1], [2, 3], [3, 4, 2], [9]])
def test_what_waits_behind_a_filled_gap_no_longer_keeps_its_day_open_wherever_a_batch_ends(cuts: list[int]) -> None:
    """The event that fills the gap, those that it sets free, and one that is late may come in one batch or in three."""
    early = [on(0, "enterprise/a", 2), closed(0, 1), closed(1, 2), on(2, "enterprise/a", 3), closed(2, 3), on(3, "enterprise/a", 5)]
    outcome = sorted_out([*early, on(0, "enterprise/a", 1), on(2, "enterprise/a", 4), on(4, "enterprise/a", 6)], cuts)
    assert outcome.applied == {"day/0": [1, 2, 3], "enterprise/a": [1, 2, 3]}
    assert kinds(outcome) == {("enterprise/a", 4): "late", ("enterprise/a", 5): "early", ("enterprise/a", 6): "early"}


@st.composite
def logs(draw: st.DrawFn) -> list[contracts.Envelope]:
    """Streams whose days never go back, closed days in order, and everything displaced and repeated."""
    events: list[contracts.Envelope] = []
    for stream in range(draw(st.integers(1, 3))):
        days = sorted(draw(st.lists(st.integers(0, 4), min_size=1, max_size=6)))
        for n, day in enumerate(days, 1):
            if n > 1 and draw(st.integers(0, 3)) == 0:
                first = draw(st.integers(1, n - 1))
                events.append(withdrawn(day, f"enterprise/{stream}", n, first, draw(st.integers(first, n - 1))))
            else:
                events.append(on(day, f"enterprise/{stream}", n))
    events.sort(key=lambda event: event.time)
    moved = [draw(st.sampled_from((0, 0, 0, 0, 1, 2, 4))) for _ in events]
    order = sorted(range(len(events)), key=lambda n: (day_of(events[n].time) + timedelta(days=moved[n]), n))
    log = [events[n] for n in order]
    for sequence, day in enumerate(sorted(draw(st.sets(st.integers(0, 4)))), 1):
        at = next((n for n, one in enumerate(log) if day_of(one.time) > FIRST + timedelta(days=day)), len(log))
        log.insert(max(at, max((n + 1 for n, one in enumerate(log) if one.subject == "day/0"), default=0)), closed(day, sequence))
    return log + draw(st.lists(st.sampled_from(log), max_size=4))


@pytest.mark.invariant("I3")
@pytest.mark.invariant("I4")
@settings(max_examples=400, deadline=None)
@given(logs(), st.lists(st.integers(1, 9), max_size=30), st.lists(st.booleans(), max_size=40))
def test_what_is_late_depends_on_the_topic_alone(log: list[contracts.Envelope], cuts: list[int], restarts: list[bool]) -> None:
    found, whole = sorted_out(log, cuts, restarts), sorted_out(log, [len(log) + 1])
    assert (found.applied, kinds(found)) == (whole.applied, kinds(whole))
    assert all(sequences == sorted(set(sequences)) for sequences in found.applied.values())
