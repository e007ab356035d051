"""Reads text and CSV files of users: detects the encoding, numbers rows as an editor does, reports each broken row.

Memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from shared.problems.errors import FieldError, messages

CHUNK = 2**20
LONGEST_LINE = 64 * 1024
"""Characters."""
LONGEST_QUOTED = 50
"""Lines that one quoted field may span."""
ENCODINGS = ("utf-8-sig", "gb18030")
FOREIGN_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF")

csv.field_size_limit(LONGEST_LINE * LONGEST_QUOTED)


class UnusableFileError(Exception):
    """The file as a whole cannot be used; nothing was imported."""

    def __init__(self, *errors: FieldError) -> None:
        self.errors = errors
        super().__init__("; ".join(messages(error.code, error.params)[1] for error in errors))


def encoding_of(path: Path) -> str:
    """`utf-8-sig` (with or without a mark) or `gb18030`. Raises UnusableFileError: FILE_UNREADABLE, FILE_EMPTY, NOT_A_TABLE, UNKNOWN_ENCODING."""
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise UnusableFileError(FieldError("FILE_UNREADABLE", params={"reason": error.strerror or type(error).__name__})) from error
    if not head.strip(codecs.BOM_UTF8 + b" \t\r\n"):
        raise UnusableFileError(FieldError("FILE_EMPTY"))
    if head.startswith(FOREIGN_MARKS):
        raise UnusableFileError(FieldError("UNKNOWN_ENCODING", row=1))
    if head.startswith(ARCHIVES) or b"\x00" in head:
        raise UnusableFileError(FieldError("NOT_A_TABLE", row=1))
    broken = None
    for encoding in ENCODINGS:
        row = _undecodable_row(path, encoding)
        if row is None:
            return encoding
        broken = broken or row
    raise UnusableFileError(FieldError("UNKNOWN_ENCODING", row=broken))


def _undecodable_row(path: Path, encoding: str) -> int | None:
    """The first line that is not in `encoding`; None if all are.

    Nearly all bytes decode as GB 18030, so a text with more rare characters than common ones (those of GB 2312) is not accepted as such.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    row, common, rare, first_rare = 1, 0, 0, 1
    with path.open("rb") as file:
        for line in iter(lambda: file.readline(CHUNK), b""):
            try:
                text = decoder.decode(line)
            except UnicodeDecodeError:
                return row
            if encoding == "gb18030" and not text.isascii():
                for character in text:
                    if not character.isascii():
                        try:
                            character.encode("gb2312")
                            common += 1
                        except UnicodeEncodeError:
                            first_rare = first_rare if rare else row
                            rare += 1
            row += line.endswith(b"\n")
    try:
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return row
    return first_rare if rare > common else None


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """(number from 1, text without its end) of every line. Raises UnusableFileError."""
    with path.open(encoding=encoding_of(path), newline="") as file:
        for number, line in enumerate(file, 1):
            yield number, line.rstrip("\r\n")


class Table:
    """A CSV file with a header. Iterating gives `(row, fields)`, or `(row, FieldError)` for a row that is broken; blank lines are skipped.

    `row` is the line's number in the file; the header is line 1. Raises UnusableFileError at once if the header does not have all `required` columns.
    """

    def __init__(self, path: Path, required: Sequence[str]) -> None:
        self._lines = lines(path)
        self.columns = self._header()
        if len(self.columns) < 2 or not set(required) & set(self.columns):
            raise UnusableFileError(FieldError("NOT_A_TABLE", row=1))
        twice = sorted({name for name in self.columns if name and self.columns.count(name) > 1 and name in required})
        missing = [FieldError("MISSING_COLUMN", name, 1, {"column": name}) for name in required if name not in self.columns]
        if missing or twice:
            raise UnusableFileError(*missing, *(FieldError("DUPLICATE_COLUMN", name, 1, {"column": name}) for name in twice))
        self.at = {name: self.columns.index(name) for name in self.columns}

    def _header(self) -> list[str]:
        for number, line in self._lines:
            if line.strip():
                if number > 1 or len(line) > LONGEST_LINE:
                    raise UnusableFileError(FieldError("NOT_A_TABLE", row=number))
                fields = _parse(line)
                return [] if fields is None else [name.strip() for name in fields]
        raise UnusableFileError(FieldError("FILE_EMPTY"))

    def __iter__(self) -> Iterator[tuple[int, list[str] | FieldError]]:
        ahead: list[tuple[int, str]] = []
        while True:
            number, line = ahead.pop(0) if ahead else next(self._lines, (0, ""))
            if not number:
                return
            if not line.strip():
                continue
            if len(line) > LONGEST_LINE:
                yield number, FieldError("LINE_TOO_LARGE", None, number, {"most": LONGEST_LINE})
                continue
            fields = _parse(line) if '"' in line else line.split(",")
            if fields is None:
                ahead += islice(self._lines, LONGEST_QUOTED - len(ahead))
                yield self._joined(number, line, ahead)
            elif len(fields) != len(self.columns):
                yield number, FieldError("BROKEN_ROW", None, number, {"found": len(fields), "expected": len(self.columns)})
            else:
                yield number, fields

    def _joined(self, number: int, line: str, following: list[tuple[int, str]]) -> tuple[int, list[str] | FieldError]:
        """The row that begins at `line` and continues in `following`; its lines are removed from there.

        It ends where the number of fields is right: one surplus quote must not consume the rows after it.
        """
        text = line
        for taken, (_, more) in enumerate(following, 1):
            text += "\n" + more
            if '"' not in more:
                continue
            fields = _parse(text)
            if fields is not None:
                if len(fields) != len(self.columns):
                    break
                del following[:taken]
                return number, fields
        return number, FieldError("BROKEN_QUOTES", None, number)


def _parse(text: str) -> list[str] | None:
    """The fields of one row; None if its quotes do not close, or text follows a closing quote."""
    try:
        rows = list(csv.reader([text], strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
