"""Worlds for the registry's rules: a root R, divisions D1 and D2, parks P1 (in D1) and P2 (in D2), and an enterprise in P1."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from uuid import UUID

from msgspec import structs

from services.registry.areas import rules as areas
from services.registry.areas.area import RegisterArea
from services.registry.enterprises import rules as enterprises
from services.registry.enterprises.enterprise import Enterprise, enterprise_subject
from services.registry.enterprises.rules import Close, Move, Reclassify, RegisterEnterprise, ReportHeadcount
from services.registry.facts import TABLE
from services.registry.world import World
from shared.contracts.ids import uuid7
from shared.contracts.registry import AreaKind
from shared.contracts.streams import FactCorrected
from shared.journal.reasons import Reason
from shared.writing import corrections
from shared.writing.evolving import evolve, new_world
from shared.writing.facts import Correct, Decision, Fact, History

TODAY = date(2025, 7, 10)


def day(text: str) -> date:
    return date.fromisoformat(text)


def take(world: World, decision: Decision, event: UUID | None = None) -> Fact:
    """Apply a decision, and return its first fact; `event` is the id that the journal would give it."""
    fact, *followed = decision.facts
    rank = evolve(TABLE, world, fact)
    for one in followed:
        evolve(TABLE, world, one)
    if event is not None:
        rank = fact.data.rank if isinstance(fact.data, FactCorrected) else rank
        name_event(world, fact.subject, rank, event)
    return fact


def name_event(world: World, subject: str, rank: int, event: UUID) -> None:
    """The fact `rank` is stated by this event."""
    history = world.history(subject)
    standing = structs.replace(history.facts[rank], event_id=event)
    world.histories[subject] = replace(history, facts={**history.facts, rank: standing})
    world.events[event] = (subject, rank)


def area(world: World, code: str, parent: str | None, kind: AreaKind = AreaKind.DIVISION, name: str = "某地") -> Fact:
    return take(world, areas.register(world, RegisterArea(code, name, kind, parent, None), TODAY))


def a_world() -> World:
    world = new_world(TABLE)
    area(world, "R", None)
    for n in "12":
        area(world, f"D{n}", "R")
        area(world, f"P{n}", f"D{n}", AreaKind.PARK)
    return world


class Ledger:
    """One enterprise whose facts get event ids, as the journal would give them."""

    def __init__(self, world: World, industry: str | None = None, settled_on: str = "2020-01-01", code: str | None = None) -> None:
        self.world = world
        self.id = uuid7()
        self.subject = enterprise_subject(self.id)
        self.said: list[UUID] = []
        command = RegisterEnterprise(self.id, "某某有限公司", code, "P1", industry, None, day(settled_on))
        self._take(enterprises.register(world, command, TODAY))

    def _take(self, decision: Decision) -> Fact:
        self.said.append(uuid7())
        return take(self.world, decision, self.said[-1])

    @property
    def history(self) -> History:
        return self.world.history(self.subject)

    @property
    def now(self) -> Enterprise:
        return self.world.enterprise(self.id)

    def report(self, on: str, workers: int) -> Fact:
        return self._take(enterprises.report(self.world, ReportHeadcount(self.id, day(on), workers), TODAY))

    def move(self, on: str, park: str) -> Fact:
        return self._take(enterprises.move(self.world, Move(self.id, day(on), park), TODAY))

    def classify(self, on: str, industry: str | None = None, ownership: str | None = None, revenue_fen: int | None = None) -> Fact:
        return self._take(enterprises.reclassify(self.world, Reclassify(self.id, day(on), industry, ownership, revenue_fen), TODAY))

    def close(self, on: str) -> Fact:
        return self._take(enterprises.close(self.world, Close(self.id, day(on), Reason("dissolved")), TODAY))

    def decide_correction(self, event: UUID, **data: object) -> Decision:
        return corrections.correct(TABLE, self.world, Correct(event, Reason("typo"), data), TODAY)

    def correct(self, event: UUID, **data: object) -> Fact:
        return self._take(self.decide_correction(event, **data))

    def withdraw(self, event: UUID) -> Fact:
        return self._take(corrections.correct(TABLE, self.world, Correct(event, Reason("typo"), None), TODAY))
