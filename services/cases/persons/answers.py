"""What reads of persons and of the log of readings answer."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, Field

from services.cases.reads.answers import CASE_ID
from shared.http.answers import NEXT
from shared.persons.sealing import Person

PERSON_ID = "01938c5e-7f00-7000-8000-0000000000d1"


class DocumentAnswer(BaseModel):
    """An identity document."""

    kind: str = Field(description="The kind of document, a code of docs/codes.md.", examples=["resident_id"])
    number: str = Field(description="Its number in its normal form.", examples=["11010519491231002X"])


class PersonAnswer(BaseModel):
    """A person, as far as is known."""

    id: UUID = Field(description="The id by which the person is erased.", examples=[PERSON_ID])
    role: str = Field(
        description="`reporter` of a case; `person`: whom a hardship file or employment help is about.", examples=["reporter"]
    )
    document: DocumentAnswer | None = Field(None, description="The document by which the person is recognised.")
    name: str | None = Field(None, description="The name.", examples=["样例"])
    phone: str | None = Field(None, description="The telephone number.", examples=["0571-00000000"])


class PersonsAnswer(BaseModel):
    """Whom an entry names. Who was erased is not among them."""

    items: list[PersonAnswer] = Field(description="The persons.")


class ReadingAnswer(BaseModel):
    """Somebody read what is kept of persons."""

    number: int = Field(description="The position in the log.", examples=[1])
    read_at: datetime = Field(description="When.", examples=["2026-07-01T01:30:00.123456Z"])
    client: str = Field(description="Who: the `sub` of the token.", examples=["handler-7"])
    purpose: str = Field(description="The purpose that was stated, without what names the persons.", examples=["回访报告人"])
    noun: str = Field(description="case, hardship or help.", examples=["case"])
    entry_id: UUID = Field(description="The entry whose persons were read.", examples=[CASE_ID])
    persons: list[UUID] = Field(description="The ids of the persons who were shown.", examples=[[PERSON_ID]])
    area: str | None = Field(None, description="Where the entry was then; null: above every area.", examples=["330201"])


class ReadingsAnswer(BaseModel):
    """The log of readings, the oldest first."""

    items: list[ReadingAnswer] = Field(description="One page of them.")
    next: str | None = Field(description=NEXT, examples=[None])


def shown(role: str, person_id: UUID, person: Person) -> dict[str, Any]:
    """The fields of PersonAnswer."""
    document = None
    if person.document_kind is not None:
        document = {"kind": person.document_kind, "number": person.document_number}
    return {"id": person_id, "role": role, "document": document, "name": person.name, "phone": person.phone}
