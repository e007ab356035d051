"""The rows of an NDJSON file that is imported: one JSON object a line, a command's body as the API takes it.

Beside the body a row may have a `key` of its own, by which it is recognised at the next run; else its content is the key. Where an id of
an enterprise stands, its unified social credit code may stand instead.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from pydantic import BaseModel, Field, ValidationError

from samples.files import Unusable, lines
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
    """One row; `op` and `service` say where it goes, `references` which fields name enterprises."""

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
    """So many workers on that day."""

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


class Read:
    """One row that has its form: its line in the file, its idempotency key, its body for the API, and what comes after it."""

    __slots__ = ("body", "headcount", "key", "number")

    def __init__(self, kind: str, number: int, said: dict[str, Any]) -> None:
        own = said.pop("key", None)
        content = msgspec.json.encode(said, order="deterministic")
        self.number = number
        # The content goes into the key only as a hash: it may be personal.
        self.key = f"{kind}/{own}" if own is not None else f"{kind}/sha256:{hashlib.sha256(content).hexdigest()}"
        self.headcount: dict[str, Any] | None = said.pop("headcount", None)
        self.body = said


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        yield from lines(path)
    except Unusable as unusable:
        raise Unusable(*(replace(error, code=NO_ROWS) if error.code == "NOT_A_TABLE" else error for error in unusable.errors)) from unusable


def rows(path: Path, kind: str) -> Iterator[Read | list[FieldError]]:
    """Every row of the file, or all that is wrong with it. Raises Unusable."""
    form = KINDS[kind]
    for number, text in _lines(path):
        if not text.strip():
            continue
        if len(text) > LONGEST_LINE:
            yield [FieldError("LINE_TOO_LARGE", None, number, {"most": LONGEST_LINE})]
            continue
        try:
            said = msgspec.json.decode(text)
            form.model_validate(said)
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            yield [FieldError("BROKEN_JSON", None, number)]
        except ValidationError as error:
            yield problem_of(error.errors(include_url=False, include_input=False), number).errors
        else:
            yield Read(kind, number, {name: value for name, value in said.items() if value is not None})


class Checked:
    """What the first look at a file finds: `good` rows that come to so many `lines`, `refused` ones for `errors` (at most `most` are kept).

    Raises Unusable if there is no row at all, or no line is a JSON object.
    """

    def __init__(self, path: Path, kind: str, most: int = 1000) -> None:
        self.good = self.lines = self.refused = 0
        self.errors: list[FieldError] = []
        broken = 0
        for row in rows(path, kind):
            if isinstance(row, Read):
                self.good += 1
                self.lines += 1 + (row.headcount is not None)
                continue
            self.refused += 1
            broken += row[0].code in NO_OBJECT
            if len(self.errors) < most:
                self.errors += row
        if not self.good and not self.refused:
            raise Unusable(FieldError("FILE_EMPTY"))
        if not self.good and broken == self.refused:
            raise Unusable(FieldError(NO_ROWS, None, self.errors[0].row))
