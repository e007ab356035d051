"""Field types of request bodies and parameters, for pydantic. Their errors carry the catalogue's codes (shared/problems/validation.py).

Imports no web framework: background roles load the table of a service, and with it the bodies of its commands.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, TypeAlias, get_args
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, GetJsonSchemaHandler, StringConstraints, WithJsonSchema
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from shared.contracts.codes import WITHDRAWING, CodeList
from shared.journal.reasons import Reason, reason_of
from shared.problems.personal import holds_resident_number
from shared.problems.texts import CONTROL, CONTROL_BUT_BREAKS, code_form, shows_nothing

ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
EARLIEST = date(1900, 1, 1)
AREA_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
UUID_LENGTH = 36
MOST_WORKERS = 10_000_000
DEEPEST = 8


def _day(value: Any) -> date:
    # Pydantic also accepts instants and numbers of seconds as dates.
    if type(value) is date:
        return value
    try:
        text = code_form(value) if isinstance(value, str) else ""
        if not ISO_DAY.fullmatch(text):
            raise ValueError
        day = date.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("INVALID_DATE", "a date is written YYYY-MM-DD") from None
    if day < EARLIEST:
        raise PydanticCustomError("DATE_OUT_OF_RANGE", "the date is out of range", {"earliest": "1900-01-01", "latest": "today"})
    return day


def _in_full(value: Any) -> Any:
    # Pydantic also accepts a UUID in braces, as a URN and without hyphens; an id has one form.
    if not isinstance(value, str):
        return value
    if len(text := code_form(value)) != UUID_LENGTH:
        raise PydanticCustomError("INVALID_ID", "an id is a UUID")
    return text


def _whole(value: Any) -> Any:
    # In JSON and in JSON Schema 40, 40.0 and 4e1 are one integer.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _without_control(value: str) -> str:
    if CONTROL.search(value):
        raise PydanticCustomError("CONTROL_CHARACTERS", "no control characters")
    return value


def _seen(value: str) -> str:
    if shows_nothing(value):
        raise PydanticCustomError("EMPTY", "nothing of the text can be seen")
    return value


def _without_control_but_breaks(value: str) -> str:
    if CONTROL_BUT_BREAKS.search(value):
        raise PydanticCustomError("CONTROL_CHARACTERS", "no control characters but line breaks")
    return value


def impersonal(value: str) -> str:
    """The text, if it holds no resident number: whatever may reach an event, a log or a table that others read goes through this."""
    if holds_resident_number(value):
        raise PydanticCustomError("HOLDS_RESIDENT_NUMBER", "no resident number belongs here")
    return value


def _area_code(value: Any) -> str:
    code = code_form(value) if isinstance(value, str) else ""
    if not AREA_CODE.fullmatch(code):
        raise PydanticCustomError("BAD_AREA_CODE", "an area code is [A-Za-z0-9][A-Za-z0-9._-]{0,63}")
    return impersonal(code)


def _plain(value: Any, depth: int = 0) -> Any:
    """JSON values that a database can store: no control characters, no infinite numbers, not too deep."""
    if isinstance(value, str):
        _without_control_but_breaks(value)
    elif isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        raise PydanticCustomError("NOT_A_NUMBER", "not a number")
    elif isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise PydanticCustomError("OUT_OF_RANGE", "out of range", {"limit": "64 bit"})
    elif isinstance(value, (dict, list)):
        if depth >= DEEPEST:
            raise PydanticCustomError("INVALID_VALUE", "nested too deep")
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(key, str):
                _without_control(key)
            _plain(inner, depth + 1)
    return value


def normal(value: Any) -> Any:
    """A text in its normal form (`code_form`); what is none is left to the field's type."""
    return code_form(value) if isinstance(value, str) else value


def code_text(value: str) -> str:
    """A code without control characters, in its normal form."""
    return _without_control(code_form(value))


Day: TypeAlias = Annotated[date, BeforeValidator(_day), WithJsonSchema({"type": "string", "format": "date"})]
"""A business date, `YYYY-MM-DD` from 1900-01-01 on. That it is not after today is checked by the rules."""
Id: TypeAlias = Annotated[UUID, BeforeValidator(_in_full)]
"""A UUID in its form of 36 characters."""
Count: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=0, le=MOST_WORKERS)]
"""A number of people: a JSON integer, which 40.0 and 4e1 are, and "40" is not."""
YesOrNo: TypeAlias = Annotated[bool, Field(strict=True)]
"""A JSON true or false: "yes", "true" and 1 are none."""
Number: TypeAlias = Annotated[float, Field(strict=True)]
"""A finite JSON number."""
Name: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_without_control),
    AfterValidator(_seen),
    AfterValidator(impersonal),
]
"""A name of 1 to 200 characters in one line, without a resident number in it."""
Text: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000), AfterValidator(_without_control_but_breaks)
]
"""A free text of 1 to 2,000 characters."""
Note: TypeAlias = Annotated[Text, AfterValidator(impersonal)]
"""A free text that stays in the service's table of notes, without a resident number in it."""
Code: TypeAlias = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=64),
    AfterValidator(_without_control),
    AfterValidator(impersonal),
]
"""A code of some list, 1 to 64 characters. With `Listed` it is one of the list's."""
AreaCode: TypeAlias = Annotated[
    str, BeforeValidator(_area_code), WithJsonSchema({"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"})
]
"""The code of a division or park."""
Data: TypeAlias = Annotated[dict[str, Any], AfterValidator(_plain)]
"""A JSON object that is validated later, such as a correction's `data`."""
Sequence: TypeAlias = Annotated[int, BeforeValidator(_whole), Field(strict=True, ge=1, lt=2**63)]
"""The sequence of an event in its stream, from 1."""


@dataclass(frozen=True, slots=True)
class Listed:
    """Says in an annotation that a field holds a code of the list: `Annotated[Text, Listed(LEAVING)]`.

    Here it only describes the field. Whether the code is one is checked behind the idempotency key, so that what an earlier release
    accepted is still answered when it is sent again (`shared.writing.carry_out`).
    """

    codes: CodeList

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        codes = self.codes.codes
        lines = [self.codes.named.en, "", *(f"- `{code}`: {named.en} / {named.zh}" for code, named in codes.items())]
        found = {"type": "string", "enum": list(codes), "description": "\n".join(lines)}
        return {**found, "x-enum-descriptions": [f"{named.en} / {named.zh}" for named in codes.values()]}


def lists_of(body: type[BaseModel]) -> dict[str, CodeList]:
    """{field that holds a code: its list} of a body; the command has a field of the same name."""
    return {name: one.codes for name, field in body.model_fields.items() for one in _listed(field)}


def _listed(field: FieldInfo) -> list[Listed]:
    return [one for one in field.metadata if isinstance(one, Listed)] + _parts(field.annotation)


def _parts(annotation: Any) -> list[Listed]:
    """What stands in the annotations of a type's parts, as in `Annotated[str, Listed(...)] | None`."""
    found: list[Listed] = []
    for part in get_args(annotation):
        found += [part] if isinstance(part, Listed) else _parts(part)
    return found


class Command(BaseModel):
    """A command's body: unknown fields are an error, numbers are finite."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, hide_input_in_errors=True, regex_engine="rust-regex")

    def plain(self) -> dict[str, Any]:
        """As plain JSON values without defaults, for the idempotency fingerprint."""
        return self.model_dump(mode="json", exclude_unset=True)


class Withdrawal(Command):
    """Events of one stream that were never facts.

    `from` and `to`: their sequences, both included. `note`: a text that stays with the service.
    """

    subject: Annotated[
        str, StringConstraints(min_length=1, max_length=128), AfterValidator(_without_control), AfterValidator(impersonal)
    ] = Field(description="The stream, such as `enterprise/<id>`.", examples=["enterprise/01938c5e-7f00-7000-8000-0000000000e1"])
    first: Sequence = Field(alias="from", description="The sequence of the first event.", examples=[3])
    last: Sequence = Field(alias="to", description="The sequence of the last event, included.", examples=[3])
    reason: Annotated[Text, Listed(WITHDRAWING)] = Field(examples=["test_data"])
    note: Note | None = Field(None, description="A text about it, which stays with the service and enters no event.", examples=[None])

    def why(self) -> Reason:
        """The reason as the rules know it."""
        return reason_of(self.reason, self.note)
