"""Reads the CSV files of division codes (GB/T 2260) into neutral records: a folder with all of them, or one of the files.

The columns tell the level of a file: `code,name` provinces, with `provinceCode` cities, with `cityCode` districts and counties. Codes are
the digits of GB/T 2260 (2, 4, 6). Names such as 市辖区 are levels; the registry recognises them and shows the parent's name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from samples.files import Table, UnusableFileError
from samples.notices import Notice, Notices
from samples.records import Area
from shared.problems.errors import FieldError
from shared.problems.texts import code_form

LONGEST_NAME = 200
LEVELS: dict[str | None, int] = {None: 2, "provinceCode": 4, "cityCode": 6}
"""{column of the parent: digits of the code}"""


class Divisions:
    """The divisions of a folder or file, parents first. `refused` rows are rejected for what `notices` says.

    Raises UnusableFileError if a file as a whole cannot be used, or a folder has none.
    """

    def __init__(self, path: Path) -> None:
        self.areas: list[Area] = []
        self.notices = Notices()
        self.rows = self.refused = 0
        self._codes: set[str] = set()
        files = sorted(path.glob("*.csv")) if path.is_dir() else [path]
        tables = sorted(((_parent_column(table), file, table) for file in files for table in [Table(file, ("code", "name"))]), key=_rank)
        for parent, file, table in tables:
            self._read(table, parent, file.name if len(tables) > 1 else None)
        if not self.rows:
            raise UnusableFileError(FieldError("FILE_EMPTY"))

    def _read(self, table: Table, parent: str | None, name: str | None) -> None:
        for row, fields in table:
            self.rows += 1
            errors = [fields] if isinstance(fields, FieldError) else list(self._wrong(table, parent, row, fields))
            if errors or isinstance(fields, FieldError):
                self.refused += 1
                named = [FieldError(e.code, ": ".join(filter(None, (name, e.field))) or None, e.row, e.params) for e in errors]
                self.notices.add(map(Notice.of, named))
                continue
            code = code_form(fields[table.at["code"]])
            self._codes.add(code)
            upper = code_form(fields[table.at[parent]]) if parent else None
            self.areas.append(Area(code, fields[table.at["name"]].strip(), "division", upper, row))

    def _wrong(self, table: Table, parent: str | None, row: int, fields: list[str]) -> Iterator[FieldError]:
        code, name = code_form(fields[table.at["code"]]), fields[table.at["name"]].strip()
        if not re.fullmatch(rf"\d{{{LEVELS[parent]}}}", code, re.ASCII):
            yield FieldError("BAD_AREA_CODE" if code else "FIELD_REQUIRED", "code", row)
        elif code in self._codes:
            yield FieldError("DUPLICATE_AREA", "code", row, {"area": code})
        elif parent and not code.startswith(code_form(fields[table.at[parent]]) or "?"):
            yield FieldError("UNKNOWN_AREA", parent, row, {"area": fields[table.at[parent]].strip()})
        if not name:
            yield FieldError("FIELD_REQUIRED", "name", row)
        elif len(name) > LONGEST_NAME or not name.isprintable():
            yield FieldError("TOO_LONG" if len(name) > LONGEST_NAME else "CONTROL_CHARACTERS", "name", row, {"limit": LONGEST_NAME})


def _parent_column(table: Table) -> str | None:
    return "cityCode" if "cityCode" in table.at else "provinceCode" if "provinceCode" in table.at else None


def _rank(found: tuple[str | None, Path, Table]) -> tuple[int, Path]:
    return LEVELS[found[0]], found[1]
