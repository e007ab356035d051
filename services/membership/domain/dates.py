"""Business dates: days of the deployment's zone, from 1900-01-01 until today."""

from __future__ import annotations

from datetime import date
from typing import Any

from shared.problems import Unprocessable

EARLIEST = date(1900, 1, 1)


def require_day(day: date, today: date, field: str) -> None:
    """Raises DATE_OUT_OF_RANGE (422) before 1900-01-01 and after today."""
    if not EARLIEST <= day <= today:
        raise Unprocessable("DATE_OUT_OF_RANGE", field=field, params={"earliest": EARLIEST.isoformat(), "latest": today.isoformat()})


def read_day(value: Any, today: date, field: str) -> date:
    """A business date from its text `YYYY-MM-DD`. Raises INVALID_DATE, DATE_OUT_OF_RANGE (422)."""
    try:
        if not isinstance(value, str) or len(value) != len("YYYY-MM-DD"):
            raise ValueError(value)
        day = date.fromisoformat(value)
    except ValueError:
        raise Unprocessable("INVALID_DATE", field=field) from None
    require_day(day, today, field)
    return day
