"""Bodies in their ordinary form, read without pydantic in a tenth of the time: ids, days and plain texts, written as nearly all of them are.

The form is made of the pydantic model, so no body has to declare it. It takes nothing that the model refuses, and gives the same values; what
it does not take (another way to write an id, a field with rules of its own, a mistake) is left to the model, which alone says what is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from types import NoneType
from typing import Annotated, Any, get_args
from uuid import UUID

import msgspec
from annotated_types import MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from shared.http.forms import EARLIEST, UUID_LENGTH, Day, Id

WHOLE = r"^[^\ud800-\udfff]*$"
"""No half of a character, which JSON can hold and no database."""
_NONE = object()
"""There is no ordinary form."""


class OrdinaryForm:
    """The ordinary form of a model's bodies. `more` = {type of a field: msgspec's type for the ordinary values of it}."""

    def __init__(self, model: type[BaseModel], more: Mapping[Any, Any] | None = None) -> None:
        self._ids: list[str] = []
        self._days: list[str] = []
        self._struct = _struct_of(model, dict(more or {}), self._ids, self._days)

    @property
    def exists(self) -> bool:
        """Whether the model has one."""
        return self._struct is not None

    def read(self, values: Mapping[str, Any]) -> Any | None:
        """An object with the fields of the model, or None: let the model read the body."""
        if self._struct is None:
            return None
        try:
            body = msgspec.convert(values, self._struct)
        except (msgspec.ValidationError, UnicodeError):
            return None
        for name in self._ids:
            # msgspec takes an id without hyphens, too.
            if (given := values.get(name)) is not None and len(given) != UUID_LENGTH:
                return None
        for name in self._days:
            if (day := getattr(body, name)) is not None and day < EARLIEST:
                return None
        return body

    def plain(self, values: Mapping[str, Any], body: Any) -> dict[str, Any]:
        """What `Command.plain` of the model's body would be; `body` is what `read` made of the values."""
        return {**values, **{name: str(of) for name in self._ids if name in values and (of := getattr(body, name)) is not None}}


def _struct_of(model: type[BaseModel], more: dict[Any, Any], ids: list[str], days: list[str]) -> type[Any] | None:
    """The struct of a model; None if one of the required fields has a form of its own, or the model has rules beside those of its fields."""
    rules = model.__pydantic_decorators__
    if rules.model_validators or rules.field_validators or rules.root_validators or rules.validators:
        return None
    if model.model_config.get("extra") != "forbid" or model.model_config.get("str_strip_whitespace"):
        return None
    made: list[Any] = []
    for name, field in model.model_fields.items():
        of = _type_of(name, field, more, ids, days)
        if field.alias is not None or field.validation_alias is not None:
            return None
        if field.is_required():
            if of is _NONE:
                return None
            made.append((name, of))
        elif field.default is None:
            # A field with rules of its own is in the ordinary form as long as nothing is given.
            made.append((name, NoneType if of is _NONE else of | None, None))
        else:
            return None
    return msgspec.defstruct(
        f"Ordinary{model.__name__}", made, kw_only=True, frozen=True, forbid_unknown_fields=True, namespace={"__repr__": _shown}
    )


def _shown(body: object) -> str:
    """Without the values, which may be personal."""
    return f"{type(body).__name__}()"


def _type_of(name: str, field: FieldInfo, more: dict[Any, Any], ids: list[str], days: list[str]) -> Any:
    found = _parts(field)
    if found == _alias(Id):
        ids.append(name)
        return UUID
    if found == _alias(Day):
        days.append(name)
        return date
    for alias, of in more.items():
        if found == _alias(alias):
            return of
    kind, rules = found
    if kind is str and rules and all(isinstance(rule, MinLen | MaxLen) for rule in rules):
        least = max((rule.min_length for rule in rules if isinstance(rule, MinLen)), default=None)
        most = min((rule.max_length for rule in rules if isinstance(rule, MaxLen)), default=None)
        return Annotated[str, msgspec.Meta(pattern=WHOLE, min_length=least, max_length=most)]
    if isinstance(kind, type) and issubclass(kind, BaseModel) and not rules:
        inner_ids: list[str] = []
        inner_days: list[str] = []
        of = _struct_of(kind, more, inner_ids, inner_days)
        return _NONE if of is None or inner_ids or inner_days else of
    return _NONE


def _parts(field: FieldInfo) -> tuple[Any, tuple[Any, ...]]:
    """(type, rules) of a field; of one that may be null those of its value."""
    annotation, rules = field.annotation, tuple(field.metadata)
    options = get_args(annotation)
    if not field.is_required() and not rules and len(options) == 2 and options[1] is NoneType:
        return _alias(options[0])
    return annotation, rules


def _alias(of: Any) -> tuple[Any, tuple[Any, ...]]:
    if not hasattr(of, "__metadata__"):
        return of, ()
    return of.__origin__, tuple(of.__metadata__)
