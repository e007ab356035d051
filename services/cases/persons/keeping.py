"""Persons of commands: found by keyed hash under lock, and written encrypted, within the transaction of the command."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from services.cases.entries.world import World
from services.cases.persons import store
from services.cases.persons.naming import Known, merged
from services.cases.persons.store import Link, Row
from shared.contracts.ids import uuid7
from shared.persons.sealing import Person, PersonKeys, open_person, seal_person
from shared.process.db import Connection
from shared.writing.table import ConcurrentChange


async def load(conn: Connection, keys: PersonKeys, numbers: Collection[str], world: World) -> set[UUID]:
    """Lock the persons with these numbers, so that what is decided about them stays true; the entries that name them."""
    if not numbers:
        return set()
    hashes = {number: keys.number_hashes(number) for number in numbers}
    found = await store.lock(conn, [one for several in hashes.values() for one in several])
    for number, several in hashes.items():
        row = next((found[digest] for _, digest in several if digest in found), None)
        if row is not None:
            world.known_persons[number] = Known(*row)
    # Read behind the lock: whoever held it may have added entries.
    entries = await store.entries_of(conn, [known.id for known in world.known_persons.values()])
    for number, known in world.known_persons.items():
        world.entries_of[number] = frozenset(entries.get(known.id, ()))
    return {entry for several in entries.values() for entry in several}


async def write(conn: Connection, keys: PersonKeys, world: World) -> None:
    """Write the persons whom new facts name, and forget those whose entries were withdrawn. Raises ConcurrentChange if another command wrote one of them meanwhile."""
    new, changed, links = [], {}, []
    by_number = dict(world.known_persons)
    for (entry_id, role), person in world.persons.items():
        number = person.document_number
        known = by_number.get(number) if number is not None else None
        if known is None:
            row = _row(keys, uuid7(), person)
            new.append(row)
        else:
            row = _row(keys, known.id, merged(open_person(keys, known.id, known.sealed), person))
            changed[row.id] = row
        if number is not None:
            by_number[number] = Known(row.id, row.sealed)
        links.append(Link(entry_id, role, row.id))
    if await store.add(conn, new) < len(new):
        raise ConcurrentChange("a person was written by another command")
    await store.change(conn, list(changed.values()))
    await store.link(conn, links)
    await store.unlink(conn, world.unnamed)


def _row(keys: PersonKeys, person_id: UUID, person: Person) -> Row:
    """The row of a person, under the newest keys."""
    version, digest = (None, None) if person.document_number is None else keys.number_hashes(person.document_number)[0]
    return Row(person_id, seal_person(keys, person_id, person), digest, version)
