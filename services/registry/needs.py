"""What the commands of the registry need, by command. No database here."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field

from services.registry.areas.area import RegisterArea, area_subject
from services.registry.enterprises import fields
from services.registry.enterprises.enterprise import enterprise_subject
from services.registry.enterprises.rules import Change, Move, RegisterEnterprise
from services.registry.naming import name_key
from shared.problems.texts import code_form
from shared.process.clock import Clock
from shared.writing import table
from shared.writing.facts import Correct
from shared.writing.fields import Wrong


@dataclass(frozen=True, slots=True)
class Context:
    """What commands need besides a connection."""

    clock: Clock
    fingerprint_key: bytes


@dataclass
class Needs(table.Needs):
    """`names` = (park, name key) of new enterprises. `changed_areas`: areas that are corrected or withdrawn.

    `tree`: a correction or withdrawal, which relies on the tree of areas although it may name none.
    """

    areas: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)
    """Credit codes and registration numbers."""
    names: set[tuple[str, str]] = field(default_factory=set)
    changed_areas: set[str] = field(default_factory=set)
    tree: bool = False


def needs_of(_context: Context) -> Needs:
    """Nothing yet."""
    return Needs()


def register_area(needs: Needs, command: RegisterArea) -> None:
    """The stream, the area and its parent."""
    needs.streams.add(area_subject(command.code))
    needs.areas |= {command.code, command.parent or command.code}


def register_enterprise(needs: Needs, command: RegisterEnterprise) -> None:
    """The park, and what is compared with other enterprises: the credit code, and the name in the park."""
    needs.areas.add(command.park)
    needs.names.add((command.park, name_key(command.name)))
    needs.codes |= {code for code in (command.credit_code, command.registration_number) if code}


def change(needs: Needs, command: Change) -> None:
    """The enterprise's stream."""
    needs.streams.add(enterprise_subject(command.enterprise_id))


def move(needs: Needs, command: Move) -> None:
    """The enterprise's stream, and the park."""
    change(needs, command)
    needs.areas.add(command.park)


def correction(needs: Needs, command: Correct) -> None:
    """The areas and codes that the changed fields name, in their normal form."""
    data = command.data or {}
    needs.areas |= {code_form(value) for name in ("park", "parent") if isinstance(value := data.get(name), str)}
    for name, reader in (("credit_code", fields.credit_code_form), ("registration_number", fields.registration_number)):
        with suppress(Wrong):
            needs.codes |= {code} if (code := reader(data.get(name))) else set()


def stream(needs: Needs, subject: str) -> None:
    """The tree of areas; of an area that is corrected or withdrawn, all that lies in it."""
    kind, _, key = subject.partition("/")
    needs.tree = True
    if kind == "area":
        needs.changed_areas.add(key)
