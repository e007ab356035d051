"""Loads the world of a transaction under its locks, and writes the rows that its facts changed.

The number of statements does not depend on the number of commands.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.registry.areas import store as areas
from services.registry.enterprises import store as enterprises
from services.registry.enterprises.enterprise import enterprise_of, parks_of
from services.registry.needs import Needs
from services.registry.world import World
from shared.contracts import Event
from shared.contracts.registry import EnterpriseMoved, EnterpriseRegistered
from shared.contracts.streams import EventWithdrawn, FactCorrected
from shared.process.db import Connection
from shared.writing.facts import Fact
from shared.writing.table import Recorded


async def lock_tree(conn: Connection, needs: Needs) -> None:
    """Lock the tree of areas before the streams (docs/design/ENGINE.md, Writing)."""
    if needs.areas or needs.tree:
        await areas.lock_tree(conn, change=bool(needs.changed_areas))


async def load(conn: Connection, _context: Any, needs: Needs, world: World) -> None:
    """Enterprises from their streams; areas, and who has which credit code and name, from their tables."""
    for subject, history in world.histories.items():
        if subject.startswith("enterprise/") and (enterprise := enterprise_of(history)):
            world.enterprises[enterprise.id] = enterprise
            if needs.paths:
                needs.areas |= {park for _, park in parks_of(history)}
    inside = await areas.below(conn, needs.changed_areas)
    world.areas = await areas.areas(conn, needs.areas.union(*(area.path for area in inside.values()))) | inside
    world.in_use = await areas.in_use(conn, needs.changed_areas)
    world.codes = await enterprises.codes(conn, needs.codes)
    world.namesakes = await enterprises.namesakes(conn, needs.names)


async def write(conn: Connection, world: World, recorded: Recorded) -> None:
    """Write what was touched. Raises ConcurrentChange if another command took a credit code."""
    await _write_areas(conn, world)
    await _write_enterprises(conn, world, recorded.facts)
    world.touched_areas, world.touched_enterprises = set(), set()


async def _write_areas(conn: Connection, world: World) -> None:
    codes = world.touched_areas
    if gone := {code for code in codes if code not in world.areas}:
        await areas.drop_areas(conn, gone)
    if changed := [world.areas[code] for code in codes & world.areas.keys()]:
        await areas.put_areas(conn, changed)


async def _write_enterprises(conn: Connection, world: World, facts: Sequence[Fact]) -> None:
    """Most facts are headcounts, which change neither the texts of searches nor a code."""
    corrected = _enterprises_of(facts, FactCorrected, EventWithdrawn)
    ids = world.touched_enterprises | corrected
    if corrected:
        await enterprises.free_codes(conn, corrected)
    if gone := {one for one in ids if one not in world.enterprises}:
        await enterprises.drop_enterprises(conn, gone)
    if changed := [world.enterprises[enterprise_id] for enterprise_id in ids & world.enterprises.keys()]:
        await enterprises.put_enterprises(conn, changed)
    placed = corrected | _enterprises_of(facts, EnterpriseRegistered, EnterpriseMoved)
    if found := [world.enterprises[enterprise_id] for enterprise_id in placed & world.enterprises.keys()]:
        await enterprises.put_search(conn, found)


def _enterprises_of(facts: Sequence[Fact], *kinds: type[Event]) -> set[UUID]:
    subjects = (fact.subject.partition("/") for fact in facts if isinstance(fact.data, kinds))
    return {UUID(key) for kind, _, key in subjects if kind == "enterprise"}
