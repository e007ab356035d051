"""Fields as agencies of the United States write them: days, numbers of persons, names, and places, which are parks."""

from __future__ import annotations

import re
from datetime import date
from functools import lru_cache

from shared.problems.errors import FieldError

ROOT = "US"
"""The division above all states."""
UNKNOWN = "UNKNOWN"
EARLIEST = date(1900, 1, 1)
CASE_FORM = re.compile(r"[!#-.0-\[\]-~]{1,40}", re.ASCII)
"""The number of a case is part of keys and document numbers, so without blank, quote, slash and backslash."""
NUMBER = re.compile(r"(-?(?:\d{1,9}|\d{1,3}(?:,\d{3}){1,2}))(?:\.0+)?", re.ASCII)
AMERICAN_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
MIDNIGHT = re.compile(r"[ T]+(?:00?:00(?::00(?:\.0+)?)?|12:00(?::00)? AM)", re.ASCII)
LONGEST_CODE, LONGEST_NAME = 64, 200
MOST_PERSONS = 10_000_000


class InvalidRowError(Exception):
    """A row that cannot be used, with all its errors."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors


@lru_cache(65536)
def park_code(state: str, city: str) -> str:
    """`<STATE>-<CITY in upper case, runs of other characters as one hyphen>`, cut at the longest code."""
    return f"{state}-{re.sub('[^A-Z0-9]+', '-', city.upper())}"[:LONGEST_CODE]


@lru_cache(65536)
def day_of(text: str) -> tuple[str, str | None]:
    """(the ISO date of `YYYY-MM-DD` or `MM/DD/YYYY`, both perhaps at midnight; the problem code of what is none)"""
    written = MIDNIGHT.sub("", text)
    if found := AMERICAN_DAY.fullmatch(written):
        written = f"{found[3]}-{found[1]:0>2}-{found[2]:0>2}"
    try:
        if len(written) != 10:
            return text, "INVALID_DATE"
        return written, None if date.fromisoformat(written) >= EARLIEST else "DATE_OUT_OF_RANGE"
    except ValueError:
        return text, "INVALID_DATE"


def count_of(text: str) -> tuple[int | None, str | None]:
    """(a number of persons, None if the text is empty; the problem code of what is none): `27`, `27.0`, `1,234`."""
    found = NUMBER.fullmatch(text)
    if text and (found is None or found[1].startswith("-")):
        return None, "BELOW_ZERO" if found else "NOT_A_WHOLE_NUMBER"
    number = int(found[1].replace(",", "")) if found else None
    return number, "OUT_OF_RANGE" if number is not None and number > MOST_PERSONS else None


def wrong_name(name: str) -> str | None:
    """The problem code of a name; None: it is one."""
    if not name:
        return "FIELD_REQUIRED"
    if len(name) > LONGEST_NAME:
        return "TOO_LONG"
    return None if name.isprintable() else "CONTROL_CHARACTERS"
