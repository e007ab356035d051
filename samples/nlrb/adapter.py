"""Reads a file of union elections of the National Labor Relations Board (United States) into neutral records, by the rules of README.md.

The rows are kept in a temporary table on disk and read back case by case, so memory does not grow with their number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from samples.american import LONGEST_NAME, ROOT, UNKNOWN, InvalidRowError
from samples.files import Table, UnusableFileError
from samples.nlrb.rows import ALIASES, CASE, COLUMNS, Row, RowReader
from samples.notices import Notice, Notices
from samples.records import Area, Enterprise, Finding, Founding, Headcount
from shared.problems.errors import FieldError

BATCH = 5000
SCHEMA = ", ".join(f'"{name}"' for name in Row._fields)


class Elections:
    """One file, every row checked. Raises UnusableFileError if the file as a whole cannot be used.

    The form is that of the sample or of the agency's own exports (`rows.ALIASES`). `areas`: the root, the states, the parks. `rows` were read
    and `refused` rejected for what `notices` says; the others give `units` enterprises with `headcounts`, `unions` and `members` (all counts).
    """

    def __init__(self, path: Path) -> None:
        self._table = Table(path, COLUMNS, ALIASES)
        self._row = RowReader(self._table)
        self._parks: dict[str, Area] = {}
        self.rows = self.refused = 0
        self.notices = Notices()
        # An empty name is a temporary file that SQLite deletes with the connection.
        self._spool = sqlite3.connect("", isolation_level=None)
        self._spool.execute("BEGIN")
        self._spool.execute(f"CREATE TABLE rows ({SCHEMA})")
        self._spool.execute("CREATE TABLE findings (case_number, code, line, detail)")
        self._read()
        if not self.rows:
            raise UnusableFileError(FieldError("FILE_EMPTY"))
        self._spool.execute('CREATE INDEX by_case ON rows ("case", line)')
        self.units = self.headcounts = self.unions = self.members = 0
        for rows in self._cases():
            unit = _enterprise(rows)
            self.units += 1
            self.headcounts += unit.headcount is not None
            self.unions += unit.union is not None
            self.members += unit.union.members if unit.union else 0
            self._note_case(unit, rows)

    def close(self) -> None:
        """Delete the temporary table."""
        self._spool.close()

    @property
    def areas(self) -> list[Area]:
        """Parents before children, each by its first line."""
        states: dict[str, Area] = {}
        for park in self._parks.values():
            assert park.parent is not None
            states.setdefault(park.parent, Area(park.parent, park.parent, "division", ROOT, park.row))
        return [Area(ROOT, ROOT, "division", None), *states.values(), *self._parks.values()]

    def enterprises(self) -> Iterator[Enterprise]:
        """One enterprise per case, in the order of the case numbers."""
        for rows in self._cases():
            yield _enterprise(rows)

    def findings(self) -> Iterator[Finding]:
        """All findings, by code and case number."""
        for found in self._spool.execute("SELECT * FROM findings ORDER BY code, case_number, line"):
            yield Finding(*found)

    def finding_counts(self) -> dict[str, int]:
        """{code: how often}"""
        return dict(self._spool.execute("SELECT code, count(*) FROM findings GROUP BY 1 ORDER BY 1"))

    def _read(self) -> None:
        batch: list[Row] = []
        for number, fields in self._table:
            self.rows += 1
            try:
                if isinstance(fields, FieldError):
                    raise InvalidRowError([fields])
                row = self._row(number, fields)
                self._add_park(row)
                batch.append(row)
            except InvalidRowError as bad:
                self._refuse(number, fields, bad.errors)
            if len(batch) == BATCH:
                self._keep(batch)
        self._keep(batch)

    def _keep(self, batch: list[Row]) -> None:
        self._spool.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(Row._fields))})", batch)
        batch.clear()

    def _refuse(self, number: int, fields: list[str] | FieldError, errors: list[FieldError]) -> None:
        self.refused += 1
        self.notices.add(map(Notice.of, errors))
        if not isinstance(fields, FieldError) and (case := fields[self._table.at[CASE]].strip()):
            self._note(case, "ROW_LEFT_OUT", number, ", ".join(sorted({error.field or "" for error in errors})))

    def _add_park(self, row: Row) -> None:
        """Register the row's park under its first spelling, and note the findings of this row alone."""
        for missing, code in ((not row.state, "NO_STATE"), (not row.city, "NO_CITY")):
            if missing:
                self._note(row.case, code, row.line, "")
        city = (row.city or UNKNOWN)[:LONGEST_NAME]
        known = self._parks.setdefault(row.park, Area(row.park, city, "park", row.state or UNKNOWN, row.line))
        if known.name != city:
            self._note(row.case, "OTHER_SPELLING", row.line, f"{city} ({known.name})")
        if row.voters is not None and row.cast > row.voters:
            self._note(row.case, "VOTES_OVER_VOTERS", row.line, f"{row.cast} > {row.voters}")

    def _note(self, case: str, code: str, row: int, detail: str) -> None:
        self._spool.execute("INSERT INTO findings VALUES (?, ?, ?, ?)", (case, code, row, detail))

    def _cases(self) -> Iterator[list[Row]]:
        """The rows of each case, in the order of the file."""
        rows: list[Row] = []
        for row in map(Row._make, self._spool.execute('SELECT * FROM rows ORDER BY "case", line')):
            if rows and rows[0].case != row.case:
                yield rows
                rows = []
            rows.append(row)
        if rows:
            yield rows

    def _note_case(self, unit: Enterprise, rows: list[Row]) -> None:
        first, tally = rows[0], max(row.tallied for row in rows)
        found: list[tuple[str, str]] = []
        if any(row.of_the_case() != first.of_the_case() for row in rows):
            found.append(("ROWS_DIFFER", ""))
        if unit.headcount is None:
            found.append(("NO_HEADCOUNT", ""))
        elif unit.headcount.workers == 0:
            found.append(("ZERO_WORKERS", ""))
        if not tally:
            found.append(("NO_TALLY_DATE", ""))
        elif tally < unit.settled_on:
            found.append(("HEADCOUNT_BEFORE_SETTLED", f"{tally} < {unit.settled_on}"))
        if first.certified and not first.closed:
            found.append(("CERTIFIED_WITHOUT_DATE", ""))
        if unit.union and unit.union.approved_on < tally:
            found.append(("FOUNDED_BEFORE_TALLY", f"{unit.union.approved_on} < {tally}"))
        if unit.union and unit.union.approved_on < unit.settled_on:
            found.append(("FOUNDED_BEFORE_SETTLED", f"{unit.union.approved_on} < {unit.settled_on}"))
        for code, detail in found:
            self._note(unit.key, code, unit.row, detail)


def _enterprise(rows: list[Row]) -> Enterprise:
    """One case by the rules of README.md: per unit the row with the latest tally date is the final tally, of equal ones the later row."""
    first = rows[0]
    final: dict[str, Row] = {}
    for row in rows:
        if row.unit not in final or row.tallied >= final[row.unit].tallied:
            final[row.unit] = row
    voters = [row.voters for row in final.values() if row.voters is not None]
    tally = max(row.tallied for row in final.values())
    headcount = Headcount(tally, sum(voters)) if voters and tally else None
    founded = first.certified and first.closed
    union = Founding(first.closed, sum(row.votes for row in final.values())) if founded else None
    return Enterprise(first.case, first.line, first.name, first.park, first.filed, headcount, union)
