"""One row of a file of union elections: its fields, their validation and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import lru_cache
from typing import NamedTuple

from samples.files import Table, heading_key
from shared.problems.errors import FieldError
from shared.problems.texts import code_form

CASE, NAME, CITY, STATE = "Case Number", "Case Name", "Unit City", "Unit State"
FILED, CLOSED, REASON, TALLIED, UNIT = "Case Filed Date", "Case Closed Date", "Closed Reason", "Tally Date", "Unit ID"
VOTERS, AGAINST, FOR = "Num Eligible Voters", "Votes Cast Against Labor Org", "Votes For Labor Org"
COLUMNS = (CASE, NAME, CITY, STATE, FILED, CLOSED, REASON, TALLIED, UNIT, VOTERS, f"{FOR}1", AGAINST)
"""The required columns; `Votes For Labor Org2` and further ones are optional."""
ALIASES: Mapping[str, str] = {
    **dict.fromkeys(("case", "caseno"), CASE),
    **dict.fromkeys(("name", "employer"), NAME),
    **dict.fromkeys(("city", "unitcity"), CITY),
    **dict.fromkeys(("state", "statesterritories", "unitstate"), STATE),
    **dict.fromkeys(("datefiled", "casefileddate"), FILED),
    **dict.fromkeys(("dateclosed", "caseclosed", "casecloseddate"), CLOSED),
    **dict.fromkeys(("reasonclosed", "closedreason"), REASON),
    **dict.fromkeys(("tallydate", "tallyissueddate"), TALLIED),
    **dict.fromkeys(("unit", "unitid"), UNIT),
    **dict.fromkeys(("noofeligiblevoters", "numberofeligiblevoters", "eligiblevoters"), VOTERS),
    **dict.fromkeys(("votesagainst", "votescastagainst"), AGAINST),
    **{f"votesforlabor{word}{n}": f"{FOR}{n}" for word in ("union", "organization") for n in range(1, 5)},
}
"""{key of a heading of the agency's own exports: the column}: `Date Filed`, `Labor Union1`, `No of Eligible Voters`, …"""
CERTIFIED = frozenset({"certificofrepresentative", "certificationofrepresentative"})
UNKNOWN = "UNKNOWN"
EARLIEST = date(1900, 1, 1)
CASE_FORM = re.compile(r"[!#-.0-\[\]-~]{1,40}", re.ASCII)
"""Part of keys and document numbers, so without blank, quote, slash and backslash."""
NUMBER = re.compile(r"(-?(?:\d{1,9}|\d{1,3}(?:,\d{3}){1,2}))(?:\.0+)?", re.ASCII)
AMERICAN_DAY = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4})", re.ASCII)
MIDNIGHT = re.compile(r"[ T]+(?:00?:00(?::00(?:\.0+)?)?|12:00(?::00)? AM)", re.ASCII)
LONGEST_CODE, LONGEST_NAME = 64, 200
MOST_PERSONS = 10_000_000


class Row(NamedTuple):
    """One line of the file; dates are ISO or empty, texts have single blanks. `votes`: the most for one organisation, `cast`: all for and against."""

    case: str
    line: int
    name: str
    state: str
    city: str
    park: str
    filed: str
    closed: str
    certified: bool
    unit: str
    tallied: str
    voters: int | None
    votes: int
    cast: int

    def of_the_case(self) -> tuple[object, ...]:
        """The fields that should be equal in all rows of a case."""
        return self.name, self.park, self.filed, self.closed, self.certified


class InvalidRowError(Exception):
    """A row that cannot be used, with all its errors."""

    def __init__(self, errors: list[FieldError]) -> None:
        self.errors = errors


class RowReader:
    """Reads the fields of one line of `table` into a Row. Raises InvalidRowError."""

    def __init__(self, table: Table) -> None:
        self._at = table.at
        self._votes = [name for name in table.columns if name.startswith(FOR)]

    def __call__(self, line: int, fields: Sequence[str]) -> Row:
        errors: list[FieldError] = []

        def refuse(code: str, field: str, **params: object) -> None:
            errors.append(FieldError(code, field, line, params))

        def value(name: str) -> str:
            return code_form(fields[self._at[name]])

        def day(name: str, needed: bool = False) -> str:
            text = value(name)
            found, code = _day(text) if text else ("", "FIELD_REQUIRED" if needed else None)
            if code:
                refuse(code, name, earliest=EARLIEST, latest="9999-12-31")
            return found

        def count(name: str) -> int | None:
            text = value(name)
            found = NUMBER.fullmatch(text)
            if text and (found is None or found[1].startswith("-")):
                refuse("BELOW_ZERO" if found else "NOT_A_WHOLE_NUMBER", name)
            number = int(found[1].replace(",", "")) if found else None
            if number is not None and number > MOST_PERSONS:
                refuse("OUT_OF_RANGE", name, limit=f"0–{MOST_PERSONS}")
            return number

        name, city = (" ".join(fields[self._at[column]].split()) for column in (NAME, CITY))
        case, state = value(CASE), value(STATE).upper()
        if not CASE_FORM.fullmatch(case):
            refuse("BAD_FORM" if case else "FIELD_REQUIRED", CASE)
        if code := _wrong_name(name):
            refuse(code, NAME, limit=LONGEST_NAME)
        if state and not re.fullmatch(r"[A-Z]{2}", state):
            refuse("BAD_FORM", STATE)
        filed, closed, tallied = day(FILED, needed=True), day(CLOSED), day(TALLIED)
        voters, votes, against = count(VOTERS), [count(column) or 0 for column in self._votes], count(AGAINST) or 0
        if errors:
            raise InvalidRowError(errors)
        park = park_code(state or UNKNOWN, city or UNKNOWN)
        certified, cast = heading_key(value(REASON)) in CERTIFIED, sum(votes) + against
        return Row(case, line, name, state, city, park, filed, closed, certified, value(UNIT), tallied, voters, max(votes), cast)


@lru_cache(65536)
def park_code(state: str, city: str) -> str:
    """`<STATE>-<CITY in upper case, runs of other characters as one hyphen>`, cut at the longest code."""
    return f"{state}-{re.sub('[^A-Z0-9]+', '-', city.upper())}"[:LONGEST_CODE]


@lru_cache(65536)
def _day(text: str) -> tuple[str, str | None]:
    """(the ISO date of `YYYY-MM-DD` or of the agency's `MM/DD/YYYY`, both perhaps at midnight; the problem code of what is none)"""
    written = MIDNIGHT.sub("", text)
    if found := AMERICAN_DAY.fullmatch(written):
        written = f"{found[3]}-{found[1]:0>2}-{found[2]:0>2}"
    try:
        if len(written) != 10:
            return text, "INVALID_DATE"
        return written, None if date.fromisoformat(written) >= EARLIEST else "DATE_OUT_OF_RANGE"
    except ValueError:
        return text, "INVALID_DATE"


def _wrong_name(name: str) -> str | None:
    if not name:
        return "FIELD_REQUIRED"
    if len(name) > LONGEST_NAME:
        return "TOO_LONG"
    return None if name.isprintable() else "CONTROL_CHARACTERS"
