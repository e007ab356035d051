"""Carries out lines of commands in one transaction: load, decide, append, for one command or for a batch of a thousand alike.

In a batch each line is decided on what the lines before it made; a refused line changes nothing and stops no other.
"""

from __future__ import annotations

from collections.abc import Sequence

from services.membership import documents, loading, people, writing
from services.membership.context import Context
from services.membership.domain.commands import Command, Join
from services.membership.handlers import Decided, Handlers
from services.membership.loading import Hashes, Loaded
from shared.http.auth import Areas
from shared.journal.idempotency import Result
from shared.journal.journal import Actor, Appended
from shared.journal.reasons import put_notes
from shared.problems.errors import Problem
from shared.process.db import Connection
from shared.writing.commands import CarryOut, Line, Outcome


def carrying_out(context: Context, areas: Areas, actor: Actor) -> CarryOut[Command]:
    """How `shared.writing.commands` carries out this service's lines for a caller of these areas."""

    async def carry_out(conn: Connection, lines: Sequence[Line[Command]]) -> list[Outcome]:
        commands = [line.command for line in lines]
        numbers, hashes = _identify(context, commands)
        persons = [entry for entry in hashes if entry is not None]
        conditional = any(line.expected is not None for line in lines)
        loaded = await loading.load(conn, context, commands, persons, grants=not areas.everything, etags=conditional)
        handlers = Handlers(context.documents, loaded, areas)
        outcomes: list[Decided | Problem] = []
        for line, number, entry in zip(lines, numbers, hashes, strict=True):
            try:
                if isinstance(number, Problem):
                    raise number
                outcomes.append(handlers.decide(line.command, number, entry, line.expected))
            except Problem as problem:
                outcomes.append(problem)
        return _answers(outcomes, await _write(conn, context, handlers, loaded, outcomes, actor))

    return carry_out


async def _write(
    conn: Connection, context: Context, handlers: Handlers, loaded: Loaded, outcomes: Sequence[Decided | Problem], actor: Actor
) -> list[Appended]:
    persons = await writing.write_people(conn, list(handlers.new_persons.values()), context.documents.hash_version, loaded.persons)
    await people.rehash(conn, loaded.rehash, context.documents.hash_version)
    facts = [fact for outcome in outcomes if isinstance(outcome, Decided) for fact in outcome.facts]
    appended = await writing.write(conn, handlers.world, facts, actor, persons, loaded.known_memberships)
    await put_notes(conn, handlers.reasons)
    return appended


def _identify(context: Context, commands: Sequence[Command]) -> tuple[list[str | Problem | None], list[Hashes | None]]:
    """Per command the normalised document number, or what is wrong with it, and its hashes; None where nobody joins."""
    numbers: list[str | Problem | None] = []
    hashes: list[Hashes | None] = []
    for command in commands:
        number: str | Problem | None = None
        entry: Hashes | None = None
        if isinstance(command, Join):
            try:
                number = documents.normalised(command.document_kind, command.document_number)
                entry = context.documents.hashes(command.document_kind, number)
            except Problem as problem:
                number = problem
        numbers.append(number)
        hashes.append(entry)
    return numbers, hashes


def _answers(outcomes: Sequence[Decided | Problem], appended: Sequence[Appended]) -> list[Outcome]:
    answers: list[Outcome] = []
    at = 0
    for outcome in outcomes:
        if isinstance(outcome, Problem):
            answers.append(outcome)
            continue
        own = appended[at : at + len(outcome.facts)]
        at += len(outcome.facts)
        sequence = max(place.sequence for place in own if place.subject == outcome.subject)
        answer_id = str(own[0].event_id) if outcome.id_is_event else outcome.id
        answers.append(Result(answer_id, outcome.subject, sequence, [place.event_id for place in own], outcome.warnings))
    return answers
