"""Small worlds for the decisions of cases: enterprises A, B, C in one park, commands in a line each, days that pass."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from services.cases.entries.entry import Entry
from services.cases.entries.waking import due
from services.cases.entries.world import Copy, World
from services.cases.facts import TABLE
from shared.directory.known import Enterprise, EnterpriseId
from shared.journal.reasons import Reason
from shared.problems.errors import Problem
from shared.writing.corrections import correct
from shared.writing.evolving import evolve, new_world
from shared.writing.facts import Correct, Fact, History, Standing

A, B, C = (UUID(int=n) for n in (0xA, 0xB, 0xC))


def world() -> World:
    """Three enterprises settled in 2020, and the national rules."""
    made = new_world(TABLE)
    made.areas = {"P": ["P", "D"], "D": ["D"]}
    made.enterprises = {one: Enterprise(EnterpriseId(one), "P", date(2020, 1, 1)) for one in (A, B, C)}
    return made


def take(made: World, facts: Iterable[Fact]) -> list[Fact]:
    """The facts happen; the copies of the facts of several enterprises are known, as if they were loaded."""
    facts = list(facts)
    for fact in facts:
        evolve(TABLE, made, fact)
    for (entry_id, enterprise, rank), (original, event_id) in made.new_copies.items():
        if (entry_id, enterprise, rank) not in made.gone_copies:
            known = [one for one in made.copies.get((entry_id, original), ()) if (one.enterprise_id, one.rank) != (enterprise, rank)]
            made.copies[entry_id, original] = [*known, Copy(enterprise, rank, event_id)]
    return facts


def do(made: World, command: Any, today: date) -> UUID:
    """The command, decided and happened; the id of its entry. Raises the problem."""
    decision = TABLE.command_of(command).decide(made, command, today)
    take(made, decision.facts)
    return UUID(decision.id)


def tried(made: World, command: Any, today: date) -> str | None:
    """The code with which the command is refused; None: it happened."""
    try:
        do(made, command, today)
    except Problem as problem:
        return problem.code
    return None


def correction(made: World, fact: Standing, data: dict[str, Any] | None, today: date) -> str | None:
    """The code with which a correction of the fact is refused; None: it happened."""
    entry = next(one for one in made.entries.values() if one.subject == fact.subject)
    made.histories = {entry.subject: History(entry.subject, made.heads[entry.subject], {one.rank: one for one in entry.facts})}
    assert fact.event_id is not None
    made.events = {fact.event_id: (fact.subject, fact.rank)}
    try:
        take(made, correct(TABLE, made, Correct(fact.event_id, Reason("typo"), data), today).facts)
    except Problem as problem:
        return problem.code
    return None


def wake(made: World, entry: Entry, today: date) -> list[Fact]:
    """What the service itself records of the entry by a day."""
    return take(made, due(made, entry, today))
