"""Forms of pages: their fields, what was typed in them as the values of a command's body, and errors beside the fields. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Literal, TypeAlias
from urllib.parse import parse_qs

from shared.problems.errors import FieldError, Problem, Unprocessable

Kind: TypeAlias = Literal["day", "whole", "money", "choice", "flag", "text", "position", "lines"]
KEY = "key"
A_KEY = re.compile(r"[A-Za-z0-9_-]{16,64}", re.ASCII)
"""What `new_key` makes; anything else is no key of ours."""
WHOLE = re.compile(r"-?\d{1,15}", re.ASCII)
YUAN = re.compile(r"(?P<sum>\d{1,13}(?:\.\d{1,2})?)(?:\s*元)?", re.ASCII)
FLAGS: Mapping[str, bool] = {"true": True, "false": False}
FEN = 100
MOST_FIELDS = 60


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a form, by the name that it has in the command's body. `choices`: (value, label), of a choice."""

    name: str
    kind: Kind
    required: bool = False
    choices: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True, slots=True)
class Refused:
    """What was typed, and why it was refused. `status` is the problem's."""

    form: str
    typed: Mapping[str, str] = field(repr=False)
    errors: Sequence[FieldError]
    status: int
    key: str = ""


@dataclass(frozen=True, slots=True)
class Form:
    """A form of a page. `name`: its anchor and the key of its title; `hidden`: values that it sends along."""

    name: str
    action: str
    fields: Sequence[Field]
    hidden: Mapping[str, str] = field(default_factory=dict)
    refused: Refused | None = None
    typed: Mapping[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """What stands in a field."""
        return (self.refused.typed if self.refused else self.typed).get(name, "")

    def errors(self, name: str) -> Sequence[FieldError]:
        """What is wrong with a field."""
        return [error for error in self.refused.errors if self.place(error) == name] if self.refused else ()

    def place(self, error: FieldError) -> str:
        """The field that shows an error: the one that it names, or around it, as `holidays` for `holidays.3`; empty: none."""
        found = [one.name for one in self.fields if f"{error.field}.".startswith(f"{one.name}.")]
        return max(found, key=len, default="")


def typed_of(content: bytes) -> dict[str, str]:
    """What a browser sent, the first value of each field. Raises INVALID_VALUE (422) for what is no form in UTF-8."""
    try:
        found = parse_qs(content.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=MOST_FIELDS)
    except ValueError:
        raise Unprocessable("INVALID_VALUE") from None
    return {name: values[0].strip() for name, values in found.items()}


def key_of(typed: Mapping[str, str]) -> str | None:
    """The idempotency key of the form: pressing a button twice does it once."""
    given = typed.get(KEY, "")
    return given if A_KEY.fullmatch(given) else None


def values_of(fields: Iterable[Field], typed: Mapping[str, str]) -> dict[str, Any]:
    """The values of a command's body; empty fields are left out, and `reporter.name` is the name in `reporter`.

    Raises NOT_A_NUMBER (422) for a sum; what else is wrong, the body's own rules tell.
    """
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for one in fields:
        text = typed.get(one.name, "")
        if not text:
            continue
        value = _value(one.kind, text)
        if value is None:
            errors.append(FieldError("NOT_A_NUMBER", one.name))
            continue
        around, _, name = one.name.rpartition(".")
        (values.setdefault(around, {}) if around else values)[name] = value
    if errors:
        raise Unprocessable(errors=errors)
    return values


def _value(kind: Kind, text: str) -> Any:
    """What was typed as a value of JSON; a text where it is none of its kind. None: it is no sum."""
    if kind == "money":
        found = YUAN.fullmatch(text.replace(",", "").replace("，", ""))
        return None if found is None else int(Decimal(found["sum"]) * FEN)
    if kind in ("whole", "position"):
        return int(text) if WHOLE.fullmatch(text) else text
    return FLAGS.get(text, text) if kind == "flag" else text


def refused(form: str, typed: Mapping[str, str], problem: Problem) -> Refused:
    """Why a form was refused, each error once."""
    return Refused(
        form,
        typed,
        list({(error.field, error.code): error for error in reversed(problem.errors)}.values())[::-1],
        problem.status,
        typed.get(KEY, ""),
    )
