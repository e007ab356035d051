"""Locks and loads what a batch of commands decides on, all lines together: a fixed number of statements, whatever the number of lines.

The order is that of docs/design/ENGINE.md, Writing: unions' streams, then enterprises' streams, then everything is loaded by later
statements.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from uuid import UUID

from services.membership import listings, people, snapshot, store
from services.membership.context import Context
from services.membership.domain.commands import Command, Correct, Cover, Dissolve, Found, Join, Leave, Transfer, Withdraw
from services.membership.domain.corrections import Target
from services.membership.domain.state import Membership, PersonNo, World, enterprise_subject, union_subject
from services.membership.domain.withdrawals import Stream
from shared import contracts
from shared.contracts.membership import UnionKind
from shared.contracts.streams import Placed
from shared.directory import not_yet_known
from shared.directory.store import enterprises
from shared.journal import journal
from shared.process.db import Connection

Hashes = list[tuple[int, bytes]]


@dataclass(slots=True)
class Named:
    """The ids that commands name, by what is needed of each. `wide`: unions whose whole coverage is needed.

    `told`: enterprises of which this service has said something. Their streams exist even if the registry has withdrawn the enterprise.
    """

    enterprises: set[UUID] = field(default_factory=set)
    told: set[UUID] = field(default_factory=set)
    unions: set[UUID] = field(default_factory=set)
    locked: set[UUID] = field(default_factory=set)
    wide: set[UUID] = field(default_factory=set)
    memberships: set[UUID] = field(default_factory=set)
    events: set[UUID] = field(default_factory=set)
    areas: set[str] = field(default_factory=set)
    withdrawn: set[tuple[str, int, int]] = field(default_factory=set)


@dataclass(slots=True)
class Loaded:
    """A world under its locks, and what else decisions need. `persons` = {hash: person}, those below 0 without a row.

    `etags` = {union or membership that changes: its ETag}, if a command asks for it. `withdrawn` = {(subject, from, to) of a withdrawal: the
    events named}.
    """

    world: World
    today: date
    targets: dict[UUID, Target]
    persons: dict[bytes, PersonNo]
    rehash: list[tuple[int, bytes]]
    known_memberships: frozenset[UUID]
    etags: dict[UUID, str]
    withdrawn: dict[tuple[str, int, int], Stream | None]


async def load(
    conn: Connection, context: Context, commands: Sequence[Command], hashes: Sequence[Hashes], *, grants: bool, etags: bool = False
) -> Loaded:
    """Everything for these commands. `hashes` are those of the persons who want to join; `grants`: whether areas' paths are needed."""
    named = _named(commands)
    targets = await store.targets(conn, named.events)
    _name_targets(named, targets.values())
    for place in named.withdrawn:
        _name_withdrawn(named, place[0], await store.named_by(conn, *place))
    members = await store.memberships(conn, named.memberships)
    named.told |= {member.enterprise_id for member in members}
    named.enterprises |= named.told
    world = World(heads=await _lock(conn, named, commands))
    found = await _load_world(conn, world, named, commands, hashes)
    persons, rehash = await _people(conn, world, found.persons, {member.person for member in members}, hashes)
    if grants:
        named.areas |= {enterprise.park for enterprise in world.enterprises.values()} | {u.seat_area for u in world.unions.values()}
    await not_yet_known.complete(conn, world, named.enterprises, named.areas, topic=context.registry_topic, partitions=context.partitions)
    if named.events:
        targets = await store.targets(conn, named.events)
    withdrawn = {place: await store.named_by(conn, *place) for place in named.withdrawn}
    tags = await listings.etags(conn, named.locked, named.memberships) if etags else {}
    return Loaded(world, context.clock.day_of(found.now), targets, persons, rehash, frozenset(world.memberships), tags, withdrawn)


def _named(commands: Sequence[Command]) -> Named:
    named = Named()
    for command in commands:
        match command:
            case Join():
                named.enterprises.add(command.enterprise_id)
                named.unions.add(command.union_id)
            case Found():
                named.enterprises.update(command.enterprises)
                named.areas.add(command.seat_area)
                if command.parent_union_id:
                    named.unions.add(command.parent_union_id)
            case Cover():
                named.enterprises.add(command.enterprise_id)
                named.locked.add(command.union_id)
            case Dissolve():
                named.locked.add(command.union_id)
                named.wide.add(command.union_id)
            case Leave():
                named.memberships.add(command.membership_id)
            case Transfer():
                named.memberships.add(command.membership_id)
                named.enterprises.add(command.enterprise_id)
                named.unions.add(command.union_id)
            case Correct():
                named.events.add(command.corrects)
                if command.data and isinstance(seat := command.data.get("seat_area"), str):
                    named.areas.add(seat)
            case Withdraw():
                named.withdrawn.add((command.subject, command.first, command.last))
    return named


def _name_withdrawn(named: Named, subject: str, stream: Stream | None) -> None:
    """What the facts of a withdrawal are about, as if each of them were corrected."""
    said = stream.named if stream else ()
    readable = [(one, contracts.plain(fact)) for one in said if (fact := one.fact()) is not None]
    _name_targets(named, [Target(subject, one.sequence, one.type, None, Placed(date.min, data)) for one, data in readable])


def _name_targets(named: Named, targets: Iterable[Target]) -> None:
    for target in targets:
        kind, _, key = target.subject.partition("/")
        if kind == "union":
            named.locked.add(UUID(key))
            named.wide.add(UUID(key))
            named.areas |= {target.placed.data["seat_area"]} if target.placed and "seat_area" in target.placed.data else set()
            continue
        named.enterprises.add(UUID(key))
        named.told.add(UUID(key))
        data = target.placed.data if target.placed else {}
        if "membership_id" in data:
            named.memberships.add(UUID(data["membership_id"]))
            named.unions.add(UUID(data["union_id"]))
        elif "union_id" in data:
            named.locked.add(UUID(data["union_id"]))


async def _lock(conn: Connection, named: Named, commands: Sequence[Command]) -> dict[str, int]:
    """Lock the streams of what exists: unions that change, then the enterprises named and those of unions that end.

    Returns {subject: sequence}. What becomes known later than this is still unknown to this batch.
    """
    found = await store.unions(conn, named.locked)
    named.unions |= named.locked
    named.wide |= {u.id for u in found.values() if u.kind == UnionKind.ENTERPRISE_UNION}
    locked = await journal.lock(conn, [union_subject(union_id) for union_id in found])
    ends = {c.union_id for c in commands if isinstance(c, Dissolve)} | (named.wide if named.events or named.withdrawn else set())
    named.told |= {fact.enterprise_id for fact in await store.coverage_of_unions(conn, ends)}
    named.enterprises |= named.told
    subjects = {enterprise_subject(enterprise_id) for enterprise_id in named.enterprises}
    heads = await journal.lock_if_all_exist(conn, subjects)
    if len(heads) < len(subjects):
        known = await enterprises(conn, named.enterprises)
        heads = await journal.lock(conn, [enterprise_subject(enterprise_id) for enterprise_id in known.keys() | named.told])
    locked |= heads
    # Those of a union or enterprise that is known no longer.
    await journal.lock_existing(conn, {subject for subject, _, _ in named.withdrawn} - locked.keys())
    return {subject: head.sequence for subject, head in locked.items()}


async def _load_world(
    conn: Connection, world: World, named: Named, commands: Sequence[Command], hashes: Sequence[Hashes]
) -> snapshot.Snapshot:
    """Enterprises, coverage and unions, under their locks; what only units that are closed or wide unions need, by further statements."""
    not_locked = {union_id for union_id in named.locked if union_subject(union_id) not in world.heads}
    found = await snapshot.load(
        conn,
        {enterprise_id for enterprise_id in named.enterprises if enterprise_subject(enterprise_id) in world.heads},
        named.enterprises,
        named.unions - not_locked,
        [entry for entries in hashes for entry in entries],
    )
    world.enterprises, world.coverage, world.unions = found.enterprises, found.coverage, found.unions
    closed = {enterprise.id for enterprise in world.enterprises.values() if enterprise.closed_on is not None}
    named.wide |= {c.union_id for c in commands if isinstance(c, Cover) and c.enterprise_id in closed}
    for fact in await store.coverage_of_unions(conn, named.wide):
        if fact.enterprise_id not in named.enterprises:
            world.coverage.setdefault(fact.enterprise_id, []).append(fact)
    also = {fact.union_id for enterprise in closed for fact in world.coverage.get(enterprise, ())}
    world.unions |= await store.unions(conn, also - not_locked - world.unions.keys())
    return found


async def _people(
    conn: Connection, world: World, found: Mapping[tuple[int, bytes], int], named: set[PersonNo], hashes: Sequence[Hashes]
) -> tuple[dict[bytes, PersonNo], list[tuple[int, bytes]]]:
    """Lock those `found` by hash and those of the memberships named, and load their memberships; {newest hash: person}, and whom an
    older key found."""
    persons: dict[bytes, PersonNo] = {}
    rehash: list[tuple[int, bytes]] = []
    for entries in hashes:
        newest = entries[0][1]
        if newest in persons:
            continue
        known = next((found[entry] for entry in entries if entry in found), None)
        persons[newest] = PersonNo(-len(persons) - 1 if known is None else known)
        if known is not None and entries[0] not in found:
            rehash.append((known, newest))
    numbers = {number for number in persons.values() if number > 0} | named
    await people.lock(conn, numbers)
    members: list[Membership] = await store.memberships_of(conn, numbers)
    world.memberships = {member.id: member for member in members}
    for member in members:
        world.of_person.setdefault(member.person, []).append(member.id)
    return persons, rehash
