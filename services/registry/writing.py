"""Writes what was decided: the facts to the journal, and the state that they made."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from services.registry import store
from services.registry.domain.state import Fact, World
from shared import journal
from shared.contracts.registry import EnterpriseRegistered
from shared.contracts.streams import FactCorrected
from shared.db import Connection
from shared.journal import Actor, Appended, Draft

REGISTERED = "parkunion.enterprise-registered.v1"


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
    codes = {key for kind, _, key in (subject.partition("/") for subject in world.touched) if kind == "area"}
    if gone := codes - world.areas.keys():
        await store.drop_areas(conn, gone)
    if changed := sorted(codes & world.areas.keys()):
        await store.put_areas(conn, [world.areas[code] for code in changed])


async def _write_enterprises(conn: Connection, world: World, facts: Sequence[Fact]) -> None:
    ids = {UUID(key) for kind, _, key in (subject.partition("/") for subject in world.touched) if kind == "enterprise"}
    again = {_enterprise_id(fact) for fact in facts if _corrects_registration(fact)}
    named = again | {_enterprise_id(fact) for fact in facts if isinstance(fact.data, EnterpriseRegistered)}
    if again:
        await store.free_codes(conn, again)
    if gone := ids - world.enterprises.keys():
        await store.drop_enterprises(conn, gone)
    if changed := sorted(ids & world.enterprises.keys()):
        await store.put_enterprises(conn, [world.enterprises[enterprise_id] for enterprise_id in changed])
    if renamed := sorted(named & world.enterprises.keys()):
        await store.put_search(conn, [world.enterprises[enterprise_id] for enterprise_id in renamed])


def _enterprise_id(fact: Fact) -> UUID:
    return UUID(fact.subject.partition("/")[2])


def _corrects_registration(fact: Fact) -> bool:
    return isinstance(fact.data, FactCorrected) and fact.data.fact == REGISTERED
