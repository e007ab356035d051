"""When a delivery is tried again: the whole schedule with its jitter, and what an endpoint may ask for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from services.subscriptions.delivering.schedule import INTERVALS, LONGEST_RETRY_AFTER, next_attempt, retry_after_of

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
SECONDS = [5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 12 * 3600, 24 * 3600, 24 * 3600]


def test_the_schedule_is_the_promised_one_and_then_the_delivery_is_parked() -> None:
    found = [next_attempt(failed, NOW, lambda: 0.5) for failed in range(1, len(SECONDS) + 2)]
    assert [one and (one - NOW).total_seconds() for one in found] == [*SECONDS, None]


@pytest.mark.parametrize(("chance", "factor"), [(0.0, 0.8), (0.25, 0.9), (0.75, 1.1), (1.0, 1.2)])
def test_each_interval_varies_by_a_fifth_at_most(chance: float, factor: float) -> None:
    for failed, interval in enumerate(INTERVALS, 1):
        at = next_attempt(failed, NOW, lambda: chance)
        assert at is not None
        assert abs((at - NOW) - interval * factor) < timedelta(milliseconds=1)


def test_retry_after_delays_and_never_brings_forward() -> None:
    assert next_attempt(1, NOW, lambda: 0.5, timedelta(hours=1)) == NOW + timedelta(hours=1)
    assert next_attempt(6, NOW, lambda: 0.5, timedelta(seconds=1)) == NOW + timedelta(hours=1)
    assert next_attempt(1, NOW, lambda: 0.5, timedelta(days=400)) == NOW + LONGEST_RETRY_AFTER
    assert next_attempt(13, NOW, lambda: 0.5, timedelta(hours=1)) is None


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120), (" 7 ", 7), ("Wed, 01 Jul 2026 12:02:00 GMT", 120), ("Wed, 01 Jul 2026 11:00:00 GMT", None), (None, None), ("soon", None),
        ("-1", None), ("1.5", None), ("٣", None), ("", None), ("0", 0), ("0" * 20 + "7", 7), ("9" * 12, 86_400), ("9" * 4096, 86_400),
        ("Wed, 01 Jul 2026 12:02:00 +99999999999999", None), ("Wed, 01 Jul 99999 12:02:00 GMT", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value: str | None, seconds: int | None) -> None:
    assert retry_after_of(value, NOW) == (None if seconds is None else timedelta(seconds=seconds))
