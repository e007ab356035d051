"""Carries out commands in one transaction: needs, locks, load, decide line by line, append, state, notes, answers.

A thousand lines take the same statements as one. Each line is decided on the world that the lines before it made; a refused line changes
nothing and stops no other.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Generic, TypeAlias, TypeVar

from shared.contracts.codes import CORRECTING, WITHDRAWING, CodeList
from shared.http.auth import ROOT, Areas
from shared.journal.idempotency import Result
from shared.journal.journal import Actor, Appended
from shared.journal.reasons import Reason, noted_in, put_notes
from shared.problems.days import require_day
from shared.problems.errors import FieldError, Notice, Problem, Unprocessable
from shared.process.db import Connection
from shared.writing import granting
from shared.writing.commands import Line, Outcome
from shared.writing.corrections import correct, target_of, withdraw
from shared.writing.evolving import evolve
from shared.writing.facts import Correct, Decision, Fact, Withdraw, World
from shared.writing.fields import Wrong, code
from shared.writing.loading import load
from shared.writing.recording import record
from shared.writing.table import Access, Context, Needs, Table

W = TypeVar("W", bound=World)
N = TypeVar("N", bound=Needs)

Decided: TypeAlias = "tuple[Decision, list[str]] | Problem"
"""(decision, the areas for which it needed a grant), or why the line is refused."""

LISTS: Mapping[type[Any], Mapping[str, CodeList]] = {Correct: {"reason": CORRECTING}, Withdraw: {"reason": WITHDRAWING}}
"""{command that every service has: the lists of its codes}; those of other commands are in their rows."""


def carrying_out(table: Table[W, N], context: Context, areas: Areas, actor: Actor) -> CarryingOut[W, N]:
    """How `shared.writing.commands` carries out a service's lines for a caller of these areas."""
    return CarryingOut(table, context, areas, actor)


@dataclass(frozen=True, slots=True)
class CarryingOut(Generic[W, N]):
    """`commands.Work` of a service, for one caller."""

    table: Table[W, N]
    context: Context
    areas: Areas
    actor: Actor

    async def __call__(self, conn: Connection, lines: Sequence[Line[Any]]) -> list[Outcome]:
        """Carry out lines."""
        table, context = self.table, self.context
        needs, refused = _needs(table, context, lines)
        needs.paths = not self.areas.everything
        needs.etags = any(line.expected is not None for line in lines)
        world, today, locked = await load(conn, table, context, needs)
        decided: list[Decided] = []
        facts: list[Fact] = []
        traces: list[str | None] = []
        reasons: list[Reason] = []
        for number, line in enumerate(lines):
            access = Access(self.areas, line.expected)
            try:
                if number in refused:
                    raise refused[number]
                decision = _decide(table, world, line.command, access, today)
            except Problem as problem:
                decided.append(problem)
                continue
            for fact in decision.facts:
                evolve(table, world, fact)
            facts += decision.facts
            traces += [line.traceparent] * len(decision.facts)
            decided.append((decision, sorted(access.asked)))
            reasons += noted_in(line.command)
        if table.prepare is not None:
            await table.prepare(conn, context, world)
        appended = await record(conn, table, world, locked, facts, self.actor, traces)
        await put_notes(conn, reasons)
        return _answers(decided, appended)

    async def repeats(self, conn: Connection, results: Sequence[Result]) -> list[Problem | None]:
        """A repeat needs the grants that its command needed, by the tree of areas as it is now. Raises nothing: per result, why not."""
        if self.areas.everything:
            return [None] * len(results)
        unknown = {result.subject for result in results if result.areas is None}
        where = await self._areas_now(conn, unknown) if unknown else {}
        needed = [[where[result.subject]] if result.areas is None else result.areas for result in results]
        paths = await self.table.paths(conn, {code for codes in needed for code in codes if code != ROOT})
        return [self._refusal(codes, paths) for codes in needed]

    def _refusal(self, codes: Sequence[str], paths: Mapping[str, Sequence[str]]) -> Problem | None:
        try:
            for code in codes:
                self.areas.require(None if code == ROOT else code, paths.get(code, (code,)), None)
        except Problem as problem:
            return problem
        return None

    async def _areas_now(self, conn: Connection, subjects: Collection[str]) -> dict[str, str]:
        """{stream: the area in which its resource is now; `*` if it is nowhere}, for results of releases that did not keep areas."""
        table = self.table
        needs = table.needs(self.context)
        needs.streams |= set(subjects)
        needs.paths = True
        for subject in subjects:
            table.corrections.stream(needs, subject)
        world, _, _ = await load(conn, table, self.context, needs)
        return {subject: granting.now(table, world, subject) or ROOT for subject in subjects}


def _needs(table: Table[W, N], context: Context, lines: Sequence[Line[Any]]) -> tuple[N, dict[int, Problem]]:
    """What the lines need, and {number of a line: why it is refused already}."""
    needs = table.needs(context)
    refused: dict[int, Problem] = {}
    for number, line in enumerate(lines):
        command = line.command
        try:
            _require_listed(command, LISTS.get(type(command)) or table.command_of(command).lists)
            if isinstance(command, Correct):
                needs.events.add(command.corrects)
                table.corrections.needs(needs, command)
            elif isinstance(command, Withdraw):
                needs.ranges.add((command.subject, command.first, command.last))
            else:
                table.command_of(command).needs(needs, command)
        except Problem as problem:
            refused[number] = problem
    return needs, refused


def _require_listed(command: object, lists: Mapping[str, CodeList]) -> None:
    """Every code of the command is one of its list. Raises RESERVED_REASON, or the list's refusal (422), for every field that holds none."""
    errors = []
    for name, codes in lists.items():
        given = getattr(command, name)
        if given is None:
            continue
        try:
            code(codes)(given.code if isinstance(given, Reason) else given)
        except Wrong as wrong:
            errors.append(FieldError(wrong.code, name, None, wrong.params))
    if errors:
        raise Unprocessable(errors=errors)


def _decide(table: Table[W, Any], world: W, command: Any, access: Access, today: date) -> Decision:
    """The decision on the world as it is now. Raises a Problem."""
    if isinstance(command, Withdraw):
        access.everywhere("subject")
        return withdraw(table, world, command, today)
    if isinstance(command, Correct):
        target = target_of(world, command)
        granting.require_before(table, world, target, command, access)
        table.corrections.permit(world, target, command, access)
        decision = correct(table, world, command, today)
        granting.require_after(table, world, target, command, decision.facts, access)
    else:
        decision = _decide_command(table, world, command, access, today)
    for fact in decision.facts:
        world.require_readable(fact.subject)
    return decision


def _decide_command(table: Table[W, Any], world: W, command: Any, access: Access, today: date) -> Decision:
    kind = table.command_of(command)
    if kind.date is not None:
        require_day(getattr(command, kind.date), today, kind.date)
    kind.permit(world, command, access)
    return kind.decide(world, command, today)


def _answers(decided: Sequence[Decided], appended: Sequence[Appended]) -> list[Outcome]:
    answers: list[Outcome] = []
    at = 0
    for one in decided:
        if isinstance(one, Problem):
            answers.append(one)
            continue
        decision, areas = one
        own = appended[at : at + len(decision.facts)]
        at += len(decision.facts)
        subject = decision.subject or own[0].subject
        sequence = max([place.sequence for place in own if place.subject == subject])
        answer_id = str(own[0].event_id) if decision.id is None else decision.id
        plain = [warned for warned in decision.warnings if isinstance(warned, str)]
        notices = [warned for warned in decision.warnings if isinstance(warned, Notice)]
        answers.append(Result(answer_id, subject, sequence, [place.event_id for place in own], plain, areas, notices))
    return answers
