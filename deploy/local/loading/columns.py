"""The rows of a CSV file as the values that JSON would give: a column per field, `document.kind` for a field inside another."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args, get_origin

from pydantic import BaseModel

from deploy.local.loading.kinds import Kind, kinds
from samples.files import Table, UnusableFileError, heading_key
from shared.problems.errors import FieldError
from shared.problems.texts import code_form

INTEGER = re.compile(r"[+-]?\d{1,18}", re.ASCII)
DECIMAL = re.compile(r"[+-]?(\d{1,18}\.\d*|\d{1,18}(\.\d*)?[eE][+-]?\d{1,3})", re.ASCII)
BETWEEN = re.compile(r"[;；、\s]+")
"""Separates the names of a list in one cell."""
YES_OR_NO = {**dict.fromkeys(("true", "yes", "1", "是"), True), **dict.fromkeys(("false", "no", "0", "否"), False)}
NULL = "null"


class Columns:
    """The columns of a kind: `required` ones, and {key of a heading: name} of all. An empty cell leaves the field out."""

    def __init__(self, kind: Kind) -> None:
        self._types = dict(_leaves(kind.form))
        self._open = [name for name, of in self._types.items() if of is dict]
        self.required = list(_required(kind.form))
        self.required = [name for name in self.required if name not in self._open]
        self.headings = {heading_key(name): name for name in self._types if name not in self.required}

    def require_known(self, table: Table) -> None:
        """Raises UnusableFileError: UNKNOWN_FIELD for each column that is no field, DUPLICATE_COLUMN."""
        unknown = [name for name in table.columns if name and name not in self._types and name.partition(".")[0] not in self._open]
        twice = sorted({name for name in table.columns if name and table.columns.count(name) > 1})
        if unknown or twice:
            raise UnusableFileError(
                *(FieldError("UNKNOWN_FIELD", name, 1) for name in unknown),
                *(FieldError("DUPLICATE_COLUMN", name, 1, {"column": name}) for name in twice),
            )

    def content(self, table: Table, cells: Sequence[str]) -> dict[str, Any]:
        """The row's values."""
        content: dict[str, Any] = {}
        for name, cell in zip(table.columns, cells, strict=True):
            if not name or not cell.strip():
                continue
            path = name.split(".")
            of = self._types.get(name)
            if of is None:
                of = _type_of_any(path[-1])
                value = None if cell.strip() == NULL else read(cell, of)
            else:
                value = None if of is dict and cell.strip() == NULL else read(cell, of)
            place = content
            for outer in path[:-1]:
                place = place.setdefault(outer, {})
                if not isinstance(place, dict):
                    break
            else:
                place[path[-1]] = value
        return content


def read(cell: str, of: Any) -> Any:
    """A cell as a field of that type; as the text that it is, if it is nothing of that type."""
    if of is list:
        return [name for name in BETWEEN.split(cell.strip()) if name]
    if of is int or of is float or of is bool:
        text = code_form(cell)
        if of is bool:
            return YES_OR_NO.get(text.lower(), cell)
        return int(text) if INTEGER.fullmatch(text) else float(text) if DECIMAL.fullmatch(text) else cell
    return cell


def _leaves(form: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(dotted name, type) of every field that is no object itself."""
    for name, field in form.model_fields.items():
        of = _kind_of(field.annotation)
        if isinstance(of, type) and issubclass(of, BaseModel):
            yield from _leaves(of, f"{prefix}{name}.")
        else:
            yield prefix + name, of


def _required(form: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in form.model_fields.items():
        if not field.is_required():
            continue
        of = _kind_of(field.annotation)
        if isinstance(of, type) and issubclass(of, BaseModel):
            yield from _required(of, f"{prefix}{name}.")
        else:
            yield prefix + name


def _kind_of(annotation: Any) -> Any:
    """list, dict, bool, int, float, a model, or str for every other type."""
    origin = get_origin(annotation)
    if origin in (list, dict):
        return origin
    if origin is not None and not isinstance(annotation, type):
        inner = [_kind_of(option) for option in get_args(annotation) if option is not type(None) and not _is_note(option)]
        return next((of for of in inner if of is not str), str)
    if isinstance(annotation, type) and (annotation in (bool, int, float) or issubclass(annotation, BaseModel)):
        return annotation
    return str


def _is_note(option: Any) -> bool:
    """Whether it is metadata of Annotated, or a value of Literal, and no type."""
    return not isinstance(option, type) and get_origin(option) is None


def _type_of_any(name: str) -> Any:
    """The type that the field of that name has in some command; for the fields that a correction changes."""
    types: Mapping[str, Any] = {field: of for kind in kinds().values() for field, of in _leaves(kind.form) if of is not str}
    return types.get(name, str)
