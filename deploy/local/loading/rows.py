"""The rows of an import file, NDJSON or CSV: each is the body of a command of the API, with references in the place of ids (`kinds.py`).

A row may have a `key`, by which a repeat is recognised and later rows name what it made; otherwise the hash of its content is the key.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
from pydantic import ValidationError

from deploy.local.loading.columns import Columns
from deploy.local.loading.kinds import ACCEPT_WRONG_CHECK, Kind, tables
from samples.files import Table, UnusableFileError, lines
from samples.notices import Notice, Notices
from shared.problems.errors import FieldError, Problem
from shared.problems.strict_json import values_of
from shared.problems.validation import problem_of
from shared.writing.fields import Wrong
from shared.writing.lines.bodies import LONGEST_LINE

ROOM = 1024
"""Bytes of a batch's line around the body, and for ids in the place of shorter references."""
MOST_KEPT = 50_000
"""Valid rows that are kept between validating a file and loading it, about 1 KB each. A file with more is read twice."""
NO_ROWS = "NOT_NDJSON"
NO_OBJECT = frozenset({"BROKEN_JSON", "NOT_AN_OBJECT"})
WRONG_CHECK = "WRONG_CHECK_CHARACTER"


class ParsedRow:
    """A valid row: its line in the file, its own key if it has one, its idempotency key, body for the API, and the headcount that follows.

    `service`: that of a correction, if the row says it. `origin` separates the keys of sources.
    """

    __slots__ = ("body", "headcount", "key", "number", "own_key", "service")

    def __init__(self, kind: Kind, number: int, content: dict[str, Any], origin: str = "") -> None:
        self.own_key: str | None = content.pop("key", None)
        self.number = number
        self.key = key_of(kind.name, _hash_of(content) if self.own_key is None else self.own_key, origin)
        self.headcount: dict[str, Any] | None = content.pop(kind.first_report, None) if kind.first_report else None
        self.service: str | None = content.pop("service", None) if len(kind.services) > 1 else kind.services[0]
        if kind.checked and ACCEPT_WRONG_CHECK not in content and has_wrong_check(content):
            content[ACCEPT_WRONG_CHECK] = True
        self.body = content


def _hash_of(content: dict[str, Any]) -> str:
    """Only a hash of the content, which may be personal data."""
    return f"sha256:{hashlib.sha256(msgspec.json.encode(content, order='deterministic')).hexdigest()}"


def key_of(kind: str, own: str, origin: str = "") -> str:
    """The idempotency key of the row of a kind whose own key is `own`."""
    return f"{origin}:{kind}/{own}" if origin else f"{kind}/{own}"


def has_wrong_check(content: dict[str, Any]) -> bool:
    """Whether a credit code is of the right form and only its check character is wrong, by the readers of the services' facts."""
    for table in tables().values():
        for fact in table.facts:
            if (field := fact.fields.get("credit_code")) is not None and content.get("credit_code") is not None:
                try:
                    field.read(content["credit_code"])
                except Wrong as wrong:
                    return wrong.code == WRONG_CHECK
    return False


def read_rows(path: Path, kind: Kind, origin: str = "") -> Iterator[ParsedRow | list[FieldError]]:
    """Every row of the file, or its errors. Raises UnusableFileError."""
    for number, found in _contents(path, kind):
        if isinstance(found, FieldError):
            yield [found]
            continue
        try:
            if not isinstance(found, dict) or kind.ordinary.read(found) is None:
                kind.form.model_validate(found)
            content = {name: value for name, value in found.items() if value is not None or name == "data"}
            if len(msgspec.json.encode(content)) > LONGEST_LINE - ROOM:
                yield [_too_large(number)]
                continue
        except ValidationError as error:
            yield problem_of(error.errors(include_url=False, include_input=False), number).errors
        else:
            yield ParsedRow(kind, number, content, origin)


def _contents(path: Path, kind: Kind) -> Iterator[tuple[int, Any]]:
    """(line, plain values of a row or its error)"""
    if is_table(path):
        columns = Columns(kind)
        table = Table(path, columns.required, columns.headings)
        columns.require_known(table)
        for number, fields in table:
            yield number, fields if isinstance(fields, FieldError) else columns.content(table, fields)
        return
    for number, text in _lines(path):
        if not text.strip():
            continue
        raw = text.encode("utf-8", "surrogatepass")
        if len(raw) > LONGEST_LINE:
            yield number, _too_large(number)
            continue
        try:
            yield number, values_of(raw)
        except Problem as problem:
            yield number, replace(problem.errors[0], row=number)
        except (ValueError, RecursionError):
            yield number, FieldError("BROKEN_JSON", None, number)


def _too_large(number: int) -> FieldError:
    return FieldError("LINE_TOO_LARGE", None, number, {"most": LONGEST_LINE})


def is_table(path: Path) -> bool:
    """Whether a file is read as CSV, which its name says."""
    return path.suffix.lower() == ".csv"


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from lines(path)
    except UnusableFileError as unusable:
        raise UnusableFileError(
            *(replace(error, code=NO_ROWS) if error.code == "NOT_A_TABLE" else error for error in unusable.errors)
        ) from unusable


class CheckedFile:
    """The result of validating a file: `valid` rows that give `lines` batch lines, and `refused` rows, for what `notices` says.

    Raises UnusableFileError if there is no row, or no line is a JSON object.
    """

    def __init__(self, path: Path, kind: Kind, origin: str = "") -> None:
        self.valid = self.lines = self.refused = 0
        self.notices = Notices()
        self._again = path, kind, origin
        self._kept: list[ParsedRow] = []
        first: FieldError | None = None
        broken = 0
        for row in read_rows(path, kind, origin):
            if isinstance(row, ParsedRow):
                self.valid += 1
                self.lines += 1 + (row.headcount is not None)
                if self.valid <= MOST_KEPT:
                    self._kept.append(row)
                else:
                    self._kept.clear()
                continue
            first = first or row[0]
            self.refused += 1
            broken += row[0].code in NO_OBJECT
            self.notices.add(map(Notice.of, row))
        if not self.valid and not self.refused:
            raise UnusableFileError(FieldError("FILE_EMPTY"))
        if first is not None and not self.valid and broken == self.refused:
            raise UnusableFileError(FieldError(NO_ROWS, None, first.row))

    def take_rows(self) -> Iterator[ParsedRow]:
        """The valid rows, once: those that were kept, or, of a long file, read again."""
        kept, self._kept = self._kept, []
        if len(kept) == self.valid:
            return iter(kept)
        return (row for row in read_rows(*self._again) if isinstance(row, ParsedRow))
