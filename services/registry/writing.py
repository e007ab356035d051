"""Writes what was decided: the facts to the journal, and the state that they made."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.registry import store
from services.registry.domain.state import Fact, World
from shared.contracts import Event
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.journal import journal
from shared.journal.journal import Actor, Appended, Draft
from shared.process.db import Connection


async def write(conn: Connection, world: World, facts: Sequence[Fact], actor: Actor, locked: frozenset[str]) -> list[Appended]:
    """Append the facts, whose streams are `locked` but for new ones, and bring the state tables up to `world`.

    Raises store.Meanwhile if another command began one of the new streams, or took a credit code.
    """
    if not facts:
        return []
    new = {fact.subject for fact in facts} - locked
    heads = await journal.lock(conn, new)
    if any(head.sequence for head in heads.values()):
        raise store.Meanwhile("another command registered the same area")
    appended = await journal.append(conn, [Draft(fact.subject, fact.data, fact.on) for fact in facts], actor)
    await _write_areas(conn, world)
    await _write_enterprises(conn, world, facts)
    return appended


async def _write_areas(conn: Connection, world: World) -> None:
    codes = world.touched_areas
    if gone := codes - world.areas.keys():
        await store.drop_areas(conn, gone)
    if changed := [world.areas[code] for code in codes & world.areas.keys()]:
        await store.put_areas(conn, changed)


async def _write_enterprises(conn: Connection, world: World, facts: Sequence[Fact]) -> None:
    """Most facts are headcounts, which change neither what an enterprise is found by nor its credit code."""
    ids = world.touched_enterprises
    corrected = _enterprises_of(facts, FactCorrected, EventWithdrawn)
    if corrected:
        await store.free_codes(conn, corrected)
    if gone := ids - world.enterprises.keys():
        await store.drop_enterprises(conn, gone)
    if changed := [world.enterprises[enterprise_id] for enterprise_id in ids & world.enterprises.keys()]:
        await store.put_enterprises(conn, changed)
    placed = corrected | _enterprises_of(facts, EnterpriseRegistered, EnterpriseMoved)
    if found := [world.enterprises[enterprise_id] for enterprise_id in placed & world.enterprises.keys()]:
        await store.put_search(conn, found)


def _enterprises_of(facts: Sequence[Fact], *kinds: type[Event]) -> set[UUID]:
    """The enterprises of which facts of these kinds are said."""
    said = (fact.subject.partition("/") for fact in facts if isinstance(fact.data, kinds))
    return {UUID(key) for kind, _, key in said if kind == "enterprise"}
