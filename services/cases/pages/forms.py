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
    """What was typed, and why it was refused: {field: errors}, those of no field under "". `status` is the problem's."""

    form: str
    typed: Mapping[str, str]
    errors: Mapping[str, Sequence[FieldError]]
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
        return self.refused.errors.get(name, ()) if self.refused else ()

    @property
    def names(self) -> frozenset[str]:
        """The names of its fields."""
        return frozenset(one.name for one in self.fields)


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
    """The values of a command's body; empty fields are left out. Raises NOT_A_NUMBER (422); what else is wrong, the body's own rules tell."""
    values: dict[str, Any] = {}
    errors: list[FieldError] = []
    for one in fields:
        text = typed.get(one.name, "")
        if not text:
            continue
        if one.kind == "money":
            found = YUAN.fullmatch(text.replace(",", "").replace("，", ""))
            if found is None:
                errors.append(FieldError("NOT_A_NUMBER", one.name))
                continue
            values[one.name] = int(Decimal(found["sum"]) * FEN)
        elif one.kind in ("whole", "position"):
            values[one.name] = int(text) if WHOLE.fullmatch(text) else text
        elif one.kind == "flag":
            values[one.name] = FLAGS.get(text, text)
        else:
            values[one.name] = text
    if errors:
        raise Unprocessable(errors=errors)
    return values


def refused(form: str, typed: Mapping[str, str], problem: Problem) -> Refused:
    """Why a form was refused, by field; of several errors of one field and code the first."""
    found: dict[str, list[FieldError]] = {}
    for error in problem.errors:
        name = (error.field or "").partition(".")[0]
        if not any(error == one for one in found.setdefault(name, [])):
            found[name].append(error)
    return Refused(form, typed, found, problem.status, typed.get(KEY, ""))
