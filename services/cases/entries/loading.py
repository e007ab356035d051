"""Locks, loads and writes the world of this service: a fixed number of statements, whatever the number of commands."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any
from uuid import UUID

from services.cases.clocks.clock import Clock
from services.cases.entries import clocking, store, tables
from services.cases.entries.entry import Entry
from services.cases.entries.needs import Context, Needs
from services.cases.entries.store import ClockRow
from services.cases.entries.world import World
from services.cases.nouns import NOUNS
from services.cases.persons import keeping
from shared.directory.store import paths
from shared.process.db import Connection
from shared.service import enterprises
from shared.writing import standing
from shared.writing.table import Locks, Recorded


async def widen(conn: Connection, needs: Needs) -> None:
    """The streams of the entries named: of all their enterprises, or their own."""
    for place in (await store.places(conn, needs.rows)).values():
        needs.enterprises |= set(place.enterprises)
        if not place.enterprises:
            needs.streams.add(place.subject)


async def _own(_: Connection, needs: Needs) -> Collection[str]:
    return {subject for subject in needs.streams if enterprises.enterprise_of(subject) is None}


LOCKS: tuple[Locks[Any], ...] = (enterprises.LOCKS, Locks(wanted=_own, known=_own))
"""Streams of enterprises, then the service's own ones, which are created when they are first needed."""


async def load(conn: Connection, context: Context, needs: Needs, world: World) -> None:
    """Enterprises, entries, and the rules and calendars, under the locks."""
    # Rules go by place, whoever asks.
    needs.paths = True
    await enterprises.load(conn, context, needs, world)
    named = await keeping.load(conn, context.person_keys, needs.numbers, world)
    world.entries = await store.entries(conn, needs.rows | named)
    if needs.copies:
        world.copies = dict(await store.copies(conn, world.entries.keys()))
    areas = needs.areas | {entry.area for entry in world.entries.values() if entry.area is not None}
    areas |= {subject.partition("/")[2] for subject in needs.streams if subject.startswith("area/")}
    world.areas |= await paths(conn, {area for area in areas if area not in world.areas})
    current = await context.tables.current(conn)
    world.rules, world.years = dict(current.rules), dict(current.years)
    world.book_version, world.loaded = current.version, current.made
    await standing.check_readable(conn, context.checked, world)
    world.today = await context.clock.today(conn)


async def prepare(conn: Connection, context: Context, world: World) -> None:
    """Write the persons whom new facts name, encrypted. Raises ConcurrentChange."""
    await keeping.write(conn, context.person_keys, world)


async def write(conn: Connection, world: World, recorded: Recorded) -> None:
    """Bring the tables up to the world."""
    await tables.write(conn, world, recorded.events)
    changed = [world.entries[entry_id] for entry_id in sorted(world.changed)]
    if changed:
        await write_entries(conn, world, changed)
    await store.put_copies(conn, world.new_copies, world.gone_copies)


async def write_entries(conn: Connection, world: World, changed: Collection[Entry]) -> None:
    """Write entries in full, with their clocks as they are by the rules and calendars of the world."""
    rows, pairs, clocks = [], [], []
    for entry in changed:
        computed = clocking.clocks_of(entry, world.book_of(entry))
        rows.append(_row(world, entry, computed))
        last_day = NOUNS[entry.noun].last_day(entry)
        pairs += [(entry.id, enterprise_id, last_day) for enterprise_id in entry.enterprises]
        clocks += [
            ClockRow(entry.id, number, clocking.is_open(one), one.due_on, clocking.plain(one)) for number, one in enumerate(computed, 1)
        ]
    await store.put(conn, rows, pairs, clocks)


def _row(world: World, entry: Entry, computed: Collection[Clock]) -> dict[str, Any]:
    noun, book = NOUNS[entry.noun], world.book_of(entry)
    there = entry.first(noun.opening) is not None
    dues = [one.due_on for one in computed if clocking.is_open(one) and one.due_on is not None]
    # Of an entry whose opening was withdrawn what the service itself said is taken back.
    wake = clocking.wakes_on(entry, noun, book, computed)
    return {
        "id": str(entry.id),
        "noun": entry.noun,
        "subject": entry.subject,
        "enterprise_id": _text(entry.enterprises[0] if entry.enterprises else None),
        "area": entry.area,
        "opened_on": _text(noun.starts(entry) if there else None),
        "kind": noun.kind(entry) if there else None,
        "state": noun.state(entry) if there else "withdrawn",
        "assigned_to": noun.assigned_to(entry),
        "until": _text(noun.until(entry) if there else None),
        "next_due": _text(min(dues, default=None)),
        "wake_on": _text(wake),
        "book_version": world.book_version,
        "facts": [store.kept(fact) for fact in entry.facts],
        "private": dict(entry.private),
    }


def _text(value: UUID | date | None) -> str | None:
    return None if value is None else str(value)
