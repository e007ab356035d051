"""The rows of an NDJSON import file: one JSON object per line, the body of a command of the API.

A row may have a `key`, by which a repeat is recognised; otherwise the hash of its content is the key. An enterprise may be given by its
id or by its unified social credit code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, Field, ValidationError

from samples.files import UnusableFileError, lines
from shared.contracts.membership import UnionKind
from shared.http.forms import AreaCode, Code, Command, Count, Day, Id, Name
from shared.problems.errors import FieldError
from shared.problems.validation import problem_of

LONGEST_LINE = 60_000
"""Characters; a batch takes lines of 64 KiB."""
NO_ROWS = "NOT_NDJSON"
NO_OBJECT = frozenset({"BROKEN_JSON", "NOT_AN_OBJECT"})

Key = Annotated[str, Field(pattern=r"^[\x21-\x7e]{1,200}$")]
Reference = Code
"""An enterprise's id or credit code."""


class Row(Command):
    """One row; `op` and `service` are its target, `references` the fields that name enterprises."""

    op: ClassVar[str]
    service: ClassVar[str] = "registry"
    references: ClassVar[tuple[str, ...]] = ()

    key: Key | None = None


class AreaRow(Row):
    """A division or a park."""

    op = "area"

    code: AreaCode
    name: Name
    kind: Literal["division", "park"]
    parent: AreaCode | None = None
    valid_from: Day | None = None


class HeadcountRow(BaseModel, extra="forbid"):
    """The number of workers on a day."""

    on: Day
    workers: Count


class EnterpriseRow(Row):
    """An enterprise; with `headcount`, its first report."""

    op = "enterprise"

    name: Name
    credit_code: Code | None = None
    park: AreaCode
    industry: Code | None = None
    ownership: Code | None = None
    settled_on: Day
    headcount: HeadcountRow | None = None


class UnionRow(Row):
    """A union with the enterprises that it covers."""

    op = "union"
    service = "membership"
    references = ("enterprises",)

    kind: UnionKind
    name: Name | None = None
    parent_union_id: Id | None = None
    seat_area: AreaCode
    approved_on: Day
    enterprises: list[Reference] = Field(default_factory=list)


class DocumentRow(BaseModel, extra="forbid", hide_input_in_errors=True):
    """An identity document."""

    kind: Code
    number: Code


class MemberRow(Row):
    """A person who joins a union."""

    op = "member"
    service = "membership"
    references = ("enterprise_id",)

    union_id: Id
    enterprise_id: Reference
    document: DocumentRow
    joined_on: Day


KINDS: dict[str, type[Row]] = {"areas": AreaRow, "enterprises": EnterpriseRow, "unions": UnionRow, "members": MemberRow}
"""{KIND of the command `import`: its rows}"""


class ParsedRow:
    """A valid row: its line in the file, idempotency key, body for the API, and the headcount that follows."""

    __slots__ = ("body", "headcount", "key", "number")

    def __init__(self, kind: str, number: int, content: dict[str, Any]) -> None:
        own = content.pop("key", None)
        encoded = msgspec.json.encode(content, order="deterministic")
        self.number = number
        # Only a hash of the content, which may be personal data.
        self.key = f"{kind}/{own}" if own is not None else f"{kind}/sha256:{hashlib.sha256(encoded).hexdigest()}"
        self.headcount: dict[str, Any] | None = content.pop("headcount", None)
        self.body = content


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from lines(path)
    except UnusableFileError as unusable:
        raise UnusableFileError(
            *(replace(error, code=NO_ROWS) if error.code == "NOT_A_TABLE" else error for error in unusable.errors)
        ) from unusable


def read_rows(path: Path, kind: str) -> Iterator[ParsedRow | list[FieldError]]:
    """Every row of the file, or its errors. Raises UnusableFileError."""
    form = KINDS[kind]
    for number, text in _lines(path):
        if not text.strip():
            continue
        if len(text) > LONGEST_LINE:
            yield [FieldError("LINE_TOO_LARGE", None, number, {"most": LONGEST_LINE})]
            continue
        try:
            content = msgspec.json.decode(text)
            form.model_validate(content)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            yield [FieldError("BROKEN_JSON", None, number)]
        except ValidationError as error:
            yield problem_of(error.errors(include_url=False, include_input=False), number).errors
        else:
            yield ParsedRow(kind, number, {name: value for name, value in content.items() if value is not None})


class CheckedFile:
    """The result of validating a file: `valid` rows that give `lines` batch lines, and `refused` rows with `errors` (at most `most` are kept).

    Raises UnusableFileError if there is no row, or no line is a JSON object.
    """

    def __init__(self, path: Path, kind: str, most: int = 1000) -> None:
        self.valid = self.lines = self.refused = 0
        self.errors: list[FieldError] = []
        broken = 0
        for row in read_rows(path, kind):
            if isinstance(row, ParsedRow):
                self.valid += 1
                self.lines += 1 + (row.headcount is not None)
                continue
            self.refused += 1
            broken += row[0].code in NO_OBJECT
            if len(self.errors) < most:
                self.errors += row
        if not self.valid and not self.refused:
            raise UnusableFileError(FieldError("FILE_EMPTY"))
        if not self.valid and broken == self.refused:
            raise UnusableFileError(FieldError(NO_ROWS, None, self.errors[0].row))
