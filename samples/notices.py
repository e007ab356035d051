"""What an import has to say about single rows: refusals and warnings, all of them, in both languages.

They are kept in a temporary table on disk and read back by row, so memory does not grow with their number.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from shared.problems.errors import FieldError, messages

ROW = "row"
"""The op of a row that could not be read, and so has none."""


class Notice(NamedTuple):
    """One refusal or warning (`warning`: the row was taken); `row` is the line of the file, `op` the command that the row is."""

    row: int | None
    op: str
    field: str | None
    code: str
    zh: str
    en: str
    warning: bool = False

    @classmethod
    def of(cls, error: FieldError, op: str = ROW, *, warning: bool = False) -> Notice:
        """From an error of a row."""
        return cls(error.row, op, error.field, error.code, *messages(error.code, error.params), warning)


class Notices:
    """A collection of notices. Iterating gives them by row, those of one row in the order in which they were added."""

    def __init__(self) -> None:
        # An empty name is a temporary file that SQLite deletes with the connection.
        self._table = sqlite3.connect("", isolation_level=None)
        self._table.execute("BEGIN")
        self._table.execute(f"CREATE TABLE notices ({', '.join(Notice._fields)})")
        self.warnings = 0
        self.errors = 0

    def __len__(self) -> int:
        return self.errors + self.warnings

    def add(self, notices: Iterable[Notice]) -> None:
        """Add these."""
        for notice in notices:
            self._table.execute(f"INSERT INTO notices VALUES ({', '.join('?' * len(Notice._fields))})", notice)
            self.warnings += notice.warning
            self.errors += not notice.warning

    def __iter__(self) -> Iterator[Notice]:
        for found in self._table.execute("SELECT * FROM notices ORDER BY row IS NULL, row, rowid"):
            yield Notice._make((*found[:-1], bool(found[-1])))

    def counts(self) -> list[tuple[str, bool, int]]:
        """(code, whether it is a warning, how often), the most frequent first."""
        grouped = "SELECT code, warning, count(*) AS n FROM notices GROUP BY 1, 2 ORDER BY n DESC, code"
        return [(code, bool(warning), number) for code, warning, number in self._table.execute(grouped)]
