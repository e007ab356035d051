"""Whether a figure may still change, and why."""

from __future__ import annotations

from datetime import date

from services.metrics.finality import Finality
from services.metrics.freshness import Reason

DAY, NEXT = date(2026, 3, 1), date(2026, 3, 2)


def test_what_is_known_at_a_closed_day_is_final_however_old_the_data_is() -> None:
    assert Finality(DAY, DAY, Reason.KAFKA_UNREACHABLE).provisional(DAY) == []
    assert Finality(DAY).provisional(date(2020, 1, 1)) == []


def test_any_other_figure_says_why_it_may_change() -> None:
    assert Finality().provisional(DAY) == ["NO_CLOSED_DAYS"]
    assert Finality(DAY).provisional(NEXT) == ["DAY_NOT_CLOSED"]
    assert Finality(DAY, date(2026, 3, 5)).provisional(NEXT) == ["DAY_NOT_CLOSED"]
    assert Finality(DAY, NEXT, Reason.CATCHING_UP).provisional(NEXT) == ["DAY_NOT_CLOSED", "HELD_EVENTS", "CATCHING_UP"]
    assert Finality(None, date.min).provisional(DAY) == ["NO_CLOSED_DAYS", "HELD_EVENTS"]
