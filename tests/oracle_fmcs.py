"""What the FMCS sample must come to: the rules of samples/fmcs/README.md once more, as SQL straight from the CSV.

Written differently on purpose: it shares no code with the adapter or the services.
"""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

COLUMNS = {
    "number": "Case Number",
    "employer": "Employer",
    "place": "City, State",
    "idled": "# Idled",
    "began": "Start Date",
    "ended": "End Date",
}
CASES = """
CREATE VIEW cases AS
SELECT line, number, lower(trim(employer)) AS employer, place,
       CASE WHEN substr(trim(place), -4, 2) = ', ' THEN upper(substr(trim(place), -2)) ELSE '' END AS state,
       CAST(nullif(idled, '') AS INTEGER) AS workers, began, CASE WHEN ended >= began THEN ended END AS closed
FROM rows
"""
STARTED = "SELECT state, CAST(substr(began, 1, 4) AS INTEGER), count(*) FROM cases GROUP BY 1, 2"
OPEN = "SELECT state, count(*) FROM cases WHERE began <= :t AND (closed IS NULL OR closed > :t) GROUP BY 1"
COLLECTIVE = "SELECT state, count(*) FROM cases WHERE workers >= 10 GROUP BY 1"
ODD = """
SELECT 'END_BEFORE_START', line FROM rows WHERE ended <> '' AND ended < began
UNION ALL SELECT 'NO_END', line FROM rows WHERE ended = ''
UNION ALL SELECT 'NO_WORKERS', line FROM rows WHERE idled = ''
UNION ALL SELECT 'ZERO_WORKERS', line FROM rows WHERE idled <> '' AND idled = 0
UNION ALL SELECT 'NO_PLACE', line FROM rows WHERE trim(place) = ''
UNION ALL SELECT 'REPEATED_NUMBER', line FROM rows AS r WHERE EXISTS (SELECT 1 FROM rows AS e WHERE e.number = r.number AND e.line < r.line)
"""


@contextmanager
def _rows(path: Path | str) -> Iterator[sqlite3.Connection]:
    database = sqlite3.connect(":memory:")
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            database.execute("CREATE TABLE rows (line INTEGER PRIMARY KEY, number, employer, place, idled NUMERIC, began, ended)")
            lines = ((n, *(row[name] for name in COLUMNS.values())) for n, row in enumerate(csv.DictReader(file), 2))
            database.executemany("INSERT INTO rows VALUES (?, ?, ?, ?, ?, ?, ?)", lines)
        database.execute("CREATE INDEX by_number ON rows (number, line)")
        database.execute(CASES)
        yield database
    finally:
        database.close()


def started(path: Path | str) -> dict[tuple[str, int], int]:
    """{(state, "" for none; year of the start): cases}"""
    with _rows(path) as database:
        return {(state, year): count for state, year, count in database.execute(STARTED)}


def open_on(path: Path | str, day: date | str) -> dict[str, int]:
    """{state: cases open at the end of a day}; states without one are left out. A case is no longer open on the day on which it ends."""
    with _rows(path) as database:
        return dict(database.execute(OPEN, {"t": str(day)}))


def collective(path: Path | str) -> dict[str, int]:
    """{state: cases of ten workers or more}"""
    with _rows(path) as database:
        return dict(database.execute(COLLECTIVE))


def odd(path: Path | str) -> set[tuple[str, int]]:
    """(code, line) of what is odd about rows."""
    with _rows(path) as database:
        return set(database.execute(ODD))
