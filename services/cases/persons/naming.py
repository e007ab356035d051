"""How a command names a person, and how a fact's person comes into the world. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol
from uuid import UUID

from shared.persons.sealing import Person, Sealed
from shared.problems.errors import Unprocessable

REPORTER = "reporter"
PERSON = "person"
"""Roles: who reported a case; whom a hardship file or employment help is about."""


@dataclass(frozen=True, slots=True)
class Known:
    """A person who has a row."""

    id: UUID
    sealed: Sealed = field(repr=False)


class Body(Protocol):
    """What `shared.persons.bodies.PersonBody` is."""

    def person(self, field: str, on: date | None = None) -> Person:
        """The person, with the document in its normal form."""


class Named(Protocol):
    """A world that holds persons."""

    persons: dict[tuple[UUID, str], Person]
    unnamed: set[UUID]
    entries_of: dict[str, frozenset[UUID]]


def named(body: Body | None, role: str, on: date) -> Person | None:
    """The person of a body, born by `on`; None: nobody is named.

    Raises NOT_ONE_OF, INVALID_DOCUMENT (422) with fields as `reporter.document.number`.
    """
    found = body.person(role, on) if body is not None else None
    return None if found == Person() else found


def required(body: Body, role: str, on: date) -> Person:
    """The person of a body that names one by document or name. Raises FIELD_REQUIRED (422) besides what `named` does."""
    found = named(body, role, on)
    if found is None or (found.document_number is None and found.name is None):
        raise Unprocessable("FIELD_REQUIRED", field=f"{role}.name")
    return found


def hold(world: Named, entry_id: UUID, role: str, person: Person) -> None:
    """The entry names the person."""
    world.persons[entry_id, role] = person
    if person.document_number is not None:
        world.entries_of[person.document_number] = world.entries_of.get(person.document_number, frozenset()) | {entry_id}


def forget(world: Named, entry_id: UUID) -> None:
    """The entry never was: it names nobody."""
    world.unnamed.add(entry_id)
    for key in [key for key in world.persons if key[0] == entry_id]:
        del world.persons[key]


def merged(before: Person, now: Person) -> Person:
    """What is known of a person of whom something is said again: what is new counts."""
    return Person(now.document_kind, now.document_number, now.name or before.name, now.phone or before.phone)


def taken(private: Mapping[str, Any] | None, key: str) -> Person | None:
    """The person among what a new fact carries besides its event."""
    found = (private or {}).get(key)
    return found if isinstance(found, Person) else None
