"""What commands on entries need, and who may carry them out: hooks for the rows of `facts.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from services.cases.entries.entry import Entry
from services.cases.entries.noun import Noun
from services.cases.entries.tables import TableCache
from services.cases.entries.world import World
from services.cases.nouns import noun_of
from services.cases.settings import Settings
from shared.contracts.cases.rules import CalendarSet, RuleSet
from shared.contracts.services import SERVICES
from shared.persons.sealing import Person, PersonKeys
from shared.problems.errors import Unprocessable
from shared.service import enterprises
from shared.writing.facts import Correct, Standing
from shared.writing.standing import CheckedStreams
from shared.writing.table import Access, Places


@dataclass(frozen=True, slots=True)
class Context(enterprises.Context):
    """What commands need besides a connection. `tables`: what this process has read of the rules and calendars."""

    person_keys: PersonKeys
    tables: TableCache = field(default_factory=TableCache)
    checked: CheckedStreams = field(default_factory=CheckedStreams)

    @classmethod
    def of(cls, settings: Settings) -> Context:  # type: ignore[override]
        """By the settings of the process."""
        topic = SERVICES["registry"].topic(settings.topic_prefix)
        keys = PersonKeys(settings.encryption_keys, settings.hash_keys)
        return cls(settings.clock, settings.fingerprint_key, topic, settings.partitions, keys)


@dataclass
class Needs(enterprises.Needs):
    """`rows`: entries. `streams`: besides those of enterprises. `areas` are loaded with their paths. `copies`: whether those of facts are
    needed, which entries of several enterprises have. `numbers`: of the documents of persons."""

    areas: set[str] = field(default_factory=set)
    copies: bool = False
    numbers: set[str] = field(default_factory=set, repr=False)


def entry_of(noun: Noun) -> Callable[[Needs, Any], None]:
    """The entry that a command names."""

    def add(needs: Needs, command: Any) -> None:
        needs.rows.add(getattr(command, noun.key))

    return add


def fact(needs: Needs, fact: Standing) -> None:
    """The entry of a fact that a correction or withdrawal names."""
    if fact.data is not None and not isinstance(fact.data, RuleSet | CalendarSet):
        needs.rows.add(noun_of(fact.data).id_of(fact.data))
        needs.copies = True


def place(needs: Needs, command: Any) -> None:
    """The enterprise and the area of a command, as far as it names them; with several enterprises, all of them."""
    needs.enterprises |= {one for one in (getattr(command, "enterprise_id", None),) if one is not None}
    needs.enterprises |= set(getattr(command, "enterprises", None) or ())
    if (area := getattr(command, "area", None)) is not None:
        needs.areas.add(area)


def person(needs: Needs, named: Person | None) -> None:
    """The person whom a command names, if there is a document to find the person by."""
    if named is not None and named.document_number is not None:
        needs.numbers.add(named.document_number)


def place_or_area(needs: Needs, command: Any) -> None:
    """The enterprise of a command, or its area with the stream of that. Raises FIELD_REQUIRED, ENTERPRISE_OR_AREA (422)."""
    enterprise_id, area = getattr(command, "enterprise_id", None), command.area
    if enterprise_id is not None and area is not None:
        raise Unprocessable("ENTERPRISE_OR_AREA", field="area")
    if enterprise_id is None and area is None:
        raise Unprocessable("FIELD_REQUIRED", field="enterprise_id" if hasattr(command, "enterprise_id") else "area")
    place(needs, command)
    if area is not None:
        needs.streams.add(f"area/{area}")


def stream(needs: Needs, subject: str) -> None:
    """The stream on which something is corrected or withdrawn."""
    if enterprises.enterprise_of(subject) is not None:
        enterprises.needs_stream(needs, subject)
    else:
        needs.streams.add(subject)


def permit_place(world: World, command: Any, access: Access) -> None:
    """Every enterprise and the area that the command names must be granted; if it names none, every area."""
    on = _date_of(command)
    named = [one for one in (getattr(command, "enterprise_id", None),) if one is not None]
    for enterprise_id in named:
        enterprises.permit(world, enterprise_id, access, "enterprise_id", on)
    several = list(getattr(command, "enterprises", None) or ())
    for number, enterprise_id in enumerate(several):
        enterprises.permit(world, enterprise_id, access, f"enterprises.{number}", on)
    area = getattr(command, "area", None)
    if area is not None:
        access.area(world, area, "area")
        world.require_area(area, "area")
    elif not named and not several:
        access.everywhere("area")


def permit_entry(noun: Noun) -> Callable[[World, Any, Access], None]:
    """Where the entry is must be granted, and it must be as the caller has read it."""

    def permit(world: World, command: Any, access: Access) -> None:
        entry = world.entry(getattr(command, noun.key), noun)
        require_granted(world, entry, access, noun.key, _date_of(command))
        # Who may go on with an entry sees it.
        require_granted(world, entry, access, noun.key, noun.last_day(entry) or date.max)
        access.resource(world, entry.subject, entry.etag)

    return permit


def require_granted(world: World, entry: Entry, access: Access, field: str, on: date = date.max) -> None:
    """Raises AREA_NOT_GRANTED (403) unless every enterprise of the entry, or its area, is granted.

    Of several enterprises those that the registry has withdrawn are nowhere, and need no grant.
    """
    for enterprise_id in [one for one in entry.enterprises if one in world.enterprises] or entry.enterprises[:1]:
        enterprises.permit(world, enterprise_id, access, field, on)
    if not entry.enterprises:
        if entry.area is None:
            access.everywhere(field)
        else:
            access.area(world, entry.area, field)


def permit_correction(world: World, fact: Standing, _command: Correct, access: Access) -> None:
    """The stream can be read, and the entry is as the caller has read it."""
    etag = None
    if fact.data is not None and not isinstance(fact.data, RuleSet | CalendarSet):
        entry = world.entries.get(noun_of(fact.data).id_of(fact.data))
        etag = entry.etag if entry else None
    access.resource(world, fact.subject, etag)


def places(world: World, subject: str) -> Places:
    """Where the resource of a stream is: an enterprise in its park, an area in itself, a file in its area; nowhere: a table of rules."""
    kind, _, key = subject.partition("/")
    if kind == enterprises.KIND:
        return enterprises.places(world, subject)
    if kind == "area":
        return [(date.min, key)]
    found = next((one for one in world.entries.values() if one.subject == subject and one.area is not None), None)
    return [] if found is None or found.area is None else [(date.min, found.area)]


def _date_of(command: Any) -> date:
    """The business date of a command; the last day if it has none."""
    return next(
        (day for name in ("on", "occurred_on", "signed_on", "held_on", "invited_on") if (day := getattr(command, name, None))), date.max
    )
