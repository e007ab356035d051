"""The kinds of rows that a file may hold: every command that a batch takes, as the services' own tables declare them.

So a new command is a kind by itself, with the fields, forms and errors of its route. Where a command has the id of an enterprise, a union,
a member or an event, a row has a reference: the id, a credit code, a registration number, or the key of an earlier row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import import_module
from typing import Annotated, Any, Literal, get_args, get_origin
from uuid import UUID

import msgspec
from pydantic import AfterValidator, BaseModel, StringConstraints, create_model
from pydantic.fields import FieldInfo

from shared.contracts.services import SERVICES
from shared.http.forms import code_text
from shared.http.ordinary import OrdinaryForm
from shared.writing.lines.bodies import CORRECTION_OP, models
from shared.writing.table import Table

Key = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$")]
Reference = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200), AfterValidator(code_text)]
"""What names an enterprise, a union, a member or an event."""
ORDINARY_NAME = Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,200}\Z")]
"""A key or a reference of ASCII without blanks."""
ACCEPT_WRONG_CHECK = "accept_wrong_check"
EVENT = "event"
CORRECTIONS = "corrections"
MADE_BY_TOO: Mapping[str, tuple[str, ...]] = {"member": ("transfer",)}
"""{noun: further ops whose answer is the id of a new one}"""


@dataclass(frozen=True, slots=True)
class Mention:
    """A field of a row that names what exists; `many`: a list of names. `noun`: enterprise, union, member or event."""

    field: str
    noun: str
    many: bool


@dataclass(frozen=True)
class Kind:
    """A KIND of `./parkunion import`: `services` that take its `op`, the form of its rows, and the fields that are references.

    `first_report`: the op of the headcount that a row of an enterprise may have with it.
    """

    name: str
    op: str
    services: tuple[str, ...]
    form: type[BaseModel]
    mentions: tuple[Mention, ...]
    first_report: str | None = None

    @cached_property
    def ordinary(self) -> OrdinaryForm:
        """The form of most of its rows."""
        return OrdinaryForm(self.form, {Key: ORDINARY_NAME, Reference: ORDINARY_NAME})

    @cached_property
    def checked(self) -> bool:
        """Whether its rows have a credit code whose check character may be wrong."""
        return ACCEPT_WRONG_CHECK in self.form.model_fields

    @cached_property
    def names_its_own(self) -> bool:
        """Whether a row may name what another row of the kind makes."""
        return any(self.name == made.name for mention in self.mentions for made in made_by(mention.noun))


@cache
def tables() -> dict[str, Table[Any, Any]]:
    """{service that writes: its table}"""
    return {name: import_module(f"services.{name}.facts").TABLE for name, service in SERVICES.items() if service.streams}


@cache
def kinds() -> dict[str, Kind]:
    """{KIND: kind}, in the order of the tables."""
    found: dict[str, Kind] = {}
    for service, table in tables().items():
        forms = models(table)
        for op, form in forms.items():
            name = CORRECTIONS if op == CORRECTION_OP else table.ops[op].rows
            if name in found:
                found[name] = Kind(name, op, (*found[name].services, service), found[name].form, found[name].mentions)
                continue
            more: dict[str, Any] = {}
            if op == "enterprise":
                more["headcount"] = (table.ops["headcount"].body | None, None)
            if op == CORRECTION_OP:
                more["service"] = (Literal[*tables()] | None, None)
            found[name] = Kind(name, op, (service,), row_form(form, more), mentions_of(form), "headcount" if "headcount" in more else None)
    return found


def kind_of(op: str) -> Kind:
    """The kind whose rows are this command. Raises KeyError."""
    return {kind.op: kind for kind in kinds().values()}[op]


def made_by(noun: str) -> list[Kind]:
    """The kinds whose rows make such a thing, so that their keys name it; of an event: all."""
    if noun == EVENT:
        return list(kinds().values())
    return [kind_of(op) for op in (noun, *MADE_BY_TOO.get(noun, ()))]


def mentions_of(form: type[BaseModel]) -> tuple[Mention, ...]:
    """The fields that hold ids: `enterprise_id`, `parent_union_id`, `enterprises`, `corrects`."""
    return tuple(
        Mention(name, _noun(name), get_origin(_plain(field)) is list) for name, field in form.model_fields.items() if _holds_ids(field)
    )


def _noun(name: str) -> str:
    if name == "corrects":
        return EVENT
    return name.removesuffix("_id").rpartition("_")[2].removesuffix("s")


def row_form(form: type[BaseModel], more: Mapping[str, Any]) -> type[BaseModel]:
    """The form of rows: that of the command with references in the place of ids, and a `key`."""
    references: dict[str, Any] = {name: _referring(field) for name, field in form.model_fields.items() if _holds_ids(field)}
    return create_model(f"{form.__name__}Row", __base__=form, **references, **more, key=(Key | None, None))


def _referring(field: FieldInfo) -> tuple[Any, Any]:
    if get_origin(_plain(field)) is list:
        return list[Reference], ... if field.is_required() else []
    return (Reference, ...) if field.is_required() else (Reference | None, None)


def _holds_ids(field: FieldInfo) -> bool:
    return UUID in _leaves(field.annotation)


def _plain(field: FieldInfo) -> Any:
    """The type of a field without None."""
    options = [option for option in get_args(field.annotation) if option is not type(None)]
    return options[0] if type(None) in get_args(field.annotation) else field.annotation


def _leaves(annotation: Any) -> set[Any]:
    """The types of which an annotation is made."""
    inner = get_args(annotation)
    return {annotation} if not inner else set().union(*map(_leaves, inner))
