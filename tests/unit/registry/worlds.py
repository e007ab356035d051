"""Worlds for the registry's rules: a root R, divisions D1 and D2, parks P1 (in D1) and P2 (in D2), and an enterprise in P1."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from services.registry.domain import areas, corrections, enterprises
from services.registry.domain.commands import Close, Correct, Move, Reclassify, RegisterArea, RegisterEnterprise, ReportHeadcount
from services.registry.domain.evolve import evolve, take
from services.registry.domain.state import Enterprise, Fact, History, World, enterprise_subject
from shared.contracts.ids import uuid7
from shared.contracts.registry import AreaKind
from shared.journal.reasons import Reason

TODAY = date(2025, 7, 10)


def day(text: str) -> date:
    return date.fromisoformat(text)


def area(world: World, code: str, parent: str | None, kind: AreaKind = AreaKind.DIVISION, name: str = "某地") -> Fact:
    fact = areas.register(world, RegisterArea(code, name, kind, parent, None), TODAY)
    take(world, fact)
    return fact


def a_world() -> World:
    world = World()
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
        command = RegisterEnterprise("某某有限公司", code, "P1", industry, None, day(settled_on))
        self._take(enterprises.register(world, command, self.id, TODAY))

    def _take(self, fact: Fact) -> Fact:
        before = self.world.history(self.subject)
        take(self.world, fact)
        self.said.append(uuid7())
        self.world.histories[self.subject] = evolve(before, fact.data, fact.on, self.said[-1])
        return fact

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

    def correct(self, event: UUID, **data: object) -> Fact:
        return self._take(corrections.correct(self.world, Correct(event, Reason("typo"), data), self.history, TODAY))

    def withdraw(self, event: UUID) -> Fact:
        return self._take(corrections.correct(self.world, Correct(event, Reason("typo"), None), self.history, TODAY))
