"""One row of a file of union elections: its fields, their validation and errors."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from samples.american import (
    CASE_FORM,
    EARLIEST,
    LONGEST_NAME,
    MOST_PERSONS,
    UNKNOWN,
    InvalidRowError,
    count_of,
    day_of,
    park_code,
    wrong_name,
)
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
            found, code = day_of(text) if text else ("", "FIELD_REQUIRED" if needed else None)
            if code:
                refuse(code, name, earliest=EARLIEST, latest="9999-12-31")
            return found

        def count(name: str) -> int | None:
            number, code = count_of(value(name))
            if code:
                refuse(code, name, limit=f"0–{MOST_PERSONS}")
            return number

        name, city = (" ".join(fields[self._at[column]].split()) for column in (NAME, CITY))
        case, state = value(CASE), value(STATE).upper()
        if not CASE_FORM.fullmatch(case):
            refuse("BAD_FORM" if case else "FIELD_REQUIRED", CASE)
        if code := wrong_name(name):
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
