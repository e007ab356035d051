"""The bodies in which callers name persons. What they hold is never repeated: not by `repr`, not by an error."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

from shared.contracts.codes import ERASING
from shared.http.forms import Command as Form
from shared.http.forms import Listed, Name, Text, impersonal, normal
from shared.persons.documents import RESIDENT_ID, document_of
from shared.persons.sealing import Person

LONGEST_NUMBER = 128
"""Characters of a number as it is typed."""
Phone: TypeAlias = Annotated[
    str, BeforeValidator(normal), StringConstraints(pattern=r"^[0-9+][0-9+() /,;#*-]{2,63}$"), AfterValidator(impersonal)
]
"""One telephone number or several: 3 to 64 digits, plus signs, brackets, blanks and what parts numbers; no resident number."""


class DocumentBody(Form):
    """An identity document: `resident_id`, `permit`, `passport`, … and its number."""

    kind: str = Field(
        min_length=1, max_length=32, description="The kind of document, as a code of docs/codes.md.", examples=["resident_id"]
    )
    number: str = Field(
        min_length=1, max_length=LONGEST_NUMBER, repr=False, description="Its number, as it stands on it.", examples=["11010519491231002X"]
    )


def _of_number(value: Any) -> Any:
    """The commonest document may be given as its number alone."""
    return {"kind": RESIDENT_ID, "number": value} if isinstance(value, str) else value


def _or_number(schema: dict[str, Any]) -> None:
    schema["anyOf"].insert(1, {"type": "string", "minLength": 1, "maxLength": LONGEST_NUMBER})


class PersonBody(Form):
    """A person, as far as is known. Encrypted; in no event, log, address or error."""

    document: Annotated[DocumentBody | None, BeforeValidator(_of_number)] = Field(
        None,
        description="An identity document, by which the person is recognised; a text is the number of a resident identity card.",
        repr=False,
        json_schema_extra=_or_number,
    )
    name: Name | None = Field(None, description="The person's name.", examples=["样例"], repr=False)
    phone: Phone | None = Field(None, description="How to reach the person by telephone.", examples=["0571-00000000"], repr=False)

    def person(self, field: str, on: date | None = None) -> Person:
        """The person, with the document in its normal form. `field`: of this body, for refusals; `on`: a day after the person's birth.

        Raises NOT_ONE_OF (`<field>.document.kind`), INVALID_DOCUMENT (`<field>.document.number`) (422).
        """
        if self.document is None:
            return Person(name=self.name, phone=self.phone)
        document = document_of(self.document.kind, self.document.number, on, f"{field}.document")
        return Person(document.kind, document.number, self.name, self.phone)


class ErasureBody(Form):
    """Why a person is erased: a code, and no text, which would outlive the person."""

    reason: Annotated[Text, Listed(ERASING)] = Field(examples=["requested"])
