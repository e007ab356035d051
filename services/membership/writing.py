"""Writes what was decided: persons, the facts to the journal, and the state that they made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import asyncpg

from services.membership import people, store
from services.membership.domain.state import Fact, World
from services.membership.people import NewPerson
from shared.contracts.membership import UnionFounded
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.journal import journal
from shared.journal.journal import Actor, Appended, Draft
from shared.process.db import Connection


class PersonMeanwhile(asyncpg.SerializationError):
    """Another command wrote the same person in between: the whole command is to be done again."""


async def write_people(conn: Connection, new: Sequence[NewPerson], hash_version: int, numbers: Mapping[bytes, int]) -> dict[int, int]:
    """{provisional number: number of the row}. `numbers` are the provisional ones by hash. Raises PersonMeanwhile."""
    added = await people.add(conn, sorted(new, key=lambda person: person.hash), hash_version)
    if len(added) != len(new):
        raise PersonMeanwhile("a person was written by another command")
    return {numbers[digest]: no for digest, no in added.items()}


async def write(
    conn: Connection, world: World, facts: Sequence[Fact], actor: Actor, persons: Mapping[int, int], known: frozenset[UUID] = frozenset()
) -> list[Appended]:
    """Append the facts, whose streams are locked but for those of new unions, which nobody else knows; and bring the state tables up to `world`."""
    if not facts:
        return []
    await journal.lock(conn, [fact.subject for fact in facts if isinstance(fact.data, UnionFounded)])
    appended = await journal.append(conn, [Draft(fact.subject, fact.data, fact.on, fact.cause_id) for fact in facts], actor)
    said: dict[tuple[str, int], UUID] = {}
    corrections: list[store.Said] = []
    for fact, place in zip(facts, appended, strict=True):
        if isinstance(fact.data, FactCorrected):
            said[fact.subject, fact.data.rank] = place.event_id
            corrections.append(store.Said(fact.subject, fact.data, place.event_id))
        elif isinstance(fact.data, EventWithdrawn):
            await store.put_withdrawn(conn, fact.subject, fact.data.first, fact.data.last, place.event_id)
        else:
            said[fact.subject, place.sequence] = place.event_id
    await _write_unions(conn, world, said)
    await _write_coverage(conn, world, said)
    if world.touched_memberships:
        changed = [world.memberships[membership_id] for membership_id in world.touched_memberships]
        try:
            await store.put_memberships(conn, changed, persons, known)
        except asyncpg.ExclusionViolationError as error:
            raise PersonMeanwhile("another command wrote a membership of the same person") from error
    if corrections:
        await store.put_corrections(conn, corrections)
    world.touched_unions, world.touched_coverage, world.touched_memberships = set(), set(), set()
    return appended


async def _write_unions(conn: Connection, world: World, said: Mapping[tuple[str, int], UUID]) -> None:
    changed = []
    for union_id in world.touched_unions & world.unions.keys():
        union = world.unions[union_id]
        if union.dissolved is not None and (event_id := said.get((f"union/{union_id}", union.dissolved.rank))):
            union = world.unions[union_id] = replace(union, dissolved=replace(union.dissolved, event_id=event_id))
        changed.append(union)
    if changed:
        await store.put_unions(conn, changed)
    if gone := world.touched_unions - world.unions.keys():
        await store.drop_unions(conn, gone)


async def _write_coverage(conn: Connection, world: World, said: Mapping[tuple[str, int], UUID]) -> None:
    changed, gone = [], set(world.touched_coverage)
    for enterprise_id in {enterprise_id for enterprise_id, _ in world.touched_coverage}:
        facts = world.coverage[enterprise_id]
        for n, fact in enumerate(facts):
            if (enterprise_id, fact.rank) in world.touched_coverage:
                facts[n] = replace(fact, event_id=said[f"enterprise/{enterprise_id}", fact.rank])
                changed.append(facts[n])
                gone.discard((enterprise_id, fact.rank))
    if changed:
        await store.put_coverage(conn, changed)
    if gone:
        await store.drop_coverage(conn, gone)
