"""When a delivery is tried again, and when no more. Pure.

Source: docs/adr on deliveries; the intervals follow Standard Webhooks' recommendation, stretched to three days.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime

INTERVALS = (
    *(timedelta(seconds=5), timedelta(seconds=30), timedelta(minutes=2), timedelta(minutes=10), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (1, 3, 6, 12, 12, 24, 24)),
)
"""The times between two attempts; behind the last one a delivery is parked."""
JITTER = 0.2
"""Each interval is lengthened or shortened by at most this part of it, so that endpoints are not tried by all at once."""
LONGEST_RETRY_AFTER = timedelta(hours=24)
LONG_DIGITS = 10
"""A number of seconds with so many digits is longer than any time that is kept."""


def next_attempt(attempts: int, now: datetime, random: Callable[[], float], retry_after: timedelta | None = None) -> datetime | None:
    """When to try again after `attempts` failed attempts (at least one); None: the delivery is parked.

    `random` returns a number from 0 to below 1. `retry_after`: what the endpoint asked for; it delays an attempt, and never brings it forward.
    """
    if attempts > len(INTERVALS):
        return None
    interval = INTERVALS[attempts - 1] * (1 + JITTER * (2 * random() - 1))
    if retry_after is not None:
        interval = max(interval, min(retry_after, LONGEST_RETRY_AFTER))
    return now + interval


def retry_after_of(value: str | None, now: datetime) -> timedelta | None:
    """The header Retry-After (RFC 9110, 10.2.3): seconds, LONGEST_RETRY_AFTER at most, or a date. None if it is absent, in the past, or neither."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        digits = text.lstrip("0")
        return timedelta(seconds=int(digits or "0")) if len(digits) < LONG_DIGITS else LONGEST_RETRY_AFTER
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):  # the last one: a zone of too many digits
        return None
    if until.tzinfo is None or until <= now:
        return None
    return until - now
