"""Business dates: from 1900-01-01 until today, in the deployment's zone."""

from __future__ import annotations

from datetime import date

from shared.problems.errors import Unprocessable

EARLIEST = date(1900, 1, 1)


def require_day(day: date, today: date, field: str) -> None:
    """Raises DATE_OUT_OF_RANGE (422) before 1900-01-01 and after today."""
    if not EARLIEST <= day <= today:
        raise Unprocessable("DATE_OUT_OF_RANGE", field=field, params={"earliest": EARLIEST.isoformat(), "latest": today.isoformat()})


def require_on_or_after(day: date | None, earliest: date, field: str) -> None:
    """Raises DATE_OUT_OF_RANGE (422) for a day before `earliest`, such as an end before its beginning; None is no day."""
    if day is not None and day < earliest:
        params = {"earliest": earliest.isoformat(), "latest": date.max.isoformat()}
        raise Unprocessable("DATE_OUT_OF_RANGE", field=field, params=params)
