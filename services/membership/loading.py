"""Locks, loads and writes the world of membership: a fixed number of statements, whatever the number of commands.

Order (docs/design/ENGINE.md, Writing 2 and 3): streams of unions, streams of enterprises, then everything by later statements.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.membership.members import people
from services.membership.members import store as members
from services.membership.members.people import NewPerson
from services.membership.needs import Context, Needs
from services.membership.unions import store as unions
from services.membership.world import CoverageFact, Joiner, PersonNo, Union, World, enterprise_subject, union_subject
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionKind
from shared.directory import not_yet_known
from shared.directory.known import Enterprise
from shared.directory.store import ENTERPRISE_COLUMNS, enterprises, placed
from shared.problems.preconditions import etag_of
from shared.process.db import Connection
from shared.writing.standing import UNREADABLE
from shared.writing.table import ConcurrentChange, Locks, Recorded

SNAPSHOT = f"""
SELECT
    ARRAY(SELECT ({ENTERPRISE_COLUMNS}) FROM enterprises WHERE id = ANY($1::uuid[])) AS enterprises,
    ARRAY(
        SELECT ({unions.COVERAGE_COLUMNS}) FROM coverage_facts WHERE enterprise_id = ANY($2::uuid[]) ORDER BY occurred_on, rank
    ) AS coverage,
    ARRAY(SELECT ({unions.UNION_COLUMNS}) FROM unions WHERE id = ANY($3::uuid[])) AS unions,
    ARRAY(
        SELECT (w.hash_version, w.hash, p.no) FROM unnest($4::smallint[], $5::bytea[]) AS w(hash_version, hash)
        CROSS JOIN LATERAL (SELECT no FROM persons AS p WHERE p.hash = w.hash AND p.hash_version = w.hash_version OFFSET 0) AS p
    ) AS persons,
    ARRAY({UNREADABLE.format(subjects="$6", checked="$7", types="$8")}) AS unreadable,
    parkunion_now() AS now
"""
"""What nearly every command is decided on, in one statement and one snapshot (docs/adr/0008). Each column is an array of rows."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`coverage` = {enterprise asked for: its facts in order}, `persons` = {(key version, hash): number} of those who are known.

    `unreadable` = (stream, sequence) of events of unknown types. `now` is the platform's instant, under the locks.
    """

    enterprises: dict[UUID, Enterprise]
    coverage: dict[UUID, list[CoverageFact]]
    unions: dict[UUID, Union]
    persons: dict[tuple[int, bytes], int]
    unreadable: list[tuple[str, int]]
    now: datetime


async def snapshot(
    conn: Connection,
    enterprise_ids: Collection[UUID],
    covered: Collection[UUID],
    union_ids: Collection[UUID],
    hashes: Sequence[tuple[int, bytes]],
    streams: tuple[list[str], list[int], list[str]] = ([], [], []),
) -> Snapshot:
    """These enterprises and unions, the coverage of the enterprises `covered`, and the persons with these (key version, hash).

    `streams`: see CheckedStreams.arguments.
    """
    versions, digests = [version for version, _ in hashes], [digest for _, digest in hashes]
    row = await conn.fetchrow(SNAPSHOT, list(enterprise_ids), list(covered), list(union_ids), versions, digests, *streams)
    assert row is not None
    coverage: dict[UUID, list[CoverageFact]] = {enterprise_id: [] for enterprise_id in covered}
    for columns in row["coverage"]:
        fact = unions.coverage_fact(columns)
        coverage[fact.enterprise_id].append(fact)
    return Snapshot(
        {columns[0]: Enterprise(*columns) for columns in row["enterprises"]},
        coverage,
        {columns[0]: unions.union(columns) for columns in row["unions"]},
        {(version, digest): no for version, digest, no in row["persons"]},
        row["unreadable"],
        row["now"],
    )


async def widen(conn: Connection, needs: Needs) -> None:
    """The enterprises and persons of the memberships named."""
    found = await members.memberships(conn, needs.memberships)
    needs.recorded |= {member.enterprise_id for member in found}
    needs.persons |= {member.person for member in found}
    needs.enterprises |= needs.recorded


async def _unions_to_lock(conn: Connection, needs: Needs) -> Collection[str]:
    """Unions that change, as far as they exist."""
    found = await unions.unions(conn, needs.changed)
    needs.unions |= needs.changed
    needs.wide |= {union.id for union in found.values() if union.kind == UnionKind.ENTERPRISE_UNION}
    return [union_subject(union_id) for union_id in found]


async def _enterprises_to_lock(conn: Connection, needs: Needs) -> Collection[str]:
    """The enterprises named, and those of unions that end."""
    ends = needs.ending | (needs.wide if needs.events or needs.ranges else set())
    needs.recorded |= {fact.enterprise_id for fact in await unions.coverage_of_unions(conn, ends)}
    needs.enterprises |= needs.recorded
    return [enterprise_subject(enterprise_id) for enterprise_id in needs.enterprises]


async def _enterprises_known(conn: Connection, needs: Needs) -> Collection[str]:
    """Of these, those that are known. What becomes known after this is still unknown to these commands."""
    known = await enterprises(conn, needs.enterprises)
    return [enterprise_subject(enterprise_id) for enterprise_id in known.keys() | needs.recorded]


LOCKS: tuple[Locks[Needs], ...] = (
    Locks(wanted=_unions_to_lock),
    Locks(wanted=_enterprises_to_lock, known=_enterprises_known),
)


async def load(conn: Connection, context: Context, needs: Needs, world: World) -> None:
    """Everything under the locks, for all commands together."""
    found = await _load_unions(conn, context, world, needs)
    world.today = context.clock.day_of(found.now)
    await _load_people(conn, world, needs, found.persons)
    if needs.paths:
        needs.areas |= {enterprise.park for enterprise in world.enterprises.values()}
        needs.areas |= {union.seat_area for union in world.unions.values()}
        if needs.events or needs.ranges:
            # Grants of corrections ask where an enterprise was.
            world.placed = await placed(conn, world.enterprises.keys())
            needs.areas |= {park for places in world.placed.values() for _, park in places}
    await not_yet_known.complete(conn, world, needs.enterprises, needs.areas, topic=context.registry_topic, partitions=context.partitions)
    if needs.etags:
        contents = {union_id: await unions.one(conn, union_id) for union_id in needs.changed}
        contents |= {member_id: await members.one(conn, member_id) for member_id in needs.memberships}
        world.etags = {key: etag_of(content) for key, content in contents.items() if content is not None}


async def _load_unions(conn: Connection, context: Context, world: World, needs: Needs) -> Snapshot:
    """Enterprises, coverage and unions; what only closed units or wide unions need, by further statements."""
    not_locked = {union_id for union_id in needs.changed if union_subject(union_id) not in world.heads}
    found = await snapshot(
        conn,
        {enterprise_id for enterprise_id in needs.enterprises if enterprise_subject(enterprise_id) in world.heads},
        needs.enterprises,
        needs.unions - not_locked,
        [entry for _, entries in needs.joining.values() for entry in entries],
        context.checked.arguments(world.heads),
    )
    world.unreadable = context.checked.take(world.heads, found.unreadable)
    world.enterprises, world.coverage, world.unions = found.enterprises, found.coverage, found.unions
    closed = {enterprise.id for enterprise in world.enterprises.values() if enterprise.closed_on is not None}
    needs.wide |= {union_id for union_id, enterprise_id in needs.covering if enterprise_id in closed}
    for fact in await unions.coverage_of_unions(conn, needs.wide):
        if fact.enterprise_id not in needs.enterprises:
            world.coverage.setdefault(fact.enterprise_id, []).append(fact)
    also = {fact.union_id for enterprise in closed for fact in world.coverage.get(enterprise, ())}
    world.unions |= await unions.unions(conn, also - not_locked - world.unions.keys())
    return found


async def _load_people(conn: Connection, world: World, needs: Needs, found: Mapping[tuple[int, bytes], int]) -> None:
    """Lock the persons who join and those of the memberships named, and load all their memberships.

    `found` = {(key version, hash): number}. A person without a row gets a provisional number below 0.
    """
    persons: dict[bytes, PersonNo] = {}
    outdated: dict[int, bytes] = {}
    for given, (number, hashes) in needs.joining.items():
        newest = hashes[0][1]
        if newest not in persons:
            known = next((found[entry] for entry in hashes if entry in found), None)
            persons[newest] = PersonNo(-len(persons) - 1 if known is None else known)
            if known is not None and hashes[0] not in found:
                outdated[known] = newest
        world.joiners[given] = Joiner(persons[newest], given[0], newest, number)
    world.outdated = outdated
    numbers = {number for number in persons.values() if number > 0} | needs.persons
    await people.lock(conn, numbers)
    loaded = await members.memberships_of(conn, numbers)
    world.memberships = {member.id: member for member in loaded}
    world.stored = frozenset(world.memberships)
    for member in loaded:
        world.of_person.setdefault(member.person, []).append(member.id)


async def prepare(conn: Connection, context: Context, world: World) -> None:
    """Write the persons who join and have no row, and bring others under the newest hash key. Raises ConcurrentChange."""
    used = {person for membership_id in world.touched_memberships if (person := world.memberships[membership_id].person) < 0}
    joiners = {joiner.person: joiner for joiner in world.joiners.values() if joiner.person in used}
    new = []
    for joiner in sorted(joiners.values(), key=lambda joiner: joiner.digest):
        person_id = uuid7()
        new.append(NewPerson(person_id, joiner.document_kind, joiner.digest, context.documents.seal(person_id, joiner.number)))
    added = await people.add(conn, new, context.documents.hash_version)
    if len(added) != len(new):
        raise ConcurrentChange("a person was written by another command")
    world.numbers = {joiner.person: added[joiner.digest] for joiner in joiners.values()}
    await people.rehash(conn, list(world.outdated.items()), context.documents.hash_version)


async def write(conn: Connection, world: World, recorded: Recorded) -> None:
    """Bring the state tables up to the world. Raises ConcurrentChange."""
    await unions.write(conn, world, recorded.events)
    await members.write(conn, world)
