"""The days over which a demo's sample becomes known."""

from __future__ import annotations

from datetime import date

import pytest

from deploy.local.demo.days import KNOWN_OVER, days_before


@pytest.mark.parametrize(
    ("last_day", "days"), [(None, KNOWN_OVER), (date(2026, 10, 31), KNOWN_OVER), (date(2026, 11, 27), 1), (date(2026, 11, 28), 0)]
)
def test_the_clock_never_starts_before_the_last_fact(last_day: date | None, days: int) -> None:
    assert days_before(date(2026, 11, 28), last_day) == days
