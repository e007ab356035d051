"""Reads a file of work stoppages of the Federal Mediation and Conciliation Service (United States) into neutral records, by README.md.

The rows are kept in a temporary table on disk and read back employer by employer, so memory does not grow with their number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

from samples.american import LONGEST_NAME, ROOT, UNKNOWN, InvalidRowError
from samples.files import Table, UnusableFileError
from samples.fmcs.rows import ALIASES, COLUMNS, Row, RowReader
from samples.notices import Notice, Notices
from samples.records import Area, Case, Employer, Finding
from shared.problems.errors import FieldError

BATCH = 5000
KIND, SUBKIND, OUTCOME, CHANNEL = "labour_dispute", "work_stoppage", "ended", "import"
SCHEMA = ", ".join(f'"{name}"' for name in Row._fields)
COUNTS = """SELECT count(*), count(DISTINCT employer), sum("end" <> '') FROM rows"""
EMPLOYERS = """
SELECT rows.*, settled FROM rows
JOIN (SELECT employer, min(line) AS first, min(start) AS settled FROM rows GROUP BY 1) USING (employer) ORDER BY first, line
"""
REPEATED = """
SELECT "case", line, first FROM rows JOIN (SELECT "case", min(line) AS first FROM rows GROUP BY 1 HAVING count(*) > 1) USING ("case")
WHERE line > first
"""
OTHER_NAMES = """
SELECT rows."case", rows.line, rows.name || ' (' || named.name || ')' FROM rows
JOIN (SELECT employer, min(line) AS first FROM rows GROUP BY 1) USING (employer) JOIN rows AS named ON named.line = first
WHERE rows.name <> named.name
"""


class Stoppages:
    """One file, every row checked. Raises UnusableFileError if the file as a whole cannot be used.

    `areas`: the root, the states, the parks. `rows` were read and `refused` rejected for what `notices` says; each of the others is one of
    `cases`, of which `ended` have an end, at `units` employers (all counts).
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
        self._spool.execute("CREATE INDEX by_employer ON rows (employer, line)")
        self._spool.execute('CREATE INDEX by_case ON rows ("case", line)')
        self._spool.execute("CREATE INDEX by_line ON rows (line)")
        cases, units, ended = self._spool.execute(COUNTS).fetchone()
        self.cases, self.units, self.ended = int(cases), int(units), int(ended or 0)
        for code, statement in (("REPEATED_NUMBER", REPEATED), ("OTHER_NAME", OTHER_NAMES)):
            for case, line, detail in self._spool.execute(statement).fetchall():
                self._note(case, code, line, str(detail))

    def close(self) -> None:
        """Delete the temporary table."""
        self._spool.close()

    @property
    def areas(self) -> list[Area]:
        """Parents before children, each by its first line."""
        states: dict[str, Area] = {}
        for park in self._parks.values():
            assert park.parent is not None
            if park.parent != ROOT:
                states.setdefault(park.parent, Area(park.parent, park.parent, "division", ROOT, park.row))
        return [Area(ROOT, ROOT, "division", None), *states.values(), *self._parks.values()]

    def employers(self) -> Iterator[Employer]:
        """Every employer with its cases, in the order of their first rows."""
        found: list[Row] = []
        settled = ""
        for *fields, on in self._spool.execute(EMPLOYERS):
            row = Row._make(fields)
            if found and found[0].employer != row.employer:
                yield _employer(found, settled)
                found = []
            found.append(row)
            settled = on
        if found:
            yield _employer(found, settled)

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
                self._look_at(row)
                batch.append(row)
            except InvalidRowError as bad:
                self.refused += 1
                self.notices.add(map(Notice.of, bad.errors))
            if len(batch) == BATCH:
                self._keep(batch)
        self._keep(batch)

    def _keep(self, batch: list[Row]) -> None:
        self._spool.executemany(f"INSERT INTO rows VALUES ({', '.join('?' * len(Row._fields))})", batch)
        batch.clear()

    def _look_at(self, row: Row) -> None:
        """Register the park of the row under its first spelling, and note what is odd about the row."""
        found: list[tuple[str, str]] = []
        if not row.city and not row.state:
            found.append(("NO_PLACE", ""))
        elif not row.city or not row.state:
            found.append(("NO_STATE" if row.city else "NO_CITY", ""))
        city = (row.city or UNKNOWN)[:LONGEST_NAME]
        division = row.state or (UNKNOWN if row.city else ROOT)
        park = self._parks.setdefault(row.park, Area(row.park, city, "park", division, row.line))
        if park.name != city:
            found.append(("OTHER_SPELLING", f"{city} ({park.name})"))
        if row.odd_end:
            found.append(("END_BEFORE_START", f"{row.odd_end} < {row.start}"))
        elif not row.end:
            found.append(("NO_END", ""))
        if not row.workers:
            found.append(("NO_WORKERS" if row.workers is None else "ZERO_WORKERS", ""))
        for code, detail in found:
            self._note(row.case, code, row.line, detail)

    def _note(self, case: str, code: str, row: int, detail: str) -> None:
        self._spool.execute("INSERT INTO findings VALUES (?, ?, ?, ?)", (case, code, row, detail))


def _employer(rows: list[Row], settled_on: str) -> Employer:
    """An employer by its rows: named by the first, settled with the earliest case."""
    first = rows[0]
    return Employer(first.employer, first.line, first.name, first.park, settled_on, tuple(map(_case, rows)))


def _case(row: Row) -> Case:
    """A row is a case, reported on the day on which it began."""
    end = row.end or None
    return Case(f"{row.case}/{row.line}", row.line, KIND, SUBKIND, CHANNEL, row.start, row.workers, end, OUTCOME if end else None)
