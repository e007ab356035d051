"""Reads text and CSV files of users: detects the encoding, numbers rows as an editor does, reports each broken row.

Memory does not grow with the file.
"""

from __future__ import annotations

import codecs
import csv
import unicodedata
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from shared.problems.errors import FieldError, messages

CHUNK = 2**20
LONGEST_LINE = 64 * 1024
"""Characters."""
LONGEST_RECORD = 2**20
"""Characters of one record, whose quoted fields may hold many lines."""
HEADER_WITHIN = 20
"""Lines in which the header is looked for."""
ENCODINGS = ("utf-8-sig", "gb18030")
FOREIGN_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
ARCHIVES = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x1f\x8b", b"%PDF")

csv.field_size_limit(2 * LONGEST_RECORD)


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

    `row` is the number of the line on which it begins. The header is the first of HEADER_WITHIN lines that has all `required` columns, so
    that titles may stand above it. `aliases` = {what `heading_key` makes of another heading: the column's name}.
    Raises UnusableFileError at once if there is no such header.
    """

    def __init__(self, path: Path, required: Sequence[str], aliases: Mapping[str, str] | None = None) -> None:
        self._records = _Records(lines(path))
        self._aliases = {**{heading_key(name): name for name in required}, **(aliases or {})}
        self.columns = self._header(required)
        self.at = {name: self.columns.index(name) for name in self.columns}

    def _header(self, required: Sequence[str]) -> list[str]:
        best: tuple[int, list[str]] | None = None
        for number, fields in self._records:
            if number > HEADER_WITHIN:
                break
            found = [] if isinstance(fields, FieldError) else [self._aliases.get(heading_key(name), name.strip()) for name in fields]
            if set(required) <= set(found):
                _require_once(found, required, number)
                self._records.width = len(found)
                return found
            if best is None or len(set(found) & set(required)) > len(set(best[1]) & set(required)):
                best = number, found
        if best is None:
            raise UnusableFileError(FieldError("FILE_EMPTY"))
        number, found = best
        if len(found) < 2 or not set(required) & set(found):
            raise UnusableFileError(FieldError("NOT_A_TABLE", row=number))
        _require_once(found, required, number)
        raise UnusableFileError(*(FieldError("MISSING_COLUMN", name, number, {"column": name}) for name in required if name not in found))

    def __iter__(self) -> Iterator[tuple[int, list[str] | FieldError]]:
        for number, fields in self._records:
            if not isinstance(fields, FieldError) and len(fields) != len(self.columns):
                yield number, FieldError("BROKEN_ROW", None, number, {"found": len(fields), "expected": len(self.columns)})
            else:
                yield number, fields


def heading_key(heading: str) -> str:
    """A heading as headings are compared: letters and digits, without width and case."""
    return "".join(filter(str.isalnum, unicodedata.normalize("NFKC", heading).casefold()))


def _require_once(columns: Sequence[str], required: Sequence[str], row: int) -> None:
    twice = sorted({name for name in columns if columns.count(name) > 1 and name in required})
    if twice:
        raise UnusableFileError(*(FieldError("DUPLICATE_COLUMN", name, row, {"column": name}) for name in twice))


class _Records:
    """The records of a CSV text with the numbers of their first lines; quoted fields may hold line breaks, as many as they like.

    Where quotes do not match, only that line is broken: what was read ahead is read again as lines of its own. So is a record of several
    lines that has not `width` fields, since a surplus quote must not swallow the rows after it.
    """

    width: int | None = None

    def __init__(self, numbered: Iterator[tuple[int, str]]) -> None:
        self._lines = numbered
        self._again: deque[tuple[int, str]] = deque()

    def __iter__(self) -> Iterator[tuple[int, list[str] | FieldError]]:
        while (next_line := self._next()) is not None:
            number, line = next_line
            if not line.strip():
                continue
            if len(line) > LONGEST_LINE:
                yield number, FieldError("LINE_TOO_LARGE", None, number, {"most": LONGEST_LINE})
            elif '"' not in line:
                yield number, line.split(",")
            else:
                yield number, self._quoted(number, line)

    def _next(self) -> tuple[int, str] | None:
        return self._again.popleft() if self._again else next(self._lines, None)

    def _quoted(self, number: int, line: str) -> list[str] | FieldError:
        taken: list[tuple[int, str]] = []

        def text() -> Iterator[str]:
            yield line + "\n"
            size = len(line)
            while size <= LONGEST_RECORD and (following := self._next()) is not None:
                taken.append(following)
                size += len(following[1]) + 1
                yield following[1] + "\n"

        try:
            fields = next(csv.reader(text(), strict=True))
        except csv.Error:
            fields = None
        if fields is not None and (not taken or self.width in (None, len(fields))):
            return fields
        self._again.extendleft(reversed(taken))
        return FieldError("BROKEN_QUOTES", None, number)
