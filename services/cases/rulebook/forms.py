"""Readers of the values of rules: a plain JSON value in, its normal form out, every error with its field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from shared.problems.errors import FieldError
from shared.problems.validation import shown_name
from shared.writing.fields import Reader, Wrong, whole_number

Form: TypeAlias = Callable[[Any, str, list[FieldError]], Any]
"""(value, its field, errors found so far) → the value in its normal form; what is wrong is added to the errors."""


def leaf(reader: Reader) -> Form:
    """A value without parts."""

    def read(value: Any, field: str, errors: list[FieldError]) -> Any:
        try:
            return reader(value)
        except Wrong as wrong:
            errors.append(FieldError(wrong.code, field, None, wrong.params))
            return None

    return read


def whole(low: int, high: int) -> Form:
    """A whole number of this range: NOT_A_WHOLE_NUMBER, OUT_OF_RANGE."""

    def read(value: Any) -> int:
        # One error for every number out of the range, below zero, too: it says what the range is.
        number = (
            -whole_number(-value) if isinstance(value, int | float) and not isinstance(value, bool) and value < 0 else whole_number(value)
        )
        if not low <= number <= high:
            raise Wrong("OUT_OF_RANGE", limit=f"{low}–{high}")
        return number

    return leaf(read)


def choice(*codes: str) -> Form:
    """One of these texts: NOT_ONE_OF."""

    def read(value: Any) -> str:
        if isinstance(value, str) and value in codes:
            return value
        raise Wrong("NOT_ONE_OF", expected=", ".join(codes))

    return leaf(read)


def _flag(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise Wrong("NOT_YES_OR_NO")


flag: Form = leaf(_flag)
"""true or false: NOT_YES_OR_NO."""


def nullable(form: Form) -> Form:
    """null, or what the form reads."""
    return lambda value, field, errors: None if value is None else form(value, field, errors)


REQUIRED: Any = object()


@dataclass(frozen=True, slots=True)
class Part:
    """A field of an object: its form, and what stands for it when it is left out; REQUIRED if it may not be."""

    form: Form
    default: Any = REQUIRED


def whole_object(parts: Mapping[str, Part]) -> Form:
    """An object of these fields and no others: NOT_AN_OBJECT, UNKNOWN_FIELD, FIELD_REQUIRED."""

    def read(value: Any, field: str, errors: list[FieldError]) -> Any:
        if not isinstance(value, Mapping):
            errors.append(FieldError("NOT_AN_OBJECT", field))
            return None
        errors += [FieldError("UNKNOWN_FIELD", f"{field}.{shown_name(str(name))}") for name in value if name not in parts]
        found = {}
        for name, part in parts.items():
            if name in value:
                found[name] = part.form(value[name], f"{field}.{name}", errors)
            elif part.default is REQUIRED:
                errors.append(FieldError("FIELD_REQUIRED", f"{field}.{name}"))
            else:
                found[name] = part.default
        return found

    return read
