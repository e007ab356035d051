"""Readers of fields that corrections of this service's facts change, besides those of `shared/writing/fields.py`."""

from __future__ import annotations

from datetime import date
from typing import Any

from shared.writing.fields import Reader, Wrong, day, whole_number


def yes_or_no(value: Any) -> bool:
    """true or false. Raises NOT_YES_OR_NO."""
    if not isinstance(value, bool):
        raise Wrong("NOT_YES_OR_NO")
    return value


def day_or_none(value: Any) -> date | None:
    """null, or a date. Raises INVALID_DATE."""
    return None if value is None else day(value)


def bounded(least: int, most: int) -> Reader:
    """A whole number in a range. Raises NOT_A_WHOLE_NUMBER, BELOW_ZERO, OUT_OF_RANGE."""

    def read(value: Any) -> int:
        number = whole_number(value)
        if not least <= number <= most:
            raise Wrong("OUT_OF_RANGE", limit=f"{least}-{most}")
        return number

    return read
