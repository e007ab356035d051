"""One row of a file of work stoppages: its fields, their validation and errors."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

from samples.american import (
    CASE_FORM,
    EARLIEST,
    LONGEST_NAME,
    MOST_PERSONS,
    ROOT,
    UNKNOWN,
    InvalidRowError,
    count_of,
    day_of,
    park_code,
    wrong_name,
)
from samples.files import Table
from shared.problems.errors import FieldError
from shared.problems.texts import code_form

EMPLOYER, CASE, PLACE, IDLED, START, END = "Employer", "Case Number", "City, State", "# Idled", "Start Date", "End Date"
COLUMNS = (EMPLOYER, CASE, PLACE, IDLED, START, END)
"""The required columns; the others of the file (`Union`, `Industry`, …) are not read."""
ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("employername", "company"), EMPLOYER),
    **dict.fromkeys(("caseno", "fmcscasenumber"), CASE),
    **dict.fromkeys(("numberidled", "noidled", "workersidled"), IDLED),
    **dict.fromkeys(("startdate", "begindate"), START),
}
"""{key of another heading: the column}"""
NOWHERE = park_code(ROOT, UNKNOWN)
"""The park of rows without a place: `US-UNKNOWN`, right below the root."""
STATE_FORM = re.compile(r"[A-Z]{2}", re.ASCII)
KEY_LENGTH = 24


class Place(NamedTuple):
    """The place of a row, with single blanks: `Secaucus, NJ` is the city Secaucus in the state NJ; empty what is not given."""

    city: str
    state: str
    park: str


class Row(NamedTuple):
    """One line of the file. `employer`: a hash of name and park that tells employers apart. `end` is empty if there is none, or none that can be
    (`odd_end`). Dates are ISO."""

    case: str
    line: int
    name: str
    city: str
    state: str
    park: str
    employer: str
    workers: int | None
    start: str
    end: str
    odd_end: str


class RowReader:
    """Reads the fields of one line of `table` into a Row. Raises InvalidRowError."""

    def __init__(self, table: Table) -> None:
        self._at = table.at

    def __call__(self, line: int, fields: Sequence[str]) -> Row:
        errors: list[FieldError] = []

        def refuse(code: str, field: str, **params: object) -> None:
            errors.append(FieldError(code, field, line, params))

        def day(name: str, needed: bool = False) -> str:
            text = code_form(fields[self._at[name]])
            found, code = day_of(text) if text else ("", "FIELD_REQUIRED" if needed else None)
            if code:
                refuse(code, name, earliest=EARLIEST, latest="9999-12-31")
            return found

        case = code_form(fields[self._at[CASE]])
        if not CASE_FORM.fullmatch(case):
            refuse("BAD_FORM" if case else "FIELD_REQUIRED", CASE)
        name = " ".join(fields[self._at[EMPLOYER]].split())
        if code := wrong_name(name):
            refuse(code, EMPLOYER, limit=LONGEST_NAME)
        place = place_of(fields[self._at[PLACE]])
        if place.city and (code := wrong_name(place.city)):
            refuse(code, PLACE, limit=LONGEST_NAME)
        workers, code = count_of(code_form(fields[self._at[IDLED]]))
        if code:
            refuse(code, IDLED, limit=f"0–{MOST_PERSONS}")
        start, end = day(START, needed=True), day(END)
        if errors:
            raise InvalidRowError(errors)
        odd = end if end and end < start else ""
        return Row(case, line, name, *place, employer_key(name, place.park), workers, start, "" if odd else end, odd)


@lru_cache(65536)
def place_of(text: str) -> Place:
    """The place that a cell names: the state is what stands behind the last comma, if it is two letters."""
    whole = " ".join(text.split())
    city, _, state = whole.rpartition(",")
    city, state = city.strip(), state.strip().upper()
    if not STATE_FORM.fullmatch(state):
        city, state = whole, ""
    if not city and not state:
        return Place("", "", NOWHERE)
    return Place(city, state, park_code(state or UNKNOWN, city or UNKNOWN))


def employer_key(name: str, park: str) -> str:
    """What tells employers apart: the name, compared without case, and the park."""
    return hashlib.sha256(f"{name.casefold()}\n{park}".encode()).hexdigest()[:KEY_LENGTH]
