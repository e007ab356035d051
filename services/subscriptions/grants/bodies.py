"""The bodies that the federation sends about grants."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from shared.http.auth import ROOT
from shared.http.forms import AREA_CODE, EARLIEST, ISO_DAY, Command, Name, Note, impersonal
from shared.problems.texts import CONTROL, code_form

MOST_AREAS = 1000
MOST_TYPES = 200
MOST_FIELDS = 200
LONGEST_CLIENT = 255


def moment(value: Any) -> date | datetime:
    """An instant with a zone, or a day. Numbers are neither."""
    if isinstance(value, (date, datetime)):
        return value
    text = code_form(value) if isinstance(value, str) else ""
    try:
        found = date.fromisoformat(text) if ISO_DAY.fullmatch(text) else datetime.fromisoformat(text)
    except ValueError:
        raise PydanticCustomError("INVALID_INSTANT", "an instant is written in ISO 8601 with a zone") from None
    if isinstance(found, datetime) and found.tzinfo is None:
        raise PydanticCustomError("INVALID_INSTANT", "an instant is written in ISO 8601 with a zone")
    if (found.date() if isinstance(found, datetime) else found) < EARLIEST or found.year >= 9999:
        raise PydanticCustomError("DATE_OUT_OF_RANGE", "the date is out of range", {"earliest": "1900-01-01", "latest": "9998-12-31"})
    return found


def _area_or_all(value: Any) -> str:
    code = code_form(value) if isinstance(value, str) else ""
    if code != ROOT and not AREA_CODE.fullmatch(code):
        raise PydanticCustomError("BAD_AREA_CODE", "an area code is [A-Za-z0-9][A-Za-z0-9._-]{0,63}")
    return impersonal(code)


def _client(value: str) -> str:
    if CONTROL.search(value):
        raise PydanticCustomError("CONTROL_CHARACTERS", "no control characters")
    return impersonal(value)


Moment: TypeAlias = Annotated[
    date | datetime,
    BeforeValidator(moment),
    WithJsonSchema({"type": "string", "anyOf": [{"format": "date-time"}, {"format": "date"}]}),
]
"""An instant in ISO 8601 with a zone, or a day of the deployment's zone."""
GrantedArea: TypeAlias = Annotated[
    str, BeforeValidator(_area_or_all), WithJsonSchema({"type": "string", "pattern": r"^(\*|[A-Za-z0-9][A-Za-z0-9._-]{0,63})$"})
]
"""The code of an area, or `*`."""
TypeName: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=128), AfterValidator(_client)]
FieldName: TypeAlias = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64), AfterValidator(_client)]
ClientName: TypeAlias = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_CLIENT), AfterValidator(_client)
]
Fields: TypeAlias = dict[TypeName, Annotated[list[FieldName], Field(max_length=MOST_FIELDS)]]

A_TYPE = "parkunion.union-founded.v1"
SOME_FIELDS: Mapping[str, list[str]] = {A_TYPE: ["union_id", "kind", "seat_area"]}


class GrantBody(Command):
    """Allow a client to get events: of these types, about these areas, with these fields, for a purpose, on a legal basis, for a time."""

    client: ClientName = Field(description="The client: the `sub` of its tokens.", examples=["labour-bureau"])
    areas: list[GrantedArea] = Field(
        min_length=1,
        max_length=MOST_AREAS,
        description="Codes of areas, each with all that lies in it; `*`: every area. They lie within the giver's own.",
        examples=[["330200"]],
    )
    types: list[TypeName] = Field(
        min_length=1, max_length=MOST_TYPES, description="Types of events; what there is: `GET /v1/types`.", examples=[[A_TYPE]]
    )
    fields: Fields | None = Field(
        None,
        description="By type the fields of `data` that are shown; of types that are left out the default fields of `GET /v1/types`.",
        examples=[SOME_FIELDS],
    )
    purpose: Name = Field(description="What the client needs it for; stands in the log of its accesses.", examples=["劳动保障监察"])
    legal_basis: Note = Field(
        max_length=500, description="The law or agreement on which it rests.", examples=["《劳动保障监察条例》第三条"]
    )
    not_before: Moment | None = Field(
        None,
        description="From when on something is delivered: an instant, or a day of the deployment's zone from its first moment on; null: at once.",
        examples=["2026-07-01"],
    )
    not_after: Moment | None = Field(
        None,
        description="Until when something is delivered: an instant, or a day of the deployment's zone to its end; null: no end.",
        examples=["2027-06-30"],
    )


class NarrowingBody(Command):
    """A grant is less from now on. Each field that is given replaces what the grant has, and lies within it; at least one is given."""

    areas: list[GrantedArea] | None = Field(
        None, min_length=1, max_length=MOST_AREAS, description="Areas within those of the grant.", examples=[["330200-P001"]]
    )
    types: list[TypeName] | None = Field(None, min_length=1, max_length=MOST_TYPES, description="Some of its types.", examples=[[A_TYPE]])
    fields: Fields | None = Field(
        None,
        description="By type some of its fields; types that are left out keep theirs.",
        examples=[{A_TYPE: ["union_id", "kind"]}],
    )
    not_after: Moment | None = Field(
        None,
        description="Another end, not later than that of now, nor past: an instant, or a day of the deployment's zone to its end.",
        examples=["2026-12-31"],
    )


class RevocationBody(Command):
    """Nothing is granted any more: at once, also of what is queued."""

    reason: Note = Field(max_length=500, description="Why; stays with the grant.", examples=["任务已结束"])
