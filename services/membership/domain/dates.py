"""Business dates as a correction's `data` gives them."""

from __future__ import annotations

from datetime import date
from typing import Any

from shared.problems.days import require_day
from shared.problems.errors import Unprocessable


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
