"""Locks, loads and writes the world of membership: a fixed number of statements, whatever the number of commands.

Order (docs/design/ENGINE.md, Writing 2 and 3): streams of unions, streams of enterprises, then everything by later statements.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.membership.members import people
from services.membership.members import store as members
from services.membership.members.earlier_rows import hashed_as
from services.membership.members.people import NewPerson
from services.membership.members.same_person import as_before, rows_of_same_person
from services.membership.needs import Context, Needs
from services.membership.unions import store as unions
from services.membership.world import CoverageFact, Joiner, Membership, PersonNo, Union, World, enterprise_subject, union_subject
from shared.contracts.codes import DOCUMENTS
from shared.contracts.ids import uuid7
from shared.contracts.membership import UnionKind
from shared.directory import not_yet_known
from shared.directory.known import Enterprise
from shared.directory.store import ENTERPRISE_COLUMNS, enterprises, placed
from shared.persons.sealing import PersonKeys
from shared.problems.preconditions import etag_of
from shared.process.db import Connection, bytes_array
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
        SELECT (w.hash, p.no) FROM unnest($4::text::bytea[]) AS w(hash)
        CROSS JOIN LATERAL (SELECT no FROM persons AS p WHERE p.number_hash = w.hash ORDER BY copy OFFSET 0) AS p
    ) AS persons,
    EXISTS(SELECT FROM persons WHERE number_hash IS NULL) AS unnumbered,
    ARRAY({UNREADABLE.format(subjects="$5", checked="$6", types="$7")}) AS unreadable,
    parkunion_now() AS now
"""
"""What nearly every command is decided on, in one statement and one snapshot (docs/adr/0008). Each column is an array of rows."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`coverage` = {enterprise asked for: its facts in order}, `persons` = {hash of a document's number: the persons with it}.

    More than one, if earlier releases wrote them under several kinds. `unnumbered`: there are rows of earlier releases that no hash of a
    number finds. `unreadable` = (stream, sequence) of events of unknown types. `now` is the platform's instant, under the locks.
    """

    enterprises: dict[UUID, Enterprise]
    coverage: dict[UUID, list[CoverageFact]]
    unions: dict[UUID, Union]
    persons: dict[bytes, list[int]]
    unnumbered: bool
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
    """These enterprises and unions, the coverage of the enterprises `covered`, and the persons with these (key version, hash of a number).

    `streams`: see CheckedStreams.arguments.
    """
    digests = [digest for _, digest in hashes]
    row = await conn.fetchrow(SNAPSHOT, list(enterprise_ids), list(covered), list(union_ids), bytes_array(digests), *streams)
    assert row is not None
    coverage: dict[UUID, list[CoverageFact]] = {enterprise_id: [] for enterprise_id in covered}
    for columns in row["coverage"]:
        fact = unions.coverage_fact(columns)
        coverage[fact.enterprise_id].append(fact)
    persons: dict[bytes, list[int]] = {}
    for digest, no in row["persons"]:
        persons.setdefault(digest, []).append(no)
    return Snapshot(
        {columns[0]: Enterprise(*columns) for columns in row["enterprises"]},
        coverage,
        {columns[0]: unions.union(columns) for columns in row["unions"]},
        persons,
        row["unnumbered"],
        row["unreadable"],
        row["now"],
    )


async def widen(conn: Connection, needs: Needs) -> None:
    """The enterprises and persons of the memberships named, and the enterprises of those that may have followed by transfers."""
    found = await members.memberships(conn, needs.memberships)
    needs.recorded |= {member.enterprise_id for member in found}
    needs.persons |= {member.person for member in found}
    over = [member for member in found if member.id in needs.ending_memberships and member.left_on is not None]
    of_person: dict[int, list[Membership]] = {}
    for one in await members.memberships_of(conn, {member.person for member in over}):
        of_person.setdefault(one.person, []).append(one)
    needs.recorded |= {other.enterprise_id for member in over for other in following(member, of_person[member.person])}
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
    await _load_people(conn, context.person_keys, world, needs, found)
    if needs.paths:
        needs.areas |= {enterprise.park for enterprise in world.enterprises.values()}
        needs.areas |= {union.seat_area for union in world.unions.values()}
        # Grants ask where an enterprise was.
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
    world.unions |= await unions.unions(conn, {union for union in also - not_locked if union not in world.unions})
    return found


async def _persons(conn: Connection, keys: PersonKeys, needs: Needs, found: Snapshot) -> dict[bytes, list[int]]:
    """{newest hash of a document's number: the persons with it}, also those whose rows earlier releases wrote under kinds of their own."""
    persons = {
        entries[0][1]: [no for _, digest in entries for no in found.persons.get(digest, ())] for _, entries in needs.joining.values()
    }
    if not found.unnumbered or not persons:
        return persons
    kinds = {*DOCUMENTS.codes, *await people.kinds_without_number(conn)}
    sought = {entries[0][1]: as_before(keys, document, kinds) for document, entries in needs.joining.values()}
    known = await people.by_hash(conn, [entry for entries in sought.values() for entry in entries])
    return {
        digest: list(dict.fromkeys([*numbers, *(known[entry] for entry in sought[digest] if entry in known)]))
        for digest, numbers in persons.items()
    }


async def _load_people(conn: Connection, keys: PersonKeys, world: World, needs: Needs, found: Snapshot) -> None:
    """Lock the persons who join and those of the memberships named, and load all their memberships.

    A person without a row gets a provisional number below 0; one with several rows is the first of them, and has the memberships of all.
    Raises ConcurrentChange.
    """
    known = await _persons(conn, keys, needs, found)
    persons: dict[bytes, PersonNo] = {}
    outdated: dict[int, Joiner] = {}
    for given, (document, entries) in needs.joining.items():
        newest, numbers = entries[0][1], known[entries[0][1]]
        if newest not in persons:
            persons[newest] = PersonNo(numbers[0] if numbers else -len(persons) - 1)
        digest = keys.hashes(hashed_as(document), document.number)[0][1]
        world.joiners[given] = Joiner(persons[newest], document.kind, document.number, digest, newest)
        if newest not in found.persons and any(older in found.persons for _, older in entries):
            outdated[numbers[0]] = world.joiners[given]
    world.outdated = outdated
    same = await rows_of_same_person(conn, keys, needs.persons, unnumbered=found.unnumbered)
    every = {number for numbers in (*known.values(), *same) for number in numbers} | needs.persons
    there = await people.lock(conn, every)
    if any(number not in there for numbers in known.values() for number in numbers):
        raise ConcurrentChange("a person who joins was erased by another command")
    loaded = await members.memberships_of(conn, every)
    world.memberships = {member.id: member for member in loaded}
    world.stored = frozenset(world.memberships)
    rows: dict[int, set[int]] = {number: {number} for number in every}
    for numbers in (*known.values(), *same):
        for number in numbers:
            # A joining names the first of a person's rows, a membership its own.
            rows[number].update(numbers)
    for member in loaded:
        for person in sorted(rows[member.person]):
            world.of_person.setdefault(person, []).append(member.id)
    _add_ends(needs, world)


def _add_ends(needs: Needs, world: World) -> None:
    """What ended the memberships that are left or transferred, both ends of those that may have followed by transfers, and of those that may be
    another half of a transfer. Raises ConcurrentChange if such a one is at an enterprise whose stream is not locked: it came after `widen`."""
    for membership_id in needs.ending_memberships & world.memberships.keys():
        member = world.memberships[membership_id]
        if member.left_rank is not None:
            needs.ranges.add((enterprise_subject(member.enterprise_id), member.left_rank, member.left_rank))
        for other in following(member, [world.memberships[own] for own in world.of_person[member.person]]):
            subject = enterprise_subject(other.enterprise_id)
            if subject not in world.heads:
                raise ConcurrentChange("another command transferred the member")
            needs.ranges |= {(subject, rank, rank) for rank in (other.joined_rank, other.left_rank) if rank is not None}
    for membership_id in needs.halves & world.memberships.keys():
        for own in world.of_person[world.memberships[membership_id].person]:
            member = world.memberships[own]
            ranks = [rank for rank in (member.joined_rank, member.left_rank) if rank is not None and own != membership_id]
            needs.ranges |= {(enterprise_subject(member.enterprise_id), rank, rank) for rank in ranks}


def following(member: Membership, others: Iterable[Membership]) -> list[Membership]:
    """The memberships to which transfers may have led from one that is over: those of the same person that began at its end or later."""
    if member.left_on is None:
        return []
    return [
        other
        for other in others
        if other.person == member.person and other.id != member.id and other.joined_on is not None and other.joined_on >= member.left_on
    ]


async def prepare(conn: Connection, context: Context, world: World) -> None:
    """Write the persons who join and have no row, and bring others under the newest hash key. Raises ConcurrentChange."""
    used = {person for membership_id in world.touched_memberships if (person := world.memberships[membership_id].person) < 0}
    joiners = {joiner.person: joiner for joiner in world.joiners.values() if joiner.person in used}
    new = []
    for joiner in sorted(joiners.values(), key=lambda joiner: joiner.number_hash):
        person_id = uuid7()
        sealed = context.person_keys.seal(person_id, joiner.number)
        new.append(NewPerson(person_id, joiner.document_kind, joiner.hash, joiner.number_hash, sealed))
    added = await people.add(conn, new, context.person_keys.hash_version)
    if len(added) != len(new):
        raise ConcurrentChange("a person was written by another command")
    world.numbers = {joiner.person: added[joiner.number_hash] for joiner in joiners.values()}
    outdated = [(person, joiner.hash, joiner.number_hash) for person, joiner in world.outdated.items()]
    await people.rehash(conn, outdated, context.person_keys.hash_version)


async def write(conn: Connection, world: World, recorded: Recorded) -> None:
    """Bring the state tables up to the world. Raises ConcurrentChange."""
    await unions.write(conn, world, recorded.events)
    await members.write(conn, world)
