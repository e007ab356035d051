"""D(F, t), rule by rule (docs/design/DOMAIN.md, time_to_found; docs/adr/0010-time-to-found.md)."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings

from services.metrics.figures.scope import time_to_found_on
from services.metrics.folding.changes import change_of
from services.metrics.folding.coverage import FOREVER, RULES, Rules, segments
from services.metrics.folding.durations import EPOCH, spans
from services.metrics.folding.facts import FactSet
from tests import oracle
from tests.histories import history, seeds
from tests.unit.metrics.folding.test_coverage import SETTLED, Told, attribute, covered, workers


def wait(t: str, *told: Told, rules: Rules = RULES[2]) -> tuple[str, Any] | None:
    """What facts (said in this order) come to on a day: ("founded", days) or ("waiting", the day on which it began)."""
    facts = [attribute(kind, date.fromisoformat(on).toordinal(), rank, 1, FOREVER, says) for rank, (kind, on, says) in enumerate(told, 1)]
    past = [span for span in spans(segments(facts, rules)) if span.start <= date.fromisoformat(t).toordinal()]
    if not past or past[-1].duration is None:
        return None
    _, kind, value = past[-1].duration
    return (kind, value) if kind == "founded" else (kind, date.fromordinal(value + EPOCH).isoformat())


EMPLOYS = workers("2020-01-01", 3)
CLOSED: Told = ("enterprise-closed", "2021-01-01", {})


def test_a_unit_waits_from_settling_and_is_founded_on_the_day_of_approval() -> None:
    told = (SETTLED, EMPLOYS, covered("2020-01-31"))
    assert wait("2019-12-31", *told) is None
    assert wait("2020-01-01", *told) == wait("2020-01-30", *told) == ("waiting", "2020-01-01")
    assert wait("2020-01-31", *told) == wait("2023-01-01", *told) == ("founded", 30)


def test_a_unit_without_known_workers_begins_on_the_day_on_which_it_should_organise() -> None:
    told = (SETTLED, workers("2020-02-01", 0), workers("2020-03-01", 1))
    assert wait("2020-02-29", *told) is None
    assert wait("2020-03-01", *told) == ("waiting", "2020-03-01")
    assert wait("2020-04-01", SETTLED) is None


def test_a_unit_that_has_no_workers_any_more_goes_on_waiting() -> None:
    assert wait("2020-06-01", SETTLED, EMPLOYS, workers("2020-05-01", 0)) == ("waiting", "2020-01-01")


def test_in_grace_nothing_begins() -> None:
    assert wait("2020-01-30", SETTLED, EMPLOYS, rules=Rules(grace_days=30)) is None
    assert wait("2020-01-31", SETTLED, EMPLOYS, rules=Rules(grace_days=30)) == ("waiting", "2020-01-31")


@pytest.mark.parametrize("on", ["2019-06-01", "2020-01-01", "2020-02-01"])
def test_an_approval_before_the_start_counts_0_days(on: str) -> None:
    told = (SETTLED, covered(on), workers("2020-03-01", 5))
    assert wait("2020-02-29", *told) is None
    assert wait("2020-03-01", *told) == ("founded", 0)


def test_a_coverage_that_ended_before_settling_counts_nothing() -> None:
    told = (SETTLED, EMPLOYS, covered("2019-06-01"), covered("2019-07-01", started=False))
    assert wait("2020-03-01", *told) == ("waiting", "2020-01-01")
    assert wait("2020-03-01", *told, covered("2020-02-01")) == ("founded", 31)


def test_a_coverage_that_ended_before_the_start_was_a_founding() -> None:
    told = (SETTLED, covered("2020-01-10"), covered("2020-02-10", started=False), workers("2020-03-01", 5))
    assert wait("2020-03-01", *told) == ("founded", 0)


def test_losing_the_union_later_does_not_undo_the_first_founding() -> None:
    told = (SETTLED, EMPLOYS, covered("2020-01-11"), covered("2020-02-01", started=False))
    assert wait("2020-03-01", *told) == ("founded", 10)
    assert wait("2020-06-01", *told, covered("2020-05-01", "U2", "park_union")) == ("founded", 10)


def test_a_closed_unit_is_none_of_the_units_of_the_day() -> None:
    for told in ((SETTLED, EMPLOYS, CLOSED), (SETTLED, EMPLOYS, covered("2020-02-01"), CLOSED)):
        assert wait("2020-12-31", *told) is not None
        assert wait("2021-01-01", *told) is None
    assert wait("2021-03-01", SETTLED, EMPLOYS, CLOSED, covered("2021-02-01")) is None


def test_a_move_carries_the_wait_to_the_new_cell() -> None:
    told: tuple[Told, ...] = (SETTLED, EMPLOYS, ("enterprise-moved", "2020-06-01", {"park": "P2"}))
    facts = [attribute(kind, date.fromisoformat(on).toordinal(), rank, 1, FOREVER, says) for rank, (kind, on, says) in enumerate(told, 1)]
    found = [span.duration for span in spans(segments(facts)) if span.duration is not None]
    assert [(duration.cell[0], duration.kind) for duration in found] == [("P1", "waiting"), ("P2", "waiting")]
    assert found[0].value == found[1].value


def test_a_union_has_no_wait() -> None:
    assert wait("2020-06-01", ("union-founded", "2020-01-01", {"seat_area": "P1"})) is None


@settings(max_examples=60, deadline=None)
@given(seed=seeds)
def test_the_wait_of_any_day_as_known_at_any_day_is_the_oracles(seed: int) -> None:
    streams = history(seed, enterprises=1)
    events = [event for own in streams.values() for events in own for event in events if event.subject.startswith("enterprise/")]
    facts = FactSet()
    for event in events:
        facts.add([change_of(event, oracle.known_day(event).toordinal())])
    for known in sorted({oracle.known_day(event) for event in events}):
        for t in sorted({event.occurredon for event in events}):
            found = time_to_found_on(facts, t, known)
            days = None if found is None else found.value if found.kind == "founded" else t.toordinal() - EPOCH - found.value
            assert ([] if found is None else [(found.cell, found.kind, days)]) == oracle.waits(events, t, known)
